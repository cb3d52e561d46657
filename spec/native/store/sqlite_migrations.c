/* A database of every schema that was ever released comes to the newest one with all it holds. A
 * new version needs a file of its own here: sqlite3 FILE .dump, and its PRAGMA user_version. */
#include "sqlite_kit.h"
#include "store/sqlite_private.h"

static void read_file(const char *path, struct bytes *out) {
  FILE *file = fopen(path, "r");
  CHECK(file != NULL);
  if (!file) exit(1);
  for (size_t count; (count = fread(bytes_reserve(out, 65536), 1, 65536, file)) > 0;)
    out->len += count;
  fclose(file);
}

static void read_schema(struct bytes *out) {
  sqlite3 *db;
  sqlite3_stmt *statement;
  CHECK(sqlite3_open(kit_path, &db) == SQLITE_OK);
  CHECK(sqlite3_prepare_v2(db,
                           "SELECT coalesce(sql, name) FROM sqlite_master WHERE name <> "
                           "'sqlite_sequence' ORDER BY name",
                           -1, &statement, NULL) == SQLITE_OK);
  while (sqlite3_step(statement) == SQLITE_ROW) {
    bytes_append_text(out, (const char *)sqlite3_column_text(statement, 0));
    bytes_append_byte(out, '\n');
  }
  sqlite3_finalize(statement);
  sqlite3_close(db);
}

static void on_row(void *context, const struct entity *e) {
  (void)context;
  CHECK_TEXT(e->name, "ci");
}

static void on_request(void *context, uint64_t sequence, const struct ledger_record *record) {
  size_t *count = context;
  CHECK(sequence / SEQUENCES_PER_MS == record->time_ms && record->time_ms == 1767225600000);
  CHECK(record->usage.input == 100 && record->usage.output == 20);
  CHECK(slice_equal(record->tenant, SLICE("acme")) && slice_equal(record->model, SLICE("gpt-4o")));
  CHECK(slice_equal(record->tags, SLICE("[\"blue\"]")) && record->cost_nanousd == 450000);
  ++*count;
}

/* Ids of before carried no time, though they may look as if they did. */
static void test_moved_ids(void) {
  struct store *s = kit_begin();
  struct bytes sql;
  bytes_init(&sql);
  read_file(SCHEMAS "/version-6.sql", &sql);
  kit_sql(bytes_text(&sql));
  kit_sql(
      "UPDATE requests SET request_id = 'req_Zz0123456789abcdefghijkl' WHERE sequence = 1;"
      "INSERT INTO requests SELECT sequence + 4096, request_id || 'x', time_ms, tenant, project,"
      " user, key_id, customer, requested_model, model, provider, upstream_model, residency,"
      " dialect, status, failure, finish_reason, stream, usage_source, input_tokens,"
      " cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens,"
      " reasoning_tokens, audio_input_tokens, audio_output_tokens, images, cost_nanousd,"
      " cost_known, price_version, currency, duration_us, first_token_us, overhead_us,"
      " attempt_count, attempts, generation, config_version, tags, trace, service_tier"
      " FROM requests");
  struct request_query query = {.request_id = SLICE("req_Zz0123456789abcdefghijkl")};
  size_t found = 0;
  struct request_sink sink = {on_request, &found};
  CHECK(s->calls->requests(s, &query, &sink) == STORE_FINE && found == 1);
  CHECK(kit_number("SELECT count(DISTINCT sequence) FROM requests") == 4);
  CHECK(kit_number("SELECT count(*) FROM request_groups") == 2);
  bytes_fini(&sql);
  kit_end(s);
}

static void test_version(int version, struct slice newest) {
  struct store *s = kit_begin();
  char path[256];
  snprintf(path, sizeof path, "%s/version-%d.sql", SCHEMAS, version);
  struct bytes sql, schema;
  bytes_init(&sql);
  bytes_init(&schema);
  read_file(path, &sql);
  kit_sql(bytes_text(&sql));
  CHECK(kit_number("PRAGMA user_version") == version);
  CHECK(s->calls->check(s) == STORE_FINE);
  CHECK(kit_number("PRAGMA user_version") == SQLITE_SCHEMA_VERSION);
  read_schema(&schema);
  CHECK(slice_equal(bytes_slice(&schema), newest));
  CHECK(kit_number("SELECT count(*) FROM requests") == 2);
  CHECK(kit_number("SELECT sum(cost_nanousd) FROM rollups") == 450000);
  struct ledger_record again = {.request_id = SLICE("req_old_1"), .time_ms = 1767225600000};
  struct store_batch batch = {&again, 1, NULL, 0, false};
  uint64_t stored;
  CHECK(s->calls->save(s, &batch, &stored) == STORE_FINE && stored == 0);
  struct request_query query = {.request_id = SLICE("req_old_1")};
  size_t found = 0;
  struct request_sink found_sink = {on_request, &found};
  CHECK(s->calls->requests(s, &query, &found_sink) == STORE_FINE && found == 1);
  uint64_t position = 0;
  CHECK(s->calls->segment_position(s, "001-old-0.journal", &position) == STORE_FINE &&
        position == 900);
  struct entity_sink sink = {on_row, NULL};
  struct entity_key key = {.kind = ENTITY_KEY, .id = SLICE("key_1")};
  struct audit_report report;
  CHECK(s->calls->audit_verify(s, &report) == STORE_FINE && report.broken_at == 0);
  if (version >= 2) CHECK(s->calls->find(s, &key, &sink) == STORE_FINE && report.rows == 1);
  if (version >= 3) CHECK(kit_number("SELECT count(*) FROM texts") == 1);
  if (version >= 4) CHECK(kit_number("SELECT count(*) FROM deliveries") == 1);
  if (version >= 5) CHECK(kit_number("SELECT count(*) FROM services") == 1);
  CHECK(kit_number("SELECT count(*) FROM requests WHERE trace = '{\"steps\":[]}'") ==
        (version >= 9));
  bytes_fini(&sql);
  bytes_fini(&schema);
  kit_end(s);
}

int main(void) {
  struct bytes newest;
  bytes_init(&newest);
  struct store *s = kit_begin();
  CHECK(s->calls->check(s) == STORE_FINE);
  read_schema(&newest);
  kit_end(s);
  for (int version = 1; version <= SQLITE_SCHEMA_VERSION; version++)
    test_version(version, bytes_slice(&newest));
  bytes_fini(&newest);
  test_moved_ids();
  return checks_end();
}
