/* Deleting what is too old, a few hundred rows a transaction: nobody waits long for the lock. A
 * tenant's own ages stand in its body: {"retention":{"requests_days":30}}. */
#include "base/clock.h"
#include "store/sqlite_private.h"

enum {
  ROWS_PER_TRANSACTION = 500,
  GROUPS_PER_CALL = 5000,
  BLOCK_USUAL = 64,
  IDEMPOTENT_MS = MS_PER_DAY
};

struct sweep {
  struct sqlite *store;
  const struct retention *retention;
  unsigned left; /* rows that may still go in this call */
};

static enum store_result one_transaction(struct sweep *sweep, const char *sql, struct slice tenant,
                                         int64_t before, unsigned *count) {
  struct sqlite *s = sweep->store;
  enum store_result result = sqlite_begin_write(s);
  if (result != STORE_FINE) return result;
  unsigned rows = sweep->left < ROWS_PER_TRANSACTION ? sweep->left : ROWS_PER_TRANSACTION;
  struct query q = query_new(s, s->writer, sql);
  query_text(&q, tenant);
  query_number(&q, before);
  query_number(&q, rows);
  while (query_next(&q))
    *count += (unsigned)query_column_number(&q, 0);
  if (!*count) *count = (unsigned)sqlite3_changes(s->writer);
  return sqlite_end_write(s, query_end(&q));
}

static enum store_result sweep_rows(struct sweep *sweep, const char *sql, struct slice tenant,
                                    int64_t before) {
  while (sweep->left > 0) {
    unsigned count = 0;
    enum store_result result = one_transaction(sweep, sql, tenant, before, &count);
    if (result != STORE_FINE || count == 0) return result;
    sweep->left -= count < sweep->left ? count : sweep->left;
  }
  return STORE_FINE;
}

/* The tenant's own age in milliseconds, or the general one; 0: never. */
static enum store_result age_of(struct sqlite *s, struct slice tenant, const char *path,
                                uint64_t *age_ms) {
  enum store_result result = sqlite_begin_read(s);
  if (result != STORE_FINE) return result;
  struct query q = query_new(s, s->reader,
                             "SELECT CAST(json_extract(body, ?) AS INTEGER) FROM tenants WHERE id"
                             " = ? AND json_valid(body) AND json_extract(body, ?1) IS NOT NULL");
  query_text(&q, slice_of(path));
  query_text(&q, tenant);
  if (query_next(&q)) {
    int64_t days = query_column_number(&q, 0);
    *age_ms = days > 0 ? (uint64_t)days * MS_PER_DAY : 0;
  }
  return sqlite_end_read(s, query_end(&q));
}

struct tenant_table {
  const char *next_tenant; /* the first tenant behind ?1 */
  const char *delete;      /* gives how many each deleted row counts for, or nothing: one */
  const char *path;        /* in a tenant's body */
  uint64_t age_ms;
  int64_t unit_ms; /* of the column that holds the time */
};

static bool next_tenant(struct sqlite *s, const char *sql, struct bytes *tenant, bool is_first,
                        enum store_result *result) {
  *result = sqlite_begin_read(s);
  if (*result != STORE_FINE) return false;
  struct query q = query_new(s, s->reader, sql);
  query_text(&q, bytes_slice(tenant));
  query_number(&q, is_first);
  struct bytes found;
  bytes_init(&found);
  bool any = query_next(&q) && sqlite3_column_type(q.statement, 0) != SQLITE_NULL;
  if (any) bytes_append_slice(&found, query_column(&q, 0));
  *result = sqlite_end_read(s, query_end(&q));
  bytes_fini(tenant);
  *tenant = found;
  return any && *result == STORE_FINE;
}

static enum store_result sweep_tenants(struct sweep *sweep, const struct tenant_table *table) {
  struct bytes tenant;
  bytes_init(&tenant);
  enum store_result result = STORE_FINE;
  for (bool first = true;
       sweep->left > 0 && next_tenant(sweep->store, table->next_tenant, &tenant, first, &result);
       first = false) {
    uint64_t age_ms = table->age_ms;
    result = age_of(sweep->store, bytes_slice(&tenant), table->path, &age_ms);
    int64_t before = (sweep->retention->now_ms - (int64_t)age_ms) / table->unit_ms;
    if (result == STORE_FINE && age_ms)
      result = sweep_rows(sweep, table->delete, bytes_slice(&tenant), before);
    if (result != STORE_FINE) break;
  }
  bytes_fini(&tenant);
  return result;
}

#define NEXT_TENANT(table)                                                                         \
  "SELECT min(tenant) FROM " table " WHERE tenant > ?1 OR (?2 AND tenant >= ?1)"

