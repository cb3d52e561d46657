/* Connections, transactions and errors of the SQLite store. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/sqlite_private.h"

enum { BUSY_WAIT_MS = 2000, CACHE_KIB = 8192 };

enum store_result sqlite_result(struct sqlite *s, sqlite3 *db, int code) {
  int primary = code & 0xff;
  if (primary == SQLITE_OK || primary == SQLITE_ROW || primary == SQLITE_DONE) return STORE_FINE;
  uv_mutex_lock(&s->error_lock);
  bytes_clear(&s->error);
  bytes_printf(&s->error, "%s: %s", s->path, db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
  uv_mutex_unlock(&s->error_lock);
  switch (primary) {
  case SQLITE_BUSY:
  case SQLITE_LOCKED: return STORE_BUSY;
  case SQLITE_FULL: return STORE_FULL;
  case SQLITE_READONLY:
  case SQLITE_PERM: return STORE_READ_ONLY;
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB: return STORE_CORRUPT;
  case SQLITE_CONSTRAINT: return STORE_CONFLICT;
  default: return STORE_UNAVAILABLE;
  }
}

static void last_error(struct store *base, struct bytes *sentence) {
  struct sqlite *s = sqlite_of(base);
  uv_mutex_lock(&s->error_lock);
  bytes_append_slice(sentence, bytes_slice(&s->error));
  uv_mutex_unlock(&s->error_lock);
}

enum store_result sqlite_run(struct sqlite *s, sqlite3 *db, const char *sql) {
  return sqlite_result(s, db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

struct query query_new(struct sqlite *s, sqlite3 *db, const char *sql) {
  struct query q = {.store = s, .db = db};
  q.result = sqlite_result(s, db, sqlite3_prepare_v2(db, sql, -1, &q.statement, NULL));
  return q;
}

struct query query_kept(struct sqlite *s, enum kept_statement which, const char *sql) {
  struct query q = {.store = s, .db = s->writer, .is_kept = true};
  if (!s->kept[which])
    q.result = sqlite_result(
        s, s->writer,
        sqlite3_prepare_v3(s->writer, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->kept[which], NULL));
  q.statement = s->kept[which];
  return q;
}

void query_text(struct query *q, struct slice text) {
  const char *data = text.data ? text.data : "";
  sqlite3_bind_text64(q->statement, ++q->bound, data, text.len, SQLITE_STATIC, SQLITE_UTF8);
}

void query_text_or_null(struct query *q, struct slice text) {
  if (text.len)
    query_text(q, text);
  else
    sqlite3_bind_null(q->statement, ++q->bound);
}

void query_blob(struct query *q, struct slice data) {
  sqlite3_bind_blob64(q->statement, ++q->bound, data.data ? data.data : "", data.len,
                      SQLITE_STATIC);
}

void query_number(struct query *q, int64_t number) {
  sqlite3_bind_int64(q->statement, ++q->bound, number);
}

void query_limit(struct query *q, uint32_t limit) {
  query_number(q, limit ? (int64_t)limit : -1);
}

bool query_next(struct query *q) {
  if (q->result != STORE_FINE) return false;
  int code = sqlite3_step(q->statement);
  if (code == SQLITE_ROW) return true;
  q->result = sqlite_result(q->store, q->db, code);
  return false;
}

void query_again(struct query *q) {
  sqlite3_reset(q->statement);
  q->bound = 0;
}

struct slice query_column(const struct query *q, int column) {
  const char *data = sqlite3_column_blob(q->statement, column);
  return (struct slice){data ? data : "", (size_t)sqlite3_column_bytes(q->statement, column)};
}

int64_t query_column_number(const struct query *q, int column) {
  return sqlite3_column_int64(q->statement, column);
}

enum store_result query_end(struct query *q) {
  if (q->is_kept)
    sqlite3_reset(q->statement);
  else
    sqlite3_finalize(q->statement);
  q->statement = NULL;
  return q->result;
}

enum store_result query_run(struct query *q) {
  while (query_next(q)) {
  }
  return query_end(q);
}

static uint64_t inode_of(const char *path) {
  struct stat about;
  return stat(path, &about) == 0 ? (uint64_t)about.st_ino : 0;
}

static enum store_result open_database(struct sqlite *s, int flags, sqlite3 **out) {
  sqlite3 *db = NULL;
  int code =
      sqlite3_open_v2(s->path, &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
  enum store_result result = sqlite_result(s, db, code);
  if (result == STORE_FINE) {
    sqlite3_busy_timeout(db, BUSY_WAIT_MS);
    char settings[128];
    sqlite3_snprintf(sizeof settings, settings, "PRAGMA cache_size=-%d; PRAGMA temp_store=MEMORY",
                     CACHE_KIB);
    result = sqlite_run(s, db, settings);
  }
  if (result == STORE_FINE)
    *out = db;
  else
    sqlite3_close(db);
  return result;
}

/* SQLite would let everybody read it. */
static void create_private(const char *path) {
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0) close(fd);
}

static void close_writer(struct sqlite *s) {
  for (int i = 0; i < KEPT_COUNT; i++) {
    sqlite3_finalize(s->kept[i]);
    s->kept[i] = NULL;
  }
  sqlite3_close(s->writer);
  s->writer = NULL;
}

