/* What was spent, as scripts made for LiteLLM ask for it: GET /spend/logs of its proxy. */
#include "admin/api.h"
#include "admin/litellm.h"
#include "base/clock.h"

enum { PAGE_ROWS = 100, PAGE_ROWS_MAX = 1000, DAYS_MAX = 3660, DATE_LEN = 10 };

struct lines {
  struct call *call;
  uint64_t limit, count;
};

static struct slice call_type(struct slice dialect) {
  static const char *const types[][2] = {{"chat", "acompletion"},
                                         {"messages", "anthropic_messages"},
                                         {"responses", "aresponses"},
                                         {"completions", "atext_completion"},
                                         {"embeddings", "aembedding"}};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (slice_equal_text(dialect, types[i][0])) return slice_of(types[i][1]);
  return dialect;
}

/* The fields that scripts made for LiteLLM read of a line of its spend log. */
static void on_spend(void *context, uint64_t sequence, const struct ledger_record *r) {
  struct lines *rows = context;
  struct bytes *out = &rows->call->out;
  char start[25], end[25];
  (void)sequence;
  clock_format((int64_t)r->time_ms, start);
  clock_format((int64_t)(r->time_ms + r->duration_us / 1000), end);
  if (rows->count++) bytes_append_byte(out, ',');
  bytes_append_text(out, "{\"request_id\":");
  json_quote(out, r->request_id);
  json_append_text(out, "call_type", call_type(r->dialect));
  json_append_text(out, "api_key", r->key_id);
  json_append_text(out, "model", r->model);
  json_append_text(out, "user", r->user);
  json_append_text(out, "team_id", r->project);
  json_append_text(out, "end_user", r->customer);
  json_append_text(out, "custom_llm_provider", r->provider);
  uint64_t prompt = usage_prompt_tokens(&r->usage), completion = r->usage.output;
  bytes_printf(out,
               ",\"prompt_tokens\":%llu,\"completion_tokens\":%llu,\"total_tokens\":%llu,"
               "\"startTime\":\"%s\",\"endTime\":\"%s\",\"status\":\"%s\",\"spend\":",
               (unsigned long long)prompt, (unsigned long long)completion,
               (unsigned long long)(prompt + completion), start, end,
               r->failure.len ? "failure" : "success");
  bytes_append_fixed(out, r->cost_known ? r->cost_nanousd : 0, 9);
  bytes_append_byte(out, '}');
}

/* A sum of one day, by one dimension; of one dimension they come in the order of days. */
struct daily {
  int64_t day;
  struct slice value;
  uint64_t nano;
};

struct dailies {
  struct call *call;
  struct daily *items;
  size_t count, room, at;
};

static void on_daily(void *context, const struct usage_row *row) {
  struct dailies *d = context;
  if (d->count == d->room) {
    d->room = d->room ? d->room * 2 : 64;
    struct daily *more = arena_alloc(&d->call->arena, d->room * sizeof *more);
    if (d->count) memcpy(more, d->items, d->count * sizeof *more);
    d->items = more;
  }
  d->items[d->count++] =
      (struct daily){row->day, arena_slice(&d->call->arena, row->value), row->used.cost_nanousd};
}

static bool read_days(struct call *c, const struct usage_query *query, enum usage_dimension by,
                      struct dailies *out) {
  struct usage_query q = *query;
  struct usage_sink sink = {on_daily, out};
  *out = (struct dailies){.call = c};
  q.by = by;
  q.is_per_day = true;
  enum store_result result = c->backend.store->calls->usage(c->backend.store, &q, &sink);
  if (result != STORE_FINE) call_fail_store(c, result);
  return result == STORE_FINE;
}

/* The members of one day; returns their sum. */
static uint64_t append_members(struct bytes *out, struct dailies *d, int64_t day) {
  uint64_t sum = 0;
  for (bool is_first = true; d->at < d->count && d->items[d->at].day == day; d->at++) {
    if (!is_first) bytes_append_byte(out, ',');
    is_first = false;
    json_quote(out, d->items[d->at].value);
    bytes_append_byte(out, ':');
    bytes_append_fixed(out, d->items[d->at].nano, 9);
    sum += d->items[d->at].nano;
  }
  return sum;
}