/* The chain goes on: what verification begins with is noted in the transaction that deletes. */
static enum store_result sweep_audit(struct sweep *sweep) {
  int64_t before = sweep->retention->now_ms - (int64_t)sweep->retention->audit_ms;
  struct sqlite *s = sweep->store;
  enum store_result result = sqlite_begin_write(s);
  if (result != STORE_FINE) return result;
  struct query q = query_new(
      s, s->writer,
      "SELECT max(number) FROM (SELECT number FROM audit WHERE number < coalesce((SELECT"
      " min(number) FROM audit WHERE time_ms >= ?), 9223372036854775807) ORDER BY number LIMIT ?)");
  query_number(&q, before);
  query_number(&q, ROWS_PER_TRANSACTION);
  int64_t last = query_next(&q) ? query_column_number(&q, 0) : 0;
  result = query_end(&q);
  if (result == STORE_FINE && last > 0) {
    q = query_new(s, s->writer,
                  "INSERT OR REPLACE INTO meta (name, value) SELECT 'audit_removed_hash', hash FROM"
                  " audit WHERE number = ?");
    query_number(&q, last);
    result = query_run(&q);
    if (result == STORE_FINE) result = sqlite_meta_set(s, "audit_removed", last);
    if (result == STORE_FINE) {
      q = query_new(s, s->writer, "DELETE FROM audit WHERE number <= ?");
      query_number(&q, last);
      result = query_run(&q);
    }
  }
  return sqlite_end_write(s, result);
}

/* Some of the groups that no request is left of. The next call goes on behind them. */
static enum store_result sweep_groups(struct sqlite *s) {
  enum store_result result = sqlite_begin_write(s);
  if (result != STORE_FINE) return result;
  struct query q = query_new(s, s->writer,
                             "DELETE FROM request_groups WHERE id > ?1 AND id <= ?1 + ?2 AND NOT"
                             " EXISTS (SELECT 1 FROM request_rows WHERE group_id ="
                             " request_groups.id) AND NOT EXISTS (SELECT 1 FROM request_blocks"
                             " WHERE group_id = request_groups.id)");
  query_number(&q, s->groups_swept);
  query_number(&q, GROUPS_PER_CALL);
  result = query_run(&q);
  q = query_new(s, s->writer, "SELECT max(id) FROM request_groups");
  int64_t last = query_next(&q) ? query_column_number(&q, 0) : 0;
  query_end(&q);
  s->groups_swept =
      s->groups_swept + GROUPS_PER_CALL < last ? s->groups_swept + GROUPS_PER_CALL : 0;
  return sqlite_end_write(s, result);
}

enum store_result sqlite_retain(struct store *base, const struct retention *r, bool *more) {
  const struct tenant_table tables[] = {
      {NEXT_TENANT("request_groups"),
       "DELETE FROM request_rows WHERE sequence IN (SELECT sequence FROM request_groups CROSS JOIN"
       " request_rows INDEXED BY request_rows_by_group ON group_id = id WHERE tenant = ? AND "
       "sequence < ? * 4096 LIMIT ?)",
       "$.retention.requests_days", r->requests_ms, 1},
      {NEXT_TENANT("request_groups"),
       "DELETE FROM request_blocks WHERE sequence IN (SELECT sequence FROM (SELECT sequence,"
       " sum(requests) OVER (ORDER BY sequence) - requests AS others FROM (SELECT sequence,"
       " requests FROM request_groups CROSS JOIN request_blocks INDEXED BY request_blocks_by_group "
       "ON group_id = id WHERE tenant = ?"
       " AND sequence < ? * 4096 LIMIT ?)) WHERE others < ?3) RETURNING requests",
       "$.retention.requests_days", r->requests_ms, 1},
      {NEXT_TENANT("texts"),
       "DELETE FROM texts WHERE rowid IN (SELECT rowid FROM texts WHERE tenant = ? AND time_ms < ?"
       " ORDER BY time_ms LIMIT ?)",
       "$.retention.content_days", r->texts_ms, 1},
      {NEXT_TENANT("rollups"),
       "DELETE FROM rollups WHERE (tenant, day, project, user, key_id, customer, model, provider,"
       " upstream_model, residency, dialect, failure) IN (SELECT tenant, day, project, user,"
       " key_id, customer, model, provider, upstream_model, residency, dialect, failure FROM"
       " rollups WHERE tenant = ? AND day < ? LIMIT ?)",
       "$.retention.usage_days", r->rollups_ms, MS_PER_DAY},
      {NEXT_TENANT("rollups_by"),
       "DELETE FROM rollups_by WHERE (dimension, tenant, day, value) IN (SELECT dimension, tenant,"
       " day, value FROM rollups_by WHERE tenant = ? AND day < ? LIMIT ?)",
       "$.retention.usage_days", r->rollups_ms, MS_PER_DAY},
  };
  struct sweep sweep = {sqlite_of(base), r, r->rows};
  enum store_result result = STORE_FINE;
  for (size_t i = 0; result == STORE_FINE && i < sizeof tables / sizeof *tables; i++)
    result = sweep_tenants(&sweep, &tables[i]);
  if (result == STORE_FINE)
    result = sweep_rows(&sweep,
                        "DELETE FROM idempotent WHERE ?1 = '' AND key IN (SELECT key FROM"
                        " idempotent WHERE time_ms < ?2 LIMIT ?3)",
                        SLICE(""), r->now_ms - IDEMPOTENT_MS);
  if (result == STORE_FINE && r->responses_ms)
    result =
        sweep_rows(&sweep,
                   "DELETE FROM texts WHERE ?1 = '' AND rowid IN (SELECT rowid FROM texts WHERE"
                   " kind = 0 AND time_ms < ?2 ORDER BY time_ms LIMIT ?3)",
                   SLICE(""), r->now_ms - (int64_t)r->responses_ms);
  if (result == STORE_FINE && r->audit_ms) result = sweep_audit(&sweep);
  if (result == STORE_FINE) result = sweep_groups(sweep.store);
  *more = sweep.left == 0;
  return result;
}
