/* Sealed content. */
#include "store/sqlite_private.h"

enum store_result sqlite_text_put(struct store *base, const struct stored_text *text) {
  struct sqlite *s = sqlite_of(base);
  enum store_result result = sqlite_begin_write(s);
  if (result != STORE_FINE) return result;
  struct query q = query_new(s, s->writer,
                             "INSERT OR REPLACE INTO texts (kind, id, tenant, time_ms, sealed)"
                             " VALUES (?, ?, ?, ?, ?)");
  query_number(&q, text->kind);
  query_text(&q, text->id);
  query_text(&q, text->tenant);
  query_number(&q, text->time_ms);
  query_blob(&q, text->sealed);
  return sqlite_end_write(s, query_run(&q));
}

enum store_result sqlite_text_delete(struct store *base, enum text_kind kind, struct slice id) {
  struct sqlite *s = sqlite_of(base);
  enum store_result result = sqlite_begin_write(s);
  if (result != STORE_FINE) return result;
  struct query q = query_new(s, s->writer, "DELETE FROM texts WHERE kind = ? AND id = ?");
  query_number(&q, kind);
  query_text(&q, id);
  query_next(&q);
  bool found = sqlite3_changes(s->writer) > 0;
  result = sqlite_end_write(s, query_end(&q));
  return result == STORE_FINE && !found ? STORE_NOT_FOUND : result;
}

static struct stored_text read_text(const struct query *q, enum text_kind kind) {
  return (struct stored_text){kind, query_column(q, 0), query_column(q, 1),
                              query_column_number(q, 2), query_column(q, 3)};
}

enum store_result sqlite_text_find(struct store *base, enum text_kind kind, struct slice id,
                                   const struct text_sink *sink) {
  struct sqlite *s = sqlite_of(base);
  enum store_result result = sqlite_begin_read(s);
  if (result != STORE_FINE) return result;
  struct query q = query_new(
      s, s->reader, "SELECT id, tenant, time_ms, sealed FROM texts WHERE kind = ? AND id = ?");
  query_number(&q, kind);
  query_text(&q, id);
  bool found = query_next(&q);
  if (found) {
    struct stored_text text = read_text(&q, kind);
    sink->on_text(sink->context, &text);
  }
  result = sqlite_end_read(s, query_end(&q));
  return result == STORE_FINE && !found ? STORE_NOT_FOUND : result;
}

enum store_result sqlite_text_list(struct store *base, enum text_kind kind, int64_t since_ms,
                                   const struct text_sink *sink) {
  struct sqlite *s = sqlite_of(base);
  enum store_result result = sqlite_begin_read(s);
  if (result != STORE_FINE) return result;
  struct query q = query_new(s, s->reader,
                             "SELECT id, tenant, time_ms, sealed FROM texts WHERE kind = ? AND"
                             " time_ms >= ? ORDER BY time_ms");
  query_number(&q, kind);
  query_number(&q, since_ms);
  for (bool more = true; more && query_next(&q);) {
    struct stored_text text = read_text(&q, kind);
    more = sink->on_text(sink->context, &text);
  }
  return sqlite_end_read(s, query_end(&q));
}
