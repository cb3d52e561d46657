#include "observe/log.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/json.h"
#include "check.h"

static char folder[] = "/tmp/gateyes-log-XXXXXX";

static char *path_of(const char *name) {
  static char paths[64][64];
  static unsigned next;
  char *path = paths[next++ % 64];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

static struct config config_of(const char *path) {
  return (struct config){.log_file = slice_of(path)};
}

static void add_line(struct log *l, const char *text) {
  bytes_printf(log_buffer(l), "{\"line\":\"%s\"}\n", text);
  log_line_end(l);
}

static struct bytes read_all(int fd) {
  struct bytes text;
  ssize_t got;
  bytes_init(&text);
  while ((got = read(fd, bytes_reserve(&text, 65536), 65536)) > 0)
    text.len += (size_t)got;
  return text;
}

static struct bytes read_file(const char *path) {
  int fd = open(path, O_RDONLY);
  CHECK(fd >= 0);
  struct bytes text = read_all(fd);
  close(fd);
  return text;
}

/* Counts lines; each must be a JSON object by itself. */
static size_t count_lines(struct bytes *text) {
  struct slice rest = bytes_slice(text);
  size_t count = 0;
  CHECK(text->len == 0 || text->data[text->len - 1] == '\n');
  for (; rest.len; count++) {
    struct slice line = slice_cut(rest, '\n', &rest);
    CHECK(json_validate(line, 4, NULL) && json_type(line) == JSON_OBJECT);
  }
  bytes_fini(text);
  return count;
}

static size_t lines_in(const char *path) {
  struct bytes text = read_file(path);
  return count_lines(&text);
}

static void test_file(void) {
  struct config config = config_of(path_of("a.log"));
  struct log *l = log_new(&config);
  add_line(l, "one");
  add_line(l, "two");
  CHECK(lines_in(path_of("a.log")) == 0);
  bytes_append_text(log_buffer(l), "{\"unfinished\":");
  log_flush(l);
  CHECK(lines_in(path_of("a.log")) == 2);
  bytes_append_text(log_buffer(l), "1}\n");
  log_line_end(l);
  log_free(l);
  CHECK(lines_in(path_of("a.log")) == 3);
}

static void test_rotation_and_reload(void) {
  struct config config = config_of(path_of("b.log")), other = config_of(path_of("c.log"));
  struct log *l = log_new(&config);
  add_line(l, "old");
  log_flush(l);
  CHECK(rename(path_of("b.log"), path_of("b.log.1")) == 0);
  add_line(l, "still old");
  log_flush(l);
  log_reopen();
  add_line(l, "new");
  log_flush(l);
  CHECK(lines_in(path_of("b.log.1")) == 2 && lines_in(path_of("b.log")) == 1);
  add_line(l, "before the reload");
  log_reload(l, &other);
  add_line(l, "after");
  log_free(l);
  CHECK(lines_in(path_of("b.log")) == 2 && lines_in(path_of("c.log")) == 1);
}

static void limit_files(size_t bytes) {
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
  limit.rlim_cur = bytes ? bytes : limit.rlim_max;
  CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

/* Those that are no JSON object; all of them come whole as well. */
static size_t torn_in(struct bytes *text, size_t *whole) {
  struct slice rest = bytes_slice(text);
  size_t torn = 0;
  for (*whole = 0; rest.len;) {
    struct slice line = slice_cut(rest, '\n', &rest);
    bool is_whole = json_validate(line, 4, NULL) && json_type(line) == JSON_OBJECT;
    *whole += is_whole;
    torn += !is_whole;
  }
  bytes_fini(text);
  return torn;
}

/* A disk that is full in the middle of a line: with room again the line comes whole, and it spoils
 * none of another worker's. */
static void test_a_full_disk(void) {
  struct config config = config_of(path_of("full.log"));
  struct log *one = log_new(&config), *other = log_new(&config);
  signal(SIGXFSZ, SIG_IGN);
  limit_files(150);
  for (int i = 0; i < 20; i++)
    add_line(one, "a line of the first");
  log_flush(one);
  struct bytes text = read_file(path_of("full.log"));
  CHECK(text.len == 150 && text.data[149] != '\n');
  bytes_fini(&text);
  limit_files(0);
  add_line(other, "a line of the other");
  log_flush(other);
  log_flush(one);
  log_free(other);
  log_free(one);
  size_t whole;
  text = read_file(path_of("full.log"));
  CHECK(torn_in(&text, &whole) == 1);
  CHECK(whole == 21);
}

/* kill -9, or a full disk before the end, may leave half a line. */
static void test_half_a_line_of_before(void) {
  struct config config = config_of(path_of("half.log"));
  int fd = open(path_of("half.log"), O_WRONLY | O_CREAT, 0600);
  CHECK(write(fd, "{\"line\":1}\n{\"lin", 17) == 17);
  close(fd);
  struct log *l = log_new(&config);
  add_line(l, "first of a new process");
  log_free(l);
  size_t whole;
  struct bytes text = read_file(path_of("half.log"));
  CHECK(torn_in(&text, &whole) == 1);
  CHECK(whole == 2);
  l = log_new(&config);
  add_line(l, "nothing to mend here");
  log_free(l);
  text = read_file(path_of("half.log"));
  CHECK(torn_in(&text, &whole) == 1);
  CHECK(whole == 3);
}

/* Standard output is a pipe that nobody reads: nothing waits, lines are dropped and counted, and
 * what arrives in the end is whole lines. */
static void test_blocked_pipe(void) {
  enum { LINES = 30000 };
  int ends[2], saved = dup(STDOUT_FILENO);
  CHECK(pipe(ends) == 0);
  dup2(ends[1], STDOUT_FILENO);
  struct config config = {0};
  struct log *l = log_new(&config);
  uint64_t before = log_dropped_total();
  char text[100];
  memset(text, 'x', sizeof text - 1);
  text[sizeof text - 1] = 0;
  for (int i = 0; i < LINES; i++) {
    add_line(l, text);
    if (i % 64 == 0) log_flush(l);
  }
  uint64_t dropped = log_dropped_total() - before;
  CHECK(dropped > 0 && log_buffer(l)->len <= (1 << 20));
  struct bytes got;
  bytes_init(&got);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  while (log_buffer(l)->len) {
    struct bytes part = read_all(ends[0]);
    bytes_append_slice(&got, bytes_slice(&part));
    bytes_fini(&part);
    log_flush(l);
  }
  log_free(l);
  dup2(saved, STDOUT_FILENO);
  close(saved);
  close(ends[1]);
  struct bytes rest = read_all(ends[0]);
  bytes_append_slice(&got, bytes_slice(&rest));
  bytes_fini(&rest);
  close(ends[0]);
  CHECK(count_lines(&got) + dropped == LINES);
}

/* Every byte in a message: one line each, and each line parses. */
static void test_injection(void) {
  int saved = dup(STDERR_FILENO), fd = open(path_of("err"), O_RDWR | O_CREAT | O_APPEND, 0600);
  dup2(fd, STDERR_FILENO);
  for (int byte = 1; byte < 256; byte++)
    log_process(LOG_WARN, "before %c\"}\n{\"forged\":1} after", byte);
  log_process(LOG_ERROR, "%s", "");
  dup2(saved, STDERR_FILENO);
  close(saved);
  close(fd);
  struct bytes text = read_file(path_of("err"));
  CHECK(text.len && !memchr(text.data, 0x1b, text.len) && !memchr(text.data, '\r', text.len));
  CHECK(count_lines(&text) == 256);
}

int main(void) {
  CHECK(mkdtemp(folder) != NULL);
  test_file();
  test_rotation_and_reload();
  test_a_full_disk();
  test_half_a_line_of_before();
  test_blocked_pipe();
  test_injection();
  static const char *const made[] = {"a.log", "b.log", "b.log.1", "c.log", "err"};
  for (size_t i = 0; i < sizeof made / sizeof *made; i++)
    unlink(path_of(made[i]));
  rmdir(folder);
  return checks_end();
}
