/* A server and its clients on one loop and one thread: a client sends a piece, the loop turns, the
 * server has read exactly that piece. Handler and answers depend on the path, see on_request. */
#pragma once
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "check.h"
#include "http/conn.h"

enum { FLOOD_BYTES = 24 << 20 };

struct kit {
  uv_loop_t loop;
  struct config config;
  struct http_server *server;
  uint16_t port;
  const char *path; /* unix socket, else NULL */
  unsigned requests, ended, cut, writable;
  uint64_t written; /* by /flood */
  char reason[64];
  bool is_closed;
  bool is_plain; /* every path is answered at once with the body */
};

struct echo {
  struct kit *kit;
  struct http_stream *stream;
  struct bytes body;
  uv_timer_t timer;
  struct slice path;
  uint64_t left;
  bool is_http;
};

static void free_echo(uv_handle_t *handle) {
  struct echo *e = handle->data;
  bytes_fini(&e->body);
  free(e);
}

static const struct header plain_text = {{"Content-Type", 12}, {"text/plain", 10}};
static const struct header event_stream = {{"Content-Type", 12}, {"text/event-stream", 17}};

static void on_beat(uv_timer_t *timer) {
  struct echo *e = timer->data;
  if (slice_equal(e->path, SLICE("/resume"))) {
    uv_timer_stop(timer);
    stream_body_resume(e->stream);
  } else if (slice_equal(e->path, SLICE("/late"))) {
    uv_timer_stop(timer);
    stream_respond(e->stream, 200, (struct headers){&plain_text, 1}, SLICE("late"));
  } else {
    stream_write(e->stream, SLICE("data: x\n\n"));
  }
}

static void flood(struct echo *e) {
  static char piece[4096];
  memset(piece, 'x', sizeof piece);
  while (e->left) {
    size_t count = e->left < sizeof piece ? (size_t)e->left : sizeof piece;
    e->left -= count;
    e->kit->written += count;
    if (!stream_write(e->stream, (struct slice){piece, count})) return;
  }
  stream_end(e->stream);
}

static void start_answer(struct echo *e) {
  if (e->kit->is_plain) {
    stream_respond(e->stream, 200, (struct headers){&plain_text, 1}, bytes_slice(&e->body));
  } else if (slice_equal(e->path, SLICE("/sse"))) {
    stream_begin(e->stream, 200, (struct headers){&event_stream, 1});
    stream_write(e->stream, SLICE("data: first\n\n"));
    uv_timer_start(&e->timer, on_beat, 5, 5);
  } else if (slice_equal(e->path, SLICE("/silent"))) {
    stream_begin(e->stream, 200, (struct headers){&event_stream, 1});
    stream_write(e->stream, SLICE("data: first\n\n"));
  } else if (slice_equal(e->path, SLICE("/late"))) {
    uv_timer_start(&e->timer, on_beat, 60, 0);
  } else if (slice_equal(e->path, SLICE("/flood"))) {
    stream_begin(e->stream, 200, (struct headers){&plain_text, 1});
    e->left = FLOOD_BYTES;
    flood(e);
  } else if (slice_equal(e->path, SLICE("/two"))) {
    stream_begin(e->stream, 200, (struct headers){&plain_text, 1});
    stream_write(e->stream, SLICE("one"));
    stream_write(e->stream, SLICE("two"));
    stream_end(e->stream);
  } else if (slice_equal(e->path, SLICE("/cut"))) {
    stream_begin(e->stream, 200, (struct headers){&plain_text, 1});
    stream_write(e->stream, SLICE("half"));
    stream_cut(e->stream);
  } else if (slice_equal(e->path, SLICE("/empty"))) {
    stream_respond(e->stream, 204, (struct headers){0}, SLICE(""));
  } else if (!slice_equal(e->path, SLICE("/wait"))) {
    stream_respond(e->stream, 200, (struct headers){&plain_text, 1}, bytes_slice(&e->body));
  }
}

