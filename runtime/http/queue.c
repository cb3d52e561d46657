#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "http/server.h"

enum {
  QUEUE_STEP_BYTES = 4096,
  HELD_WRITE_BYTES = 16 * 1024, /* more leaves at once: it would be copied for nothing */
  HELD_ALL_BYTES = 128 * 1024,
};

static void on_written(uv_write_t *request, int status);

size_t queue_bytes(const struct conn *c) {
  return c->held_bytes + c->queue.len +
         (c->inflight ? uv_stream_get_write_queue_size(&c->uv.stream) : 0);
}

void queue_fini(struct conn *c) {
  bytes_fini(&c->queue);
  free(c->inflight);
  c->inflight = NULL;
}

static void launch(struct conn *c) {
  size_t len;
  c->inflight = bytes_take(&c->queue, &len);
  uv_buf_t part = uv_buf_init(c->inflight, (unsigned)len);
  int status = uv_write(&c->write, &c->uv.stream, &part, 1, on_written);
  if (status == 0) return;
  free(c->inflight);
  c->inflight = NULL;
  conn_break(c, "client_closed");
}

static void on_written(uv_write_t *request, int status) {
  struct conn *c = request->handle->data;
  free(c->inflight);
  c->inflight = NULL;
  if (c->phase == CONN_CLOSING) return;
  c->stall_due = WHEEL_NEVER;
  if (status < 0)
    conn_break(c, "client_closed");
  else if (c->queue.len)
    launch(c);
  if (queue_bytes(c)) {
    c->stall_due = conn_now(c) + c->config->client.write_stall_ms;
    c->stall_mark = queue_bytes(c);
  }
  conn_run(c);
}

static size_t bytes_of(const uv_buf_t *parts, unsigned count) {
  size_t sum = 0;
  for (unsigned i = 0; i < count; i++)
    sum += parts[i].len;
  return sum;
}

/* What waits here waits for a client that does not read: thousands may do so at once. */
static void append(struct conn *c, const uv_buf_t *parts, unsigned count, size_t skip) {
  bytes_fit(&c->queue, bytes_of(parts, count) - skip, QUEUE_STEP_BYTES);
  for (unsigned i = 0; i < count; i++) {
    size_t hop = skip < parts[i].len ? skip : parts[i].len;
    bytes_append(&c->queue, parts[i].base + hop, parts[i].len - hop);
    skip -= hop;
  }
}

/* One part goes by send: as a file it would take a longer way through the kernel. */
static int try_write(struct conn *c, const uv_buf_t *parts, unsigned count) {
  uv_os_fd_t fd;
  if (count > 1 || uv_fileno(&c->uv.handle, &fd) != 0)
    return uv_try_write(&c->uv.stream, parts, count);
  ssize_t sent = send(fd, parts->base, parts->len, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) return (int)sent;
  return errno == EINTR || errno == EWOULDBLOCK || errno == EAGAIN ? UV_EAGAIN : -errno;
}

static void write_now(struct conn *c, const uv_buf_t *parts, unsigned count) {
  if (c->broken || c->phase == CONN_CLOSING) return;
  if (c->inflight) {
    append(c, parts, count, 0);
    return;
  }
  int sent = try_write(c, parts, count);
  if (sent < 0 && sent != UV_EAGAIN) {
    conn_break(c, "client_closed");
    return;
  }
  if (sent < 0) sent = 0;
  if ((size_t)sent == bytes_of(parts, count)) return;
  append(c, parts, count, (size_t)sent);
  launch(c);
  c->stall_due = conn_now(c) + c->config->client.write_stall_ms;
  c->stall_mark = queue_bytes(c);
  conn_soon(c);
}

void queue_flush(struct conn *c) {
  struct http_server *server = c->server;
  if (!c->held_bytes) return;
  uv_buf_t part = uv_buf_init(server->held.data + c->held_at, (unsigned)c->held_bytes);
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
static void hold(struct conn *c, const uv_buf_t *parts, unsigned count) {
  struct http_server *server = c->server;
  if (!c->held_bytes) {
    list_append(&server->holding, &c->held);
    server->holding_count++;
    c->held_at = server->held.len;
  }
  for (unsigned i = 0; i < count; i++)
    bytes_append(&server->held, parts[i].base, parts[i].len);
  c->held_bytes = server->held.len - c->held_at;
  if (server->holding_count >= GATHER_MOST || server->held.len >= HELD_ALL_BYTES)
    http_server_flush(server);
}

/* What a connection holds is one run of bytes, and nothing of it waits for the client. */
static bool may_hold(const struct conn *c, size_t bytes) {
  bool is_run = !c->held_bytes || c->held_at + c->held_bytes == c->server->held.len;
  bool is_open = !c->broken && c->phase != CONN_CLOSING;
  return is_run && is_open && !c->is_running && !c->inflight &&
         c->held_bytes + bytes < HELD_WRITE_BYTES;
}

void queue_raw(struct conn *c, const uv_buf_t *parts, unsigned count) {
  size_t bytes = bytes_of(parts, count);
  if (bytes == 0) return;
  if (gather_write(c->server->gather) && may_hold(c, bytes)) {
    hold(c, parts, count);
    return;
  }
  queue_flush(c);
  write_now(c, parts, count);
}

void queue_send(struct conn *c, const uv_buf_t *parts, unsigned count) {
  if (c->tls)
    tls_send(c, parts, count);
  else
    queue_raw(c, parts, count);
}
