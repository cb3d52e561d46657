#include "server/services.h"

#include <stdlib.h>

#include "auth/service.h"
#include "script/tenant_scripts.h"
#include "server/directory.h"

struct lists {
  struct arena *arena;
  struct slice *items;
  size_t count;
};

static void add(struct lists *l, const struct service_version *v) {
  if (!v || v->is_draft || !v->policies.len || l->count == SERVICE_CHAINS_MAX) return;
  for (size_t i = 0; i < l->count; i++)
    if (slice_equal(l->items[i], v->policies)) return;
  l->items[l->count++] = v->policies;
}

/* What callers meet comes before what is only staged, and newer versions before older ones. */
static struct keeper_service service_of(const struct directory *d, size_t first, size_t end,
                                        struct arena *arena) {
  struct lists l = {arena, arena_alloc(arena, SERVICE_CHAINS_MAX * sizeof *l.items), 0};
  for (size_t i = first; i < end; i++) {
    add(&l, directory_service_at(d, i)->published);
    add(&l, directory_service_at(d, i)->canary);
  }
  for (size_t i = first; i < end; i++) {
    const struct service *s = directory_service_at(d, i);
    for (size_t k = s->version_count; k-- > 0;)
      add(&l, &s->versions[k]);
  }
  return (struct keeper_service){directory_service_at(d, first)->tenant, l.items, l.count};
}

struct keeper_services server_services_of(const struct directory *d, struct arena *arena) {
  size_t all = 0, count = 0;
  while (directory_service_at(d, all))
    all++;
  struct keeper_service *items = arena_alloc(arena, (all + 1) * sizeof *items);
  for (size_t first = 0, end; first < all; first = end) {
    struct slice tenant = directory_service_at(d, first)->tenant;
    for (end = first + 1; end < all; end++)
      if (!slice_equal(directory_service_at(d, end)->tenant, tenant)) break;
    items[count] = service_of(d, first, end, arena);
    if (items[count].policy_count) count++;
  }
  return (struct keeper_services){items, count};
}

void server_services_tell(struct keeper *k, const struct directory *d) {
  struct arena arena;
  arena_init(&arena);
  struct keeper_services services = server_services_of(d, &arena);
  keeper_set_services(k, &services);
  arena_fini(&arena);
}

struct look {
  struct keeper **keeper;
  void (*on_done)(void *token);
  void *token;
};

/* Rows that are stored will be read sooner or later, whatever became of this look. */
static void on_looked(void *context, bool fine) {
  (void)fine;
  struct look look = *(struct look *)context;
  free(context);
  if (*look.keeper)
    keeper_await_services(*look.keeper, look.on_done, look.token);
  else
    look.on_done(look.token);
}

void server_services_look(struct server_directory *d, struct keeper **keeper,
                          void (*on_done)(void *token), void *token) {
  struct look *look = must_alloc(sizeof *look);
  *look = (struct look){keeper, on_done, token};
  server_directory_look(d, on_looked, look);
}