static void on_request(struct http_stream *s, const struct http_request *request, void *context) {
  struct kit *kit = context;
  struct echo *e = must_calloc(1, sizeof *e);
  e->kit = kit;
  e->stream = s;
  e->path = request->path;
  uv_timer_init(&kit->loop, &e->timer);
  e->timer.data = e;
  stream_set_user(s, e);
  kit->requests++;
  if (request->path.len && request->path.data[0] == '/') {
    bytes_append_slice(&e->body, request->path);
    bytes_append_byte(&e->body, '|');
  }
  if (kit->is_plain) return;
  if (slice_equal(request->path, SLICE("/deny")))
    stream_respond(s, 401, (struct headers){&plain_text, 1}, SLICE("no"));
  if (slice_equal(request->path, SLICE("/small"))) stream_set_body_limit(s, 4);
  if (slice_equal(request->path, SLICE("/resume"))) {
    stream_body_pause(s);
    uv_timer_start(&e->timer, on_beat, 60, 0);
  }
}

static void on_body(struct http_stream *s, struct slice data, void *user) {
  struct echo *e = user;
  (void)s;
  bytes_append_slice(&e->body, data);
}

static void on_body_end(struct http_stream *s, void *user) {
  (void)s;
  start_answer(user);
}

static void on_writable(struct http_stream *s, void *user) {
  struct echo *e = user;
  (void)s;
  e->kit->writable++;
  if (slice_equal(e->path, SLICE("/flood"))) flood(e);
}

static void on_closed(struct http_stream *s, bool complete, const char *reason, void *user) {
  struct echo *e = user;
  (void)s;
  e->kit->ended++;
  e->kit->cut += !complete;
  snprintf(e->kit->reason, sizeof e->kit->reason, "%s", reason);
  uv_close((uv_handle_t *)&e->timer, free_echo);
}

static const char *error_body(const struct http_error *error, struct bytes *out) {
  bytes_printf(out, "%d %.*s %s", error->status, (int)error->path.len, error->path.data,
               error->sentence);
  return "text/plain";
}

static const struct http_handler kit_handler = {.on_request = on_request,
                                                .on_body = on_body,
                                                .on_body_end = on_body_end,
                                                .on_writable = on_writable,
                                                .on_closed = on_closed,
                                                .error_body = error_body};

static void kit_config(struct config *c) {
  *c = (struct config){.workers = 1};
  ref_init(&c->refs);
  c->client = (struct client_timers){.tls_handshake_ms = 5000,
                                     .header_ms = 10000,
                                     .body_total_ms = 60000,
                                     .body_idle_ms = 10000,
                                     .keepalive_ms = 75000,
                                     .write_stall_ms = 60000};
  c->limits = (struct limits){.head_bytes = 65536,
                              .url_bytes = 8192,
                              .body_bytes = 1 << 20,
                              .write_high_bytes = 65536,
                              .write_low_bytes = 32768,
                              .head_lines = 100};
}

static void kit_listen(struct kit *kit, const char *path, bool is_tls) {
  struct address a = {.text = slice_of(path ? path : "127.0.0.1:0"),
                      .is_unix = path != NULL,
                      .host = path ? path : "127.0.0.1"};
  struct sockaddr_in name;
  socklen_t len = sizeof name;
  char error[256];
  int fd = http_socket_new(&a, 0600, error, sizeof error);
  must(fd >= 0);
  kit->path = path;
  if (!path) {
    must(getsockname(fd, (struct sockaddr *)&name, &len) == 0);
    kit->port = ntohs(name.sin_port);
  }
  http_server_listen(kit->server, fd, is_tls);
}

static void kit_start(struct kit *kit, bool is_tls, const char *path) {
  signal(SIGPIPE, SIG_IGN);
  must(uv_loop_init(&kit->loop) == 0);
  kit->server = http_server_new(&kit->loop, &kit->config, &kit_handler, kit);
  kit_listen(kit, path, is_tls);
}

