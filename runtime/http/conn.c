#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/intake.h"

uint64_t conn_now(const struct conn *c) {
  return uv_now(c->server->loop);
}

void conn_set_phase(struct conn *c, enum conn_phase phase, uint64_t due_ms) {
  c->phase = phase;
  c->phase_due = due_ms;
}

void conn_soon(struct conn *c) {
  struct http_server *server = c->server;
  if (c->is_running || !list_empty(&c->soon) || c->phase == CONN_CLOSING) return;
  if (list_empty(&server->soon)) server_run_soon(server);
  list_append(&server->soon, &c->soon);
}

void conn_break(struct conn *c, const char *reason) {
  queue_flush(c); /* what was written before still leaves */
  if (!c->broken) c->broken = reason;
  conn_soon(c);
}

void conn_part(struct conn *c, const char *reason) {
  if (c->tls) tls_bye(c);
  conn_break(c, reason);
}

static size_t backlog_bytes(const struct conn *c) {
  return c->backlog.len - c->backlog_at;
}

/* Everything that was read and not parsed yet. */
static size_t unparsed_bytes(const struct conn *c) {
  return c->fresh_bytes + backlog_bytes(c);
}

bool conn_wants_input(const struct conn *c) {
  return c->phase != CONN_CLOSING && !c->is_eof && backlog_bytes(c) <= BACKLOG_BYTES;
}

static void on_conn_closed(uv_handle_t *handle) {
  struct conn *c = handle->data;
  struct http_server *server = c->server;
  queue_fini(c);
  bytes_fini(&c->backlog);
  config_unref(c->config);
  free(c);
  server->conn_count--;
  connections_open(-1);
  server_handle_closed(server);
}

static void tell_closed(struct conn *c, bool complete, const char *reason) {
  struct http_stream *s = c->stream;
  if (!s || !s->announced) return;
  s->announced = false;
  c->server->handler.on_closed(s, complete, reason, s->user);
}

static void drop_stream(struct conn *c) {
  if (c->stream) stream_free(c->stream);
  c->stream = NULL;
}

static void shut_down(struct conn *c) {
  tell_closed(c, false, c->broken);
  drop_stream(c);
  if (c->tls) tls_stop(c);
  wheel_remove(&c->timer);
  list_remove(&c->link);
  list_remove(&c->soon);
  conn_set_phase(c, CONN_CLOSING, WHEEL_NEVER);
  uv_close((uv_handle_t *)&c->poll, on_conn_closed);
  close(c->fd);
}

static void linger(struct conn *c) {
  conn_set_phase(c, CONN_LINGER, conn_now(c) + LINGER_MS);
  c->body_idle_due = WHEEL_NEVER;
}

/* The answer has left. What follows on this connection? */
static void finish_answer(struct conn *c) {
  struct http_stream *s = c->stream;
  bool keep = s->keep_alive && !c->server->is_draining;
  bool is_clean = s->is_close_asked && unparsed_bytes(c) == 0;
  tell_closed(c, !s->is_cut, s->is_cut ? "cut" : "");
  if (s->is_cut) {
    conn_break(c, "cut");
    return;
  }
  if (keep && c->phase == CONN_BODY) return; /* the rest of the body is still to be skipped */
  enum conn_phase phase = c->phase;
  drop_stream(c);
  if (phase == CONN_LINGER) return;
  if (keep)
    conn_idle(c);
  else if (phase == CONN_ANSWER && is_clean && !c->tls)
    conn_break(c, "closed");
  else
    linger(c);
}

/* The client hears that nothing more comes, while what it still sends is read: closing at once
 * would reset the connection and destroy the answer on its way (RFC 9112, 9.6). */
static void send_fin(struct conn *c) {
  c->is_shut = true;
  if (c->tls) tls_bye(c);
  if (queue_bytes(c)) {
    c->is_shut = false;
    return;
  }
  shutdown(c->fd, SHUT_WR);
}

static void settle_eof(struct conn *c) {
  bool is_flushing = queue_bytes(c) > 0;
  if (!c->is_eof || unparsed_bytes(c) || tls_has_input(c)) return;
  if (c->phase == CONN_BODY && !body_is_discarded(c))
    conn_break(c, "client_closed");
  else if (c->phase != CONN_ANSWER && !is_flushing)
    conn_break(c, "client_closed");
}

