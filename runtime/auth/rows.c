#include "auth/rows.h"

#include <stdlib.h>
#include <string.h>

struct collecting {
  struct arena *arena;
  struct row_list *list;
  size_t room;
};

static void on_row(void *context, const struct entity *entity) {
  struct collecting *c = context;
  if (c->list->count == c->room) {
    c->room = c->room ? c->room * 2 : 64;
    c->list->items = must_realloc(c->list->items, c->room * sizeof *c->list->items);
  }
  struct entity *e = &c->list->items[c->list->count++];
  *e = *entity;
  struct slice *texts[] = {&e->id,     &e->tenant, &e->owner, &e->name,
                           &e->lookup, &e->state,  &e->body};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    *texts[i] = arena_slice(c->arena, *texts[i]);
}

static enum store_result read_list(struct store *store, struct rows *rows, enum entity_kind kind,
                                   struct row_list *list) {
  struct entity_query query = {.kind = kind};
  struct collecting c = {&rows->arena, list, 0};
  struct entity_sink sink = {on_row, &c};
  return store->calls->list(store, &query, &sink);
}

/* A write between two of the lists shows as a newer version afterwards: then it is done again. */
static enum store_result read_all(struct store *store, struct rows *r) {
  struct {
    enum entity_kind kind;
    struct row_list *list;
  } lists[] = {{ENTITY_TENANT, &r->tenants},
               {ENTITY_PROJECT, &r->projects},
               {ENTITY_USER, &r->users},
               {ENTITY_KEY, &r->keys},
               {ENTITY_ROLE, &r->roles},
               {ENTITY_SERVICE, &r->services},
               {ENTITY_SERVICE_VERSION, &r->service_versions}};
  enum store_result result = store->calls->entities_version(store, &r->version);
  for (size_t i = 0; i < sizeof lists / sizeof *lists && result == STORE_FINE; i++)
    result = read_list(store, r, lists[i].kind, lists[i].list);
  return result;
}

static void rows_free(struct rows *r) {
  free(r->tenants.items);
  free(r->projects.items);
  free(r->users.items);
  free(r->keys.items);
  free(r->roles.items);
  free(r->services.items);
  free(r->service_versions.items);
  arena_fini(&r->arena);
  free(r);
}

enum store_result rows_read(struct store *store, struct rows **out) {
  enum { TRIES = 3 };
  enum store_result result = STORE_BUSY;
  for (int i = 0; i < TRIES; i++) {
    struct rows *r = must_calloc(1, sizeof *r);
    uint64_t after = 0;
    ref_init(&r->refs);
    arena_init(&r->arena);
    result = read_all(store, r);
    if (result == STORE_FINE) result = store->calls->entities_version(store, &after);
    if (result == STORE_FINE && after == r->version) {
      *out = r;
      return STORE_FINE;
    }
    rows_free(r);
    if (result != STORE_FINE) return result;
  }
  return STORE_BUSY;
}

struct rows *rows_ref(struct rows *r) {
  ref_take(&r->refs);
  return r;
}

void rows_unref(struct rows *r) {
  if (r && ref_drop(&r->refs)) rows_free(r);
}

const struct entity *row_find(const struct row_list *list, struct slice id) {
  size_t low = 0, high = list->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    struct slice here = list->items[middle].id;
    size_t shorter = here.len < id.len ? here.len : id.len;
    int order = shorter ? memcmp(here.data, id.data, shorter) : 0;
    if (order == 0) order = here.len < id.len ? -1 : here.len > id.len;
    if (order == 0) return &list->items[middle];
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}
