/* The journal: what was appended can be read back, after trouble and after a torn end too. */
#include "store/journal.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "check.h"
#include "store/record.h"

static char folder[128];
static atomic_uint errors_said, notes_said;
static char last_said[1024];
static unsigned writers = 2;

static void say(void *context, bool is_error, const char *sentence) {
  (void)context;
  atomic_fetch_add(is_error ? &errors_said : &notes_said, 1);
  snprintf(last_said, sizeof last_said, "%s", sentence);
}

static void fresh_folder(void) {
  snprintf(folder, sizeof folder, "/tmp/journal-XXXXXX");
  if (!mkdtemp(folder)) abort();
}

static void remove_folder(void) {
  char command[256];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  CHECK(system(command) == 0);
}

static struct journals *open_journals(size_t segment_bytes, bool spills) {
  struct journal_settings settings = {.folder = folder,
                                      .writers = writers,
                                      .segment_bytes = segment_bytes,
                                      .spill_bytes = 8 << 10,
                                      .disk_bytes = 1 << 20,
                                      .fsync_ms = 1,
                                      .spills = spills,
                                      .say = say};
  struct bytes error;
  bytes_init(&error);
  struct journals *set = journals_open(&settings, &error);
  if (!set) fprintf(stderr, "%s\n", bytes_text(&error));
  bytes_fini(&error);
  return set;
}

static struct ledger_record record_of(char *id, size_t number) {
  snprintf(id, 32, "req_%zu", number);
  return (struct ledger_record){.request_id = slice_of(id),
                                .time_ms = 1767225600000 + number,
                                .tenant = SLICE("acme"),
                                .model = SLICE("gpt-4o"),
                                .status = 200,
                                .usage_source = USAGE_PROVIDER,
                                .usage = {.input = number, .output = 7},
                                .cost_nanousd = number * 1000,
                                .cost_known = true,
                                .attempts = SLICE("[{\"provider\":\"gpu\"}]")};
}

static enum failure_kind append(struct journals *set, unsigned writer, size_t number) {
  char id[32];
  struct ledger_record record = record_of(id, number);
  return journal_append(journals_writer(set, writer), &record);
}

/* Reads everything, deletes what is done; seen[number] counts. */
static size_t drain(struct journals *set, unsigned *seen, size_t count) {
  size_t total = 0;
  struct bytes frames;
  bytes_init(&frames);
  for (struct segment *s = journals_next(set, NULL), *next; s; s = next) {
    for (uint64_t end; !segment_is_done(s); segment_set_drained(s, end)) {
      uint64_t from = segment_drained(s);
      bytes_clear(&frames);
      CHECK(segment_read(set, s, from, &frames, &end));
      if (end == from) break;
      struct ledger_record record;
      size_t size;
      for (struct slice rest = bytes_slice(&frames); rest.len; rest = slice_skip(rest, size)) {
        CHECK(record_decode(rest, &record, &size) == RECORD_WHOLE);
        size_t number = (size_t)(record.time_ms - 1767225600000);
        CHECK(number < count);
        CHECK(record.usage.input == number && record.cost_nanousd == number * 1000);
        if (number < count) seen[number]++;
        total++;
      }
    }
    next = journals_next(set, s);
    if (segment_is_done(s)) segment_delete(set, s);
  }
  bytes_fini(&frames);
  return total;
}

static size_t files(const char *suffix) {
  size_t count = 0;
  DIR *list = opendir(folder);
  for (struct dirent *entry; (entry = readdir(list));) {
    size_t len = strlen(entry->d_name), wanted = strlen(suffix);
    if (len > wanted && strcmp(entry->d_name + len - wanted, suffix) == 0) count++;
  }
  closedir(list);
  return count;
}

static void each_once(const unsigned *seen, size_t count) {
  size_t wrong = 0;
  for (size_t i = 0; i < count; i++)
    wrong += seen[i] != 1;
  CHECK(wrong == 0);
}

static void test_checksum(void) {
  /* RFC 3720, B.4 and the usual check value. */
  CHECK(checksum_crc32c(SLICE("123456789")) == 0xe3069283);
  CHECK(checksum_crc32c_portable(SLICE("123456789")) == 0xe3069283);
  char zeros[32] = {0}, text[300];
  CHECK(checksum_crc32c((struct slice){zeros, 32}) == 0x8a9136aa);
  for (size_t i = 0; i < sizeof text; i++)
    text[i] = (char)(i * 37 + 11);
  for (size_t len = 0; len < sizeof text; len++) {
    struct slice part = {text, len};
    CHECK(checksum_crc32c(part) == checksum_crc32c_portable(part));
  }
}

