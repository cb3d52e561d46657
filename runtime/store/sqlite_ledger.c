/* Requests: storing them once, finding them again. */
#include "store/sqlite_private.h"

static const char insert_sql[] = "INSERT OR IGNORE INTO requests ("
#define TEXT(tag, column, member) #column ","
#define JSON(tag, column, member) #column ","
#define NUMBER(tag, column, member) #column ","
#include "model/ledger.def"
#undef TEXT
#undef JSON
#undef NUMBER
                                 "sequence) VALUES ("
#define TEXT(tag, column, member) "?,"
#define JSON(tag, column, member) "?,"
#define NUMBER(tag, column, member) "?,"
#include "model/ledger.def"
#undef TEXT
#undef JSON
#undef NUMBER
                                 "NULL)";

static const char select_sql[] = "SELECT "
#define TEXT(tag, column, member) #column ","
#define JSON(tag, column, member) #column ","
#define NUMBER(tag, column, member) #column ","
#include "model/ledger.def"
#undef TEXT
#undef JSON
#undef NUMBER
                                 "sequence FROM requests WHERE time_ms >= ?";

static void bind_record(struct query *q, const struct ledger_record *record) {
#define TEXT(tag, column, member) query_text(q, record->member);
#define JSON(tag, column, member) query_text(q, record->member);
#define NUMBER(tag, column, member) query_number(q, (int64_t)record->member);
#include "model/ledger.def"
#undef TEXT
#undef JSON
#undef NUMBER
}

static int read_record(const struct query *q, struct ledger_record *record) {
  int column = 0;
#define TEXT(tag, name, member) record->member = query_column(q, column++);
#define JSON(tag, name, member) record->member = query_column(q, column++);
#define NUMBER(tag, name, member) record->member = (uint64_t)query_column_number(q, column++);
#include "model/ledger.def"
#undef TEXT
#undef JSON
#undef NUMBER
  return column;
}

/* What was stored before counts in the rollups already. */
static enum store_result insert_all(struct sqlite *s, const struct store_batch *batch,
                                    struct rollup *rollup, uint64_t *stored) {
  struct query q = query_kept(s, KEPT_INSERT, insert_sql);
  for (size_t i = 0; i < batch->count && q.result == STORE_FINE; i++) {
    bind_record(&q, &batch->records[i]);
    query_next(&q);
    bool is_new = q.result == STORE_FINE && sqlite3_changes(s->writer) > 0;
    if (is_new) rollup_add(rollup, &batch->records[i]);
    *stored += is_new;
    query_again(&q);
  }
  return query_end(&q);
}

static int64_t last_sequence(struct sqlite *s) {
  struct query q = query_kept(s, KEPT_LAST_SEQUENCE, "SELECT max(sequence) FROM requests");
  int64_t sequence = query_next(&q) ? query_column_number(&q, 0) : 0;
  query_end(&q);
  return sequence;
}

static enum store_result set_position(struct sqlite *s, const struct store_batch *batch) {
  if (!batch->segment) return STORE_FINE;
  struct query q = query_kept(s, KEPT_POSITION,
                              "INSERT OR REPLACE INTO segments (name, position) VALUES (?, ?)");
  query_text(&q, slice_of(batch->segment));
  query_number(&q, (int64_t)batch->position);
  return query_run(&q);
}

static bool has_tags(const struct store_batch *batch) {
  for (size_t i = 0; i < batch->count; i++)
    if (batch->records[i].tags.len) return true;
  return false;
}

enum store_result sqlite_save(struct store *base, const struct store_batch *batch,
                              uint64_t *stored) {
  struct sqlite *s = sqlite_of(base);
  *stored = 0;
  enum store_result result = sqlite_begin_write(s);
  if (result != STORE_FINE) return result;
  struct rollup rollup;
  rollup_init(&rollup, batch->count);
  int64_t tagged_after = has_tags(batch) ? last_sequence(s) : -1;
  result = insert_all(s, batch, &rollup, stored);
  if (result == STORE_FINE && *stored) result = sqlite_roll_up(s, &rollup, tagged_after);
  if (result == STORE_FINE) result = set_position(s, batch);
  rollup_fini(&rollup);
  return sqlite_end_write(s, result);
}

enum store_result sqlite_segment_position(struct store *base, const char *segment,
                                          uint64_t *bytes) {
  struct sqlite *s = sqlite_of(base);
  enum store_result result = sqlite_begin_read(s);
  if (result != STORE_FINE) return result;
  struct query q = query_new(s, s->reader, "SELECT position FROM segments WHERE name = ?");
  query_text(&q, slice_of(segment));
  bool found = query_next(&q);
  if (found) *bytes = (uint64_t)query_column_number(&q, 0);
  result = sqlite_end_read(s, query_end(&q));
  return result == STORE_FINE && !found ? STORE_NOT_FOUND : result;
}

enum store_result sqlite_segment_forget(struct store *base, const char *segment) {
  struct sqlite *s = sqlite_of(base);
  enum store_result result = sqlite_begin_write(s);
  if (result != STORE_FINE) return result;
  struct query q = query_new(s, s->writer, "DELETE FROM segments WHERE name = ?");
  query_text(&q, slice_of(segment));
  return sqlite_end_write(s, query_run(&q));
}

enum store_result sqlite_requests(struct store *base, const struct request_query *query,
                                  const struct request_sink *sink) {
  struct sqlite *s = sqlite_of(base);
  enum store_result result = sqlite_begin_read(s);
  if (result != STORE_FINE) return result;
  struct bytes sql;
  bytes_init(&sql);
  bytes_append_text(&sql, select_sql);
  if (query->to_ms) bytes_append_text(&sql, " AND time_ms < ?");
  if (query->status) bytes_append_text(&sql, " AND status = ?");
  if (query->before) bytes_append_text(&sql, " AND sequence < ?");
  if (query->request_id.len) bytes_append_text(&sql, " AND request_id = ?");
  sqlite_filter_write(&query->filter, &sql);
  bytes_append_text(&sql, " ORDER BY sequence DESC LIMIT ?");
  struct query q = query_new(s, s->reader, bytes_text(&sql));
  query_number(&q, query->from_ms);
  if (query->to_ms) query_number(&q, query->to_ms);
  if (query->status) query_number(&q, query->status);
  if (query->before) query_number(&q, (int64_t)query->before);
  if (query->request_id.len) query_text(&q, query->request_id);
  sqlite_filter_bind(&query->filter, &q);
  query_limit(&q, query->limit);
  while (query_next(&q)) {
    struct ledger_record record;
    int column = read_record(&q, &record);
    sink->on_row(sink->context, (uint64_t)query_column_number(&q, column), &record);
  }
  bytes_fini(&sql);
  return sqlite_end_read(s, query_end(&q));
}
