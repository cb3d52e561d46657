/* Requests that stand together in blocks are found, summed, deleted and moved like rows. */
#include "dice.h"
#include "sqlite_kit.h"
#include "store/sqlite_private.h"

enum { COUNT = 2000, SPAN_MS = 20000 };

static const uint64_t start_ms = 1767225590000; /* ten seconds before a day begins */

struct known {
  struct ledger_record record;
  char id[32], attempts[160];
};

static const struct slice tenants[] = {SLICE("acme"), SLICE("globex"), SLICE("initech")};
static const struct slice tags[] = {SLICE(""), SLICE("{}"), SLICE("[\"b\",\"a\"]"),
                                    SLICE("{\"team\":\"red \\\"one\\\"\"}")};
static const struct slice traces[] = {SLICE(""), SLICE("{\"steps\":[[1,2],{\"a\":null}]}"),
                                      SLICE("[1"), SLICE("no JSON")};

/* As they are usually, and some that only look so. */
static void make_attempts(struct known *k, size_t number) {
  static const char *const forms[] = {
      "[{\"provider\":\"open \\\"ai\\\"\",\"model\":\"gpt\",\"status\":200,\"head_ms\":%zu.210,"
      "\"duration_ms\":0.002}]",
      "[{\"provider\":\"open \\\"ai\\\"\",\"model\":\"gpt\",\"status\":200,\"head_ms\":0%zu.213,"
      "\"duration_ms\":0.002}]",
      "[{\"provider\":\"open \\\"ai\\\"\",\"model\":\"gpt\",\"status\":200,\"head_ms\":%zu.,"
      "\"duration_ms\":0.002}]",
      "[{\"provider\":\"other\",\"model\":\"gpt\",\"status\":200,\"head_ms\":%zu.21,"
      "\"duration_ms\":0.002}]",
      "[%zu.1,2.2]",
      "[]"};
  size_t form = dice(20) ? 0 : dice(sizeof forms / sizeof *forms);
  snprintf(k->attempts, sizeof k->attempts, forms[form], number + 1);
}

static void make(struct known *k, size_t number) {
  bool is_odd = dice(200) == 0, is_bare = dice(3) == 0;
  snprintf(k->id, sizeof k->id, is_odd ? "req \"%zu\"" : "req_%zu", number);
  make_attempts(k, number);
  k->record = (struct ledger_record){.request_id = slice_of(k->id),
                                     .time_ms = start_ms + dice(SPAN_MS),
                                     .tenant = tenants[dice(3)],
                                     .key_id = dice(2) ? SLICE("key_a") : SLICE("key_b"),
                                     .model = SLICE("gpt-4o"),
                                     .status = dice(20) ? 200 : 499,
                                     .failure = dice(20) ? SLICE("") : SLICE("client_gone"),
                                     .is_stream = dice(2),
                                     .usage_source = dice(9) ? USAGE_PROVIDER : USAGE_NONE,
                                     .usage = {.input = dice(1000), .output = dice(1000)},
                                     .cost_nanousd = dice(1000000),
                                     .cost_known = dice(5),
                                     .duration_us = dice(1000000),
                                     .overhead_us = dice(100),
                                     .attempt_count = 1,
                                     .attempts = slice_of(k->attempts),
                                     .config_version = 3};
  if (is_bare) return;
  k->record.usage.images = dice(3);
  k->record.usage.cache_write_1h = dice(2);
  k->record.usage.reasoning = dice(7);
  k->record.first_token_us = dice(5000);
  k->record.tags = tags[dice(4)];
  k->record.trace = traces[dice(100) ? dice(2) : dice(4)];
  if (dice(100) == 0) k->record.attempts = SLICE("");
}

static struct known *all;
static bool is_gone[COUNT];

/* In batches that overlap in time, as those of several workers do. */
static void save_all(struct store *s, bool is_new, uint64_t expected) {
  struct ledger_record *records = must_calloc(COUNT, sizeof *records);
  uint64_t stored, sum = 0;
  for (size_t from = 0; from < COUNT; from += COUNT / 4) {
    for (size_t i = 0; i < COUNT / 4; i++)
      records[i] = all[from + i].record;
    struct store_batch batch = {records, COUNT / 4, NULL, 0, is_new};
    CHECK(s->calls->save(s, &batch, &stored) == STORE_FINE);
    sum += stored;
  }
  CHECK(sum == expected);
  free(records);
}

static struct used expected(const struct usage_filter *filter, uint64_t from_ms) {
  struct used used = {0};
  for (size_t i = 0; i < COUNT; i++)
    if (!is_gone[i] && all[i].record.time_ms >= from_ms &&
        usage_filter_matches(filter, &all[i].record))
      used_add(&used, &all[i].record);
  return used;
}

struct page {
  size_t count, different;
  uint64_t last, last_ms;
  bool is_ordered;
};

/* Ids end with their number, or with that and a quote. */
static const struct known *find_known(struct slice id) {
  size_t number = 0;
  for (size_t i = 4; i < id.len; i++)
    if (id.data[i] >= '0' && id.data[i] <= '9') number = number * 10 + (size_t)(id.data[i] - '0');
  return number < COUNT && slice_equal(all[number].record.request_id, id) ? &all[number] : NULL;
}

