/* Published services: a name under which a tenant offers models, with a version that says which
 * model answers, and how. Part of the directory's snapshot, found by name within the tenant.
 *
 * Rows of the store, as who writes them must shape them:
 *   services          id "acme:help": tenant and name; state "" or "blocked"; body
 *                     {"published":N, "history":[N…], "canary":{"version":N,"percent":P}}
 *   service_versions  id "acme:help:3"; owner: id of the service; name: its number; state "draft"
 *                     or "staged"; body {"model":…, "models":[globs], "system":…, "prompt":…,
 *                     "template":…, "variables":{…}, "defaults":{…}, "policies":[…]}
 * A version that cannot be read is not there; directory_problems tells. */
#pragma once
#include "auth/directory.h"
#include "model/variable.h"

struct service_version {
  struct slice id;
  uint64_t number;
  struct slice number_text;
  bool is_draft;
  struct slice model; /* of requests that name none */
  const struct slice *models;
  size_t model_count;         /* globs of others that requests may name */
  struct slice system;        /* put before each request's own; empty: none */
  struct slice prompt;        /* template of invoke; empty: none, or */
  struct slice template_name; /* a file of the tenant's folder templates/ */
  struct variables variables;
  struct slice defaults; /* JSON object, or empty */
  struct slice policies; /* JSON list, or empty */
};

struct service {
  struct slice id, tenant, name;
  bool is_open;
  const struct service_version *versions; /* by number */
  size_t version_count;
  const struct service_version *published, *canary; /* NULL: none */
  uint32_t canary_percent;
};

/* NULL: the tenant has none of that name. */
const struct service *directory_service_find(const struct directory *d, struct slice tenant,
                                             struct slice name);
/* In the order of their ids, so that each tenant's are together. NULL at the end. */
const struct service *directory_service_at(const struct directory *d, size_t index);
const struct service *directory_service_get(const struct directory *d, struct slice id);
const struct service_version *service_version_find(const struct service *s, uint64_t number);
/* The published one, or the canary for its share of callers: the same one for the same caller.
 * NULL: none is published. */
const struct service_version *service_pick(const struct service *s, struct slice caller);
/* May requests name that model? */
bool service_version_allows(const struct service_version *v, struct slice model);
/* Reads a version's body into *out (its id and number stay). False, and a sentence that begins with
 * the field. The body must outlive the arena's use. */
bool service_version_read(struct slice body, struct arena *arena, struct service_version *out,
                          struct bytes *problem);
