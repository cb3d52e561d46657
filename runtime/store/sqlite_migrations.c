/* Schemas, forward only. A migration that has been released is never changed: what it made is out
 * there. spec/native/store/schemas holds a database of every version. */
#include "store/sqlite_private.h"

/* Within a trigger on requests: one row leaves its block, and the block its table with the last. */
#define TAKE_OUT                                                                                   \
  "UPDATE request_blocks SET rows = coalesce(json_remove(rows, '$[' || (SELECT key FROM "          \
  "json_each(rows) WHERE json_extract(value, '$[1]') = old.request_id) || ']'), rows), requests "  \
  "= requests - 1, failures = failures - (old.failure <> ''), unpriced = unpriced - (NOT "         \
  "old.cost_known AND old.usage_source <> 0), cost_nanousd = cost_nanousd - iif(old.cost_known, "  \
  "old.cost_nanousd, 0), input_tokens = input_tokens - old.input_tokens - old.cache_read_tokens "  \
  "- old.cache_write_5m_tokens - old.cache_write_1h_tokens, cache_read_tokens = "                  \
  "cache_read_tokens - old.cache_read_tokens, cache_write_tokens = cache_write_tokens - "          \
  "old.cache_write_5m_tokens - old.cache_write_1h_tokens, output_tokens = output_tokens - "        \
  "old.output_tokens, reasoning_tokens = reasoning_tokens - old.reasoning_tokens, duration_us = "  \
  "duration_us - old.duration_us WHERE sequence = old.block; DELETE FROM request_blocks WHERE "    \
  "sequence = old.block AND requests = 0;"