static void settle_queue(struct conn *c) {
  struct http_stream *s = c->stream;
  if (!s || !s->announced) return;
  if (s->is_blocked && queue_bytes(c) < c->config->limits.write_low_bytes) {
    s->is_blocked = false;
    if (s->answer != ANSWER_ENDED) c->server->handler.on_writable(s, s->user);
  }
}

/* Brings the connection up to date; false once it is closing. */
static bool settle(struct conn *c) {
  if (c->phase == CONN_CLOSING) return false;
  if (!c->broken) settle_queue(c);
  if (!c->broken && c->stream && c->stream->answer == ANSWER_ENDED && queue_bytes(c) == 0)
    finish_answer(c);
  if (!c->broken && c->phase == CONN_LINGER && !c->stream && !c->is_shut && queue_bytes(c) == 0)
    send_fin(c);
  if (!c->broken) settle_eof(c);
  if (!c->broken && c->phase == CONN_IDLE && conn_is_parting(c) && unparsed_bytes(c) == 0)
    conn_part(c, "draining");
  if (!c->broken) return true;
  shut_down(c);
  return false;
}

static bool takes_input(const struct conn *c) {
  if (c->phase == CONN_BODY) return !c->stream->is_body_paused || body_is_discarded(c);
  /* A client that goes on sending is left to wait: a reset would destroy the answer it has yet to
   * read. */
  if (c->phase == CONN_LINGER) return c->discarded <= DISCARD_BYTES;
  return c->phase == CONN_IDLE || c->phase == CONN_HEAD;
}

static size_t begin_head(struct conn *c, struct slice data) {
  /* Old clients send an empty line after a body (RFC 9112, 2.2). */
  if (data.len >= 2 && data.data[0] == '\r' && data.data[1] == '\n') return 2;
  c->stream = stream_new(c);
  /* The first head of a connection has the time since it was accepted. */
  uint64_t due = c->idle_since ? conn_now(c) + c->config->client.header_ms : c->phase_due;
  conn_set_phase(c, CONN_HEAD, due);
  return intake_head(c, data);
}

static size_t discard(struct conn *c, struct slice data) {
  c->discarded += data.len;
  return data.len;
}

static size_t feed(struct conn *c, struct slice data) {
  switch (c->phase) {
  case CONN_IDLE: return begin_head(c, data);
  case CONN_HEAD: return intake_head(c, data);
  case CONN_BODY: return body_take(c, data);
  default: return discard(c, data);
  }
}

static struct slice consume(struct conn *c, struct slice data) {
  c->fresh_bytes = data.len;
  while (settle(c) && data.len && takes_input(c)) {
    data = slice_skip(data, feed(c, data));
    c->fresh_bytes = data.len;
  }
  c->fresh_bytes = 0;
  return data;
}

void conn_bytes(struct conn *c, struct slice data) {
  if (backlog_bytes(c) == 0) data = consume(c, data);
  if (c->phase != CONN_CLOSING) bytes_append(&c->backlog, data.data, data.len);
}

static void consume_backlog(struct conn *c) {
  /* The memory stays put while slices of it are out: conn_bytes is not called from below here. */
  struct slice all = slice_skip(bytes_slice(&c->backlog), c->backlog_at);
  while (settle(c) && all.len && takes_input(c)) {
    size_t used = feed(c, all);
    all = slice_skip(all, used);
    c->backlog_at += used;
  }
  if (c->backlog_at == 0 || backlog_bytes(c)) return;
  bytes_fini(&c->backlog);
  c->backlog_at = 0;
}

static void take_input(struct conn *c, struct slice data) {
  if (c->tls) {
    tls_input(c, data);
    return;
  }
  c->is_running = true;
  conn_bytes(c, data);
  c->is_running = false;
}

/* Less than there is room for means that nothing more is there; else the loop calls again. */
static void read_some(struct conn *c) {
  ssize_t count = recv(c->fd, c->server->input, READ_BYTES, MSG_DONTWAIT);
  if (count > 0)
    take_input(c, (struct slice){c->server->input, (size_t)count});
  else if (count == 0)
    conn_eof(c);
  else if (errno != EAGAIN && errno != EINTR)
    conn_break(c, "client_closed");
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  struct conn *c = poll->data;
  if (status < 0) { /* a reset; libuv has stopped looking. What came before it is still there */
    c->watched = 0;
    events = UV_READABLE;
    if (!conn_wants_input(c)) conn_break(c, "client_closed");
  }
  if (!c->broken && (events & UV_WRITABLE)) queue_drain(c);
  if (!c->broken && (events & UV_READABLE)) read_some(c);
  conn_run(c);
}

