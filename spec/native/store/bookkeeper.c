/* From the journal into the store: after a crash, past a store that is away, never twice. */
#include "store/bookkeeper.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "sqlite_kit.h"

static atomic_uint errors_said;
static pthread_mutex_t last_error_lock = PTHREAD_MUTEX_INITIALIZER;
static char last_error[1024];

static void say(void *context, bool is_error, const char *sentence) {
  (void)context;
  if (!is_error) return;
  pthread_mutex_lock(&last_error_lock);
  snprintf(last_error, sizeof last_error, "%s", sentence);
  pthread_mutex_unlock(&last_error_lock);
  atomic_fetch_add(&errors_said, 1);
}

static bool last_error_has(const char *part) {
  pthread_mutex_lock(&last_error_lock);
  bool found = strstr(last_error, part) != NULL;
  pthread_mutex_unlock(&last_error_lock);
  return found;
}

struct house {
  uv_loop_t loop;
  struct journals *journals;
  struct bookkeeper *bookkeeper;
};

static void house_open_small(struct house *h, uint64_t disk_bytes) {
  char folder[200];
  snprintf(folder, sizeof folder, "%s.journal", kit_path);
  struct journal_settings journal = {.folder = folder,
                                     .writers = 2,
                                     .segment_bytes = 16 << 10,
                                     .spill_bytes = 1 << 20,
                                     .disk_bytes = disk_bytes,
                                     .fsync_ms = 1000,
                                     .say = say};
  struct bytes error;
  bytes_init(&error);
  h->journals = journals_open(&journal, &error);
  CHECK(h->journals != NULL);
  bytes_fini(&error);
  CHECK(uv_loop_init(&h->loop) == 0);
  struct bookkeeper_settings settings = {.loop = &h->loop,
                                         .store = kit_store(),
                                         .journals = h->journals,
                                         .has_text_key = true,
                                         .text_bytes = 1 << 20,
                                         .say = say};
  h->bookkeeper = bookkeeper_new(&settings);
}

static void house_open(struct house *h) {
  house_open_small(h, 64 << 20);
}

static void house_close(struct house *h) {
  bookkeeper_close(h->bookkeeper);
  uv_run(&h->loop, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&h->loop) == 0);
}

static enum failure_kind append(struct house *h, unsigned number) {
  char id[32];
  snprintf(id, sizeof id, "req_%u", number);
  struct ledger_record record = {.request_id = slice_of(id),
                                 .time_ms = 1767225600000 + number,
                                 .tenant = SLICE("acme"),
                                 .key_id = SLICE("key_1"),
                                 .usage_source = USAGE_PROVIDER,
                                 .cost_known = true,
                                 .cost_nanousd = number,
                                 .usage = {.input = 1}};
  return journal_append(journals_writer(h->journals, number % 2), &record);
}

static void on_stop(uv_timer_t *timer) {
  uv_stop(timer->loop);
}

/* Lets the loop run until the store holds that many, for at most ten seconds. */
static bool runs_until(struct house *h, uint64_t stored) {
  struct bookkeeper_stats stats;
  uv_timer_t timer;
  uv_timer_init(&h->loop, &timer);
  uint64_t end_ns = clock_mono_ns() + 10000000000u;
  do {
    uv_timer_start(&timer, on_stop, 20, 0);
    uv_run(&h->loop, UV_RUN_DEFAULT);
    bookkeeper_stats(h->bookkeeper, &stats);
  } while (stats.stored_records < stored && clock_mono_ns() < end_ns);
  uv_close((uv_handle_t *)&timer, NULL);
  uv_run(&h->loop, UV_RUN_NOWAIT);
  return stats.stored_records == stored;
}

static size_t journal_files(void) {
  char command[256];
  snprintf(command, sizeof command, "ls %s.journal | wc -l", kit_path);
  FILE *pipe = popen(command, "r");
  unsigned count = 0;
  CHECK(pipe && fscanf(pipe, "%u", &count) == 1);
  pclose(pipe);
  return count;
}

static void test_drain(void) {
  store_free(kit_begin());
  struct house h;
  house_open(&h);
  bookkeeper_start(h.bookkeeper);
  for (unsigned i = 0; i < 1000; i++)
    CHECK(append(&h, i) == FAILURE_NONE);
  CHECK(runs_until(&h, 1000));
  for (unsigned i = 1000; i < 1500; i++)
    CHECK(append(&h, i) == FAILURE_NONE);
  house_close(&h); /* the rest goes in on the way out */
  CHECK(kit_number("SELECT count(*) FROM requests") == 1500);
  CHECK(kit_number("SELECT sum(requests) FROM rollups") == 1500);
  CHECK(kit_number("SELECT sum(cost_nanousd) FROM rollups") == 1499 * 1500 / 2);
  CHECK(kit_number("SELECT count(*) FROM segments") == 0 && journal_files() == 0);
  kit_end(NULL);
}

