/* The file of a drained segment serves again: what it held before is never read as what it holds
 * now, whenever the process dies and whatever of the file survives. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "dice.h"
#include "store/journal.h"
#include "store/record.h"

enum { SEGMENT_BYTES = 64 << 10, MOST = 20000, HEADER_BYTES = 16, LIFE_AT = 12 };

static char folder[64];
static unsigned errors_said;

static void say(void *context, bool is_error, const char *sentence) {
  (void)context, (void)sentence;
  errors_said += is_error;
}

static struct journals *open_journals(void) {
  struct journal_settings settings = {.folder = folder,
                                      .writers = 1,
                                      .segment_bytes = SEGMENT_BYTES,
                                      .spill_bytes = 8 << 10,
                                      .disk_bytes = 1 << 20,
                                      .fsync_ms = 1000,
                                      .say = say};
  struct bytes error;
  bytes_init(&error);
  struct journals *set = journals_open(&settings, &error);
  must(set);
  bytes_fini(&error);
  return set;
}

/* Of different lengths, so that lives do not end where those before did. */
static void append(struct journals *set, size_t number) {
  static const char text[] = "0123456789012345678901234567890123456789";
  struct ledger_record record = {.request_id = SLICE("req"),
                                 .time_ms = number + 1,
                                 .tenant = {text, 1 + number * 7 % (sizeof text - 1)}};
  CHECK(journal_append(journals_writer(set, 0), &record) == FAILURE_NONE);
}

/* What is read comes in its order; first: the number that the first must have at least. */
struct found {
  size_t count, first, last, wrong;
};

static void read_segment(struct journals *set, struct segment *s, struct found *found) {
  struct bytes frames;
  bytes_init(&frames);
  for (uint64_t end; !segment_is_done(s); segment_set_drained(s, end)) {
    uint64_t from = segment_drained(s);
    bytes_clear(&frames);
    CHECK(segment_read(set, s, from, &frames, &end));
    if (end == from) break;
    size_t size;
    struct ledger_record record;
    for (struct slice rest = bytes_slice(&frames); rest.len; rest = slice_skip(rest, size)) {
      CHECK(record_decode(rest, &record, &size) == RECORD_WHOLE);
      size_t number = (size_t)record.time_ms - 1;
      if (!found->count++) found->first = number;
      found->wrong += found->count > 1 && number != found->last + 1;
      found->last = number;
    }
  }
  bytes_fini(&frames);
}

static struct found drain(struct journals *set) {
  struct found found = {0};
  for (struct segment *s = journals_next(set, NULL), *next; s; s = next) {
    read_segment(set, s, &found);
    next = journals_next(set, s);
    if (segment_is_done(s)) segment_delete(set, s);
  }
  return found;
}

static void begin(void) {
  snprintf(folder, sizeof folder, "/tmp/journal-lives-XXXXXX");
  if (!mkdtemp(folder)) abort();
  errors_said = 0;
}

static void end(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  CHECK(system(command) == 0);
}

/* Appends and drains, so that files turn over, and dies with `left` records undrained. */
static void live(size_t count, size_t left) {
  pid_t child = fork();
  if (child == 0) {
    struct journals *set = open_journals();
    for (size_t i = 0; i < count; i++) {
      append(set, i);
      if (i % 40 == 0) journals_tend(set);
      if (i % 80 == 0 && i + left < count) drain(set);
    }
    _exit(checks_end());
  }
  int status;
  waitpid(child, &status, 0);
  CHECK(status == 0);
}

static size_t drafts(void) {
  size_t count = 0;
  DIR *list = opendir(folder);
  for (struct dirent *entry; (entry = readdir(list));)
    count += strstr(entry->d_name, ".draft") != NULL;
  closedir(list);
  return count;
}

/* The newest segment's path. */
static void newest(char *path, size_t room) {
  char name[256] = "";
  DIR *list = opendir(folder);
  for (struct dirent *entry; (entry = readdir(list));)
    if (strstr(entry->d_name, ".journal") && strcmp(entry->d_name, name) > 0)
      snprintf(name, sizeof name, "%s", entry->d_name);
  closedir(list);
  snprintf(path, room, "%s/%s", folder, name);
}

static struct bytes read_file(const char *path) {
  struct bytes all;
  struct stat about;
  int fd = open(path, O_RDONLY);
  CHECK(fd >= 0 && fstat(fd, &about) == 0);
  bytes_init(&all);
  size_t size = (size_t)about.st_size;
  CHECK(pread(fd, bytes_reserve(&all, size), size, 0) == about.st_size);
  all.len = size;
  close(fd);
  return all;
}

static uint32_t number_at(const struct bytes *file, size_t at) {
  uint32_t number;
  memcpy(&number, file->data + at, sizeof number);
  return number;
}

