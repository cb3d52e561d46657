/* Requests and what is summed of them. */
#include "base/clock.h"
#include "base/digest.h"
#include "sqlite_kit.h"

static const int64_t day_ms = MS_PER_DAY;

static struct ledger_record record_of(char *id, size_t number) {
  snprintf(id, 32, "req_%06zu", number);
  return (struct ledger_record){
      .request_id = {id, strlen(id)},
      .time_ms = (uint64_t)(20000 * day_ms) + number * 3600000,
      .tenant = number % 3 ? SLICE("acme") : SLICE("globex"),
      .key_id = number % 2 ? SLICE("key_a") : SLICE("key_b"),
      .model = number % 5 ? SLICE("gpt-4o") : SLICE("llama"),
      .provider = SLICE("openai"),
      .status = number % 10 == 9 ? 502 : 200,
      .failure = number % 10 == 9 ? SLICE("upstream_error") : SLICE(""),
      .usage_source = number % 10 == 9 ? USAGE_NONE : USAGE_PROVIDER,
      .usage = {.input = 10,
                .cache_read = 1,
                .cache_write_5m = 2,
                .cache_write_1h = 3,
                .output = number,
                .reasoning = 1},
      .cost_nanousd = number * 1000,
      .cost_known = number % 7 != 0,
      .tags = number % 4 ? SLICE("[\"blue\",\"b\"]") : SLICE("{\"team\":\"red\"}"),
      .attempts = SLICE("[{\"provider\":\"openai\"}]"),
  };
}

static void save(struct store *s, size_t from, size_t to, uint64_t expected) {
  char(*ids)[32] = must_calloc(to - from, sizeof *ids);
  struct ledger_record *records = must_calloc(to - from, sizeof *records);
  for (size_t i = from; i < to; i++)
    records[i - from] = record_of(ids[i - from], i);
  struct store_batch batch = {records, to - from, "segment-1", 1000 + to, false};
  uint64_t stored;
  CHECK(s->calls->save(s, &batch, &stored) == STORE_FINE);
  CHECK(stored == expected);
  free(records);
  free(ids);
}

struct rows {
  size_t count;
  struct used sum, last;
  char values[2000];
  uint64_t first_sequence, last_sequence;
  struct ledger_record record;
  char id[32];
};

static void on_usage(void *context, const struct usage_row *row) {
  struct rows *rows = context;
  rows->count++;
  rows->last = row->used;
  rows->sum.requests += row->used.requests;
  rows->sum.cost_nanousd += row->used.cost_nanousd;
  rows->sum.output_tokens += row->used.output_tokens;
  rows->sum.input_tokens += row->used.input_tokens;
  rows->sum.unpriced += row->used.unpriced;
  rows->sum.failures += row->used.failures;
  size_t len = strlen(rows->values);
  if (len + row->value.len + 2 < sizeof rows->values)
    snprintf(rows->values + len, sizeof rows->values - len, "%.*s ", (int)row->value.len,
             row->value.data);
}

static struct rows usage(struct store *s, const struct usage_query *query) {
  struct rows rows = {0};
  struct usage_sink sink = {on_usage, &rows};
  CHECK(s->calls->usage(s, query, &sink) == STORE_FINE);
  return rows;
}

static void on_request(void *context, uint64_t sequence, const struct ledger_record *record) {
  struct rows *rows = context;
  if (rows->count++ == 0) rows->first_sequence = sequence;
  rows->last_sequence = sequence;
  rows->record = *record;
  snprintf(rows->id, sizeof rows->id, "%.*s", (int)record->request_id.len, record->request_id.data);
}

static struct rows requests(struct store *s, const struct request_query *query) {
  struct rows rows = {0};
  struct request_sink sink = {on_request, &rows};
  CHECK(s->calls->requests(s, query, &sink) == STORE_FINE);
  return rows;
}

/* The sums that a scan of the records gives. */
static struct used expected(size_t count, const struct usage_filter *filter, int64_t from_ms) {
  struct used used = {0};
  char id[32];
  for (size_t i = 0; i < count; i++) {
    struct ledger_record record = record_of(id, i);
    if ((int64_t)record.time_ms >= from_ms && usage_filter_matches(filter, &record))
      used_add(&used, &record);
  }
  return used;
}

