/* Who calls, as AUTH found it: borrowed from the directory snapshot that the request holds. Empty
 * slices where a key has no such thing. */
#pragma once
#include "base/bytes.h"

struct principal {
  struct slice key;  /* its id; a static key's is its name */
  struct slice name; /* of the key, for people */
  struct slice tenant;
  struct slice project; /* path of nested projects: "research/vision" */
  struct slice user;
  const struct slice *roles, *models, *tags; /* models: globs; none means all */
  size_t role_count, model_count, tag_count;
};
