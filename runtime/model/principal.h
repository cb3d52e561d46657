/* Who calls, as AUTH found it: borrowed from the directory snapshot that the request holds. Empty
 * slices where a key has no such thing. */
#pragma once
#include "base/bytes.h"

struct grant;   /* auth/permission.h */
struct network; /* auth/network.h */

struct principal {
  struct slice key;  /* its id; a static key's is its name */
  struct slice name; /* of the key, for people */
  struct slice tenant;
  struct slice project; /* path of nested projects: "research/vision" */
  struct slice user;
  const struct slice *roles, *models, *tags; /* models: globs; none means all */
  size_t role_count, model_count, tag_count;
  const struct slice *paths; /* globs; none means all */
  size_t path_count;
  const struct network *networks; /* where it may call from; none means anywhere */
  size_t network_count;
  const struct grant *grants; /* its roles, compiled; none: it may do nothing */
  size_t grant_count;
  struct slice metadata; /* JSON object, or empty */
};
