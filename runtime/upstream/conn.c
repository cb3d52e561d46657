#include "upstream/conn.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void on_poll(uv_poll_t *poll, int status, int events);

static void on_closed(uv_handle_t *handle) {
  struct conn *c = handle->data;
  upstream_handle_closed(c->upstream);
  free(c);
}

bool conn_departs_later(struct conn *c) {
  struct upstream *u = c->upstream;
  if (!gather_write(u->gather)) return false;
  list_append(&u->departing, &c->departure);
  if (++u->departing_count >= GATHER_MOST) upstream_flush(u);
  return true;
}

static void stay(struct conn *c) {
  if (list_empty(&c->departure)) return;
  list_remove(&c->departure);
  c->upstream->departing_count--;
}

/* A request leaves unless its pooled connection has been closed meanwhile: then another takes it.
 */
static void depart(struct conn *c, bool is_silent) {
  must(c->state == CONN_BUSY);
  bool is_gone = c->was_used && (c->is_broken || !(is_silent || conn_is_quiet(c)));
  if (is_gone)
    c->handler->on_gone(c, c->user);
  else
    c->handler->on_writable(c, c->user);
}

void upstream_flush(struct upstream *u) {
  struct conn *conns[GATHER_MOST];
  struct pollfd looks[GATHER_MOST];
  while (!list_empty(&u->departing)) {
    nfds_t count = 0;
    while (count < GATHER_MOST && !list_empty(&u->departing)) {
      struct conn *c = list_entry(u->departing.next, struct conn, departure);
      stay(c);
      conns[count] = c;
      looks[count++] = (struct pollfd){.fd = c->fd, .events = POLLIN | POLLRDHUP};
    }
    bool is_known = poll(looks, count, 0) >= 0; /* one look at all */
    for (nfds_t i = 0; i < count; i++)
      depart(conns[i], is_known && looks[i].revents == 0);
  }
}

void conn_close(struct conn *c) {
  if (c->state == CONN_CLOSED) return;
  stay(c);
  c->state = CONN_CLOSED;
  list_remove(&c->link);
  deadline_disarm(&c->expiry);
  later_cancel(&c->again);
  c->upstream->pool.open--;
  if (c->has_poll) uv_close((uv_handle_t *)&c->poll, on_closed); /* before the descriptor */
  if (c->is_direct)
    close(c->fd);
  else
    dial_end(&c->dial);
  if (!c->has_poll)
    later_add(c->upstream, &c->again); /* callers up the stack may still look at c */
}

static void on_again(struct later *l) {
  struct conn *c = list_entry(l, struct conn, again);
  if (c->state == CONN_CLOSED)
    free(c);
  else if (c->state == CONN_BUSY)
    c->handler->on_readable(c, c->user);
}

/* Armed once for each connection: it is moved when it fires, not with each request. */
static void on_expiry(struct deadline *d) {
  struct conn *c = list_entry(d, struct conn, expiry);
  const struct upstream_timers *t = &c->endpoint->timers;
  uint64_t now = uv_now(c->upstream->loop);
  uint64_t from = c->state == CONN_IDLE ? c->idle_since_ms : now;
  uint64_t due = t->pool_idle_ms ? from + t->pool_idle_ms : UINT64_MAX;
  if (c->state == CONN_IDLE && t->pool_lifetime_ms && c->created_ms + t->pool_lifetime_ms < due)
    due = c->created_ms + t->pool_lifetime_ms;
  if (c->state == CONN_IDLE && due <= now)
    conn_close(c);
  else if (due != UINT64_MAX)
    deadline_arm(&c->upstream->deadlines, d, due);
}

static void arm_expiry(struct conn *c) {
  const struct upstream_timers *t = &c->endpoint->timers;
  uint64_t after = t->pool_idle_ms;
  if (t->pool_lifetime_ms && (!after || t->pool_lifetime_ms < after)) after = t->pool_lifetime_ms;
  if (after) deadline_arm(&c->upstream->deadlines, &c->expiry, c->created_ms + after);
}

/* libcurl closes what it opened, but not the socket that has become ours. */
static int on_socket_close(void *user, curl_socket_t fd) {
  const struct conn *c = user;
  return fd == c->fd ? 0 : close(fd);
}

/* What libcurl keeps for a connection is half of what a stream takes, and it walks its cache of
 * connections at each call. A plain socket needs neither. */
static void take_socket(struct conn *c) {
  dial_end(&c->dial);
  c->is_direct = true;
}

static void refuse(struct conn *c, CURLcode result) {
  char sentence[512];
  enum failure_kind kind = dial_failure(&c->dial, result, sentence, sizeof sentence);
  c->handler->on_refused(c, kind, sentence, c->user);
}

static void on_dialed(struct dial *d, CURLcode result) {
  struct conn *c = list_entry(d, struct conn, dial);
  curl_socket_t fd = CURL_SOCKET_BAD;
  if (result == CURLE_OK) curl_easy_getinfo(d->handle.easy, CURLINFO_ACTIVESOCKET, &fd);
  if (fd == CURL_SOCKET_BAD) {
    refuse(c, result == CURLE_OK ? CURLE_COULDNT_CONNECT : result);
    return;
  }
  dial_settle(d);
  c->fd = fd;
  if (c->is_plain) take_socket(c);
  must(uv_poll_init_socket(c->upstream->loop, &c->poll, fd) == 0);
  c->poll.data = c;
  c->has_poll = true;
  c->upstream->handles++;
  c->state = CONN_BUSY;
  c->moves = c->endpoint->moves;
  arm_expiry(c);
  conn_want(c, true, false);
  c->handler->on_connected(c, c->user);
}

