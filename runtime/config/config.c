#include "config/config.h"

#include <stdlib.h>

#include "config/names.h"

struct config *config_ref(struct config *c) {
  ref_take(&c->refs);
  return c;
}

void config_unref(struct config *c) {
  if (!c || !ref_drop(&c->refs)) return;
  arena_fini(&c->arena);
  free(c);
}

const struct model *config_model_find(const struct config *c, struct slice name) {
  return names_find(c->model_names, name);
}