void conn_eof(struct conn *c) {
  c->is_eof = true;
  if (c->phase == CONN_HANDSHAKE) conn_break(c, "client_closed");
}

void conn_watch(struct conn *c) {
  int wanted = conn_wants_input(c) ? UV_READABLE : 0;
  if (c->queue.len) wanted |= UV_WRITABLE;
  if (wanted == c->watched || c->phase == CONN_CLOSING) return;
  c->watched = wanted;
  if (wanted)
    must(uv_poll_start(&c->poll, wanted, on_poll) == 0);
  else
    must(uv_poll_stop(&c->poll) == 0);
}

/* A client that closed looks like one that only ended its sending side, until it answers bytes of
 * ours with a reset; see timers.c. */
static void watch_eof(struct conn *c) {
  bool is_waiting = c->is_eof && c->phase == CONN_ANSWER && c->stream->announced;
  if (is_waiting && c->probe == PROBE_OFF) {
    c->probe = PROBE_WAITING;
    c->probe_due = conn_now(c) + 20;
  } else if (!is_waiting) {
    c->probe = PROBE_OFF;
    c->probe_due = WHEEL_NEVER;
  }
}

void conn_run(struct conn *c) {
  if (c->is_running || c->phase == CONN_CLOSING) return;
  list_remove(&c->soon);
  queue_flush(c);
  c->is_running = true;
  do
    consume_backlog(c);
  while (c->tls && backlog_bytes(c) <= BACKLOG_BYTES && tls_read(c));
  if (c->phase != CONN_CLOSING) settle(c);
  c->is_running = false;
  if (c->phase == CONN_CLOSING) return;
  if (c->tls) tls_hold(c);
  if (backlog_bytes(c) && c->backlog_at >= READ_BYTES) {
    bytes_drop_front(&c->backlog, c->backlog_at);
    c->backlog_at = 0;
  }
  conn_watch(c);
  watch_eof(c);
  conn_arm(c);
}

static void name_peer(struct conn *c) {
  struct sockaddr_storage from;
  socklen_t len = sizeof from;
  char host[INET6_ADDRSTRLEN];
  snprintf(c->peer, sizeof c->peer, "unix");
  if (c->is_unix || getpeername(c->fd, (struct sockaddr *)&from, &len) != 0) return;
  if (from.ss_family == AF_INET6) {
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&from;
    uv_ip6_name(six, host, sizeof host);
    snprintf(c->peer, sizeof c->peer, "[%s]:%u", host, ntohs(six->sin6_port));
  } else {
    struct sockaddr_in *four = (struct sockaddr_in *)&from;
    uv_ip4_name(four, host, sizeof host);
    snprintf(c->peer, sizeof c->peer, "%s:%u", host, ntohs(four->sin_port));
  }
}

static struct conn *conn_new(struct listener *l, int fd) {
  struct http_server *server = l->server;
  struct conn *c = must_calloc(1, sizeof *c);
  c->server = server;
  c->config = config_ref(server->config);
  c->is_unix = l->is_unix;
  c->fd = fd;
  wheel_entry_init(&c->timer);
  list_init(&c->soon);
  list_init(&c->held);
  list_append(&server->conns, &c->link);
  c->phase_due = c->body_idle_due = c->stall_due = c->probe_due = WHEEL_NEVER;
  must(uv_poll_init(server->loop, &c->poll, fd) == 0);
  c->poll.data = c;
  server->handle_count++;
  server->conn_count++;
  connections_open(1);
  return c;
}

void conn_accept(struct listener *l, int fd) {
  struct conn *c = conn_new(l, fd);
  uint32_t limit = c->config->limits.connections;
  if (limit && connections_open(0) > limit) conn_break(c, "too_many_connections");
  name_peer(c);
  if (l->is_tls) {
    conn_set_phase(c, CONN_HANDSHAKE, conn_now(c) + c->config->client.tls_handshake_ms);
    tls_start(c);
  } else {
    conn_set_phase(c, CONN_IDLE, conn_now(c) + c->config->client.header_ms);
  }
  conn_run(c);
}
