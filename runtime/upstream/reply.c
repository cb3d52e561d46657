#include "upstream/reply.h"

#include <stdlib.h>
#include <string.h>

void reply_init(struct reply *r) {
  memset(r, 0, sizeof *r);
  bytes_init(&r->text);
}

void reply_fini(struct reply *r) {
  bytes_fini(&r->text);
  free(r->lines);
  free(r->items);
}

static void forget_head(struct reply *r) {
  bytes_clear(&r->text);
  r->line_count = 0;
  r->in_line = false;
  r->value_end = NULL;
  r->has_length = r->has_chunked = r->is_encoded = false;
}

static int refuse(struct reply *r, const char *problem) {
  r->problem = problem;
  return HPE_USER;
}

static int on_field(llhttp_t *parser, const char *at, size_t len) {
  struct reply *r = parser->data;
  if (r->head_done) return 0; /* trailers are dropped */
  if (!r->in_line) {
    if (r->line_count == REPLY_HEAD_LINES) return refuse(r, "the answer's head has too many lines");
    if (r->line_count == r->line_cap) {
      r->line_cap = r->line_cap ? 2 * r->line_cap : 16;
      r->lines = must_realloc(r->lines, r->line_cap * sizeof *r->lines);
      r->items = must_realloc(r->items, r->line_cap * sizeof *r->items);
    }
    r->lines[r->line_count++] = (struct reply_line){.name_at = (uint32_t)r->text.len};
    r->value_end = NULL;
    r->in_line = true;
  }
  bytes_append(&r->text, at, len);
  r->lines[r->line_count - 1].name_len += (uint32_t)len;
  return 0;
}

/* A value comes in pieces only where the input was cut; a piece that begins elsewhere is a folded
 * line (RFC 9112, 5.2), which a gateway may refuse. */
static int on_value(llhttp_t *parser, const char *at, size_t len) {
  struct reply *r = parser->data;
  if (r->head_done) return 0;
  struct reply_line *line = &r->lines[r->line_count - 1];
  if (!r->value_end)
    line->value_at = (uint32_t)r->text.len;
  else if (r->value_end != r->chunk || at != r->chunk)
    return refuse(r, "the answer's head has a folded line");
  bytes_append(&r->text, at, len);
  line->value_len += (uint32_t)len;
  r->value_end = at + len;
  return 0;
}

static int on_line_complete(llhttp_t *parser) {
  struct reply *r = parser->data;
  r->in_line = false;
  return 0;
}

static const char *check_transfer(struct reply *r, struct header h) {
  if (slice_equal_nocase(h.name, SLICE("content-length"))) {
    r->has_length = true;
  } else if (slice_equal_nocase(h.name, SLICE("transfer-encoding"))) {
    if (r->has_chunked || !slice_equal_nocase(h.value, SLICE("chunked")))
      return "the answer has a transfer encoding other than chunked";
    r->has_chunked = true;
  } else if (slice_equal_nocase(h.name, SLICE("content-encoding"))) {
    r->is_encoded = h.value.len > 0 && !slice_equal_nocase(h.value, SLICE("identity"));
  }
  return NULL;
}

static const char *check_head(struct reply *r) {
  for (size_t i = 0; i < r->line_count; i++) {
    const struct reply_line *line = &r->lines[i];
    struct header *h = &r->items[i];
    h->name = (struct slice){r->text.data + line->name_at, line->name_len};
    h->value = slice_trim((struct slice){r->text.data + line->value_at, line->value_len});
    if (!header_is_clean(h->name, h->value)) return "the answer's head has an illegal line";
    const char *problem = check_transfer(r, *h);
    if (problem) return problem;
  }
  if (r->has_chunked && r->has_length) return "the answer has two framings";
  if (r->has_chunked && r->parser.http_minor == 0) return "the answer is chunked in HTTP/1.0";
  return NULL;
}