static enum store_result open_writer(struct sqlite *s) {
  create_private(s->path);
  enum store_result result =
      open_database(s, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &s->writer);
  if (result != STORE_FINE) return result;
  /* FULL: a journal segment goes once its records are here, so they have to stay here. Larger pages
   * (only of a file that is new) are written less often while rows are appended to them. */
  result = sqlite_run(s, s->writer,
                      "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL");
  if (result == STORE_FINE && sqlite3_db_readonly(s->writer, "main"))
    result = sqlite_result(s, NULL, SQLITE_READONLY);
  if (result == STORE_FINE) result = sqlite_migrate(s, s->writer);
  if (result == STORE_FINE)
    result = sqlite_run(s, s->writer,
                        "CREATE TEMP TABLE batch AS SELECT * FROM rollups WHERE 0;"
                        "CREATE TEMP TABLE tagged AS SELECT '' AS tags, * FROM temp.batch");
  s->inode = inode_of(s->path);
  if (result != STORE_FINE) close_writer(s);
  return result;
}

static void close_reader(struct sqlite *s) {
  uv_mutex_lock(&s->read_lock);
  sqlite3_close(s->reader);
  s->reader = NULL;
  uv_mutex_unlock(&s->read_lock);
}

/* Under write_lock. A file that was put in the place of the one we have is opened anew. */
static enum store_result ensure_writer(struct sqlite *s) {
  if (s->writer && inode_of(s->path) != s->inode) {
    close_writer(s);
    close_reader(s);
  }
  return s->writer ? STORE_FINE : open_writer(s);
}

enum store_result sqlite_begin_write(struct sqlite *s) {
  uv_mutex_lock(&s->write_lock);
  enum store_result result = ensure_writer(s);
  if (result == STORE_FINE) result = sqlite_run(s, s->writer, "BEGIN IMMEDIATE");
  if (result != STORE_FINE) uv_mutex_unlock(&s->write_lock);
  return result;
}

enum store_result sqlite_end_write(struct sqlite *s, enum store_result result) {
  if (result == STORE_FINE) result = sqlite_run(s, s->writer, "COMMIT");
  if (result != STORE_FINE && !sqlite3_get_autocommit(s->writer))
    sqlite3_exec(s->writer, "ROLLBACK", NULL, NULL, NULL);
  if (result == STORE_CORRUPT || result == STORE_UNAVAILABLE) close_writer(s);
  uv_mutex_unlock(&s->write_lock);
  return result;
}

static enum store_result check(struct store *base) {
  struct sqlite *s = sqlite_of(base);
  uv_mutex_lock(&s->write_lock);
  enum store_result result = ensure_writer(s);
  uv_mutex_unlock(&s->write_lock);
  return result;
}

enum store_result sqlite_begin_read(struct sqlite *s) {
  enum store_result result = STORE_FINE;
  uv_mutex_lock(&s->read_lock);
  if (!s->reader) {
    uv_mutex_unlock(&s->read_lock);
    result = check(&s->base); /* so that the schema is there, and the newest */
    uv_mutex_lock(&s->read_lock);
    if (!s->reader) result = open_database(s, SQLITE_OPEN_READONLY, &s->reader);
  }
  if (result == STORE_FINE || s->reader) result = sqlite_run(s, s->reader, "BEGIN");
  if (result != STORE_FINE) uv_mutex_unlock(&s->read_lock);
  return result;
}

enum store_result sqlite_end_read(struct sqlite *s, enum store_result result) {
  sqlite3_exec(s->reader, "COMMIT", NULL, NULL, NULL);
  if (result == STORE_CORRUPT || result == STORE_UNAVAILABLE) {
    sqlite3_close(s->reader);
    s->reader = NULL;
  }
  uv_mutex_unlock(&s->read_lock);
  return result;
}

int64_t sqlite_meta_number(struct sqlite *s, sqlite3 *db, const char *name) {
  struct query q = query_new(s, db, "SELECT value FROM meta WHERE name = ?");
  query_text(&q, slice_of(name));
  int64_t number = query_next(&q) ? query_column_number(&q, 0) : 0;
  query_end(&q);
  return number;
}

enum store_result sqlite_meta_set(struct sqlite *s, const char *name, int64_t number) {
  struct query q =
      query_new(s, s->writer, "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)");
  query_text(&q, slice_of(name));
  query_number(&q, number);
  return query_run(&q);
}

static void sqlite_free(struct store *base) {
  struct sqlite *s = sqlite_of(base);
  sqlite3_close(s->reader);
  close_writer(s);
  uv_mutex_destroy(&s->write_lock);
  uv_mutex_destroy(&s->read_lock);
  uv_mutex_destroy(&s->error_lock);
  bytes_fini(&s->error);
  free(s->path);
  free(s);
}

/* Nobody asks how much memory it uses: counting that takes a lock for each piece. */
static void configure(void) {
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

struct store *sqlite_store_new(const char *path) {
  static uv_once_t once = UV_ONCE_INIT;
  uv_once(&once, configure);
  static const struct store_calls calls = {
      .free = sqlite_free,
      .check = check,
      .last_error = last_error,
      .save = sqlite_save,
      .segment_position = sqlite_segment_position,
      .segment_forget = sqlite_segment_forget,
      .requests = sqlite_requests,
      .usage = sqlite_usage,
      .used = sqlite_used,
      .used_by = sqlite_used_by,
      .write = sqlite_entity_write,
      .find = sqlite_entity_find,
      .list = sqlite_entity_list,
      .entities_version = sqlite_entities_version,
      .idempotent_find = sqlite_idempotent_find,
      .audit = sqlite_audit,
      .audit_list = sqlite_audit_list,
      .audit_verify = sqlite_audit_verify,
      .text_put = sqlite_text_put,
      .text_delete = sqlite_text_delete,
      .text_find = sqlite_text_find,
      .text_list = sqlite_text_list,
      .retain = sqlite_retain,
  };
  struct sqlite *s = must_calloc(1, sizeof *s);
  s->base.calls = &calls;
  s->path = must_strdup(path);
  must(uv_mutex_init(&s->write_lock) == 0 && uv_mutex_init(&s->read_lock) == 0 &&
       uv_mutex_init(&s->error_lock) == 0);
  return &s->base;
}