static void test_once(struct store *s) {
  save(s, 0, 500, 500);
  save(s, 250, 750, 250); /* handed over twice, stored once, summed once */
  save(s, 0, 750, 0);
  uint64_t position = 0;
  CHECK(s->calls->segment_position(s, "segment-1", &position) == STORE_FINE && position == 1750);
  CHECK(s->calls->segment_position(s, "segment-2", &position) == STORE_NOT_FOUND);
  CHECK(s->calls->segment_forget(s, "segment-1") == STORE_FINE);
  CHECK(s->calls->segment_position(s, "segment-1", &position) == STORE_NOT_FOUND);
  struct used all = expected(750, &(struct usage_filter){0}, 0);
  for (int by = 0; by < USAGE_DIMENSION_COUNT; by++) {
    if (by == USAGE_BY_TAG) continue;
    struct usage_query query = {19000, 21000, {{{0}}}, (enum usage_dimension)by, false, 0};
    struct rows rows = usage(s, &query);
    CHECK(rows.sum.requests == 750 && rows.sum.cost_nanousd == all.cost_nanousd);
    CHECK(rows.sum.output_tokens == all.output_tokens && rows.sum.failures == all.failures);
    CHECK(rows.sum.input_tokens == 750 * 16 && rows.sum.unpriced == all.unpriced);
  }
}

static void test_usage(struct store *s) {
  struct usage_query query = {19000, 21000, {{{0}}}, USAGE_BY_MODEL, false, 0};
  struct rows rows = usage(s, &query);
  CHECK(strcmp(rows.values, "gpt-4o llama ") == 0 && rows.last.requests == 150);
  query.filter.values[USAGE_BY_TENANT] = SLICE("globex");
  rows = usage(s, &query);
  CHECK(rows.count == 2 && rows.sum.requests == 250);
  query.filter.values[USAGE_BY_KEY] = SLICE("key_a"); /* not prepared: from the fine rollups */
  rows = usage(s, &query);
  struct used used = expected(750, &query.filter, 0);
  CHECK(rows.sum.requests == used.requests && rows.sum.cost_nanousd == used.cost_nanousd);
  query.limit = 1;
  CHECK(usage(s, &query).count == 1);
  query = (struct usage_query){19000, 21000, {{{0}}}, USAGE_BY_TAG, false, 0};
  rows = usage(s, &query);
  CHECK(rows.count == 3 && strstr(rows.values, "team=red ") && strstr(rows.values, "blue "));
  query = (struct usage_query){20001, 20003, {{{0}}}, USAGE_BY_NOTHING, true, 0};
  rows = usage(s, &query); /* two whole days of one request an hour */
  CHECK(rows.count == 2 && rows.last.requests == 24 && rows.sum.requests == 48);
}

static void test_used(struct store *s) {
  struct used_query query = {.from_ms = 20003 * day_ms + 5 * 3600000 + 1};
  query.filter.values[USAGE_BY_KEY] = SLICE("key_b");
  struct used used = {0}, wanted = expected(750, &query.filter, query.from_ms);
  CHECK(s->calls->used(s, &query, &used) == STORE_FINE);
  CHECK(memcmp(&used, &wanted, sizeof used) == 0 && used.requests > 100);
  query.from_ms = 20003 * day_ms; /* the first instant of a day */
  used = (struct used){0};
  wanted = expected(750, &query.filter, query.from_ms);
  CHECK(s->calls->used(s, &query, &used) == STORE_FINE);
  CHECK(memcmp(&used, &wanted, sizeof used) == 0);
}

struct pieces {
  struct used sum;
  size_t rows;
  int64_t last_ms;
  bool has_acme_gpt;
};

static void on_used_by(void *context, const struct used_by_row *row) {
  struct pieces *pieces = context;
  CHECK(row->end_ms >= pieces->last_ms); /* the oldest first */
  pieces->last_ms = row->end_ms;
  if (slice_equal(row->values[USAGE_BY_TENANT], SLICE("acme")) &&
      slice_equal(row->values[USAGE_BY_MODEL], SLICE("gpt-4o")))
    pieces->has_acme_gpt = true;
  pieces->rows++;
  pieces->sum.requests += row->used.requests;
  pieces->sum.cost_nanousd += row->used.cost_nanousd;
}

