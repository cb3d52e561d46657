/* What was used, and every request behind it. */
#include "admin/api.h"
#include "base/clock.h"
#include "model/dialect.h"
#include "model/failure.h"

enum { PAGE_ROWS = 100, PAGE_ROWS_MAX = 1000, DAYS_USUAL = 30 };

/* Of what there is a fixed number of, a slip would look like a day without requests. */
static bool check_kinds(struct call *c) {
  struct slice value;
  struct bytes dialects, failures;
  bytes_init(&dialects);
  bytes_init(&failures);
  for (int i = 0; i < DIALECT_COUNT; i++)
    bytes_printf(&dialects, i ? " %s" : "%s", dialect_name((enum dialect)i));
  for (int i = FAILURE_NONE + 1; i < FAILURE_COUNT; i++)
    bytes_printf(&failures, "%s%s", failures.len ? " " : "",
                 failure_info((enum failure_kind)i)->label);
  bool fine = call_param_word(c, "dialect", bytes_text(&dialects), &value) &&
              call_param_word(c, "failure", bytes_text(&failures), &value);
  bytes_fini(&dialects);
  bytes_fini(&failures);
  return fine;
}

/* A caller below the tenant's reach sees what belongs to the project it is in, or to its own key.
 */
bool call_filter(struct call *c, struct usage_filter *filter) {
  static const char *const names[] = {
#define DIMENSION(name, column) #column,
      USAGE_DIMENSIONS(DIMENSION)
#undef DIMENSION
  };
  for (int i = 0; i < USAGE_BY_TAG; i++)
    filter->values[i] = call_param(c, names[i]);
  if (!check_kinds(c)) return false;
  if (!call_scope(c, filter->values[USAGE_BY_TENANT], &filter->values[USAGE_BY_TENANT]))
    return false;
  struct slice project = {"", 0};
  enum reach reach = c->caller ? permission_reach(c->caller, c->action, &project) : REACH_ALL;
  if (reach >= REACH_TENANT) return true;
  enum usage_dimension mine = reach == REACH_PROJECT ? USAGE_BY_PROJECT : USAGE_BY_KEY;
  struct slice own = reach == REACH_PROJECT ? project : c->caller->key;
  struct slice *asked = &filter->values[mine];
  if (asked->len && !slice_equal(*asked, own) &&
      (mine == USAGE_BY_KEY || !project_is_within(*asked, own))) {
    call_deny(c);
    return false;
  }
  if (!asked->len) *asked = own;
  return true;
}

static void append_used(struct bytes *out, const struct used *u) {
  bytes_printf(out, "\"requests\":%llu,\"failures\":%llu,\"unpriced\":%llu,\"input_tokens\":%llu",
               (unsigned long long)u->requests, (unsigned long long)u->failures,
               (unsigned long long)u->unpriced, (unsigned long long)u->input_tokens);
  bytes_printf(out,
               ",\"cache_read_tokens\":%llu,\"cache_write_tokens\":%llu,\"output_tokens\":%llu,"
               "\"reasoning_tokens\":%llu,\"duration_us\":%llu,\"cost_nanousd\":%llu,\"cost\":\"",
               (unsigned long long)u->cache_read_tokens, (unsigned long long)u->cache_write_tokens,
               (unsigned long long)u->output_tokens, (unsigned long long)u->reasoning_tokens,
               (unsigned long long)u->duration_us, (unsigned long long)u->cost_nanousd);
  bytes_append_fixed(out, u->cost_nanousd, 9);
  bytes_append_byte(out, '"');
}

struct usage_rows {
  struct call *call;
  const struct usage_query *query;
  size_t count;
  struct used total;
};

static void on_usage(void *context, const struct usage_row *row) {
  struct usage_rows *rows = context;
  struct bytes *out = &rows->call->out;
  if (rows->count++) bytes_append_byte(out, ',');
  bytes_append_byte(out, '{');
  if (rows->query->by != USAGE_BY_NOTHING) {
    bytes_printf(out, "\"%s\":", usage_dimension_name(rows->query->by));
    json_quote(out, row->value);
    bytes_append_byte(out, ',');
  }
  if (rows->query->is_per_day) {
    char day[25];
    clock_format(row->day * MS_PER_DAY, day);
    bytes_printf(out, "\"day\":\"%.10s\",", day);
  }
  append_used(out, &row->used);
  bytes_append_byte(out, '}');
}

static void on_total(void *context, const struct usage_row *row) {
  struct usage_rows *rows = context;
  rows->total = row->used;
}

