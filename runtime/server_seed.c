#include "server_seed.h"

#include <stdlib.h>

#include "account/window.h"
#include "base/clock.h"

enum { STRETCHES = 60 }; /* a rolling window is remembered in that many pieces */

struct series { /* what one subject used, piece by piece; rows of one follow each other */
  struct limiter *limiter;
  const struct limit_definition *definition;
  int64_t now_ms, window_start_s;
  struct bytes names;
  struct slice values[USAGE_BY_TAG]; /* in names */
  struct limit_point *points;
  size_t count, room;
};

static const enum usage_dimension dimensions[LIMIT_SUBJECTS] = {
    [LIMIT_KEY] = USAGE_BY_KEY,           [LIMIT_USER] = USAGE_BY_USER,
    [LIMIT_PROJECT] = USAGE_BY_PROJECT,   [LIMIT_TENANT] = USAGE_BY_TENANT,
    [LIMIT_MODEL] = USAGE_BY_MODEL,       [LIMIT_PROVIDER] = USAGE_BY_PROVIDER,
    [LIMIT_CUSTOMER] = USAGE_BY_CUSTOMER,
};

static uint64_t amount_of(enum limit_kind kind, const struct used *used) {
  switch (kind) {
  case LIMIT_REQUESTS: return used->requests;
  case LIMIT_INPUT_TOKENS: return used->input_tokens;
  case LIMIT_OUTPUT_TOKENS: return used->output_tokens;
  case LIMIT_TOTAL_TOKENS: return used->input_tokens + used->output_tokens;
  case LIMIT_MONEY: return used->cost_nanousd;
  default: return 0;
  }
}

static bool same_values(const struct slice *a, const struct slice *b) {
  for (int i = 0; i < USAGE_BY_TAG; i++)
    if (!slice_equal(a[i], b[i])) return false;
  return true;
}

static void seed_series(struct series *s) {
  const struct slice *v = s->values;
  struct limit_seed seed = {
      .id = s->definition->id,
      .kind = s->definition->kind,
      .window = s->definition->window,
      .subjects = {.key = v[USAGE_BY_KEY],
                   .user = v[USAGE_BY_USER],
                   .tenant = v[USAGE_BY_TENANT],
                   .model = v[USAGE_BY_MODEL],
                   .customer = v[USAGE_BY_CUSTOMER],
                   .provider = v[USAGE_BY_PROVIDER],
                   .projects = &v[USAGE_BY_PROJECT],
                   .project_count = v[USAGE_BY_PROJECT].len ? 1 : 0},
      .window_start_s = s->window_start_s,
      .points = s->points,
      .point_count = s->count,
  };
  if (s->count) limiter_seed(s->limiter, &seed);
  s->count = 0;
}

static void take_names(struct series *s, const struct slice *values) {
  bytes_clear(&s->names);
  for (int i = 0; i < USAGE_BY_TAG; i++)
    bytes_append_slice(&s->names, values[i]);
  const char *at = s->names.data;
  for (int i = 0; i < USAGE_BY_TAG; i++) {
    s->values[i] = (struct slice){at ? at : "", values[i].len};
    if (at) at += values[i].len;
  }
}

/* A piece counts until its last moment has left the window: never too little. */
static void on_row(void *context, const struct used_by_row *row) {
  struct series *s = context;
  uint64_t amount = amount_of(s->definition->kind, &row->used);
  if (!same_values(s->values, row->values)) {
    seed_series(s);
    take_names(s, row->values);
  }
  if (amount == 0) return;
  if (s->count == s->room) {
    s->room = s->room ? s->room * 2 : 64;
    s->points = must_realloc(s->points, s->room * sizeof *s->points);
  }
  uint64_t age_ms = row->end_ms < s->now_ms ? (uint64_t)(s->now_ms - row->end_ms) : 0;
  s->points[s->count++] = (struct limit_point){age_ms, amount};
}

static void ask_for(const struct limit_definition *d, struct used_by_query *query) {
  for (uint8_t i = 0; i < d->scope_count; i++) {
    enum limit_subject subject = d->scope[i].subject;
    query->groups[dimensions[subject]] = true;
    query->filter.values[dimensions[subject]] = d->scope[i].name;
    if (subject == LIMIT_USER || subject == LIMIT_PROJECT || subject == LIMIT_CUSTOMER)
      query->groups[USAGE_BY_TENANT] = true; /* namesakes of two tenants share nothing */
  }
}

static enum store_result seed_definition(struct limiter *limiter, struct store *store,
                                         const struct limit_definition *d) {
  struct series s = {.limiter = limiter, .definition = d, .now_ms = clock_wall_ms()};
  struct used_by_query query = {0};
  if (d->window.unit == LIMIT_ROLLING) {
    query.from_ms = s.now_ms - (int64_t)(d->window.rolling_ns / 1000000u);
    query.bucket_ms = d->window.rolling_ns / 1000000u / STRETCHES + 1;
  } else {
    s.window_start_s = window_at(&d->window, s.now_ms).start_s;
    query.from_ms = s.window_start_s * 1000;
  }
  ask_for(d, &query);
  struct used_by_sink sink = {on_row, &s};
  enum store_result result = store->calls->used_by(store, &query, &sink);
  seed_series(&s);
  free(s.points);
  bytes_fini(&s.names);
  return result;
}

enum store_result server_seed_limits(struct limiter *limiter, struct store *store,
                                     const struct limit_definition *definitions, size_t count) {
  enum store_result result = STORE_FINE;
  for (size_t i = 0; i < count && result == STORE_FINE; i++)
    if (definitions[i].kind != LIMIT_CONCURRENT)
      result = seed_definition(limiter, store, &definitions[i]);
  return result;
}
