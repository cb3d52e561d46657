#include "http/intake.h"

bool body_is_discarded(const struct conn *c) {
  return !c->stream->announced || c->stream->answer == ANSWER_ENDED;
}

void body_start(struct conn *c) {
  struct http_stream *s = c->stream;
  uint64_t now = conn_now(c);
  s->body_left = s->body_kind == BODY_LENGTH ? s->request.content_length : 0;
  chunked_init(&s->chunks);
  conn_set_phase(c, CONN_BODY, now + c->config->client.body_total_ms);
  c->body_idle_due = now + c->config->client.body_idle_ms;
}

static void end(struct conn *c) {
  struct http_stream *s = c->stream;
  c->body_idle_due = WHEEL_NEVER;
  conn_set_phase(c, CONN_ANSWER, WHEEL_NEVER);
  if (!body_is_discarded(c)) c->server->handler.on_body_end(s, s->user);
}

static void deliver(struct conn *c, struct slice data) {
  struct http_stream *s = c->stream;
  s->body_seen += data.len;
  if (body_is_discarded(c)) {
    if (s->body_seen > s->body_limit + DISCARD_BYTES) conn_break(c, "body_too_large");
    return;
  }
  if (s->body_seen > s->body_limit)
    intake_refuse(c, 413, "The request body is larger than limits.body allows here; send less.");
  else
    c->server->handler.on_body(s, data, s->user);
}

static size_t take_chunked(struct conn *c, struct slice data) {
  struct slice rest = data, piece;
  switch (chunked_feed(&c->stream->chunks, &rest, &piece)) {
  case CHUNKED_DATA: deliver(c, piece); break;
  case CHUNKED_DONE: end(c); break;
  case CHUNKED_BAD:
    intake_refuse(c, 400, "The request body is not in valid chunked coding.");
    return data.len;
  case CHUNKED_MORE: break;
  }
  return data.len - rest.len;
}

size_t body_take(struct conn *c, struct slice data) {
  struct http_stream *s = c->stream;
  c->body_idle_due = conn_now(c) + c->config->client.body_idle_ms;
  s->wants_continue = false; /* it did not wait */
  if (s->body_kind == BODY_CHUNKED) return take_chunked(c, data);
  size_t count = data.len < s->body_left ? data.len : (size_t)s->body_left;
  s->body_left -= count;
  deliver(c, (struct slice){data.data, count});
  if (s->body_left == 0 && c->phase == CONN_BODY && !c->broken) end(c);
  return count;
}