static void test_record(void) {
  struct ledger_record in = {.request_id = SLICE("req_1"),
                             .time_ms = 5,
                             .status = 499,
                             .is_stream = true,
                             .usage = {1, 2, 3, 4, 5, 6, 7, 8, 9},
                             .usage_source = USAGE_ESTIMATED,
                             .cost_nanousd = 1ull << 62,
                             .trace = SLICE("{\"a\":[]}"),
                             .tags = SLICE("[\"x\"]")};
  struct bytes out, json;
  bytes_init(&out);
  bytes_init(&json);
  record_encode(&in, &out);
  struct ledger_record back;
  size_t size = 0;
  CHECK(record_decode(bytes_slice(&out), &back, &size) == RECORD_WHOLE && size == out.len);
  CHECK_TEXT(back.request_id, "req_1");
  CHECK(back.is_stream && back.status == 499 && back.cost_nanousd == 1ull << 62);
  CHECK(memcmp(&in.usage, &back.usage, sizeof in.usage) == 0);
  CHECK_TEXT(back.trace, "{\"a\":[]}");
  CHECK(back.tenant.len == 0);
  record_write_json(&back, &json);
  CHECK(strstr(bytes_text(&json), "\"images\":9,\"cost_nanousd\":4611686018427387904") != NULL);
  CHECK(strstr(bytes_text(&json), "\"tags\":[\"x\"],\"trace\":{\"a\":[]}}") != NULL);
  for (size_t len = 0; len < out.len; len++) /* every cut is seen, every flipped byte too */
    CHECK(len == 0 || record_decode((struct slice){out.data, len}, &back, &size) == RECORD_SHORT);
  for (size_t at = 0; at < out.len; at++) {
    out.data[at] ^= 0x20;
    CHECK(record_decode(bytes_slice(&out), &back, &size) != RECORD_WHOLE);
    out.data[at] ^= 0x20;
  }
  bytes_fini(&out);
  bytes_fini(&json);
}

static void test_large_texts(void) {
  char *large = must_calloc(1, 1 << 20);
  memset(large, 'x', 1 << 20);
  struct ledger_record in = {.request_id = SLICE("r"),
                             .user = {large, 1 << 20},
                             .trace = {large, 1 << 20}},
                       back;
  struct bytes out;
  bytes_init(&out);
  record_encode(&in, &out);
  size_t size;
  CHECK(record_decode(bytes_slice(&out), &back, &size) == RECORD_WHOLE);
  CHECK(back.user.len == RECORD_TEXT_MAX);
  CHECK_TEXT(back.trace, "{\"left_out_bytes\":1048576}");
  bytes_fini(&out);
  free(large);
}

static void test_append_rotate_drain(void) {
  enum { COUNT = 2000 };
  unsigned seen[COUNT] = {0};
  fresh_folder();
  struct journals *set = open_journals(8 << 10, false);
  for (size_t i = 0; i < COUNT; i++) {
    CHECK(append(set, i % 2, i) == FAILURE_NONE);
    if (i % 50 == 0) journals_tend(set);
    if (i % 300 == 0) drain(set, seen, COUNT);
  }
  struct journal_stats stats;
  journals_tend(set);
  journals_stats(set, &stats);
  CHECK(stats.records == COUNT && stats.lost_records == 0 && stats.spilled_records == 0);
  CHECK(stats.undrained_bytes > 0 && stats.segments > 2 && stats.is_usable);
  drain(set, seen, COUNT);
  journals_seal(set);
  drain(set, seen, COUNT);
  each_once(seen, COUNT);
  CHECK(files(".journal") == 0 && files(".draft") == 1); /* whose file would serve again */
  journals_close(set);
  CHECK(files(".draft") == 0);
  remove_folder();
}