/* A steady flow is stored once a second, but not where the disk that it may take were full by then.
 * On a machine with other work one second of five is enough. */
static void test_small_disk(void) {
  enum { RECORDS = 1000, SECOND_NS = 1000000000 };
  store_free(kit_begin());
  struct house h;
  struct journal_stats journal;
  unsigned count = 0;
  bool was_soon = false;
  house_open_small(&h, 192 << 10);
  bookkeeper_start(h.bookkeeper);
  for (unsigned i = 0; i < 6 && !was_soon; i++) {
    uint64_t begin_ns = clock_mono_ns();
    for (unsigned end = count + RECORDS; count < end; count++)
      CHECK(append(&h, count) == FAILURE_NONE);
    journals_stats(h.journals, &journal);
    CHECK(journal.bytes / (i + 1) > journal.limit_bytes / 4);
    CHECK(runs_until(&h, count));
    was_soon = i > 0 && clock_mono_ns() - begin_ns < SECOND_NS * 3u / 4;
  }
  CHECK(was_soon);
  house_close(&h);
  kit_end(NULL);
}

/* The process is killed while the bookkeeper works; the next one counts each record once. */
static void test_kill(unsigned wait_ms) {
  store_free(kit_begin());
  int said[2];
  CHECK(pipe(said) == 0);
  pid_t child = fork();
  if (child == 0) {
    struct house h;
    house_open(&h);
    bookkeeper_start(h.bookkeeper);
    for (unsigned i = 0; i < 1000000; i++) {
      if (append(&h, i) != FAILURE_NONE || write(said[1], &i, sizeof i) != sizeof i) _exit(1);
      if (i % 50) continue;
      uv_run(&h.loop, UV_RUN_NOWAIT);
      usleep(1000);
    }
    _exit(0);
  }
  close(said[1]);
  unsigned last = 0, number;
  uint64_t end_ns = clock_mono_ns() + wait_ms * 1000000ull;
  while (clock_mono_ns() < end_ns && read(said[0], &number, sizeof number) == sizeof number)
    last = number;
  kill(child, SIGKILL);
  while (read(said[0], &number, sizeof number) == sizeof number)
    last = number;
  close(said[0]);
  waitpid(child, NULL, 0);
  struct house h;
  house_open(&h);
  bookkeeper_replay(h.bookkeeper, 20000);
  house_close(&h);
  int64_t rows = kit_number("SELECT count(*) FROM requests");
  CHECK(rows == (int64_t)last + 1 || rows == (int64_t)last + 2); /* written and not yet said */
  CHECK(kit_number("SELECT max(cost_nanousd) FROM requests") == rows - 1);
  CHECK(kit_number("SELECT sum(requests) FROM rollups") == rows);
  CHECK(kit_number("SELECT sum(cost_nanousd) FROM rollups") == rows * (rows - 1) / 2);
  CHECK(journal_files() == 0);
  kit_end(NULL);
}

static void test_store_away(void) {
  store_free(kit_begin());
  struct house h;
  house_open(&h);
  sqlite3 *other;
  CHECK(sqlite3_open(kit_path, &other) == SQLITE_OK);
  bookkeeper_start(h.bookkeeper);
  CHECK(append(&h, 0) == FAILURE_NONE && runs_until(&h, 1));
  unsigned errors = errors_said;
  CHECK(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
  for (unsigned i = 1; i < 100; i++)
    CHECK(append(&h, i) == FAILURE_NONE);
  struct bookkeeper_stats stats;
  uint64_t start_ns = clock_mono_ns();
  do { /* the loop goes on while a thread waits for the lock */
    uint64_t turn_ns = clock_mono_ns();
    uv_run(&h.loop, UV_RUN_NOWAIT);
    CHECK(clock_mono_ns() - turn_ns < 1000000000u);
    usleep(1000);
    bookkeeper_stats(h.bookkeeper, &stats);
  } while (errors_said == errors && clock_mono_ns() - start_ns < 10000000000u);
  bookkeeper_stats(h.bookkeeper, &stats);
  CHECK(stats.failures > 0 && stats.result == STORE_BUSY);
  CHECK(errors_said == errors + 1 && last_error_has("locked"));
  struct used used = {0};
  CHECK(journal_usable(journals_writer(h.journals, 0)));
  CHECK(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL) == SQLITE_OK);
  sqlite3_close(other);
  CHECK(runs_until(&h, 100));
  bookkeeper_stats(h.bookkeeper, &stats);
  CHECK(stats.result == STORE_FINE && stats.known_records == 0 && used.requests == 0);
  house_close(&h);
  kit_end(NULL);
}