static bool read_usage(struct call *c, struct usage_query *q) {
  int64_t from_ms, to_ms;
  uint64_t limit;
  struct slice by = call_param(c, "by"), trend = call_param(c, "trend");
  if (!call_param_time(c, "to", c->now_ms + MS_PER_DAY, &to_ms) ||
      !call_param_time(c, "from", to_ms - DAYS_USUAL * (int64_t)MS_PER_DAY, &from_ms) ||
      !call_param_u64(c, "limit", PAGE_ROWS, PAGE_ROWS_MAX, &limit) || !call_filter(c, &q->filter))
    return false;
  q->from_day = from_ms / MS_PER_DAY;
  q->to_day = to_ms / MS_PER_DAY;
  q->by = USAGE_BY_NOTHING;
  q->is_per_day = slice_equal_text(trend, "day");
  q->limit = q->is_per_day ? 0 : (uint32_t)limit;
  if (by.len && !usage_dimension_of(by, &q->by)) {
    call_fail(c, 400, "by",
              "by: expects tenant, project, user, key_id, customer, model, provider, "
              "upstream_model, residency, dialect, failure or tag");
    return false;
  }
  if (!trend.len || q->is_per_day) return true;
  call_fail(c, 400, "trend", "trend: expects day");
  return false;
}

void usage_show(struct call *c) {
  struct usage_query query = {0};
  struct usage_rows rows = {.call = c, .query = &query};
  struct store *store = c->backend.store;
  if (!read_usage(c, &query)) return;
  struct usage_query whole = query;
  whole.by = USAGE_BY_NOTHING;
  whole.is_per_day = false;
  struct usage_sink total = {on_total, &rows}, sink = {on_usage, &rows};
  enum store_result result = store->calls->usage(store, &whole, &total);
  if (result == STORE_FINE) {
    bytes_append_text(&c->out, "{\"object\":\"usage\",\"currency\":");
    json_quote(&c->out, c->config->currency);
    bytes_append_text(&c->out, ",\"total\":{");
    append_used(&c->out, &rows.total);
    bytes_append_text(&c->out, "},\"data\":[");
    result = store->calls->usage(store, &query, &sink);
  }
  if (result == STORE_FINE)
    bytes_append_text(&c->out, "]}\n");
  else
    call_fail_store(c, result);
}

/* A whole record tells its trace in words instead. */
static bool is_told(const char *column) {
  return strcmp(column, "trace") == 0;
}

static void append_record(struct call *c, const struct ledger_record *r, bool is_whole) {
  struct bytes *out = &c->out;
  char time[25];
  clock_format((int64_t)r->time_ms, time);
  bytes_printf(out, "{\"object\":\"request\",\"time\":\"%s\"", time);
#define TEXT(tag, column, member) json_append_text(out, #column, r->member);
#define NUMBER(tag, column, member)                                                                \
  bytes_printf(out, ",\"%s\":%llu", #column, (unsigned long long)r->member);
#define JSON(tag, column, member)                                                                  \
  if (is_whole && !is_told(#column)) json_append_json(out, #column, r->member);
#include "model/ledger.def"
#undef TEXT
#undef NUMBER
#undef JSON
  if (is_whole) trace_write(c, r, out);
  bytes_append_byte(out, '}');
}

struct request_rows {
  struct call *call;
  uint64_t limit, count, last;
  bool is_whole, has_more;
};

static void on_request(void *context, uint64_t sequence, const struct ledger_record *record) {
  struct request_rows *rows = context;
  rows->has_more |= rows->count >= rows->limit && sequence != rows->last;
  if (rows->has_more) return;
  rows->last = sequence;
  if (rows->count++) bytes_append_byte(&rows->call->out, ',');
  append_record(rows->call, record, rows->is_whole);
}

static bool read_requests(struct call *c, struct request_query *q, uint64_t *limit) {
  uint64_t status;
  if (!call_param_u64(c, "limit", PAGE_ROWS, PAGE_ROWS_MAX, limit) ||
      !call_param_u64(c, "status", 0, 999, &status) ||
      !call_param_u64(c, "cursor", 0, INT64_MAX, &q->before) ||
      !call_param_span(c, "from", "to", &q->from_ms, &q->to_ms) || !call_filter(c, &q->filter))
    return false;
  q->status = (uint32_t)status;
  q->limit = (uint32_t)*limit + 1;
  return true;
}

void requests_list(struct call *c) {
  struct request_query query = {0};
  struct request_rows rows = {.call = c};
  if (!read_requests(c, &query, &rows.limit)) return;
  struct request_sink sink = {on_request, &rows};
  bytes_append_text(&c->out, "{\"object\":\"list\",\"data\":[");
  enum store_result result = c->backend.store->calls->requests(c->backend.store, &query, &sink);
  if (result != STORE_FINE) {
    call_fail_store(c, result);
    return;
  }
  call_end_list(c, rows.has_more, rows.last);
}

void request_show(struct call *c) {
  struct request_query query = {.request_id = c->id, .limit = 1};
  struct request_rows rows = {.call = c, .limit = 1, .is_whole = true};
  struct request_sink sink = {on_request, &rows};
  if (!call_filter(c, &query.filter)) return;
  enum store_result result = c->backend.store->calls->requests(c->backend.store, &query, &sink);
  if (result != STORE_FINE)
    call_fail_store(c, result);
  else if (!rows.count)
    call_fail(c, 404, NULL, "there is no such request; one that has just ended takes a moment");
  else
    bytes_append_byte(&c->out, '\n');
}
