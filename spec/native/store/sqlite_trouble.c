/* A database that is locked, read-only, full, damaged, replaced, or of another version. */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "sqlite_kit.h"

static enum store_result save_one(struct store *s, const char *id) {
  struct ledger_record record = {
      .request_id = slice_of(id), .time_ms = 86400000, .tenant = SLICE("t")};
  struct store_batch batch = {&record, 1, "segment", 100, false};
  uint64_t stored;
  return s->calls->save(s, &batch, &stored);
}

static void error_has(struct store *s, const char *part) {
  struct bytes sentence;
  bytes_init(&sentence);
  s->calls->last_error(s, &sentence);
  if (!strstr(bytes_text(&sentence), part)) fprintf(stderr, "said: %s\n", bytes_text(&sentence));
  CHECK(strstr(bytes_text(&sentence), part) != NULL);
  CHECK(strstr(bytes_text(&sentence), kit_path) != NULL);
  bytes_fini(&sentence);
}

static void test_locked(void) {
  struct store *s = kit_begin();
  CHECK(save_one(s, "a") == STORE_FINE);
  sqlite3 *other;
  CHECK(sqlite3_open(kit_path, &other) == SQLITE_OK);
  CHECK(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
  CHECK(save_one(s, "b") == STORE_BUSY);
  error_has(s, "locked");
  uint64_t version;
  CHECK(s->calls->entities_version(s, &version) == STORE_FINE); /* who reads does not wait */
  CHECK(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL) == SQLITE_OK);
  CHECK(save_one(s, "b") == STORE_FINE);
  sqlite3_close(other);
  kit_end(s);
}

static void test_no_file(void) {
  struct store *s = kit_begin();
  char hidden[160];
  snprintf(hidden, sizeof hidden, "%s/away", kit_folder);
  snprintf(kit_path, sizeof kit_path, "%s/away/test.db", kit_folder);
  store_free(s);
  s = kit_store();
  CHECK(s->calls->check(s) == STORE_UNAVAILABLE);
  error_has(s, "unable to open");
  CHECK(mkdir(hidden, 0700) == 0); /* it comes back while we run */
  CHECK(s->calls->check(s) == STORE_FINE && save_one(s, "a") == STORE_FINE);
  struct stat about;
  CHECK(stat(kit_path, &about) == 0 && (about.st_mode & 0777) == 0600);
  kit_end(s);
}

/* As nobody: root may write everywhere. */
static void test_read_only(void) {
  struct store *s = kit_begin();
  CHECK(save_one(s, "a") == STORE_FINE);
  store_free(s);
  CHECK(chmod(kit_path, 0444) == 0 && chmod(kit_folder, 0555) == 0);
  pid_t child = fork();
  if (child == 0) {
    if (getuid() == 0 && setuid(65534) != 0) _exit(0);
    s = kit_store();
    enum store_result result = save_one(s, "b");
    CHECK(result == STORE_READ_ONLY || result == STORE_UNAVAILABLE);
    error_has(s, "");
    store_free(s);
    _exit(checks_end());
  }
  int status;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  CHECK(chmod(kit_folder, 0700) == 0 && chmod(kit_path, 0600) == 0);
  s = kit_store();
  CHECK(save_one(s, "b") == STORE_FINE);
  kit_end(s);
}

static void test_damaged(void) {
  struct store *s = kit_begin();
  for (int i = 0; i < 300; i++) {
    char id[16];
    snprintf(id, sizeof id, "r%d", i);
    CHECK(save_one(s, id) == STORE_FINE);
  }
  store_free(s);
  int fd = open(kit_path, O_WRONLY);
  char noise[4096];
  memset(noise, 0x5a, sizeof noise);
  CHECK(pwrite(fd, noise, sizeof noise, 0) == sizeof noise);
  close(fd);
  s = kit_store();
  CHECK(save_one(s, "b") == STORE_CORRUPT);
  error_has(s, "not a database");
  char aside[160]; /* what the operator does; the gateway goes on without a restart */
  snprintf(aside, sizeof aside, "%s.damaged", kit_path);
  CHECK(rename(kit_path, aside) == 0);
  CHECK(save_one(s, "b") == STORE_FINE);
  CHECK(kit_number("SELECT count(*) FROM requests") == 1);
  kit_end(s);
}

static void test_replaced(void) {
  struct store *s = kit_begin();
  CHECK(save_one(s, "a") == STORE_FINE);
  char aside[160];
  snprintf(aside, sizeof aside, "%s.old", kit_path);
  CHECK(rename(kit_path, aside) == 0);
  CHECK(save_one(s, "a") == STORE_FINE); /* not into the file that was moved away */
  CHECK(kit_number("SELECT count(*) FROM requests") == 1);
  uint64_t version;
  CHECK(s->calls->entities_version(s, &version) == STORE_FINE);
  kit_end(s);
}

static void test_newer_schema(void) {
  struct store *s = kit_begin();
  CHECK(s->calls->check(s) == STORE_FINE);
  store_free(s);
  kit_sql("PRAGMA user_version = 999");
  s = kit_store();
  CHECK(s->calls->check(s) == STORE_UNAVAILABLE);
  error_has(s, "its schema is version 999");
  kit_end(s);
}

static void write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY);
  if (fd < 0) return;
  ssize_t count = write(fd, text, strlen(text));
  (void)count;
  close(fd);
}

/* Mounts of our own: as root, or as root of a namespace of users. */
static bool may_mount(void) {
  if (unshare(CLONE_NEWNS) != 0) {
    char map[64];
    snprintf(map, sizeof map, "0 %u 1", (unsigned)getuid());
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/uid_map", map);
  }
  return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
         mount("none", kit_folder, "tmpfs", 0, "size=1m") == 0;
}

/* A disk of one megabyte, where the system lets us have one. */
static void fill_disk(void) {
  if (!may_mount()) {
    printf("no mount allowed here: a full disk was not tried\n");
    _exit(checks_end());
  }
  struct store *s = kit_store();
  enum store_result result = STORE_FINE;
  int kept = 0;
  char id[16];
  for (; kept < 20000 && result == STORE_FINE; kept++) {
    snprintf(id, sizeof id, "r%d", kept);
    result = save_one(s, id);
  }
  CHECK(result == STORE_FULL || result == STORE_UNAVAILABLE);
  kept--;
  CHECK(kept > 5 && save_one(s, "more") != STORE_FINE);
  CHECK(mount("none", kit_folder, "tmpfs", MS_REMOUNT, "size=8m") == 0);
  CHECK(save_one(s, id) == STORE_FINE); /* there is room again */
  store_free(s);
  CHECK(kit_number("SELECT count(*) FROM requests") == kept + 1);
  CHECK(kit_number("SELECT sum(requests) FROM rollups") == kept + 1);
  _exit(checks_end());
}

static void test_full(void) {
  struct store *s = kit_begin();
  pid_t child = fork();
  if (child == 0) fill_disk();
  int status;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  kit_end(s);
}

static void test_no_store(void) {
  struct bytes error;
  bytes_init(&error);
  CHECK(store_new(SLICE("postgres://localhost/x"), &error) == NULL);
  CHECK(strstr(bytes_text(&error), "SQLite alone") != NULL);
  bytes_fini(&error);
}

int main(void) {
  test_locked();
  test_no_file();
  test_read_only();
  test_damaged();
  test_replaced();
  test_newer_schema();
  test_full();
  test_no_store();
  return checks_end();
}