static bool is_same(const struct ledger_record *a, const struct ledger_record *b) {
  bool is_same = true;
#define TEXT(tag, column, member) is_same = is_same && slice_equal(a->member, b->member);
#define JSON(tag, column, member) is_same = is_same && slice_equal(a->member, b->member);
#define NUMBER(tag, column, member) is_same = is_same && a->member == b->member;
#include "model/ledger.def"
#undef TEXT
#undef JSON
#undef NUMBER
  return is_same;
}

static void on_request(void *context, uint64_t sequence, const struct ledger_record *record) {
  struct page *page = context;
  const struct known *k = find_known(record->request_id);
  page->is_ordered = page->is_ordered && (!page->last || sequence <= page->last) &&
                     (!page->last_ms || record->time_ms <= page->last_ms) &&
                     sequence / SEQUENCES_PER_MS == record->time_ms;
  page->last = sequence;
  page->last_ms = record->time_ms;
  page->different += !k || is_gone[k - all] || !is_same(&k->record, record);
  page->count++;
}

static size_t count_all(struct store *s, struct request_query query) {
  struct page page = {.is_ordered = true};
  struct request_sink sink = {on_request, &page};
  query.limit = 97;
  for (size_t before = 1; page.count != before;) {
    before = page.count;
    CHECK(s->calls->requests(s, &query, &sink) == STORE_FINE);
    query.before = page.last;
  }
  CHECK(page.is_ordered && page.different == 0);
  return page.count;
}

static void test_found(struct store *s) {
  struct request_query query = {0};
  CHECK(count_all(s, query) == expected(&query.filter, 0).requests);
  query.from_ms = (int64_t)start_ms + 7777;
  CHECK(count_all(s, query) == expected(&query.filter, start_ms + 7777).requests);
  query.to_ms = (int64_t)start_ms + 8123;
  query.filter.values[USAGE_BY_TENANT] = SLICE("globex");
  query.filter.values[USAGE_BY_KEY] = SLICE("key_b");
  CHECK(count_all(s, query) == expected(&query.filter, start_ms + 7777).requests -
                                   expected(&query.filter, start_ms + 8123).requests);
  query = (struct request_query){.status = 499};
  CHECK(count_all(s, query) == (size_t)kit_number("SELECT count(*) FROM requests WHERE status ="
                                                  " 499"));
  for (size_t i = 0; i < COUNT; i += 111) {
    query = (struct request_query){.request_id = all[i].record.request_id};
    CHECK(count_all(s, query) == !is_gone[i]);
  }
}

static bool is_equal(const struct used *a, const struct used *b) {
  return memcmp(a, b, sizeof *a) == 0;
}

static void test_used(struct store *s) {
  const uint64_t from_ms[] = {start_ms, start_ms + 1, start_ms + 4321, start_ms + 9999,
                              start_ms + 10000};
  for (size_t i = 0; i < sizeof from_ms / sizeof *from_ms; i++) {
    struct used_query query = {.from_ms = (int64_t)from_ms[i]};
    query.filter.values[USAGE_BY_KEY] = i % 2 ? SLICE("key_b") : SLICE("");
    struct used used = {0}, wanted = expected(&query.filter, from_ms[i]);
    CHECK(s->calls->used(s, &query, &used) == STORE_FINE);
    CHECK(is_equal(&used, &wanted));
  }
}

struct pieces {
  uint64_t requests, wrong;
  uint64_t bucket_ms;
};

static void on_piece(void *context, const struct used_by_row *row) {
  struct pieces *p = context;
  uint64_t in_it = 0, from_ms = (uint64_t)row->end_ms - p->bucket_ms;
  for (size_t i = 0; i < COUNT; i++)
    in_it += all[i].record.time_ms >= from_ms && all[i].record.time_ms < from_ms + p->bucket_ms &&
             slice_equal(all[i].record.tenant, row->values[USAGE_BY_TENANT]);
  p->wrong += row->used.requests > in_it;
  p->requests += row->used.requests;
}

static void test_used_by(struct store *s, uint64_t bucket_ms) {
  struct used_by_query query = {.from_ms = (int64_t)start_ms + 1234, .bucket_ms = bucket_ms};
  struct pieces pieces = {.bucket_ms = bucket_ms};
  struct used_by_sink sink = {on_piece, &pieces};
  query.groups[USAGE_BY_TENANT] = true;
  uint64_t wanted = 0;
  for (size_t i = 0; i < COUNT; i++)
    wanted += !is_gone[i] && all[i].record.time_ms >= start_ms + 1234 &&
              all[i].record.usage_source != USAGE_NONE;
  CHECK(s->calls->used_by(s, &query, &sink) == STORE_FINE);
  CHECK(pieces.requests == wanted && pieces.wrong == 0);
}

