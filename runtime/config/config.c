#include "config/config.h"

#include <stdlib.h>

#include "config/names.h"

uint64_t config_serial_next(void) {
  static atomic_uint_fast64_t last;
  return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

struct config *config_ref(struct config *c) {
  ref_take(&c->refs);
  return c;
}

void config_unref(struct config *c) {
  while (c && ref_drop(&c->refs)) {
    struct config *base = c->base;
    arena_fini(&c->arena);
    free(c);
    c = base;
  }
}

const struct model *config_model_find(const struct config *c, struct slice name) {
  return names_find(c->model_names, name);
}
