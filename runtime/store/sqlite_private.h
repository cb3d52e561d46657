/* What the files of the SQLite store share. One connection writes, one reads (WAL: a reader does
 * not wait for the writer); each is used by one thread at a time. */
#pragma once
#include <sqlite3.h>
#include <uv.h>

#include "store/rollup.h"
#include "store/store.h"

/* Statements of every batch: compiled once for a connection that writes. */
enum kept_statement {
  KEPT_INSERT,
  KEPT_BLOCK,
  KEPT_NEWEST,
  KEPT_TAGGED,
  KEPT_FIND_GROUP,
  KEPT_ADD_GROUP,
  KEPT_POSITION,
  KEPT_CLEAR,
  KEPT_GROUP,
  KEPT_ROLL_UP,
  KEPT_ROLL_UP_BY, /* the first of as many as there are dimensions */
  KEPT_COUNT = KEPT_ROLL_UP_BY + USAGE_DIMENSION_COUNT
};

struct sqlite {
  struct store base;
  char *path;
  uv_mutex_t write_lock, read_lock, error_lock;
  sqlite3 *writer, *reader;
  sqlite3_stmt *kept[KEPT_COUNT]; /* of the writer */
  uint64_t inode;                 /* of the file that is open */
  int64_t groups_swept;           /* rows of request_groups up to here were looked at last */
  struct bytes error;
};

static inline struct sqlite *sqlite_of(struct store *s) {
  return (struct sqlite *)s;
}

/* begin takes the lock and opens what is not open; each STORE_FINE of begin is followed by one end,
 * which returns the result of the whole: with anything but STORE_FINE nothing was written. */
enum store_result sqlite_begin_write(struct sqlite *s);
enum store_result sqlite_end_write(struct sqlite *s, enum store_result result);
enum store_result sqlite_begin_read(struct sqlite *s);
enum store_result sqlite_end_read(struct sqlite *s, enum store_result result);
/* The result for SQLite's code; remembers the sentence when it is not fine. */
enum store_result sqlite_result(struct sqlite *s, sqlite3 *db, int code);

/* One statement: prepared, bound from ?1 on in order, stepped. After a failure the others do
 * nothing, so that only the end needs a look. */
struct query {
  struct sqlite *store;
  sqlite3 *db;
  sqlite3_stmt *statement;
  enum store_result result;
  int bound;
  bool is_kept;
};

struct query query_new(struct sqlite *s, sqlite3 *db, const char *sql);
/* On the writer. The text is that of the first call for `which`. */
struct query query_kept(struct sqlite *s, enum kept_statement which, const char *sql);
void query_text(struct query *q, struct slice text);
void query_text_or_null(struct query *q, struct slice text); /* empty: NULL */
void query_blob(struct query *q, struct slice data);
void query_number(struct query *q, int64_t number);
void query_limit(struct query *q, uint32_t limit); /* 0: none */
bool query_next(struct query *q);                  /* true: a row */
void query_again(struct query *q);                 /* ready for other values */
struct slice query_column(const struct query *q, int column);
int64_t query_column_number(const struct query *q, int column);
enum store_result query_end(struct query *q);
/* Runs it to its end. */
enum store_result query_run(struct query *q);
enum store_result sqlite_run(struct sqlite *s, sqlite3 *db, const char *sql);

/* sqlite_migrations.c: to the newest schema, in a transaction. */
enum { SQLITE_SCHEMA_VERSION = 9 };
enum store_result sqlite_migrate(struct sqlite *s, sqlite3 *db);

/* The sequence of a request is its time times SEQUENCES_PER_MS, or one of the next ones: it may be
 * late by SEQUENCE_LATE_MS. Up to the year 2039 it is below 2^53, so that every
 * reader of JSON can hold it. */
enum { SEQUENCES_PER_MS = 4096, SEQUENCE_LATE_MS = 2000 };
/* Requests of [from, to) are rows of [sequence_from(from), sequence_to(to)). */
int64_t sequence_from(int64_t from_ms);
int64_t sequence_to(int64_t to_ms);

/* Figures and digests of the gateway's own; 0 and empty when absent. */
int64_t sqlite_meta_number(struct sqlite *s, sqlite3 *db, const char *name);
enum store_result sqlite_meta_set(struct sqlite *s, const char *name, int64_t number);

/* " AND column = ?" for each dimension that the filter names; filter_bind binds in the same order.
 */
void sqlite_filter_write(const struct usage_filter *filter, struct bytes *sql);
void sqlite_filter_bind(const struct usage_filter *filter, struct query *q);

enum store_result sqlite_save(struct store *s, const struct store_batch *batch, uint64_t *stored);
enum store_result sqlite_segment_position(struct store *s, const char *segment, uint64_t *bytes);
enum store_result sqlite_segment_forget(struct store *s, const char *segment);
enum store_result sqlite_requests(struct store *s, const struct request_query *query,
                                  const struct request_sink *sink);
enum store_result sqlite_usage(struct store *s, const struct usage_query *query,
                               const struct usage_sink *sink);
enum store_result sqlite_used(struct store *s, const struct used_query *query, struct used *used);
enum store_result sqlite_used_by(struct store *s, const struct used_by_query *query,
                                 const struct used_by_sink *sink);
enum store_result sqlite_roll_up(struct sqlite *s, const struct rollup *rollup);
enum store_result sqlite_entity_write(struct store *s, struct entity_change *changes, size_t count);
enum store_result sqlite_entity_find(struct store *s, const struct entity_key *key,
                                     const struct entity_sink *sink);
enum store_result sqlite_entity_list(struct store *s, const struct entity_query *query,
                                     const struct entity_sink *sink);
enum store_result sqlite_entities_version(struct store *s, uint64_t *version);
enum store_result sqlite_idempotent_find(struct store *s, struct slice key, struct bytes *answer);
enum store_result sqlite_audit(struct store *s, const struct audit_entry *entry);
enum store_result sqlite_audit_insert(struct sqlite *s, const struct audit_entry *entry);
enum store_result sqlite_audit_list(struct store *s, const struct audit_query *query,
                                    const struct audit_sink *sink);
enum store_result sqlite_audit_verify(struct store *s, struct audit_report *report);
enum store_result sqlite_text_put(struct store *s, const struct stored_text *text);
enum store_result sqlite_text_delete(struct store *s, enum text_kind kind, struct slice id);
enum store_result sqlite_text_find(struct store *s, enum text_kind kind, struct slice id,
                                   const struct text_sink *sink);
enum store_result sqlite_text_list(struct store *s, enum text_kind kind, int64_t since_ms,
                                   const struct text_sink *sink);
enum store_result sqlite_retain(struct store *s, const struct retention *retention, bool *more);
