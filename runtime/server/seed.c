#include "server/seed.h"

#include "account/window.h"
#include "base/clock.h"

/* Finer than a counter tells a rolling window's moments apart. */
enum { STRETCHES = 1024, NS_PER_MS = 1000000 };

struct past {
  struct limit_seeding *seeding;
  const struct limit_definition *definition;
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

/* A stretch counts until its last moment has left the window: never too little. */
static void on_row(void *context, const struct used_by_row *row) {
  struct past *p = context;
  struct slice projects[LIMIT_PROJECTS_MAX];
  const struct slice *v = row->values;
  struct limit_past past = {
      .subjects = {.key = v[USAGE_BY_KEY],
                   .user = v[USAGE_BY_USER],
                   .tenant = v[USAGE_BY_TENANT],
                   .model = v[USAGE_BY_MODEL],
                   .customer = v[USAGE_BY_CUSTOMER],
                   .provider = v[USAGE_BY_PROVIDER],
                   .projects = projects,
                   .project_count = limit_project_chain(v[USAGE_BY_PROJECT], projects)},
      .began_ms = row->end_ms,
      .amount = amount_of(p->definition->kind, &row->used),
  };
  limiter_seed_add(p->seeding, &past);
}

/* A project's limit also holds for the projects below it: which those are, and what a pattern
 * matches, the limiter knows. */
static void ask_for(const struct limit_definition *d, struct used_by_query *query) {
  for (uint8_t i = 0; i < d->scope_count; i++) {
    enum limit_subject subject = d->scope[i].subject;
    query->groups[dimensions[subject]] = true;
    if (subject != LIMIT_PROJECT && d->scope[i].form == LIMIT_NAMED)
      query->filter.values[dimensions[subject]] = d->scope[i].name;
    if (subject == LIMIT_USER || subject == LIMIT_PROJECT || subject == LIMIT_CUSTOMER)
      query->groups[USAGE_BY_TENANT] = true; /* namesakes of two tenants share nothing */
  }
}

/* What a bucket once held has drained away after burst / amount windows. */
static uint64_t reach_ms(const struct limit_definition *d) {
  uint64_t window_ms = d->window.rolling_ns / NS_PER_MS;
  if (!d->burst || !d->amount) return window_ms;
  uint64_t reach = window_ms / d->amount + 1, longest_ms = 366ull * MS_PER_DAY;
  if (__builtin_mul_overflow(reach, 2 * d->burst, &reach)) return longest_ms;
  return reach < longest_ms ? reach : longest_ms;
}

/* Sums by day are quicker, and exact for tokens and money of calendar windows, today's included:
 * they grow with the records. A rolling window
 * loses them a day at a time, so it takes them only where the records are gone. */
static void ask_when(const struct limit_definition *d, uint64_t requests_ms,
                     struct used_by_query *query) {
  int64_t now_ms = clock_wall_ms();
  bool is_rolling = d->window.unit == LIMIT_ROLLING;
  if (is_rolling) {
    query->from_ms = now_ms - (int64_t)reach_ms(d);
    query->bucket_ms = d->window.rolling_ns / NS_PER_MS / STRETCHES + 1;
  } else {
    query->from_ms = window_at(&d->window, now_ms).start_s * 1000;
  }
  /* The day in which retention stands now has lost some of its records. */
  bool may_be_gone = requests_ms && requests_ms < (uint64_t)(now_ms - query->from_ms);
  if (may_be_gone) query->rollups_until_ms = now_ms - (int64_t)requests_ms + MS_PER_DAY;
  if (!is_rolling && d->kind != LIMIT_REQUESTS) query->rollups_until_ms = now_ms + MS_PER_DAY;
}

enum store_result server_seed_limit(const struct seed_settings *s, struct limit_seeding *seeding,
                                    const struct limit_definition *d) {
  struct past past = {seeding, d};
  struct used_by_query query = {0};
  struct used_by_sink sink = {on_row, &past};
  ask_when(d, s->requests_ms, &query);
  ask_for(d, &query);
  return bookkeeper_used_by(s->bookkeeper, &query, &sink);
}

static enum store_result seed_definition(const struct seed_settings *s,
                                         const struct limit_definition *d) {
  struct limit_seeding *seeding = limiter_seed_begin(s->limiter, d);
  if (!seeding) return STORE_FINE;
  enum store_result result = server_seed_limit(s, seeding, d);
  limiter_seed_end(seeding);
  return result;
}

enum store_result server_seed_limits(const struct seed_settings *settings) {
  enum store_result result = STORE_FINE;
  for (size_t i = 0; i < settings->count; i++) {
    enum store_result one = seed_definition(settings, &settings->definitions[i]);
    if (one != STORE_FINE) result = one;
  }
  return result;
}
