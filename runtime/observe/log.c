#include "observe/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"

enum {
  HELD_BYTES_MAX = 1 << 20,
  FLUSH_BYTES = 128 << 10, /* a file takes so much at half of what small pieces cost */
  PIPE_CHUNK_BYTES =
      4096 /* PIPE_BUF: a writable pipe takes this much at once, unmixed with others' */
};

struct log {
  struct slice path; /* empty: standard output */
  int fd;
  bool is_regular, owns_fd, is_failing;
  unsigned opened_at;
  struct bytes held;
  size_t whole; /* bytes of held that are finished lines */
};

static atomic_uint reopen_count;
static atomic_ullong dropped;
static atomic_bool is_torn; /* the file ends inside a line: a full disk, or a process that died */

void log_process(enum log_level level, const char *format, ...) {
  static const char *const names[] = {"info", "warn", "error"};
  struct bytes message, line;
  bytes_init(&message);
  bytes_init(&line);
  va_list list;
  va_start(list, format);
  bytes_vprintf(&message, format, list);
  va_end(list);
  char time[25];
  clock_format(clock_wall_ms(), time);
  bytes_printf(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"message\":", time, names[level]);
  json_quote(&line, bytes_slice(&message));
  bytes_append_text(&line, "}\n");
  ssize_t written = write(STDERR_FILENO, line.data, line.len);
  (void)written; /* nowhere left to say it */
  bytes_fini(&message);
  bytes_fini(&line);
}

static void open_file(struct log *l) {
  l->opened_at = atomic_load(&reopen_count);
  int fd = STDOUT_FILENO;
  if (l->path.len) {
    fd = open(l->path.data, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
    if (fd < 0) {
      log_process(LOG_ERROR, "log.file %s cannot be opened: %s; lines go to %s", l->path.data,
                  strerror(errno), l->fd >= 0 ? "the file before it" : "standard output");
      if (l->fd >= 0) return; /* the old one is better than none */
      fd = STDOUT_FILENO;
    }
  }
  if (l->owns_fd) close(l->fd);
  l->fd = fd;
  l->owns_fd = fd != STDOUT_FILENO;
  struct stat status;
  l->is_regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

static void take_path(struct log *l, const struct config *config) {
  free((char *)l->path.data);
  l->path = (struct slice){must_strdup(config->log_file.len ? config->log_file.data : ""),
                           config->log_file.len};
}

/* What an earlier process left; the workers' own logs are made one after the other. */
static bool ends_inside_a_line(const struct log *l) {
  char last = '\n';
  int fd = l->is_regular && l->path.len ? open(l->path.data, O_RDONLY | O_CLOEXEC) : -1;
  if (fd < 0) return false;
  if (lseek(fd, -1, SEEK_END) >= 0 && read(fd, &last, 1) != 1) last = '\n';
  close(fd);
  return last != '\n';
}

struct log *log_new(const struct config *config) {
  struct log *l = must_calloc(1, sizeof *l);
  l->fd = -1;
  take_path(l, config);
  open_file(l);
  if (ends_inside_a_line(l)) atomic_store(&is_torn, true);
  return l;
}

void log_reload(struct log *l, const struct config *config) {
  if (slice_equal(l->path, config->log_file)) return;
  log_flush(l);
  take_path(l, config);
  open_file(l);
}

struct bytes *log_buffer(struct log *l) {
  return &l->held;
}

/* Over the limit the newest line goes: the older ones are nearer to being written. */
void log_line_end(struct log *l) {
  if (l->held.len > HELD_BYTES_MAX) {
    l->held.len = l->whole;
    atomic_fetch_add(&dropped, 1);
    return;
  }
  l->whole = l->held.len;
  if (l->whole > FLUSH_BYTES) log_flush(l);
}

bool log_may_wait(const struct log *l) {
  return l->is_regular && l->whole < FLUSH_BYTES;
}

static bool is_writable(int fd) {
  struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
  return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLOUT);
}

/* What may be written without waiting: all of it to a file, else up to a line's end within one
 * chunk. */
static size_t writable_bytes(const struct log *l) {
  if (l->is_regular) return l->whole;
  if (!is_writable(l->fd)) return 0;
  if (l->whole <= PIPE_CHUNK_BYTES) return l->whole;
  const char *end = memrchr(l->held.data, '\n', PIPE_CHUNK_BYTES);
  return end ? (size_t)(end - l->held.data) + 1 : PIPE_CHUNK_BYTES;
}

/* Said once when it begins and once when it ends. */
static void note_write(struct log *l, bool fails) {
  if (l->is_failing == fails) return;
  l->is_failing = fails;
  const char *name = l->path.len ? l->path.data : "standard output";
  if (fails)
    log_process(LOG_ERROR, "the request log cannot be written to %s: %s; 1 MiB of lines is kept",
                name, strerror(errno));
  else
    log_process(LOG_INFO, "the request log is written to %s again", name);
}

/* Bytes of held that need not be written again; -1: the file takes nothing. A line that came in
 * part comes whole later, behind whatever the other workers have written by then. */
static ssize_t write_lines(struct log *l, size_t count) {
  if (l->is_regular && atomic_exchange(&is_torn, false) && write(l->fd, "\n", 1) != 1) {
    atomic_store(&is_torn, true);
    return -1;
  }
  ssize_t written = write(l->fd, l->held.data, count);
  if (written <= 0) return -1;
  if (!l->is_regular || (size_t)written == count) return written;
  const char *end = memrchr(l->held.data, '\n', (size_t)written);
  ssize_t whole = end ? end - l->held.data + 1 : 0;
  if (whole < written) atomic_store(&is_torn, true);
  return whole;
}

void log_flush(struct log *l) {
  if (l->whole == 0) return;
  if (l->opened_at != atomic_load(&reopen_count)) open_file(l);
  size_t count;
  while ((count = writable_bytes(l)) > 0) {
    ssize_t written = write_lines(l, count);
    if (written < 0) { /* disk full, reader gone: held, then dropped and counted */
      note_write(l, true);
      return;
    }
    if (written > 0) note_write(l, false);
    bytes_drop_front(&l->held, (size_t)written);
    l->whole -= (size_t)written;
  }
}

void log_free(struct log *l) {
  log_flush(l);
  if (l->owns_fd) close(l->fd);
  free((char *)l->path.data);
  bytes_fini(&l->held);
  free(l);
}

void log_reopen(void) {
  atomic_fetch_add(&reopen_count, 1);
}

uint64_t log_dropped_total(void) {
  return atomic_load(&dropped);
}