/* A child appends and is killed without warning; whatever it said it had appended is there. */
static void test_kill(void) {
  enum { COUNT = 200000 };
  unsigned *seen = must_calloc(COUNT, sizeof *seen);
  fresh_folder();
  int said[2];
  CHECK(pipe(said) == 0);
  pid_t child = fork();
  if (child == 0) {
    struct journals *set = open_journals(64 << 10, false);
    for (size_t i = 0; i < COUNT; i++) {
      if (append(set, 0, i) != FAILURE_NONE) _exit(1);
      if (write(said[1], &i, sizeof i) != sizeof i) _exit(1);
      if (i % 100 == 0) journals_tend(set);
    }
    for (;;)
      pause();
  }
  close(said[1]);
  size_t last = 0, number;
  while (read(said[0], &number, sizeof number) == sizeof number && (last = number) < 5000) {
  }
  kill(child, SIGKILL);
  while (read(said[0], &number, sizeof number) == sizeof number)
    last = number;
  waitpid(child, NULL, 0);
  struct journals *set = open_journals(64 << 10, false);
  size_t total = drain(set, seen, COUNT);
  CHECK(total == last + 1 || total == last + 2); /* one may have been written and not said */
  each_once(seen, last + 1);
  journals_seal(set);
  drain(set, seen, COUNT);
  CHECK(files(".journal") == 0);
  journals_close(set);
  free(seen);
  remove_folder();
}

static void only_file(char *path, size_t size) {
  DIR *list = opendir(folder);
  for (struct dirent *entry; (entry = readdir(list));)
    if (strstr(entry->d_name, ".journal")) snprintf(path, size, "%s/%s", folder, entry->d_name);
  closedir(list);
}