/* The view puts attempts together from their times. */
static void test_view(void) {
  int64_t usual = 0;
  for (size_t i = 0; i < COUNT; i++)
    usual += all[i].record.attempts.len && strstr(all[i].attempts, ".210,") && all[i].id[3] == '_';
  CHECK(usual > COUNT / 2);
  CHECK(kit_number("SELECT count(*) FROM requests WHERE request_id LIKE 'req\\_%' ESCAPE '\\' AND"
                   " iif(json_valid(attempts), json_extract(attempts, '$[0].provider') ="
                   " 'open \"ai\"' AND json_extract(attempts, '$[0].status') = 200 AND"
                   " json_extract(attempts, '$[0].duration_ms') = 0.002 AND"
                   " abs(json_extract(attempts, '$[0].head_ms') - substr(request_id, 5) - 1.21) <"
                   " 0.0001, 0)") == usual);
}

/* The sums that stand beside a block are those of what is in it. */
static void test_sums(void) {
  CHECK(kit_number("SELECT count(*) FROM (SELECT block, count(*) AS n, total(iif(cost_known,"
                   " cost_nanousd, 0)) AS cost, total(NOT cost_known AND usage_source <> 0) AS"
                   " free, total(failure <> '') AS bad, total(duration_us) AS us, total(reasoning_"
                   "tokens) AS r FROM requests_packed GROUP BY block) JOIN request_blocks AS b ON"
                   " b.sequence = block WHERE n <> requests OR cost <> cost_nanousd OR free <>"
                   " unpriced OR bad <> failures OR us <> b.duration_us OR r <>"
                   " b.reasoning_tokens") == 0);
}

static void test_deleted(struct store *s) {
  kit_sql("DELETE FROM requests WHERE output_tokens % 3 = 0");
  for (size_t i = 0; i < COUNT; i++)
    is_gone[i] = all[i].record.usage.output % 3 == 0;
  test_sums();
  test_found(s);
  struct used_query query = {.from_ms = (int64_t)start_ms + 1};
  struct used used = {0}, wanted = expected(&query.filter, start_ms + 1);
  CHECK(kit_number("SELECT sum(requests) FROM rollups") == COUNT); /* sums of days stay */
  kit_sql("DELETE FROM rollups");
  for (size_t i = 0; i < COUNT; i++)
    if (!is_gone[i] && all[i].record.time_ms >= start_ms + 10000) wanted.requests--;
  CHECK(s->calls->used(s, &query, &used) == STORE_FINE && used.requests == wanted.requests);
}

static void test_moved(struct store *s) {
  int64_t left = kit_number("SELECT count(*) FROM requests");
  kit_sql("UPDATE requests SET time_ms = time_ms + 60000 WHERE tenant = 'acme'");
  for (size_t i = 0; i < COUNT; i++)
    if (slice_equal(all[i].record.tenant, SLICE("acme"))) all[i].record.time_ms += 60000;
  CHECK(kit_number("SELECT count(*) FROM requests") == left);
  test_sums();
  test_found(s);
}

static void test_retention(struct store *s) {
  struct retention retention = {
      .now_ms = (int64_t)start_ms + SPAN_MS + 2000, .requests_ms = 1, .rows = 300};
  bool more = true;
  for (int64_t left = kit_number("SELECT count(*) FROM requests"); more;) {
    CHECK(s->calls->retain(s, &retention, &more) == STORE_FINE);
    int64_t now = kit_number("SELECT count(*) FROM requests");
    CHECK(left - now <= 300 + 2 * 128);
    left = now;
  }
  CHECK(kit_number("SELECT count(*) FROM requests WHERE tenant <> 'acme'") == 0);
  CHECK(kit_number("SELECT count(*) FROM requests") > 100);
}

/* What several workers have of one millisecond may get the same places: no page loses any. */
static void test_one_moment(void) {
  struct store *s = kit_begin();
  for (size_t i = 0; i < COUNT; i++) {
    make(&all[i], i);
    all[i].record.time_ms = i ? start_ms : start_ms + 1;
    is_gone[i] = false;
  }
  save_all(s, true, COUNT);
  CHECK(kit_number("SELECT count(DISTINCT sequence) FROM requests") < COUNT);
  CHECK(count_all(s, (struct request_query){0}) == COUNT);
  save_all(s, false, 0);
  kit_end(s);
}

int main(void) {
  struct store *s = kit_begin();
  all = must_calloc(COUNT, sizeof *all);
  for (size_t i = 0; i < COUNT; i++)
    make(&all[i], i);
  save_all(s, true, COUNT);
  CHECK(kit_number("SELECT count(*) FROM requests") == COUNT);
  CHECK(kit_number("SELECT max(requests) FROM request_blocks") > 5);
  CHECK(kit_number("SELECT count(*) FROM request_rows") > 5);
  save_all(s, false, 0);
  test_sums();
  test_view();
  test_found(s);
  test_used(s);
  test_used_by(s, 1000);
  test_used_by(s, 137);
  test_deleted(s);
  test_moved(s);
  test_retention(s);
  kit_end(s);
  test_one_moment();
  free(all);
  return checks_end();
}