static struct pieces used_by(struct store *s, const struct used_by_query *query) {
  struct pieces pieces = {0};
  struct used_by_sink sink = {on_used_by, &pieces};
  CHECK(s->calls->used_by(s, query, &sink) == STORE_FINE);
  return pieces;
}

static void test_used_by(struct store *s) {
  struct used_by_query query = {.from_ms = 20003 * day_ms + 5 * 3600000 + 1,
                                .rollups_until_ms = 21000 * day_ms};
  query.groups[USAGE_BY_TENANT] = query.groups[USAGE_BY_MODEL] = true;
  query.filter.values[USAGE_BY_KEY] = SLICE("key_b");
  struct used wanted = expected(750, &query.filter, query.from_ms);
  struct pieces pieces = used_by(s, &query);
  CHECK(pieces.sum.requests == wanted.requests && pieces.sum.cost_nanousd == wanted.cost_nanousd);
  CHECK(pieces.has_acme_gpt && pieces.rows == 8); /* the first day, and the whole days */
  query.bucket_ms = (uint64_t)day_ms / 4;
  pieces = used_by(s, &query);
  CHECK(pieces.sum.requests == wanted.requests && pieces.rows > 100);
  query.rollups_until_ms = 0; /* one by one: without those that no provider was billed for */
  query.filter.values[USAGE_BY_KEY] = SLICE("key_a");
  wanted = expected(750, &query.filter, query.from_ms);
  pieces = used_by(s, &query);
  CHECK(wanted.failures > 0 && pieces.sum.requests == wanted.requests - wanted.failures);
}

/* By requests, to the millisecond. */
static void test_used_by_recent(struct store *s) {
  char id[32];
  int64_t now_ms = clock_wall_ms();
  for (size_t i = 0; i < 40; i++) {
    struct ledger_record record = record_of(id, 1000 + i);
    record.time_ms = (uint64_t)now_ms - i * 3600000;
    record.tenant = SLICE("recent");
    record.usage_source = USAGE_PROVIDER;
    struct store_batch batch = {&record, 1, NULL, 0, false};
    uint64_t stored;
    CHECK(s->calls->save(s, &batch, &stored) == STORE_FINE && stored == 1);
  }
  struct used_by_query query = {.from_ms = now_ms - 10 * 3600000 - 1000, .bucket_ms = 3600000};
  query.groups[USAGE_BY_TENANT] = true;
  struct pieces pieces = used_by(s, &query);
  CHECK(pieces.sum.requests == 11 && pieces.rows >= 11);
}

static void test_requests(struct store *s) {
  struct request_query query = {.limit = 100};
  struct rows page = requests(s, &query);
  CHECK(page.count == 100 && strcmp(page.id, "req_000650") == 0);
  query.before = page.last_sequence;
  page = requests(s, &query);
  CHECK(page.count == 100 && strcmp(page.id, "req_000550") == 0);
  query = (struct request_query){.request_id = SLICE("req_000042")};
  page = requests(s, &query);
  CHECK(page.count == 1 && page.record.usage.output == 42 && page.record.status == 200);
  query = (struct request_query){.status = 502, .from_ms = 20001 * day_ms, .to_ms = 20002 * day_ms};
  query.filter.values[USAGE_BY_TENANT] = SLICE("acme");
  page = requests(s, &query);
  CHECK(page.count == 1 && strcmp(page.id, "req_000029") == 0);
  query.filter.values[USAGE_BY_TENANT] = SLICE("nobody' OR 1=1 --");
  CHECK(requests(s, &query).count == 0);
}