static inline void on_kit_closed(void *context) {
  ((struct kit *)context)->is_closed = true;
}

static void kit_turn(struct kit *kit) {
  uv_run(&kit->loop, UV_RUN_NOWAIT);
}

/* Turns the loop until the condition holds or the time is over. */
#define KIT_UNTIL(kit, ms, condition)                                                              \
  do {                                                                                             \
    uint64_t until_ns = clock_mono_ns() + (uint64_t)(ms)*1000000u;                                 \
    while (!(condition) && clock_mono_ns() < until_ns) {                                           \
      kit_turn(kit);                                                                               \
      if (!(condition)) usleep(200);                                                               \
    }                                                                                              \
  } while (0)

static inline void kit_stop(struct kit *kit) {
  http_server_close(kit->server, on_kit_closed);
  uv_run(&kit->loop, UV_RUN_DEFAULT);
  CHECK(kit->is_closed);
  CHECK(uv_loop_close(&kit->loop) == 0);
  CHECK(kit->ended == kit->requests);
}

static int client_open(struct kit *kit) {
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(kit->port)};
  struct sockaddr_un file = {.sun_family = AF_UNIX};
  int on = 1, fd = socket(kit->path ? AF_UNIX : AF_INET, SOCK_STREAM, 0), status;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (kit->path) {
    snprintf(file.sun_path, sizeof file.sun_path, "%s", kit->path);
    status = connect(fd, (struct sockaddr *)&file, sizeof file);
  } else {
    status = connect(fd, (struct sockaddr *)&name, sizeof name);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  must(status == 0);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

static void client_send(struct kit *kit, int fd, struct slice data) {
  while (data.len) {
    ssize_t sent = send(fd, data.data, data.len, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return;
    if (sent > 0) data = slice_skip(data, (size_t)sent);
    kit_turn(kit);
  }
}

/* Reads until the server closes; false when it has not after 10 s. */
static bool client_read_all(struct kit *kit, int fd, struct bytes *out) {
  uint64_t until_ns = clock_mono_ns() + 10000000000u;
  while (clock_mono_ns() < until_ns) {
    ssize_t count = recv(fd, bytes_reserve(out, 65536), 65536, 0);
    if (count == 0 || (count < 0 && errno != EAGAIN)) return count == 0;
    if (count > 0) out->len += (size_t)count;
    kit_turn(kit);
    if (count < 0) usleep(50);
  }
  return false;
}

/* Reads until `text` has arrived; false after 10 s. */
static inline bool client_read_until(struct kit *kit, int fd, struct bytes *out, const char *text) {
  uint64_t until_ns = clock_mono_ns() + 10000000000u;
  while (clock_mono_ns() < until_ns) {
    if (out->len && strstr(bytes_text(out), text)) return true;
    ssize_t count = recv(fd, bytes_reserve(out, 65536), 65536, 0);
    if (count == 0 || (count < 0 && errno != EAGAIN)) return false;
    if (count > 0) out->len += (size_t)count;
    kit_turn(kit);
    if (count < 0) usleep(50);
  }
  return false;
}

/* The status codes of all answers, such as "200 400"; bodies are skipped by their length. */
static inline void read_statuses(struct bytes *answers, char *out, size_t out_bytes) {
  const char *at = bytes_text(answers), *end = answers->data + answers->len;
  size_t used = 0;
  out[0] = 0;
  while (at < end && strncmp(at, "HTTP/1.1 ", 9) == 0 && used + 8 < out_bytes) {
    const char *body = strstr(at, "\r\n\r\n"), *length = strstr(at, "Content-Length: ");
    used += (size_t)snprintf(out + used, out_bytes - used, "%s%.3s", used ? " " : "", at + 9);
    if (!body) break;
    body += 4;
    at = length && length < body ? body + atoi(length + 16) : body;
    if (strncmp(out + used - 3, "100", 3) != 0 && !length) break;
  }
  if (at < end) snprintf(out + used, out_bytes - used, " +");
}