struct conn *conn_dial(struct upstream *u, struct endpoint *e, const struct provider *provider,
                       const struct conn_events *handler, void *user) {
  struct conn *c = must_calloc(1, sizeof *c);
  struct connect_options options = connect_options_of(provider);
  c->upstream = u;
  c->endpoint = e;
  c->state = CONN_DIALING;
  c->fd = -1;
  c->is_tls = provider->is_tls;
  c->is_plain = !provider->is_tls && !provider->proxy;
  c->created_ms = uv_now(u->loop);
  c->handler = handler;
  c->user = user;
  CURL *easy = connect_only_new(&options);
  if (c->is_plain) {
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_socket_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, c);
  }
  if (c->is_tls && !options.tls.ca_file) trust_give(&u->trusts, easy);
  deadline_init(&c->expiry, on_expiry);
  later_init(&c->again, on_again);
  list_init(&c->departure);
  list_append(&e->busy, &c->link);
  u->pool.open++;
  c->dial.on_done = on_dialed;
  dial_start(&c->dial, u, &options, easy);
  return c;
}

void conn_adopt(struct conn *c, const struct conn_events *handler, void *user) {
  must(c->state == CONN_IDLE);
  list_remove(&c->link);
  list_append(&c->endpoint->busy, &c->link);
  c->state = CONN_BUSY;
  c->handler = handler;
  c->user = user;
}

/* On TLS, bytes may be a session ticket or a key update that only OpenSSL sees. */
bool conn_is_quiet(struct conn *c) {
  char byte;
  size_t received;
  ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
  if (n == 0 || !c->is_tls) return false;
  return curl_easy_recv(c->dial.handle.easy, &byte, 1, &received) == CURLE_AGAIN;
}

void conn_release(struct conn *c) {
  const struct upstream_timers *t = &c->endpoint->timers;
  uint64_t now = uv_now(c->upstream->loop);
  bool is_old = t->pool_lifetime_ms && now >= c->created_ms + t->pool_lifetime_ms;
  bool has_moved = c->moves != c->endpoint->moves;
  if (is_old || has_moved || c->is_broken || !c->endpoint->is_wanted || c->upstream->is_closing) {
    conn_close(c);
    return;
  }
  stay(c);
  list_remove(&c->link);
  list_prepend(&c->endpoint->idle, &c->link);
  later_cancel(&c->again);
  c->state = CONN_IDLE;
  c->was_used = true;
  c->idle_since_ms = now;
  c->handler = NULL;
  c->user = NULL;
  conn_want(c, true, false);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  struct conn *c = poll->data;
  if (c->state == CONN_IDLE) {
    if (status < 0 || !conn_is_quiet(c)) conn_close(c);
    return;
  }
  bool is_held = c->was_used && !list_empty(&c->departure);
  if (is_held) { /* nothing of what comes is an answer; depart() looks at it */
    c->is_broken |= status < 0;
    return;
  }
  if (status < 0) { /* libuv has stopped watching; bytes may still lie before the error */
    c->is_broken = true;
    c->events = 0;
    c->handler->on_readable(c, c->user);
    return;
  }
  if (events & UV_WRITABLE && c->events & UV_WRITABLE) c->handler->on_writable(c, c->user);
  if (events & UV_READABLE && c->state == CONN_BUSY && c->events & UV_READABLE)
    c->handler->on_readable(c, c->user);
}

void conn_want(struct conn *c, bool read, bool write) {
  int events = (read ? UV_READABLE : 0) | (write ? UV_WRITABLE : 0);
  if (events == c->events || c->is_broken) return;
  c->events = events;
  if (events)
    must(uv_poll_start(&c->poll, events, on_poll) == 0);
  else
    uv_poll_stop(&c->poll);
}

void conn_read_again(struct conn *c) {
  later_add(c->upstream, &c->again);
}

static enum conn_io io_of(ssize_t n, size_t *moved) {
  if (n > 0) *moved = (size_t)n;
  if (n > 0) return CONN_IO_OK;
  if (n == 0) return CONN_IO_END;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? CONN_IO_AGAIN : CONN_IO_ERROR;
}

enum conn_io conn_send(struct conn *c, const void *data, size_t len, size_t *sent) {
  *sent = 0;
  errno = 0;
  if (c->is_direct) return io_of(send(c->fd, data, len, MSG_NOSIGNAL), sent);
  CURLcode result = curl_easy_send(c->dial.handle.easy, data, len, sent);
  if (result == CURLE_OK) return CONN_IO_OK;
  return result == CURLE_AGAIN ? CONN_IO_AGAIN : CONN_IO_ERROR;
}

enum conn_io conn_receive(struct conn *c, void *data, size_t len, size_t *received) {
  *received = 0;
  errno = 0;
  if (c->is_direct) return io_of(recv(c->fd, data, len, 0), received);
  CURLcode result = curl_easy_recv(c->dial.handle.easy, data, len, received);
  if (result == CURLE_OK) return *received ? CONN_IO_OK : CONN_IO_END;
  return result == CURLE_AGAIN ? CONN_IO_AGAIN : CONN_IO_ERROR;
}

/* libcurl keeps the first of its reasons only. */
const char *conn_reason(struct conn *c) {
  if (!c->is_tls && errno) return strerror(errno);
  return c->dial.handle.reason[0] ? c->dial.handle.reason : "connection lost";
}