static void test_year(struct store *s) {
  /* 365 days, 40 tenants of 5 keys, 3 models: 219 000 rows, as a year of traffic leaves them. */
  CHECK(s->calls->check(s) == STORE_FINE);
  kit_sql(
      "INSERT INTO rollups SELECT 't' || (k / 5), d, 'p', 'u', 'key' || k, '', 'm' || m, 'openai',"
      " 'm' || m, 'cloud', 'chat', '', 1000, 10, 0, 5000000, 100000, 0, 0, 20000, 0, 9 FROM"
      " (WITH RECURSIVE d(d) AS (SELECT 20000 UNION ALL SELECT d + 1 FROM d WHERE d < 20364)"
      " SELECT d FROM d), (WITH RECURSIVE k(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM k WHERE"
      " k < 199) SELECT k FROM k), (SELECT 1 AS m UNION SELECT 2 UNION SELECT 3);"
      "INSERT INTO rollups_by SELECT 'model', tenant, day, model, sum(requests), sum(failures),"
      " 0, sum(cost_nanousd), sum(input_tokens), 0, 0, sum(output_tokens), 0, 9 FROM rollups"
      " GROUP BY tenant, day, model;"
      "INSERT INTO rollups_by SELECT 'all', tenant, day, '', sum(requests), sum(failures),"
      " 0, sum(cost_nanousd), sum(input_tokens), 0, 0, sum(output_tokens), 0, 9 FROM rollups"
      " GROUP BY tenant, day");
  struct usage_query queries[] = {
      {20000, 20365, {{{0}}}, USAGE_BY_MODEL, false, 0},
      {20000, 20365, {{{0}}}, USAGE_BY_NOTHING, true, 0},
      {20000, 20365, {{{0}}}, USAGE_BY_KEY, false, 0},
      {20000, 20365, {{{0}}}, USAGE_BY_MODEL, true, 0},
  };
  queries[1].filter.values[USAGE_BY_TENANT] = SLICE("t7");
  queries[2].filter.values[USAGE_BY_TENANT] = SLICE("t7");
  queries[2].filter.values[USAGE_BY_MODEL] = SLICE("m2");
  queries[3].filter.values[USAGE_BY_KEY] = SLICE("key11");
  const size_t rows_wanted[] = {3, 365, 5, 3 * 365};
  for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
    usage(s, &queries[i]);
    uint64_t start_ns = clock_mono_ns();
    struct rows rows = usage(s, &queries[i]);
    printf("a year, question %zu: %.1f ms\n", i, (double)(clock_mono_ns() - start_ns) / 1e6);
    CHECK(rows.count == rows_wanted[i]);
    CHECK(clock_mono_ns() - start_ns <
          2000000000u); /* milliseconds, on a machine that is not busy */
  }
}

static void test_retention(struct store *s) {
  CHECK(kit_number("SELECT count(*) FROM requests") == 750);
  struct entity_change tenant = {
      .entity = {.kind = ENTITY_TENANT,
                 .id = SLICE("globex"),
                 .body = SLICE("{\"retention\":{\"requests_days\":1000}}")}};
  CHECK(s->calls->write(s, &tenant, 1) == STORE_FINE);
  struct retention retention = {
      .now_ms = 20040 * day_ms, .requests_ms = (uint64_t)(20 * day_ms), .rows = 200};
  bool more = false;
  CHECK(s->calls->retain(s, &retention, &more) == STORE_FINE && more);
  CHECK(kit_number("SELECT count(*) FROM requests") == 550);
  CHECK(s->calls->retain(s, &retention, &more) == STORE_FINE && !more);
  CHECK(kit_number("SELECT count(*) FROM requests WHERE tenant = 'globex'") == 250);
  CHECK(kit_number("SELECT count(*) FROM requests WHERE tenant = 'acme' AND time_ms < 20020 * "
                   "86400000") == 0);
  CHECK(kit_number("SELECT count(*) FROM requests WHERE tenant = 'acme'") == 180);
  CHECK(kit_number("SELECT sum(requests) FROM rollups") == 750); /* the sums stay */
  retention.rollups_ms = (uint64_t)(20 * day_ms);
  retention.rows = 100000;
  CHECK(s->calls->retain(s, &retention, &more) == STORE_FINE && !more);
  CHECK(kit_number("SELECT min(day) FROM rollups") == 20020);
  CHECK(kit_number("SELECT min(day) FROM rollups_by") == 20020);
}

