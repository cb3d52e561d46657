#include "http/intake.h"

#include <stdlib.h>
#include <string.h>

/* The head is copied in pieces of this size, so that a body that follows in the same read is not
 * copied with it. */
enum { PIECE_BYTES = 4096, FIRST_LINES = 24 };

static int refuse(struct http_stream *s, int status, const char *sentence) {
  s->refusal = status;
  s->sentence = sentence;
  return HPE_USER;
}

static struct http_stream *stream_of(llhttp_t *parser) {
  return ((struct conn *)parser->data)->stream;
}

static size_t offset_of(const struct http_stream *s, const char *at) {
  return (size_t)(at - s->head.data);
}

static int on_url(llhttp_t *parser, const char *at, size_t len) {
  struct http_stream *s = stream_of(parser);
  if (s->url_bytes == 0) s->url_at = offset_of(s, at);
  s->url_bytes += len;
  if (s->url_bytes > s->conn->config->limits.url_bytes)
    return refuse(s, 414, "The request target is longer than limits.url allows; shorten it.");
  return 0;
}

/* Until the head is complete its memory may move: slices hold offsets. */
static size_t end_of(struct slice s) {
  return (size_t)(uintptr_t)s.data + s.len;
}

static struct slice slice_at(size_t offset, size_t len) {
  return (struct slice){(const char *)(uintptr_t)offset, len};
}

static void grow_lines(struct http_stream *s) {
  if (s->line_count < s->line_cap) return;
  s->line_cap = s->line_cap ? s->line_cap * 2 : FIRST_LINES;
  s->lines = must_realloc(s->lines, s->line_cap * sizeof *s->lines);
}

static int on_header_field(llhttp_t *parser, const char *at, size_t len) {
  struct http_stream *s = stream_of(parser);
  size_t offset = offset_of(s, at);
  struct header *last = s->line_count ? &s->lines[s->line_count - 1] : NULL;
  if (last && end_of(last->name) == offset && last->value.data == NULL) {
    last->name.len += len;
    return 0;
  }
  if (s->line_count >= s->conn->config->limits.head_lines)
    return refuse(s, 431,
                  "The request has more header lines than limits.head_lines allows; send fewer.");
  grow_lines(s);
  s->lines[s->line_count++] = (struct header){.name = slice_at(offset, len)};
  return 0;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len) {
  struct http_stream *s = stream_of(parser);
  struct header *last = &s->lines[s->line_count - 1];
  size_t offset = offset_of(s, at);
  if (last->value.data == NULL)
    last->value = slice_at(offset, len);
  else if (end_of(last->value) == offset)
    last->value.len += len;
  else
    return refuse(s, 400, "A header line is folded.");
  return 0;
}

static int on_headers_complete(llhttp_t *parser) {
  (void)parser;
  return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
};

static int status_of(llhttp_errno_t error, const struct http_stream *s, size_t bytes) {
  struct slice tail = slice_skip(bytes_slice(&s->head), s->url_at + s->url_bytes);
  bool is_known = slice_starts(tail, SLICE(" HTTP/1.1")) || slice_starts(tail, SLICE(" HTTP/1.0"));
  if (error == HPE_INVALID_VERSION) return is_known ? 400 : 505;
  if (error == HPE_PAUSED_H2_UPGRADE) return 505;
  if (error != HPE_INVALID_METHOD) return 400;
  /* Letters of a method that nobody knows are 501, other bytes are no HTTP at all. */
  for (size_t i = 0; i < bytes; i++)
    if (s->head.data[i] < 'A' || s->head.data[i] > 'Z') return 400;
  return 501;
}

static void refuse_syntax(struct conn *c, llhttp_errno_t error) {
  struct http_stream *s = c->stream;
  const char *position = llhttp_get_error_pos(&c->parser);
  size_t bytes = position ? offset_of(s, position) : 0;
  if (bytes < s->head.len) bytes++;
  if (!s->refusal) refuse(s, status_of(error, s, bytes), "The request is not valid HTTP/1.1.");
  intake_refuse(c, s->refusal, s->sentence);
}

static void announce(struct conn *c) {
  struct http_stream *s = c->stream;
  const struct http_handler *handler = &c->server->handler;
  s->announced = true;
  if (s->request.has_body)
    body_start(c);
  else
    conn_set_phase(c, CONN_ANSWER, WHEEL_NEVER);
  handler->on_request(s, &s->request, c->server->context);
  if (c->broken || s->answer == ANSWER_ENDED) return;
  if (!s->request.has_body)
    handler->on_body_end(s, s->user);
  else if (s->body_kind == BODY_LENGTH && s->request.content_length > s->body_limit)
    intake_refuse(c, 413, "The request body is larger than limits.body allows here; send less.");
  else
    outlet_continue(s);
}

static size_t route_limit(const struct limits *limits, struct slice path) {
  for (size_t i = 0; i < limits->route_count; i++)
    if (slice_equal(limits->routes[i].path, path)) return limits->routes[i].body_bytes;
  return limits->body_bytes;
}

static void complete(struct conn *c, size_t head_bytes) {
  struct http_stream *s = c->stream;
  s->head.len = head_bytes;
  if (!rules_check(s)) {
    intake_refuse(c, s->refusal, s->sentence);
    return;
  }
  s->request.peer = slice_of(c->peer);
  s->request.is_tls = c->tls != NULL;
  s->body_limit = route_limit(&c->config->limits, s->request.path);
  announce(c);
}

size_t intake_head(struct conn *c, struct slice data) {
  struct http_stream *s = c->stream;
  size_t limit = c->config->limits.head_bytes, used = 0;
  if (s->head.len == 0) {
    llhttp_init(&c->parser, HTTP_REQUEST, &settings);
    c->parser.data = c;
  }
  while (used < data.len && s->head.len < limit) {
    size_t piece = data.len - used < PIECE_BYTES ? data.len - used : PIECE_BYTES;
    size_t at = s->head.len;
    if (piece > limit - at) piece = limit - at;
    bytes_append(&s->head, data.data + used, piece);
    llhttp_errno_t error = llhttp_execute(&c->parser, s->head.data + at, piece);
    if (error == HPE_PAUSED) {
      size_t end = offset_of(s, llhttp_get_error_pos(&c->parser));
      complete(c, end);
      return used + (end - at);
    }
    if (error != HPE_OK) {
      refuse_syntax(c, error);
      return data.len;
    }
    used += piece;
  }
  if (s->head.len >= limit)
    intake_refuse(
        c, 431,
        "The request head is larger than limits.head allows; send smaller or fewer headers.");
  return used;
}

static const char *reason_of(int status) {
  switch (status) {
  case 408: return "body_timeout";
  case 413: return "body_too_large";
  default: return "bad_body";
  }
}

void intake_refuse(struct conn *c, int status, const char *sentence) {
  struct http_stream *s = c->stream;
  bool was_announced = s->announced;
  c->body_idle_due = WHEEL_NEVER;
  if (s->answer == ANSWER_FLOWING) {
    conn_break(c, reason_of(status));
    return;
  }
  s->keep_alive = false;
  conn_set_phase(c, CONN_LINGER, conn_now(c) + LINGER_MS);
  if (s->answer == ANSWER_ENDED) return; /* it is on its way and stays the only one */
  outlet_error(s, status, sentence);
  s->announced = false;
  if (was_announced) c->server->handler.on_closed(s, false, reason_of(status), s->user);
}
