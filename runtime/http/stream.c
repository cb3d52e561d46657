#include <stdlib.h>

#include "http/server.h"

enum { SPARE_HEAD_BYTES = 8192 };

struct http_stream *stream_new(struct conn *c) {
  struct http_server *server = c->server;
  struct http_stream *s;
  if (list_empty(&server->spare)) {
    s = must_calloc(1, sizeof *s);
    list_init(&s->spare);
  } else {
    s = list_entry(server->spare.next, struct http_stream, spare);
    list_remove(&s->spare);
    server->spare_count--;
  }
  s->conn = c;
  return s;
}

static void destroy(struct http_stream *s) {
  bytes_fini(&s->head);
  bytes_fini(&s->answer_head);
  free(s->lines);
  free(s);
}

void stream_free(struct http_stream *s) {
  struct http_server *server = s->conn->server;
  bool is_big = s->head.cap > SPARE_HEAD_BYTES || s->answer_head.cap > SPARE_HEAD_BYTES;
  if (is_big || server->spare_count >= SPARE_STREAMS || server->is_closing) {
    destroy(s);
    return;
  }
  struct http_stream clean = {
      .head = s->head, .answer_head = s->answer_head, .lines = s->lines, .line_cap = s->line_cap};
  bytes_clear(&clean.head);
  bytes_clear(&clean.answer_head);
  *s = clean;
  list_append(&server->spare, &s->spare);
  server->spare_count++;
}

void streams_free_spare(struct http_server *server) {
  list_each_safe(node, &server->spare) destroy(list_entry(node, struct http_stream, spare));
  list_init(&server->spare);
}

void stream_set_user(struct http_stream *s, void *user) {
  s->user = user;
}

void stream_set_body_limit(struct http_stream *s, size_t bytes) {
  s->body_limit = bytes;
}

void stream_body_pause(struct http_stream *s) {
  struct conn *c = s->conn;
  if (s->is_body_paused) return;
  s->is_body_paused = true;
  c->paused_at = conn_now(c);
  c->body_idle_due = WHEEL_NEVER;
  if (c->phase == CONN_BODY && c->phase_due != WHEEL_NEVER) {
    c->body_rest_ms = c->phase_due > c->paused_at ? c->phase_due - c->paused_at : 0;
    c->phase_due = WHEEL_NEVER; /* the client cannot be late while we do not read */
  }
  conn_soon(c);
}

void stream_body_resume(struct http_stream *s) {
  struct conn *c = s->conn;
  if (!s->is_body_paused) return;
  s->is_body_paused = false;
  if (c->phase == CONN_BODY) {
    c->phase_due = conn_now(c) + c->body_rest_ms;
    c->body_idle_due = conn_now(c) + c->config->client.body_idle_ms;
    outlet_continue(s);
  }
  conn_soon(c);
}

bool stream_has_begun(const struct http_stream *s) {
  return s->answer >= ANSWER_FLOWING;
}

uint64_t stream_bytes_out(const struct http_stream *s) {
  return s->bytes_out;
}