/* More of them than a millisecond has places for, given twice, in two batches. */
static void test_moment(void) {
  enum { MANY = 5000 };
  struct store *s = kit_begin();
  char(*ids)[32] = must_calloc(MANY, sizeof *ids);
  struct ledger_record *records = must_calloc(MANY, sizeof *records);
  for (size_t i = 0; i < MANY; i++) {
    records[i] = record_of(ids[i], i);
    records[i].time_ms = 1767225600000 + i / 4400; /* of two */
  }
  uint64_t stored;
  struct store_batch half = {records, MANY / 2, NULL, 0, false},
                     all = {records, MANY, NULL, 0, false};
  CHECK(s->calls->save(s, &half, &stored) == STORE_FINE && stored == MANY / 2);
  CHECK(s->calls->save(s, &all, &stored) == STORE_FINE && stored == MANY - MANY / 2);
  CHECK(s->calls->save(s, &all, &stored) == STORE_FINE && stored == 0);
  CHECK(kit_number("SELECT count(*) FROM requests") == MANY);
  CHECK(kit_number("SELECT count(DISTINCT request_id) FROM requests") == MANY);
  CHECK(kit_number("SELECT sum(requests) FROM rollups") == MANY);
  CHECK(kit_number("SELECT sum(requests) FROM rollups_by WHERE dimension = 'tag' AND value ="
                   " 'team=red'") == MANY / 4);
  struct request_query query = {.limit = 3, .from_ms = 1767225600000, .to_ms = 1767225600001};
  struct rows page = requests(s, &query); /* the newest first, as they came */
  CHECK(page.count == 3 && strcmp(page.id, "req_004397") == 0);
  free(records);
  free(ids);
  kit_end(s);
}

/* In any order, and twice in one batch. */
static void test_disorder(void) {
  struct store *s = kit_begin();
  char ids[5][32];
  struct ledger_record records[5];
  static const size_t numbers[] = {7, 3, 9, 3, 7};
  for (size_t i = 0; i < 5; i++)
    records[i] = record_of(ids[i], numbers[i]);
  uint64_t stored;
  struct store_batch batch = {records, 5, NULL, 0, false};
  CHECK(s->calls->save(s, &batch, &stored) == STORE_FINE && stored == 3);
  CHECK(kit_number("SELECT sum(requests) FROM rollups") == 3);
  struct request_query query = {0};
  struct rows page = requests(s, &query);
  CHECK(page.count == 3 && strcmp(page.id, "req_000003") == 0);
  kit_end(s);
}

/* An id says where it is; groups that nothing is left of go. */
static void test_ids_and_groups(void) {
  struct store *s = kit_begin();
  char id[32] = "req_";
  struct ledger_record record = record_of(id, 1);
  memcpy(id, "req_", 4);
  digest_ordered_id(record.time_ms, id + 4, 24);
  record.request_id = slice_of(id);
  uint64_t stored;
  struct store_batch batch = {&record, 1, NULL, 0, false};
  CHECK(s->calls->save(s, &batch, &stored) == STORE_FINE && stored == 1);
  struct request_query query = {.request_id = record.request_id};
  CHECK(requests(s, &query).count == 1);
  id[27] ^= 1;
  CHECK(requests(s, &query).count == 0);
  CHECK(kit_number("SELECT count(*) FROM request_groups") == 1);
  struct retention retention = {
      .now_ms = (int64_t)record.time_ms + 1, .requests_ms = 1, .rows = 100};
  bool more;
  CHECK(s->calls->retain(s, &retention, &more) == STORE_FINE);
  CHECK(kit_number("SELECT count(*) FROM request_groups") == 1);
  retention.now_ms++;
  CHECK(s->calls->retain(s, &retention, &more) == STORE_FINE && !more);
  CHECK(kit_number("SELECT count(*) FROM requests") == 0);
  CHECK(kit_number("SELECT count(*) FROM request_groups") == 0);
  CHECK(s->calls->save(s, &batch, &stored) == STORE_FINE && stored == 1);
  CHECK(kit_number("SELECT count(*) FROM requests WHERE tenant = 'acme'") == 1);
  kit_end(s);
}

int main(void) {
  test_moment();
  test_disorder();
  test_ids_and_groups();
  struct store *s = kit_begin();
  test_once(s);
  test_usage(s);
  test_used(s);
  test_requests(s);
  test_used_by(s);
  test_retention(s);
  test_used_by_recent(s);
  kit_end(s);
  s = kit_begin();
  test_year(s);
  kit_end(s);
  return checks_end();
}
