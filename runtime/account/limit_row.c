#include "account/limit_row.h"

#include <pthread.h>
#include <stdlib.h>

#include "account/limit.h"
#include "base/value_json.h"
#include "observe/log.h"

enum { DEPTH = 4 };

/* A tenant's limit counts that tenant's requests, whatever its scope says. */
static void confine(struct limit_definition *d, struct slice tenant) {
  for (int i = 0; i < d->scope_count; i++)
    if (d->scope[i].subject == LIMIT_TENANT) {
      d->scope[i] = (struct limit_condition){LIMIT_TENANT, tenant, LIMIT_NAMED};
      return;
    }
  d->scope[d->scope_count++] = (struct limit_condition){LIMIT_TENANT, tenant, LIMIT_NAMED};
}

size_t limit_row_read(const struct limit_row *row, struct arena *arena,
                      struct config_problems *problems) {
  struct value *root = arena_alloc(arena, sizeof *root);
  struct slice body = arena_slice(arena, row->body), tenant = arena_slice(arena, row->tenant);
  if (!json_validate(body, JSON_DEPTH_DEFAULT, NULL)) {
    config_problem(problems, "limit: its row is no JSON");
    return 0;
  }
  value_of_json(arena, body, DEPTH, root);
  size_t count = config_quota_read(root, arena, row->definitions, problems);
  for (size_t i = 0; i < count && tenant.len; i++)
    confine(&row->definitions[i], tenant);
  return count;
}

struct reading {
  struct limit_rows *rows;
  struct config_problems *problems;
  size_t room;
};

static struct limit_definition *make_room(struct reading *r) {
  if (r->rows->count + LIMIT_KINDS > r->room) {
    r->room = r->room * 2 + 4 * LIMIT_KINDS;
    r->rows->items = must_realloc(r->rows->items, r->room * sizeof *r->rows->items);
  }
  return &r->rows->items[r->rows->count];
}

static void on_row(void *context, const struct entity *e) {
  struct reading *r = context;
  struct limit_row row = {e->tenant, e->body, make_room(r)};
  r->rows->count += limit_row_read(&row, &r->rows->arena, r->problems);
}

enum store_result limit_rows_read(struct store *store, const struct config *config,
                                  struct limit_rows *out, struct config_problems *problems) {
  struct reading r = {out, problems, 0};
  struct entity_query query = {.kind = ENTITY_LIMIT};
  struct entity_sink sink = {on_row, &r};
  *out = (struct limit_rows){.items = NULL};
  arena_init(&out->arena);
  for (size_t i = 0; i < config->quota_count; i++) {
    *make_room(&r) = config->quotas[i];
    out->count++;
  }
  return store ? store->calls->list(store, &query, &sink) : STORE_FINE;
}

void limit_rows_fini(struct limit_rows *rows) {
  arena_fini(&rows->arena);
  free(rows->items);
}

enum store_result limit_rows_apply(struct limiter *limiter, struct store *store,
                                   const struct config *config, struct config_problems *problems) {
  /* Of two writers the one that read last must apply last. */
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  struct limit_rows rows;
  must(pthread_mutex_lock(&lock) == 0);
  enum store_result result = limit_rows_read(store, config, &rows, problems);
  if (result == STORE_FINE) (void)limiter_apply(limiter, rows.items, rows.count);
  must(pthread_mutex_unlock(&lock) == 0);
  limit_rows_fini(&rows);
  return result;
}

void limit_rows_renew(struct limiter *limiter, struct store *store, const struct config *config) {
  struct config_problems problems;
  config_problems_init(&problems);
  enum store_result result = limit_rows_apply(limiter, store, config, &problems);
  if (result != STORE_FINE)
    log_process(LOG_ERROR, "limits stay as they were, since the store is %s",
                store_trouble(result));
  for (size_t i = 0; i < problems.count; i++)
    log_process(LOG_WARN, "%s", problems.items[i]);
  config_problems_fini(&problems);
}
