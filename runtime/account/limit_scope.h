/* Whom the scope of a limit names, looked up among those who are there: a name that no request ever
 * bears would limit nothing, and nobody would notice. */
#pragma once
#include "config/config.h"
#include "store/store.h"

struct limit_world {
  const struct config *config;
  struct store *store; /* NULL: only what the configuration knows */
  struct slice tenant; /* whose things the limit may name; empty: everybody's */
  struct arena *arena;
};

/* What became of one condition. `name` is what requests bear, whichever of a thing's names was
 * written: id or name of a key, id or path of a project, id or name of a user, a model's alias. */
enum limit_scope_result {
  LIMIT_SCOPE_FOUND,
  LIMIT_SCOPE_UNKNOWN,   /* nearest: what was probably meant; empty: nothing is like it */
  LIMIT_SCOPE_AMBIGUOUS, /* several bear that name; nearest: an id of one */
  LIMIT_SCOPE_STORE      /* the store is away: result says how */
};

struct limit_scope_found {
  struct slice name, nearest; /* the arena's, or the condition's */
  enum store_result result;
};

/* One problem for each quota of the configuration that names what is not there. store NULL: what is
 * not in the configuration is nowhere. */
void limit_scope_check(struct store *store, const struct config *config,
                       struct config_problems *problems);

/* Waits for the store. Patterns, "each" and customers are taken as they are. */
enum limit_scope_result limit_scope_find(const struct limit_world *w,
                                         const struct limit_condition *condition,
                                         struct limit_scope_found *out);
