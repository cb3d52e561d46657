/* What people manage. All kinds have tables of one shape. */
#include "base/clock.h"
#include "store/sqlite_private.h"

#define ENTITY_COLUMNS                                                                             \
  "id, tenant, owner, name, lookup, state, body, version, created_ms, updated_ms"

static struct query entity_query(struct sqlite *s, sqlite3 *db, const char *format,
                                 enum entity_kind kind) {
  char sql[512];
  sqlite3_snprintf(sizeof sql, sql, format, entity_table(kind));
  return query_new(s, db, sql);
}

static enum store_result stored_version(struct sqlite *s, const struct entity *e,
                                        uint64_t *version) {
  struct query q = entity_query(s, s->writer, "SELECT version FROM \"%w\" WHERE id = ?", e->kind);
  query_text(&q, e->id);
  *version = query_next(&q) ? (uint64_t)query_column_number(&q, 0) : 0;
  return query_end(&q);
}

static enum store_result put(struct sqlite *s, struct entity *e) {
  struct query q = entity_query(
      s, s->writer,
      "INSERT INTO \"%w\" (" ENTITY_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
      " ON CONFLICT (id) DO UPDATE SET tenant = excluded.tenant, owner = excluded.owner,"
      " name = excluded.name, lookup = excluded.lookup, state = excluded.state,"
      " body = excluded.body, version = excluded.version, updated_ms = excluded.updated_ms",
      e->kind);
  query_text(&q, e->id);
  query_text(&q, e->tenant);
  query_text(&q, e->owner);
  query_text(&q, e->name);
  query_text_or_null(&q, e->lookup);
  query_text(&q, e->state);
  query_text(&q, e->body);
  query_number(&q, (int64_t)e->version);
  query_number(&q, e->created_ms);
  query_number(&q, e->updated_ms);
  return query_run(&q);
}

static enum store_result delete (struct sqlite *s, const struct entity *e) {
  struct query q = entity_query(s, s->writer, "DELETE FROM \"%w\" WHERE id = ?", e->kind);
  query_text(&q, e->id);
  return query_run(&q);
}

static enum store_result remember_answer(struct sqlite *s, const struct entity_change *change) {
  struct query q =
      query_new(s, s->writer, "INSERT INTO idempotent (key, answer, time_ms) VALUES (?, ?, ?)");
  query_text(&q, change->idempotency_key);
  query_text(&q, change->answer);
  query_number(&q, clock_wall_ms());
  return query_run(&q);
}

static enum store_result apply(struct sqlite *s, struct entity_change *change) {
  struct entity *e = &change->entity;
  uint64_t version;
  enum store_result result = stored_version(s, e, &version);
  if (result != STORE_FINE) return result;
  if (version == 0 && (change->is_deletion || (change->expected_version != ENTITY_NEW &&
                                               change->expected_version != ENTITY_ANY)))
    return STORE_NOT_FOUND;
  if (change->expected_version != ENTITY_ANY && change->expected_version != version)
    return STORE_CONFLICT;
  e->version = version + 1;
  e->updated_ms = clock_wall_ms();
  if (version == 0) e->created_ms = e->updated_ms;
  result = change->is_deletion ? delete (s, e) : put(s, e);
  if (result == STORE_FINE && change->audit) result = sqlite_audit_insert(s, change->audit);
  if (result == STORE_FINE && change->idempotency_key.len) result = remember_answer(s, change);
  return result;
}

enum store_result sqlite_entity_write(struct store *base, struct entity_change *changes,
                                      size_t count) {
  struct sqlite *s = sqlite_of(base);
  bool is_watched = false;
  enum store_result result = sqlite_begin_write(s);
  if (result != STORE_FINE) return result;
  for (size_t i = 0; i < count && result == STORE_FINE; i++) {
    is_watched = is_watched || changes[i].entity.kind != ENTITY_DELIVERY;
    result = apply(s, &changes[i]);
  }
  if (result == STORE_FINE && is_watched)
    result = sqlite_meta_set(s, "entities_version",
                             sqlite_meta_number(s, s->writer, "entities_version") + 1);
  return sqlite_end_write(s, result);
}

