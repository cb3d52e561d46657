#include <stdlib.h>
#include <string.h>

#include "http/server.h"

enum { QUEUE_STEP_BYTES = 4096 };

static void on_written(uv_write_t *request, int status);

size_t queue_bytes(const struct conn *c) {
  return c->queue.len + (c->inflight ? uv_stream_get_write_queue_size(&c->uv.stream) : 0);
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

/* What waits here waits for a client that does not read: thousands may do so at once. */
static void append(struct conn *c, const uv_buf_t *parts, unsigned count, size_t skip) {
  size_t total = 0;
  for (unsigned i = 0; i < count; i++)
    total += parts[i].len;
  bytes_fit(&c->queue, total - skip, QUEUE_STEP_BYTES);
  for (unsigned i = 0; i < count; i++) {
    size_t hop = skip < parts[i].len ? skip : parts[i].len;
    bytes_append(&c->queue, parts[i].base + hop, parts[i].len - hop);
    skip -= hop;
  }
}

void queue_raw(struct conn *c, const uv_buf_t *parts, unsigned count) {
  size_t total = 0;
  if (c->broken || c->phase == CONN_CLOSING) return;
  for (unsigned i = 0; i < count; i++)
    total += parts[i].len;
  if (total == 0) return;
  if (c->inflight) {
    append(c, parts, count, 0);
    return;
  }
  int sent = uv_try_write(&c->uv.stream, parts, count);
  if (sent < 0 && sent != UV_EAGAIN) {
    conn_break(c, "client_closed");
    return;
  }
  if (sent < 0) sent = 0;
  if ((size_t)sent == total) return;
  append(c, parts, count, (size_t)sent);
  launch(c);
  c->stall_due = conn_now(c) + c->config->client.write_stall_ms;
  c->stall_mark = queue_bytes(c);
  conn_soon(c);
}

void queue_send(struct conn *c, const uv_buf_t *parts, unsigned count) {
  if (c->tls)
    tls_send(c, parts, count);
  else
    queue_raw(c, parts, count);
}