static void append_day(struct call *c, struct dailies by[3], int64_t day) {
  struct bytes *out = &c->out;
  char date[25];
  clock_format(day * MS_PER_DAY, date);
  bytes_append_text(out, "{\"users\":{");
  (void)append_members(out, &by[0], day);
  bytes_append_text(out, "},\"models\":{");
  (void)append_members(out, &by[1], day);
  bytes_append_text(out, "},");
  size_t before = out->len;
  uint64_t sum = append_members(out, &by[2], day);
  bytes_append_text(out, out->len > before ? ",\"spend\":" : "\"spend\":");
  bytes_append_fixed(out, sum, 9);
  bytes_printf(out, ",\"startTime\":\"%.*s\"}", DATE_LEN, date);
}

/* A day without requests is left out before the last one that has some, and shown after it. */
static void sum_up(struct call *c, const struct usage_query *query) {
  struct dailies by[3];
  if (!read_days(c, query, USAGE_BY_USER, &by[0]) || !read_days(c, query, USAGE_BY_MODEL, &by[1]) ||
      !read_days(c, query, USAGE_BY_KEY, &by[2]))
    return;
  int64_t last = by[2].count ? by[2].items[by[2].count - 1].day : query->to_day;
  bytes_append_byte(&c->out, '[');
  bool is_first = true;
  for (int64_t day = query->from_day; day < query->to_day && by[2].count; day++) {
    bool is_there = by[2].at < by[2].count && by[2].items[by[2].at].day == day;
    if (!is_there && day < last) continue;
    if (!is_first) bytes_append_byte(&c->out, ',');
    is_first = false;
    append_day(c, by, day);
  }
  bytes_append_text(&c->out, "]\n");
}

static void list_lines(struct call *c, struct request_query *query) {
  struct lines lines = {.call = c};
  if (!call_param_u64(c, "limit", PAGE_ROWS, PAGE_ROWS_MAX, &lines.limit) ||
      !call_param_u64(c, "cursor", 0, INT64_MAX, &query->before))
    return;
  query->limit = (uint32_t)lines.limit;
  struct request_sink sink = {on_spend, &lines};
  bytes_append_byte(&c->out, '[');
  enum store_result result = c->backend.store->calls->requests(c->backend.store, query, &sink);
  if (result == STORE_FINE)
    bytes_append_text(&c->out, "]\n");
  else
    call_fail_store(c, result);
}

/* As their proxy decides: sums of days where both dates are given, unless summarize=false. */
static bool wants_sums(struct call *c, bool *sums) {
  struct slice word;
  if (!call_param_word(c, "summarize", "true false True False", &word)) return false;
  bool is_no = slice_equal_nocase(word, SLICE("false"));
  *sums = !is_no && call_param(c, "start_date").len && call_param(c, "end_date").len &&
          !call_param(c, "request_id").len;
  return true;
}

/* What they call api_key is the key's token, which is its id here. */
static bool read_filter(struct call *c, struct usage_filter *filter) {
  struct slice key = call_param(c, "api_key"), user = call_param(c, "user_id");
  if (!litellm_check_key(c, "api_key", key) || !call_filter(c, filter)) return false;
  struct slice *own = &filter->values[USAGE_BY_KEY];
  if (key.len && own->len && !slice_equal(key, *own)) {
    call_deny(c);
    return false;
  }
  if (key.len) *own = key;
  if (user.len) filter->values[USAGE_BY_USER] = user;
  return true;
}

/* A last day is part of what is asked for, whole. */
static bool read_span(struct call *c, struct request_query *query) {
  if (!call_param_span(c, "start_date", "end_date", &query->from_ms, &query->to_ms)) return false;
  if (call_param(c, "end_date").len == DATE_LEN) query->to_ms += MS_PER_DAY;
  return true;
}

void litellm_spend(struct call *c) {
  struct request_query query = {.request_id = call_param(c, "request_id")};
  bool sums;
  if (!read_span(c, &query) || !wants_sums(c, &sums) || !read_filter(c, &query.filter)) return;
  if (!sums) {
    list_lines(c, &query);
    return;
  }
  struct usage_query days = {.from_day = query.from_ms / MS_PER_DAY,
                             .to_day = (query.to_ms + MS_PER_DAY - 1) / MS_PER_DAY,
                             .filter = query.filter};
  if (days.to_day - days.from_day > DAYS_MAX)
    call_fail(c, 400, "start_date", "start_date: lies more than ten years before end_date");
  else
    sum_up(c, &days);
}