static const char *const migrations[SQLITE_SCHEMA_VERSION] = {
    /* 1: the ledger. failed, unpriced and so on are sums; day is UTC days since 1970. */
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE segments (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE requests (sequence INTEGER PRIMARY KEY AUTOINCREMENT,"
    " request_id TEXT NOT NULL UNIQUE, time_ms INTEGER NOT NULL, tenant TEXT NOT NULL,"
    " project TEXT NOT NULL, user TEXT NOT NULL, key_id TEXT NOT NULL, customer TEXT NOT NULL,"
    " requested_model TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL,"
    " upstream_model TEXT NOT NULL, residency TEXT NOT NULL, dialect TEXT NOT NULL,"
    " status INTEGER NOT NULL, failure TEXT NOT NULL, finish_reason TEXT NOT NULL,"
    " stream INTEGER NOT NULL, usage_source INTEGER NOT NULL, input_tokens INTEGER NOT NULL,"
    " cache_read_tokens INTEGER NOT NULL, cache_write_5m_tokens INTEGER NOT NULL,"
    " cache_write_1h_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,"
    " reasoning_tokens INTEGER NOT NULL, audio_input_tokens INTEGER NOT NULL,"
    " audio_output_tokens INTEGER NOT NULL, images INTEGER NOT NULL,"
    " cost_nanousd INTEGER NOT NULL, cost_known INTEGER NOT NULL, price_version TEXT NOT NULL,"
    " currency TEXT NOT NULL, duration_us INTEGER NOT NULL, first_token_us INTEGER NOT NULL,"
    " overhead_us INTEGER NOT NULL, attempt_count INTEGER NOT NULL, attempts TEXT NOT NULL,"
    " generation INTEGER NOT NULL, config_version INTEGER NOT NULL, tags TEXT NOT NULL,"
    " trace TEXT NOT NULL);"
    "CREATE INDEX requests_by_tenant ON requests (tenant, time_ms);"
    "CREATE INDEX requests_by_time ON requests (time_ms);"
    "CREATE INDEX requests_by_key ON requests (key_id, time_ms);"
    "CREATE TABLE rollups (tenant TEXT NOT NULL, day INTEGER NOT NULL, project TEXT NOT NULL,"
    " user TEXT NOT NULL, key_id TEXT NOT NULL, customer TEXT NOT NULL, model TEXT NOT NULL,"
    " provider TEXT NOT NULL, upstream_model TEXT NOT NULL, residency TEXT NOT NULL,"
    " dialect TEXT NOT NULL, failure TEXT NOT NULL, requests INTEGER NOT NULL,"
    " failures INTEGER NOT NULL, unpriced INTEGER NOT NULL, cost_nanousd INTEGER NOT NULL,"
    " input_tokens INTEGER NOT NULL, cache_read_tokens INTEGER NOT NULL,"
    " cache_write_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,"
    " reasoning_tokens INTEGER NOT NULL, duration_us INTEGER NOT NULL,"
    " PRIMARY KEY (tenant, day, project, user, key_id, customer, model, provider, upstream_model,"
    " residency, dialect, failure)) WITHOUT ROWID;"
    "CREATE INDEX rollups_by_key ON rollups (key_id, day);"
    "CREATE TABLE rollups_by (dimension TEXT NOT NULL, tenant TEXT NOT NULL, day INTEGER NOT NULL,"
    " value TEXT NOT NULL, requests INTEGER NOT NULL, failures INTEGER NOT NULL,"
    " unpriced INTEGER NOT NULL, cost_nanousd INTEGER NOT NULL, input_tokens INTEGER NOT NULL,"
    " cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,"
    " output_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL,"
    " duration_us INTEGER NOT NULL, PRIMARY KEY (dimension, tenant, day, value)) WITHOUT ROWID;"
    "CREATE INDEX rollups_by_tenant ON rollups_by (tenant, day);",

/* 2: what people manage, and who did. */
#define ENTITY(name, table)                                                                        \
  "CREATE TABLE " table " (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, owner TEXT NOT NULL,"        \
  " name TEXT NOT NULL, lookup TEXT UNIQUE, state TEXT NOT NULL, body TEXT NOT NULL,"              \
  " version INTEGER NOT NULL, created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL)"           \
  " WITHOUT ROWID;"                                                                                \
  "CREATE INDEX " table "_by_tenant ON " table " (tenant, id);"                                    \
  "CREATE INDEX " table "_by_owner ON " table " (owner, id);"
    ENTITY(TENANT, "tenants") ENTITY(PROJECT, "projects") ENTITY(USER, "users") ENTITY(KEY, "keys")
        ENTITY(ROLE, "roles") ENTITY(LIMIT, "limits") ENTITY(BUDGET, "budgets") ENTITY(
            PRICE,
            "prices") "CREATE TABLE idempotent (key TEXT PRIMARY KEY, answer TEXT NOT NULL,"
                      " time_ms INTEGER NOT NULL) WITHOUT ROWID;"
                      "CREATE INDEX idempotent_by_time ON idempotent (time_ms);"
                      "CREATE TABLE audit (number INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL,"
                      " tenant TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, target "
                      "TEXT NOT NULL,"
                      " outcome TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL, peer "
                      "TEXT NOT NULL,"
                      " request_id TEXT NOT NULL, previous BLOB NOT NULL, hash BLOB NOT NULL);"
                      "CREATE INDEX audit_by_tenant ON audit (tenant, number);",

    /* 3: sealed content. */
    "CREATE TABLE texts (kind INTEGER NOT NULL, id TEXT NOT NULL, tenant TEXT NOT NULL,"
    " time_ms INTEGER NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (kind, id));"
    "CREATE INDEX texts_by_time ON texts (kind, time_ms);"
    "CREATE INDEX texts_by_tenant ON texts (tenant, time_ms);",

    /* 4: news on their way to webhooks. */
    ENTITY(DELIVERY, "deliveries") "CREATE INDEX deliveries_by_state ON deliveries (state, id);",

    /* 5: services, their versions, and who asked for them. */
    ENTITY(SERVICE, "services") ENTITY(SERVICE_VERSION, "service_versions")
        ENTITY(SUBSCRIPTION, "subscriptions"),

    /* 6: what service answered. */
    "ALTER TABLE requests ADD COLUMN service_tier TEXT NOT NULL DEFAULT '';",

    /* 7: requests are appended by their time (sqlite_private.h), and what many have in common
     * stands once. Their columns are as before, in a view from which people may delete, too. */
    "CREATE TABLE request_groups (id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, key_id TEXT "
    "NOT NULL, project TEXT NOT NULL, user TEXT NOT NULL, customer TEXT NOT NULL, "
    "requested_model TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL, "
    "upstream_model TEXT NOT NULL, residency TEXT NOT NULL, dialect TEXT NOT NULL, failure "
    "TEXT NOT NULL, finish_reason TEXT NOT NULL, price_version TEXT NOT NULL, currency TEXT "
    "NOT NULL, service_tier TEXT NOT NULL, UNIQUE (tenant, key_id, project, user, customer, "
    "requested_model, model, provider, upstream_model, residency, dialect, failure, "
    "finish_reason, price_version, currency, service_tier));"
    "CREATE INDEX request_groups_by_key ON request_groups (key_id);"
    "CREATE TABLE request_rows (sequence INTEGER PRIMARY KEY, group_id NOT NULL, request_id "
    "NOT NULL, time_ms, status, stream, usage_source, input_tokens, cache_read_tokens, "
    "cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, "
    "audio_input_tokens, audio_output_tokens, images, cost_nanousd, cost_known, duration_us, "
    "first_token_us, overhead_us, attempt_count, attempts, generation, config_version, tags, "
    "trace);"
    "CREATE INDEX request_rows_by_group ON request_rows (group_id);"
    "INSERT INTO request_groups (tenant, key_id, project, user, customer, requested_model, "
    "model, provider, upstream_model, residency, dialect, failure, finish_reason, "
    "price_version, currency, service_tier) SELECT DISTINCT tenant, key_id, project, user, "
    "customer, requested_model, model, provider, upstream_model, residency, dialect, "
    "failure, finish_reason, price_version, currency, service_tier FROM requests;"
    "INSERT OR IGNORE INTO request_rows SELECT time_ms * 4096 + sequence % 4096, id, "
    "request_id, time_ms, status, stream, usage_source, input_tokens, cache_read_tokens, "
    "cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, "
    "audio_input_tokens, audio_output_tokens, images, cost_nanousd, cost_known, duration_us, "
    "first_token_us, overhead_us, attempt_count, attempts, generation, config_version, tags, "
    "trace FROM requests JOIN request_groups USING (tenant, key_id, project, user, customer, "
    "requested_model, model, provider, upstream_model, residency, dialect, failure, "
    "finish_reason, price_version, currency, service_tier);"
    /* Those whose place was taken: thousands of one millisecond. */
    "INSERT INTO request_rows SELECT (SELECT max(sequence) FROM request_rows) + row_number() "
    "OVER (ORDER BY time_ms, sequence), id, request_id, time_ms, status, stream, "
    "usage_source, input_tokens, cache_read_tokens, cache_write_5m_tokens, "
    "cache_write_1h_tokens, output_tokens, reasoning_tokens, audio_input_tokens, "
    "audio_output_tokens, images, cost_nanousd, cost_known, duration_us, first_token_us, "
    "overhead_us, attempt_count, attempts, generation, config_version, tags, trace FROM "
    "requests AS old JOIN request_groups USING (tenant, key_id, project, user, customer, "
    "requested_model, model, provider, upstream_model, residency, dialect, failure, "
    "finish_reason, price_version, currency, service_tier) WHERE NOT EXISTS (SELECT 1 FROM "
    "request_rows AS new WHERE new.sequence = old.time_ms * 4096 + old.sequence % 4096 AND "
    "new.request_id = old.request_id);"
    "INSERT INTO meta (name, value) SELECT 'requests_moved', max(sequence) FROM request_rows "
    "HAVING count(*) > 0;"
    "ALTER TABLE requests RENAME TO requests_before;"
    "CREATE VIEW requests AS SELECT request_id, time_ms, tenant, project, user, key_id, "
    "customer, requested_model, model, provider, upstream_model, residency, dialect, status, "
    "failure, finish_reason, stream, usage_source, input_tokens, cache_read_tokens, "
    "cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, "
    "audio_input_tokens, audio_output_tokens, images, cost_nanousd, cost_known, "
    "price_version, currency, duration_us, first_token_us, overhead_us, attempt_count, "
    "attempts, generation, config_version, tags, trace, service_tier, sequence FROM "
    "request_rows JOIN request_groups ON id = group_id;"
    "CREATE TRIGGER requests_delete INSTEAD OF DELETE ON requests BEGIN DELETE FROM request_rows"
    " WHERE sequence = old.sequence; END;"
    "CREATE TRIGGER requests_move INSTEAD OF UPDATE OF time_ms ON requests BEGIN UPDATE"
    " request_rows SET time_ms = new.time_ms, sequence = coalesce((SELECT max(sequence) + 1 FROM"
    " request_rows WHERE sequence >= new.time_ms * 4096 AND sequence < (new.time_ms + 1) * 4096),"
    " new.time_ms * 4096) WHERE sequence = old.sequence; END;",

    /* 8: requests that have much in common stand together, with their sums (sqlite_blocks.h). Rows
     * of before stay where they are. */
    "DROP VIEW requests;"
    "CREATE TABLE request_blocks (sequence INTEGER PRIMARY KEY, first NOT NULL, group_id NOT "
    "NULL, status, stream, usage_source, cost_known, attempt_count, generation, config_version, "
    "requests, failures, unpriced, cost_nanousd, input_tokens, cache_read_tokens, "
    "cache_write_tokens, output_tokens, reasoning_tokens, duration_us, rows);"
    "CREATE INDEX request_blocks_by_group ON request_blocks (group_id);"
    "CREATE VIEW requests_packed AS SELECT json_extract(value, '$[1]') AS request_id, (first + "
    "json_extract(value, '$[0]')) / 4096 AS time_ms, tenant, project, user, key_id, customer, "
    "requested_model, model, provider, upstream_model, residency, dialect, status, failure, "
    "finish_reason, stream, usage_source, coalesce(json_extract(value, '$[4]'), 0) AS "
    "input_tokens, coalesce(json_extract(value, '$[11]'), 0) AS cache_read_tokens, "
    "coalesce(json_extract(value, '$[13]'), 0) AS cache_write_5m_tokens, "
    "coalesce(json_extract(value, '$[14]'), 0) AS cache_write_1h_tokens, "
    "coalesce(json_extract(value, '$[5]'), 0) AS output_tokens, coalesce(json_extract(value, "
    "'$[12]'), 0) AS reasoning_tokens, coalesce(json_extract(value, '$[15]'), 0) AS "
    "audio_input_tokens, coalesce(json_extract(value, '$[16]'), 0) AS audio_output_tokens, "
    "coalesce(json_extract(value, '$[17]'), 0) AS images, coalesce(json_extract(value, '$[6]'), "
    "0) AS cost_nanousd, cost_known, price_version, currency, coalesce(json_extract(value, "
    "'$[2]'), 0) AS duration_us, coalesce(json_extract(value, '$[8]'), 0) AS first_token_us, "
    "coalesce(json_extract(value, '$[3]'), 0) AS overhead_us, attempt_count, "
    "iif(json_type(value, '$[7][0]') IN ('real', 'integer'), "
    "printf('[{\"provider\":%s,\"model\":%s,\"status\":%d,\"head_ms\":%s,\"duration_ms\":%s}]', "
    "json_quote(provider), json_quote(upstream_model), status, json_extract(value, '$[7][0]'), "
    "json_extract(value, '$[7][1]')), coalesce(json_extract(value, '$[7]'), '')) AS attempts, "
    "generation, config_version, coalesce(json_extract(value, '$[10]'), '') AS tags, "
    "coalesce(json_extract(value, '$[9]'), '') AS trace, service_tier, first + "
    "json_extract(value, '$[0]') AS sequence, request_blocks.sequence AS block, first FROM "
    "request_blocks CROSS JOIN request_groups ON request_groups.id = group_id CROSS JOIN "
    "json_each(rows);"
    "CREATE VIEW requests AS SELECT request_id, time_ms, tenant, project, user, key_id, "
    "customer, requested_model, model, provider, upstream_model, residency, dialect, status, "
    "failure, finish_reason, stream, usage_source, input_tokens, cache_read_tokens, "
    "cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, "
    "audio_input_tokens, audio_output_tokens, images, cost_nanousd, cost_known, price_version, "
    "currency, duration_us, first_token_us, overhead_us, attempt_count, attempts, generation, "
    "config_version, tags, trace, service_tier, sequence, NULL AS block FROM request_rows JOIN "
    "request_groups ON id = group_id UNION ALL SELECT request_id, time_ms, tenant, project, "
    "user, key_id, customer, requested_model, model, provider, upstream_model, residency, "
    "dialect, status, failure, finish_reason, stream, usage_source, input_tokens, "
    "cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, "
    "reasoning_tokens, audio_input_tokens, audio_output_tokens, images, cost_nanousd, "
    "cost_known, price_version, currency, duration_us, first_token_us, overhead_us, "
    "attempt_count, attempts, generation, config_version, tags, trace, service_tier, sequence, "
    "block FROM requests_packed;"
    "CREATE TRIGGER requests_delete INSTEAD OF DELETE ON requests BEGIN DELETE FROM request_rows "
    "WHERE old.block IS NULL AND sequence = old.sequence; " TAKE_OUT " END;"
    "CREATE TRIGGER requests_move INSTEAD OF UPDATE OF time_ms ON requests BEGIN UPDATE "
    "request_rows SET time_ms = new.time_ms, sequence = coalesce((SELECT max(sequence) + 1 FROM "
    "request_rows WHERE sequence >= new.time_ms * 4096 AND sequence < (new.time_ms + 1) * 4096), "
    "new.time_ms * 4096) WHERE old.block IS NULL AND sequence = old.sequence; INSERT INTO "
    "request_rows (sequence, group_id, request_id, time_ms, status, stream, usage_source, "
    "input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, "
    "output_tokens, reasoning_tokens, audio_input_tokens, audio_output_tokens, images, "
    "cost_nanousd, cost_known, duration_us, first_token_us, overhead_us, attempt_count, "
    "attempts, generation, config_version, tags, trace) SELECT coalesce((SELECT max(sequence) + "
    "1 FROM request_rows WHERE sequence >= new.time_ms * 4096 AND sequence < (new.time_ms + 1) * "
    "4096), new.time_ms * 4096), group_id, old.request_id, new.time_ms, old.status, old.stream, "
    "old.usage_source, old.input_tokens, old.cache_read_tokens, old.cache_write_5m_tokens, "
    "old.cache_write_1h_tokens, old.output_tokens, old.reasoning_tokens, old.audio_input_tokens, "
    "old.audio_output_tokens, old.images, old.cost_nanousd, old.cost_known, old.duration_us, "
    "old.first_token_us, old.overhead_us, old.attempt_count, old.attempts, old.generation, "
    "old.config_version, old.tags, old.trace FROM request_blocks WHERE sequence = "
    "old.block; " TAKE_OUT " END;",

    /* 9: the trace that rows of a block share stands once. */
    "ALTER TABLE request_blocks ADD COLUMN trace;"
    "DROP VIEW requests_packed;"
    "CREATE VIEW requests_packed AS SELECT json_extract(value, '$[1]') AS request_id, (first + "
    "json_extract(value, '$[0]')) / 4096 AS time_ms, tenant, project, user, key_id, customer, "
    "requested_model, model, provider, upstream_model, residency, dialect, status, failure, "
    "finish_reason, stream, usage_source, coalesce(json_extract(value, '$[4]'), 0) AS "
    "input_tokens, coalesce(json_extract(value, '$[11]'), 0) AS cache_read_tokens, "
    "coalesce(json_extract(value, '$[13]'), 0) AS cache_write_5m_tokens, "
    "coalesce(json_extract(value, '$[14]'), 0) AS cache_write_1h_tokens, "
    "coalesce(json_extract(value, '$[5]'), 0) AS output_tokens, coalesce(json_extract(value, "
    "'$[12]'), 0) AS reasoning_tokens, coalesce(json_extract(value, '$[15]'), 0) AS "
    "audio_input_tokens, coalesce(json_extract(value, '$[16]'), 0) AS audio_output_tokens, "
    "coalesce(json_extract(value, '$[17]'), 0) AS images, coalesce(json_extract(value, "
    "'$[6]'), 0) AS cost_nanousd, cost_known, price_version, currency, "
    "coalesce(json_extract(value, '$[2]'), 0) AS duration_us, coalesce(json_extract(value, "
    "'$[8]'), 0) AS first_token_us, coalesce(json_extract(value, '$[3]'), 0) AS overhead_us, "
    "attempt_count, iif(json_type(value, '$[7][0]') IN ('real', 'integer'), "
    "printf('[{\"provider\":%s,\"model\":%s,\"status\":%d,\"head_ms\":%s,\"duration_ms\":%s}]', "
    "json_quote(provider), json_quote(upstream_model), status, json_extract(value, '$[7][0]'), "
    "json_extract(value, '$[7][1]')), coalesce(json_extract(value, '$[7]'), '')) AS attempts, "
    "generation, config_version, coalesce(json_extract(value, '$[10]'), '') AS tags, "
    "iif(json_type(value, '$[9]') = 'integer', request_blocks.trace, "
    "coalesce(json_extract(value, '$[9]'), '')) AS trace, service_tier, first + "
    "json_extract(value, '$[0]') AS sequence, request_blocks.sequence AS block, first FROM "
    "request_blocks CROSS JOIN request_groups ON request_groups.id = group_id CROSS JOIN "
    "json_each(rows);",
#undef ENTITY
#undef TAKE_OUT
};

static int64_t schema_version(struct sqlite *s, sqlite3 *db) {
  struct query q = query_new(s, db, "PRAGMA user_version");
  int64_t version = query_next(&q) ? query_column_number(&q, 0) : -1;
  return query_end(&q) == STORE_FINE ? version : -1;
}

static enum store_result too_new(struct sqlite *s, int64_t version) {
  uv_mutex_lock(&s->error_lock);
  bytes_clear(&s->error);
  bytes_printf(&s->error,
               "%s: its schema is version %lld, this gateyes knows %d; use the newer gateyes, or "
               "another file",
               s->path, (long long)version, SQLITE_SCHEMA_VERSION);
  uv_mutex_unlock(&s->error_lock);
  return STORE_UNAVAILABLE;
}

/* Outside of a transaction: within one, SQLite keeps a copy of all that a DROP takes in memory. */
static enum store_result drop_old(struct sqlite *s, sqlite3 *db) {
  return sqlite_run(s, db, "DROP TABLE IF EXISTS requests_before");
}

/* Two processes may start at once: the version counts that is seen inside the transaction. */
enum store_result sqlite_migrate(struct sqlite *s, sqlite3 *db) {
  int64_t version = schema_version(s, db);
  if (version == SQLITE_SCHEMA_VERSION) return drop_old(s, db);
  enum store_result result = sqlite_run(s, db, "BEGIN IMMEDIATE");
  if (result != STORE_FINE) return result;
  version = schema_version(s, db);
  if (version < 0) result = sqlite_result(s, db, sqlite3_errcode(db));
  if (version > SQLITE_SCHEMA_VERSION) result = too_new(s, version);
  for (int64_t i = version; result == STORE_FINE && i < SQLITE_SCHEMA_VERSION; i++)
    result = sqlite_run(s, db, migrations[i]);
  char set_version[64];
  sqlite3_snprintf(sizeof set_version, set_version, "PRAGMA user_version=%d",
                   SQLITE_SCHEMA_VERSION);
  if (result == STORE_FINE) result = sqlite_run(s, db, set_version);
  if (result == STORE_FINE) result = sqlite_run(s, db, "COMMIT");
  if (result != STORE_FINE) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
  return result == STORE_FINE ? drop_old(s, db) : result;
}