static void on_used_by(void *context, const struct used_by_row *row) {
  struct used *sum = context;
  CHECK(slice_equal(row->values[USAGE_BY_KEY], SLICE("key_1")) &&
        row->values[USAGE_BY_TENANT].len == 0);
  sum->requests += row->used.requests;
  sum->cost_nanousd += row->used.cost_nanousd;
}

/* What a fresh process asks for its limits, with records in the store and records that are not. */
static void test_used(void) {
  store_free(kit_begin());
  struct house h;
  house_open(&h);
  for (unsigned i = 0; i < 100; i++)
    CHECK(append(&h, i) == FAILURE_NONE);
  bookkeeper_replay(h.bookkeeper, 5000);
  for (unsigned i = 100; i < 130; i++)
    CHECK(append(&h, i) == FAILURE_NONE);
  struct used_by_query query = {.from_ms = 1767225600000 + 50};
  query.groups[USAGE_BY_KEY] = true;
  query.filter.values[USAGE_BY_KEY] = SLICE("key_1");
  struct used used = {0};
  struct used_by_sink sink = {on_used_by, &used};
  CHECK(bookkeeper_used_by(h.bookkeeper, &query, &sink) == STORE_FINE);
  CHECK(used.requests == 80 && used.cost_nanousd == (50 + 129) * 80 / 2);
  query.filter.values[USAGE_BY_KEY] = SLICE("key_2");
  used = (struct used){0};
  CHECK(bookkeeper_used_by(h.bookkeeper, &query, &sink) == STORE_FINE && used.requests == 0);
  house_close(&h);
  kit_end(NULL);
}

static bool on_text(void *context, const struct stored_text *text) {
  bytes_append_slice(context, text->sealed);
  return true;
}

static void test_texts(void) {
  store_free(kit_begin());
  struct house h;
  house_open(&h);
  bookkeeper_start(h.bookkeeper);
  struct stored_text about = {TEXT_RESPONSE, SLICE("resp_1"), SLICE("acme"), 1000, {"", 0}};
  bookkeeper_keep_text(h.bookkeeper, &about, SLICE("what was said"));
  about.id = SLICE("resp_2");
  bookkeeper_keep_text(h.bookkeeper, &about, SLICE("gone again"));
  bookkeeper_drop_text(h.bookkeeper, TEXT_RESPONSE, SLICE("resp_2"));
  char *large = must_calloc(1, 2 << 20);
  bookkeeper_keep_text(h.bookkeeper, &about, (struct slice){large, 2 << 20}); /* no room for it */
  free(large);
  struct bookkeeper_stats stats;
  bookkeeper_stats(h.bookkeeper, &stats);
  CHECK(stats.texts_lost == 1);
  house_close(&h);
  CHECK(kit_number("SELECT count(*) FROM texts") == 1);
  CHECK(kit_number("SELECT count(*) FROM texts WHERE instr(sealed, 'what was')") == 0);
  house_open(&h);
  struct bytes found;
  bytes_init(&found);
  struct text_sink sink = {on_text, &found};
  CHECK(bookkeeper_read_texts(h.bookkeeper, TEXT_RESPONSE, 0, &sink) == STORE_FINE);
  CHECK_TEXT(bytes_slice(&found), "what was said");
  bytes_fini(&found);
  house_close(&h);
  kit_end(NULL);
}

/* What waits when the gateway ends is stored, however much it is. */
static void test_texts_at_the_end(void) {
  enum { TEXTS = 1000 };
  store_free(kit_begin());
  struct house h;
  house_open(&h);
  for (unsigned i = 0; i < TEXTS; i++) {
    char id[24];
    snprintf(id, sizeof id, "resp_%u", i);
    struct stored_text about = {TEXT_RESPONSE, slice_of(id), SLICE("acme"), 1000, {"", 0}};
    bookkeeper_keep_text(h.bookkeeper, &about, SLICE("what was said"));
  }
  struct bookkeeper_stats stats;
  bookkeeper_stats(h.bookkeeper, &stats);
  CHECK(stats.texts_lost == 0);
  house_close(&h);
  CHECK(kit_number("SELECT count(*) FROM texts") == TEXTS);
  kit_end(NULL);
}

int main(void) {
  test_drain();
  test_small_disk();
  for (unsigned i = 0; i < 4; i++)
    test_kill(i * 110 + 5);
  test_store_away();
  test_used();
  test_texts();
  test_texts_at_the_end();
  return checks_end();
}
