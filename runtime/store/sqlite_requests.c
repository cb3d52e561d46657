/* Finding requests again. */
#include "base/digest.h"
#include "store/sqlite_private.h"

static const char select_sql[] = "SELECT "
#define TEXT(tag, column, member) #column ","
#define JSON(tag, column, member) #column ","
#define NUMBER(tag, column, member) #column ","
#include "model/ledger.def"
#undef TEXT
#undef JSON
#undef NUMBER
                                 "sequence FROM ";

static const char by_time[] = "requests", by_group[] = "request_groups CROSS JOIN request_rows ON"
                                                       " group_id = id";

enum { RARE = 20000 };

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

static bool has_filter(const struct usage_filter *filter) {
  for (int i = 0; i < USAGE_BY_TAG; i++)
    if (filter->values[i].len) return true;
  return false;
}

/* A page of what is frequent is quickly full when the newest requests are looked at one by one; of
 * what is rare, all of it is read by its groups. */
static bool is_rare(struct sqlite *s, const struct request_query *query) {
  struct bytes sql;
  if (!has_filter(&query->filter)) return false;
  bytes_init(&sql);
  bytes_printf(&sql, "SELECT count(*) FROM (SELECT 1 FROM %s WHERE sequence >= ?", by_group);
  sqlite_filter_write(&query->filter, &sql);
  bytes_printf(&sql, " LIMIT %d)", RARE);
  struct query q = query_new(s, s->reader, bytes_text(&sql));
  bytes_fini(&sql);
  query_number(&q, sequence_from(query->from_ms));
  sqlite_filter_bind(&query->filter, &q);
  bool is_rare = query_next(&q) && query_column_number(&q, 0) < RARE;
  query_end(&q);
  return is_rare;
}

static void write_conditions(const struct request_query *query, struct bytes *sql) {
  bytes_append_text(sql, " WHERE time_ms >= ? AND sequence >= ?");
  if (query->to_ms) bytes_append_text(sql, " AND time_ms < ? AND sequence < ?");
  if (query->status) bytes_append_text(sql, " AND status = ?");
  if (query->before) bytes_append_text(sql, " AND sequence < ?");
  if (query->request_id.len) bytes_append_text(sql, " AND request_id = ?");
  sqlite_filter_write(&query->filter, sql);
}

static enum store_result find(struct sqlite *s, const struct request_query *query,
                              const struct request_sink *sink) {
  struct bytes sql;
  bytes_init(&sql);
  bytes_append_text(&sql, select_sql);
  bytes_append_text(&sql, !query->request_id.len && is_rare(s, query) ? by_group : by_time);
  write_conditions(query, &sql);
  bytes_append_text(&sql, " ORDER BY sequence DESC LIMIT ?");
  struct query q = query_new(s, s->reader, bytes_text(&sql));
  query_number(&q, query->from_ms);
  query_number(&q, sequence_from(query->from_ms));
  if (query->to_ms) query_number(&q, query->to_ms);
  if (query->to_ms) query_number(&q, sequence_to(query->to_ms));
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
  return query_end(&q);
}

struct counted_sink {
  const struct request_sink *sink;
  size_t count;
};

static void on_counted(void *context, uint64_t sequence, const struct ledger_record *record) {
  struct counted_sink *counted = context;
  counted->count++;
  counted->sink->on_row(counted->sink->context, sequence, record);
}

static bool id_time(struct slice id, uint64_t *time_ms) {
  static const struct slice start = SLICE("req_");
  return id.len == start.len + 24 && slice_starts(id, start) &&
         digest_ordered_time(slice_skip(id, start.len), time_ms);
}

/* An id says when its request began. Those that are older than that came from another schema. */
static enum store_result find_id(struct sqlite *s, const struct request_query *query,
                                 const struct request_sink *sink) {
  struct request_query narrow = *query;
  struct counted_sink counted = {sink, 0};
  uint64_t time_ms;
  if (!id_time(query->request_id, &time_ms)) return find(s, query, sink);
  if ((int64_t)time_ms > narrow.from_ms) narrow.from_ms = (int64_t)time_ms;
  if (!narrow.to_ms || (int64_t)time_ms < narrow.to_ms) narrow.to_ms = (int64_t)time_ms + 1;
  enum store_result result = find(s, &narrow, &(struct request_sink){on_counted, &counted});
  int64_t moved = sqlite_meta_number(s, s->reader, "requests_moved");
  if (result != STORE_FINE || counted.count || !moved) return result;
  narrow = *query;
  if (!narrow.before || narrow.before > (uint64_t)moved) narrow.before = (uint64_t)moved + 1;
  return find(s, &narrow, sink);
}

enum store_result sqlite_requests(struct store *base, const struct request_query *query,
                                  const struct request_sink *sink) {
  struct sqlite *s = sqlite_of(base);
  enum store_result result = sqlite_begin_read(s);
  if (result != STORE_FINE) return result;
  result = query->request_id.len ? find_id(s, query, sink) : find(s, query, sink);
  return sqlite_end_read(s, result);
}