static void give_row(const struct query *q, enum entity_kind kind, const struct entity_sink *sink) {
  struct entity e = {.kind = kind,
                     .id = query_column(q, 0),
                     .tenant = query_column(q, 1),
                     .owner = query_column(q, 2),
                     .name = query_column(q, 3),
                     .lookup = query_column(q, 4),
                     .state = query_column(q, 5),
                     .body = query_column(q, 6),
                     .version = (uint64_t)query_column_number(q, 7),
                     .created_ms = query_column_number(q, 8),
                     .updated_ms = query_column_number(q, 9)};
  sink->on_row(sink->context, &e);
}

enum store_result sqlite_entity_find(struct store *base, const struct entity_key *key,
                                     const struct entity_sink *sink) {
  struct sqlite *s = sqlite_of(base);
  enum store_result result = sqlite_begin_read(s);
  if (result != STORE_FINE) return result;
  struct query q = entity_query(
      s, s->reader,
      key->id.len ? "SELECT " ENTITY_COLUMNS " FROM \"%w\" WHERE id = ? AND (? = '' OR tenant = ?2)"
                  : "SELECT " ENTITY_COLUMNS
                    " FROM \"%w\" WHERE lookup = ? AND (? = '' OR tenant = ?2)",
      key->kind);
  query_text(&q, key->id.len ? key->id : key->lookup);
  query_text(&q, key->tenant);
  bool found = query_next(&q);
  if (found) give_row(&q, key->kind, sink);
  result = sqlite_end_read(s, query_end(&q));
  return result == STORE_FINE && !found ? STORE_NOT_FOUND : result;
}

static void write_list_sql(const struct entity_query *query, struct bytes *sql) {
  bytes_printf(sql, "SELECT " ENTITY_COLUMNS " FROM \"%s\" WHERE id > ?",
               entity_table(query->kind));
  if (query->tenant.len) bytes_append_text(sql, " AND tenant = ?");
  if (query->owner.len) bytes_append_text(sql, " AND owner = ?");
  if (slice_equal_text(query->state, "active")) /* which is seldom written down */
    bytes_append_text(sql, " AND state IN (?, '')");
  else if (query->state.len)
    bytes_append_text(sql, " AND state = ?");
  if (query->name_prefix.len) bytes_append_text(sql, " AND substr(name, 1, length(?)) = ?");
  bytes_append_text(sql, " ORDER BY id LIMIT ?");
}

enum store_result sqlite_entity_list(struct store *base, const struct entity_query *query,
                                     const struct entity_sink *sink) {
  struct sqlite *s = sqlite_of(base);
  enum store_result result = sqlite_begin_read(s);
  if (result != STORE_FINE) return result;
  struct bytes sql;
  bytes_init(&sql);
  write_list_sql(query, &sql);
  struct query q = query_new(s, s->reader, bytes_text(&sql));
  bytes_fini(&sql);
  query_text(&q, query->after);
  if (query->tenant.len) query_text(&q, query->tenant);
  if (query->owner.len) query_text(&q, query->owner);
  if (query->state.len) query_text(&q, query->state);
  if (query->name_prefix.len) {
    query_text(&q, query->name_prefix);
    query_text(&q, query->name_prefix);
  }
  query_limit(&q, query->limit);
  while (query_next(&q))
    give_row(&q, query->kind, sink);
  return sqlite_end_read(s, query_end(&q));
}

enum store_result sqlite_entities_version(struct store *base, uint64_t *version) {
  struct sqlite *s = sqlite_of(base);
  enum store_result result = sqlite_begin_read(s);
  if (result != STORE_FINE) return result;
  *version = (uint64_t)sqlite_meta_number(s, s->reader, "entities_version");
  return sqlite_end_read(s, result);
}

enum store_result sqlite_idempotent_find(struct store *base, struct slice key,
                                         struct bytes *answer) {
  struct sqlite *s = sqlite_of(base);
  enum store_result result = sqlite_begin_read(s);
  if (result != STORE_FINE) return result;
  struct query q = query_new(s, s->reader, "SELECT answer FROM idempotent WHERE key = ?");
  query_text(&q, key);
  bool found = query_next(&q);
  if (found) bytes_append_slice(answer, query_column(&q, 0));
  result = sqlite_end_read(s, query_end(&q));
  return result == STORE_FINE && !found ? STORE_NOT_FOUND : result;
}