static int on_headers_complete(llhttp_t *parser) {
  struct reply *r = parser->data;
  int status = parser->status_code;
  if (parser->http_major != 1 || parser->http_minor > 1)
    return refuse(r, "the answer is neither HTTP/1.0 nor HTTP/1.1");
  if (status < 100 || status > 999) return refuse(r, "the answer's status is not a status");
  const char *problem = check_head(r);
  if (problem) return refuse(r, problem);
  if (status < 200) {
    if (status == 101) return refuse(r, "the provider switched protocols without being asked");
    if (++r->interim > REPLY_INTERIM_MAX) return refuse(r, "too many interim answers");
    parser->flags |= F_SKIPBODY;
    return 0;
  }
  if (r->is_encoded)
    return refuse(r, "the answer is compressed, which was not asked for (Content-Encoding)");
  r->head_done = true;
  if (r->is_head_request || status == 204 || status == 304) parser->flags |= F_SKIPBODY;
  if (r->events->on_head(r->user, status, (struct headers){r->items, r->line_count})) return 0;
  r->is_paused = true;
  return HPE_PAUSED;
}

static int on_body(llhttp_t *parser, const char *at, size_t len) {
  struct reply *r = parser->data;
  if (len == 0) return 0; /* a resumed parser closes the span it had left open */
  r->quiet_bytes = (size_t)(r->chunk_end - (at + len));
  if (r->events->on_data(r->user, (struct slice){at, len})) return 0;
  r->is_paused = true;
  return HPE_PAUSED;
}

static int on_complete(llhttp_t *parser) {
  struct reply *r = parser->data;
  if (!r->head_done) { /* an interim answer: the real one follows */
    forget_head(r);
    return 0;
  }
  r->is_done = true;
  r->keep_alive = llhttp_should_keep_alive(parser);
  return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_line_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

void reply_start(struct reply *r, bool is_head_request, const struct reply_events *events,
                 void *user) {
  llhttp_init(&r->parser, HTTP_RESPONSE, &settings);
  r->parser.data = r;
  r->events = events;
  r->user = user;
  forget_head(r);
  r->quiet_bytes = 0;
  r->interim = 0;
  r->is_head_request = is_head_request;
  r->head_done = r->is_paused = r->is_done = r->keep_alive = false;
  r->problem = NULL;
}

static enum reply_state broken(struct reply *r, const char *problem) {
  if (!r->problem) r->problem = problem;
  return REPLY_BROKEN;
}

enum reply_state reply_feed(struct reply *r, struct slice data, size_t *used) {
  static const char nothing[1];
  if (!data.data) data.data = nothing;
  if (r->is_paused) llhttp_resume(&r->parser);
  r->is_paused = false;
  /* A value cut by the end of the last input goes on at the start of this one. */
  if (r->value_end) r->value_end = r->value_end == r->chunk_end ? data.data : nothing;
  r->chunk = data.data;
  r->chunk_end = data.data + data.len;
  r->quiet_bytes += data.len;
  llhttp_errno_t error = llhttp_execute(&r->parser, data.data, data.len);
  *used = data.len;
  if (error == HPE_OK)
    return r->quiet_bytes > REPLY_HEAD_BYTES ? broken(r, "the answer's head is too large")
                                             : REPLY_MORE;
  const char *at = llhttp_get_error_pos(&r->parser);
  if (at >= r->chunk && at <= r->chunk_end) *used = (size_t)(at - r->chunk);
  if (error == HPE_PAUSED && r->is_done) return REPLY_DONE;
  if (error == HPE_PAUSED && r->is_paused) {
    r->quiet_bytes -= data.len - *used; /* it comes again */
    return REPLY_PAUSED;
  }
  return broken(r, "the answer is not HTTP");
}

enum reply_state reply_end(struct reply *r) {
  llhttp_errno_t error = llhttp_finish(&r->parser);
  return r->is_done && (error == HPE_OK || error == HPE_PAUSED)
             ? REPLY_DONE
             : broken(r, "the connection ended before the answer did");
}

bool reply_has_begun(const struct reply *r) {
  return r->quiet_bytes > 0 || r->interim > 0 || r->head_done;
}

bool reply_can_reuse(const struct reply *r) {
  return r->is_done && r->keep_alive;
}
