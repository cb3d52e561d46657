/* What the tests of the SQLite store share. */
#pragma once
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "store/store.h"

static char kit_folder[64], kit_path[128];

static inline struct store *kit_store(void) {
  struct bytes url, error;
  bytes_init(&url);
  bytes_init(&error);
  bytes_printf(&url, "sqlite:%s", kit_path);
  struct store *s = store_new(bytes_slice(&url), &error);
  CHECK(s != NULL);
  bytes_fini(&url);
  bytes_fini(&error);
  return s;
}

static inline struct store *kit_begin(void) {
  snprintf(kit_folder, sizeof kit_folder, "/tmp/sqlite-XXXXXX");
  if (!mkdtemp(kit_folder)) abort();
  snprintf(kit_path, sizeof kit_path, "%s/test.db", kit_folder);
  return kit_store();
}

static inline void kit_end(struct store *s) {
  store_free(s);
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", kit_folder);
  CHECK(system(command) == 0);
}

/* Straight to the file, past the store. */
static inline void kit_sql(const char *sql) {
  sqlite3 *db;
  CHECK(sqlite3_open(kit_path, &db) == SQLITE_OK);
  char *error = NULL;
  CHECK(sqlite3_exec(db, sql, NULL, NULL, &error) == SQLITE_OK);
  if (error) fprintf(stderr, "%s\n", error);
  sqlite3_free(error);
  sqlite3_close(db);
}

static inline int64_t kit_number(const char *sql) {
  sqlite3 *db;
  sqlite3_stmt *statement = NULL;
  int64_t number = -1;
  CHECK(sqlite3_open(kit_path, &db) == SQLITE_OK);
  CHECK(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK);
  if (sqlite3_step(statement) == SQLITE_ROW) number = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  sqlite3_close(db);
  return number;
}