/* Ten records in one segment that nobody owns any more; returns its size. */
static off_t leave_segment(char *path, size_t size) {
  fresh_folder();
  writers = 1;
  pid_t child = fork();
  if (child == 0) {
    struct journals *set = open_journals(64 << 10, false);
    for (size_t i = 0; i < 10; i++)
      if (append(set, 0, i) != FAILURE_NONE) _exit(1);
    _exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  writers = 2;
  CHECK(files(".journal") == 1);
  only_file(path, size);
  struct stat about;
  CHECK(stat(path, &about) == 0);
  return about.st_size;
}

static void test_torn_and_damaged(void) {
  char path[512];
  unsigned seen[10] = {0};
  off_t size = leave_segment(path, sizeof path); /* the last record loses its end */
  CHECK(truncate(path, size - 5) == 0);
  struct journals *set = open_journals(64 << 10, false);
  CHECK(drain(set, seen, 10) == 9);
  CHECK(files(".damaged") == 0);
  journals_close(set);
  remove_folder();

  memset(seen, 0, sizeof seen);
  size = leave_segment(path, sizeof path); /* a byte in the middle turns: one record is gone */
  int fd = open(path, O_RDWR);
  char byte;
  CHECK(pread(fd, &byte, 1, size / 2) == 1);
  byte ^= 1;
  CHECK(pwrite(fd, &byte, 1, size / 2) == 1);
  close(fd);
  set = open_journals(64 << 10, false);
  CHECK(drain(set, seen, 10) == 9);
  CHECK(files(".damaged") == 1);
  struct journal_stats stats;
  journals_stats(set, &stats);
  CHECK(stats.damaged_bytes > 50 && stats.damaged_bytes < 300);
  journals_close(set);
  remove_folder();
}

static void limit_file_size(rlim_t bytes) {
  struct rlimit limit;
  getrlimit(RLIMIT_FSIZE, &limit);
  limit.rlim_cur = bytes;
  CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

/* Files may not grow: every write fails, as on a full disk. */
static void test_trouble(bool spills) {
  enum { COUNT = 300 };
  unsigned seen[COUNT] = {0};
  fresh_folder();
  struct journals *set = open_journals(64 << 10, spills);
  size_t kept = 0, number = 0;
  for (; number < 10; number++, kept++)
    CHECK(append(set, 0, number) == FAILURE_NONE);
  limit_file_size(10);
  unsigned errors = errors_said;
  CHECK(append(set, 0, number++) == FAILURE_NONE);
  kept++;
  CHECK(errors_said == errors + 1);
  CHECK(journal_usable(journals_writer(set, 0)) == spills);
  CHECK(journal_usable(journals_writer(set, 1)));
  journals_tend(set);
  size_t lost = 0, usable = 0;
  for (; number < 200; number++) {
    bool fine = append(set, 0, number) == FAILURE_NONE;
    kept += fine;
    lost += !fine;
    usable += journal_usable(journals_writer(set, 0));
    if (!fine) CHECK(strstr(last_said, "\"request_id\":\"req_") != NULL);
    if (!fine) seen[number]++;
  }
  CHECK(lost > 0 && kept > 50 && lost + kept == 200);
  CHECK(spills ? usable > 20 && usable < kept : usable == 0);
  struct journal_stats stats;
  journals_stats(set, &stats);
  CHECK(stats.lost_records == lost && stats.spilled_bytes > 7 << 10 &&
        stats.spilled_bytes <= 8 << 10);
  limit_file_size(RLIM_INFINITY);
  journals_tend(set);
  CHECK(journal_usable(journals_writer(set, 0)));
  for (; number < COUNT; number++)
    CHECK(append(set, 0, number) == FAILURE_NONE);
  journals_stats(set, &stats);
  CHECK(stats.spilled_bytes == 0);
  journals_seal(set);
  CHECK(drain(set, seen, COUNT) == COUNT - lost);
  each_once(seen, COUNT);
  CHECK(files(".journal") == 0 && files(".damaged") == 0);
  journals_close(set);
  remove_folder();
}

/* Many share one write; where that fails, each still learns what became of its own record, in
 * whatever order they ask. */
static void test_shared_write(void) {
  enum { COUNT = 400 };
  unsigned seen[COUNT] = {0};
  uint64_t tickets[COUNT];
  fresh_folder();
  struct journals *set = open_journals(64 << 10, true);
  struct journal *j = journals_writer(set, 0);
  size_t lost = 0;
  for (size_t turn = 0; turn < 4; turn++) {
    limit_file_size(turn == 1 || turn == 2 ? 10 : RLIM_INFINITY);
    if (turn == 3) journals_tend(set);
    size_t first = turn * 100, lost_before = lost;
    for (size_t i = first; i < first + 100; i++) {
      char id[32];
      struct ledger_record record = record_of(id, i);
      tickets[i] = journal_put(j, &record);
    }
    for (size_t i = first + 100; i-- > first;)
      if (journal_take(j, tickets[i]) != FAILURE_NONE) {
        seen[i]++;
        lost++;
      }
    CHECK(turn == 2 ? lost > 0 && lost < 200 : turn == 1 || lost == lost_before);
  }
  struct journal_stats stats;
  journals_stats(set, &stats);
  CHECK(stats.lost_records == lost && lost < 200 && stats.records == COUNT);
  journals_seal(set);
  CHECK(drain(set, seen, COUNT) == COUNT - lost);
  each_once(seen, COUNT);
  journals_close(set);
  remove_folder();
}

static void test_full(void) {
  unsigned *seen = must_calloc(20000, sizeof *seen);
  fresh_folder();
  struct journals *set = open_journals(64 << 10, true);
  for (size_t i = 0; i < 20000; i++)
    CHECK(append(set, 0, i) == FAILURE_NONE);
  journals_tend(set);
  CHECK(!journal_usable(journals_writer(set, 0)));
  drain(set, seen, 20000);
  journals_tend(set);
  CHECK(journal_usable(journals_writer(set, 0)));
  each_once(seen, 20000);
  journals_close(set);
  free(seen);
  remove_folder();
}

static void test_neighbours(void) {
  unsigned seen[10] = {0};
  fresh_folder();
  struct journals *first = open_journals(64 << 10, true);
  CHECK(append(first, 0, 0) == FAILURE_NONE);
  struct journals *second = open_journals(64 << 10, true);
  CHECK(drain(second, seen, 10) == 0); /* the first still runs: its segments are its own */
  journals_seal(first);
  CHECK(drain(first, seen, 10) == 1);
  journals_close(first);
  journals_close(second);
  remove_folder();
}

static void test_no_folder(void) {
  struct bytes error;
  bytes_init(&error);
  struct journal_settings settings = {
      .folder = "/dev/null/journal", .writers = 1, .segment_bytes = 1, .say = say};
  CHECK(journals_open(&settings, &error) == NULL);
  CHECK_TEXT(bytes_slice(&error),
             "/dev/null/journal: cannot make the folder of the ledger's journal: Not a directory");
  bytes_fini(&error);
}

static void test_cost(void) {
  enum { COUNT = 20000 };
  fresh_folder();
  struct journals *set = open_journals(64 << 20, true);
  uint64_t start_ns = clock_mono_ns();
  for (size_t i = 0; i < COUNT; i++)
    CHECK(append(set, 0, i) == FAILURE_NONE);
  printf("%.2f us an append\n", (double)(clock_mono_ns() - start_ns) / COUNT / 1000);
  journals_close(set);
  remove_folder();
}

int main(void) {
  signal(SIGXFSZ, SIG_IGN);
  test_checksum();
  test_record();
  test_large_texts();
  test_append_rotate_drain();
  test_kill();
  test_torn_and_damaged();
  test_trouble(false);
  test_trouble(true);
  test_shared_write();
  test_full();
  test_neighbours();
  test_no_folder();
  test_cost();
  return checks_end();
}
