#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "http/server.h"

enum {
  MOST_PARTS = 4,
  QUEUE_STEP_BYTES = 4096,
  HELD_WRITE_BYTES = 16 * 1024, /* more leaves at once: it would be copied for nothing */
  HELD_ALL_BYTES = 128 * 1024,
};

size_t queue_bytes(const struct conn *c) {
  return c->held_bytes + c->queue.len - c->queue_at;
}

void queue_fini(struct conn *c) {
  bytes_fini(&c->queue);
  c->queue_at = 0;
}

static size_t bytes_of(const struct slice *parts, unsigned count) {
  size_t sum = 0;
  for (unsigned i = 0; i < count; i++)
    sum += parts[i].len;
  return sum;
}

/* What waits here waits for a client that does not read: thousands may do so at once. */
static void append(struct conn *c, const struct slice *parts, unsigned count, size_t skip) {
  bytes_fit(&c->queue, bytes_of(parts, count) - skip, QUEUE_STEP_BYTES);
  for (unsigned i = 0; i < count; i++) {
    size_t hop = skip < parts[i].len ? skip : parts[i].len;
    bytes_append_slice(&c->queue, slice_skip(parts[i], hop));
    skip -= hop;
  }
}

/* One part goes by send, the shortest way through the kernel. Bytes that were taken; below 0: the
 * client is gone. */
static ssize_t try_write(const struct conn *c, const struct slice *parts, unsigned count) {
  struct iovec pieces[MOST_PARTS];
  ssize_t sent;
  must(count <= MOST_PARTS);
  for (unsigned i = 0; i < count; i++)
    pieces[i] = (struct iovec){(void *)parts[i].data, parts[i].len};
  struct msghdr all = {.msg_iov = pieces, .msg_iovlen = count};
  do
    sent = count == 1 ? send(c->fd, parts->data, parts->len, MSG_NOSIGNAL | MSG_DONTWAIT)
                      : sendmsg(c->fd, &all, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  return sent < 0 && (errno == EAGAIN || errno == ENOBUFS) ? 0 : sent;
}

static void begin_stall(struct conn *c) {
  c->stall_due = conn_now(c) + c->config->client.write_stall_ms;
  c->stall_mark = queue_bytes(c);
}

static void write_now(struct conn *c, const struct slice *parts, unsigned count) {
  if (c->broken || c->phase == CONN_CLOSING) return;
  if (c->queue.len) {
    append(c, parts, count, 0);
    return;
  }
  ssize_t sent = try_write(c, parts, count);
  if (sent < 0) {
    conn_break(c, "client_closed");
    return;
  }
  if ((size_t)sent == bytes_of(parts, count)) return;
  append(c, parts, count, (size_t)sent);
  begin_stall(c);
  conn_watch(c);
  conn_soon(c);
}

void queue_drain(struct conn *c) {
  struct slice rest = slice_skip(bytes_slice(&c->queue), c->queue_at);
  if (!rest.len) return;
  ssize_t sent = try_write(c, &rest, 1);
  if (sent < 0) {
    conn_break(c, "client_closed");
    return;
  }
  c->queue_at += (size_t)sent;
  if (c->queue_at == c->queue.len) {
    queue_fini(c);
    c->stall_due = WHEEL_NEVER;
    return;
  }
  if (c->queue_at >= c->queue.len / 2) { /* so that moving the rest costs no more than it took */
    bytes_drop_front(&c->queue, c->queue_at);
    c->queue_at = 0;
  }
  if (sent) begin_stall(c);
}

void queue_flush(struct conn *c) {
  struct http_server *server = c->server;
  if (!c->held_bytes) return;
  struct slice part = {server->held.data + c->held_at, c->held_bytes};
  list_remove(&c->held);
  c->held_bytes = 0;
  server->holding_count--;
  write_now(c, &part, 1);
  if (list_empty(&server->holding)) bytes_clear(&server->held);
}

void http_server_flush(struct http_server *server) {
  while (!list_empty(&server->holding))
    queue_flush(list_entry(server->holding.next, struct conn, held));
}

/* Behind what the connection holds already, which is one run of bytes. */
static void hold(struct conn *c, const struct slice *parts, unsigned count) {
  struct http_server *server = c->server;
  if (!c->held_bytes) {
    list_append(&server->holding, &c->held);
    server->holding_count++;
    c->held_at = server->held.len;
  }
  for (unsigned i = 0; i < count; i++)
    bytes_append_slice(&server->held, parts[i]);
  c->held_bytes = server->held.len - c->held_at;
  if (server->holding_count >= GATHER_MOST || server->held.len >= HELD_ALL_BYTES)
    http_server_flush(server);
}

/* What a connection holds is one run of bytes, and nothing of it waits for the client. */
static bool may_hold(const struct conn *c, size_t bytes) {
  bool is_run = !c->held_bytes || c->held_at + c->held_bytes == c->server->held.len;
  bool is_open = !c->broken && c->phase != CONN_CLOSING;
  return is_run && is_open && !c->is_running && !c->queue.len &&
         c->held_bytes + bytes < HELD_WRITE_BYTES;
}

void queue_raw(struct conn *c, const struct slice *parts, unsigned count) {
  size_t bytes = bytes_of(parts, count);
  if (bytes == 0) return;
  if (gather_write(c->server->gather) && may_hold(c, bytes)) {
    hold(c, parts, count);
    return;
  }
  queue_flush(c);
  write_now(c, parts, count);
}

void queue_send(struct conn *c, const struct slice *parts, unsigned count) {
  if (c->tls)
    tls_send(c, parts, count);
  else
    queue_raw(c, parts, count);
}