static void put_number(const char *path, size_t at, uint32_t number) {
  int fd = open(path, O_WRONLY);
  CHECK(pwrite(fd, &number, sizeof number, (off_t)at) == sizeof number);
  close(fd);
}

/* Wherever in its life a file is when the process dies. */
static void test_death(void) {
  for (unsigned round = 0; round < 40; round++) {
    size_t count = 3000 + dice(MOST - 3000), left = 1 + dice(700);
    begin();
    live(count, left);
    struct journals *set = open_journals();
    CHECK(drafts() == 0);
    struct found found = drain(set);
    CHECK(found.wrong == 0 && found.last == count - 1 && found.count >= left);
    CHECK(found.count < 2500); /* two files, and not what they held before */
    struct journal_stats stats;
    journals_stats(set, &stats);
    CHECK(stats.damaged_bytes == 0 && errors_said == 0);
    journals_close(set);
    end();
  }
}

static void test_files_serve_again(void) {
  ino_t inodes[64];
  size_t lives = 0, files = 0;
  char path[512], before[512] = "";
  begin();
  struct journals *set = open_journals();
  for (size_t i = 0; i < MOST; i++) {
    append(set, i);
    if (i % 40) continue;
    journals_tend(set);
    drain(set);
    newest(path, sizeof path);
    struct stat about;
    CHECK(stat(path, &about) == 0);
    size_t k = 0;
    while (k < files && inodes[k] != about.st_ino)
      k++;
    if (k == files && files < 64) inodes[files++] = about.st_ino;
    lives += strcmp(path, before) != 0;
    snprintf(before, sizeof before, "%s", path);
  }
  CHECK(lives > 10 && files <= 3 && drafts() == 1);
  struct journals *neighbour = open_journals(); /* another process at the same folder */
  CHECK(drafts() == 1);
  journals_close(neighbour);
  journals_close(set);
  CHECK(drafts() == 0);
  end();
}

/* The newest segment, in a later life. Returns where its frame of that number begins. */
static size_t leave(char *path, size_t room, struct bytes *file, size_t frame) {
  begin();
  live(MOST, 300);
  newest(path, room);
  *file = read_file(path);
  CHECK(number_at(file, LIFE_AT) > 1);
  size_t at = HEADER_BYTES;
  for (size_t i = 0; i < frame; i++)
    at += RECORD_FRAME_BYTES + number_at(file, at + 8);
  return at;
}

/* A frame of an earlier life where one of this life should be: a page that a power cut took. */
static void test_lost_page(void) {
  char path[512];
  struct bytes file;
  size_t at = leave(path, sizeof path, &file, 20);
  uint32_t life = number_at(&file, LIFE_AT);
  put_number(path, at + 4, number_at(&file, at + 4) ^ life ^ (life - 1));
  struct journals *set = open_journals();
  struct found found = drain(set);
  CHECK(found.wrong == 1 && found.last == MOST - 1);
  struct journal_stats stats;
  journals_stats(set, &stats);
  CHECK(stats.damaged_bytes == RECORD_FRAME_BYTES + number_at(&file, at + 8) && errors_said > 0);
  snprintf(path, sizeof path, "ls %s | grep -q damaged", folder);
  CHECK(system(path) == 0);
  journals_close(set);
  bytes_fini(&file);
  end();
}

static void test_damage(void) {
  char path[512];
  struct bytes file;
  size_t at = leave(path, sizeof path, &file, 20);
  put_number(path, at + 20, ~number_at(&file, at + 20));
  struct journals *set = open_journals();
  struct found found = drain(set);
  CHECK(found.wrong == 1 && found.last == MOST - 1 && errors_said > 0);
  journals_close(set);
  bytes_fini(&file);
  end();
}

/* Somebody takes the file away, or makes it shorter, before it serves again. */
static void test_taken_away(void) {
  begin();
  struct journals *set = open_journals();
  size_t i = 0;
  for (; i < MOST / 4; i++) {
    append(set, i);
    if (i % 40 == 0) journals_tend(set), drain(set);
  }
  char command[128];
  snprintf(command, sizeof command, "rm -f %s/*.draft", folder);
  CHECK(system(command) == 0);
  size_t seen = 0;
  for (; i < MOST / 2; i++) {
    append(set, i);
    if (i % 40 == 0) journals_tend(set), seen += drain(set).count;
  }
  journals_seal(set);
  struct found found = drain(set);
  CHECK(found.wrong == 0 && found.last == MOST / 2 - 1);
  CHECK(seen + found.count >= MOST / 4 && errors_said == 0);
  journals_close(set);
  end();
}

int main(void) {
  test_files_serve_again();
  test_death();
  test_lost_page();
  test_damage();
  test_taken_away();
  return checks_end();
}
