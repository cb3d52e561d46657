#include "upstream/transport_http1.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "upstream/conn.h"
#include "upstream/reply.h"

/* A small request leaves in one call; of a large body only this much is copied behind the head. */
enum { FIRST_WRITE_BYTES = 16 * 1024, KEEP_BYTES = 32 * 1024 };
/* What one connection may move before the loop looks at the others. */
enum { TURN_SEND_BYTES = 256 * 1024, TURN_READ_BYTES = 64 * 1024, SEND_PIECE_BYTES = 64 * 1024 };

struct http1 {
  struct conn *conn;
  struct bytes out; /* head and the beginning of the body */
  size_t out_sent;
  const struct slice *body; /* pieces not in out */
  size_t body_count, body_at;
  bool is_sent, is_head_request;
  bool is_send_broken; /* the provider takes no more; perhaps it has answered already */
  struct reply reply;
  struct bytes held; /* read but not parsed: the attempt was paused */
};

struct http1 *http1_new(void) {
  struct http1 *h = must_calloc(1, sizeof *h);
  bytes_init(&h->out);
  bytes_init(&h->held);
  reply_init(&h->reply);
  return h;
}

void http1_free(struct http1 *h) {
  bytes_fini(&h->out);
  bytes_fini(&h->held);
  reply_fini(&h->reply);
  free(h);
}

static void empty(struct bytes *b) {
  if (b->cap > KEEP_BYTES)
    bytes_fini(b);
  else
    bytes_clear(b);
}

void http1_reset(struct http1 *h) {
  empty(&h->out);
  empty(&h->held);
  empty(&h->reply.text);
  h->conn = NULL;
  h->out_sent = h->body_at = 0;
  h->is_sent = h->is_send_broken = false;
}

static uint64_t body_bytes(const struct attempt_request *request) {
  uint64_t sum = 0;
  for (size_t i = 0; i < request->body_count; i++)
    sum += request->body[i].len;
  return sum;
}

static bool is_clean_target(struct slice text) {
  for (size_t i = 0; i < text.len; i++)
    if ((unsigned char)text.data[i] <= ' ' || text.data[i] == 0x7f) return false;
  return text.len > 0;
}

static char *put(char *to, struct slice s) {
  memcpy(to, s.data, s.len);
  return to + s.len;
}

static char *put_header(char *to, struct slice name, struct slice value) {
  must(header_is_clean(name, value));
  to = put(put(to, name), SLICE(": "));
  return put(put(to, value), SLICE("\r\n"));
}

static size_t head_room(const struct attempt_request *r) {
  size_t room = r->method.len + r->path.len + r->provider->host.len + 128;
  for (size_t i = 0; i < r->headers.count; i++)
    room += r->headers.items[i].name.len + r->headers.items[i].value.len + 4;
  return room;
}

/* One reservation, then plain copies: this runs for every request. */
static void write_head(struct bytes *out, const struct attempt_request *r, uint64_t length) {
  must(is_clean_target(r->method) && is_clean_target(r->path) && r->path.data[0] == '/');
  char *start = bytes_reserve(out, head_room(r)), *to = put(start, r->method);
  to = put(put(put(to, SLICE(" ")), r->path), SLICE(" HTTP/1.1\r\n"));
  to = put_header(to, SLICE("Host"), r->provider->host);
  for (size_t i = 0; i < r->headers.count; i++)
    to = put_header(to, r->headers.items[i].name, r->headers.items[i].value);
  out->len += (size_t)(to - start);
  bool has_no_body = slice_equal_text(r->method, "GET") || slice_equal_text(r->method, "HEAD");
  if (length > 0 || !has_no_body) {
    bytes_append_slice(out, SLICE("Content-Length: "));
    bytes_append_u64(out, length);
    bytes_append_slice(out, SLICE("\r\n"));
  }
  bytes_append_slice(out, SLICE("\r\n"));
}

void http1_prepare(struct http1 *h, const struct attempt_request *request) {
  write_head(&h->out, request, body_bytes(request));
  h->is_head_request = slice_equal_text(request->method, "HEAD");
  h->body = request->body;
  h->body_count = request->body_count;
  while (h->body_count && h->out.len < FIRST_WRITE_BYTES) {
    size_t room = FIRST_WRITE_BYTES - h->out.len, left = h->body->len - h->body_at;
    size_t part = left < room ? left : room;
    bytes_append(&h->out, h->body->data + h->body_at, part);
    h->body_at += part;
    if (part < left) return;
    h->body++;
    h->body_count--;
    h->body_at = 0;
  }
}

/* The same bytes again until they are taken: OpenSSL insists on that. */
static struct slice next_piece(struct http1 *h) {
  if (h->out_sent < h->out.len)
    return (struct slice){h->out.data + h->out_sent, h->out.len - h->out_sent};
  while (h->body_count && h->body_at == h->body->len) {
    h->body++;
    h->body_count--;
    h->body_at = 0;
  }
  if (!h->body_count) return (struct slice){NULL, 0};
  size_t left = h->body->len - h->body_at;
  return (struct slice){h->body->data + h->body_at,
                        left < SEND_PIECE_BYTES ? left : SEND_PIECE_BYTES};
}

static void count_sent(struct http1 *h, size_t sent) {
  if (h->out_sent < h->out.len)
    h->out_sent += sent;
  else
    h->body_at += sent;
}

/* Calls no one back: an error shows when the answer is read, and a provider that refuses early has
 * often sent its answer before it closed. */
static void send_more(struct attempt *a) {
  struct http1 *h = a->http1;
  size_t turn = 0;
  struct slice piece;
  while ((piece = next_piece(h)).len > 0) {
    size_t sent;
    enum conn_io io = conn_send(h->conn, piece.data, piece.len, &sent);
    if (io == CONN_IO_ERROR) {
      h->is_send_broken = true;
      conn_want(h->conn, !a->is_paused, false);
      return;
    }
    count_sent(h, sent);
    turn += sent;
    if (sent) attempt_progress(a);
    if (io == CONN_IO_AGAIN || sent < piece.len || turn >= TURN_SEND_BYTES) {
      if (next_piece(h).len == 0) break;
      conn_want(h->conn, !a->is_paused, true);
      return;
    }
  }
  h->is_sent = true;
  conn_want(h->conn, !a->is_paused, false);
  attempt_sent(a);
}

static void drop_conn(struct http1 *h) {
  struct conn *c = h->conn;
  h->conn = NULL;
  if (c) conn_close(c);
}

static bool on_reply_head(void *user, int status, struct headers headers) {
  struct attempt *a = user;
  attempt_head(a, status, headers);
  return !attempt_is_over(a) && !a->is_paused;
}

static bool on_reply_data(void *user, struct slice data) {
  struct attempt *a = user;
  attempt_data(a, data);
  return !attempt_is_over(a) && !a->is_paused;
}

static const struct reply_events reply_events = {on_reply_head, on_reply_data};

static void finish(struct attempt *a, bool has_extra) {
  struct http1 *h = a->http1;
  struct conn *c = h->conn;
  h->conn = NULL;
  if (h->is_sent && !has_extra && reply_can_reuse(&h->reply))
    conn_release(c);
  else
    conn_close(c);
  attempt_ended(a);
}

static void fail_protocol(struct attempt *a) {
  struct slice host = a->provider->host;
  attempt_failed(a, FAILURE_UPSTREAM_PROTOCOL, "%.*s: %s", (int)host.len, host.data,
                 a->http1->reply.problem);
}

static void fail_cut(struct attempt *a, const char *why) {
  struct http1 *h = a->http1;
  struct slice host = a->provider->host;
  bool has_begun = reply_has_begun(&h->reply);
  /* In TLS 1.3 the provider judges our certificate after the handshake. */
  if (h->conn->is_tls && !has_begun && strstr(why, " alert ")) {
    attempt_failed(a, FAILURE_UPSTREAM_TLS, "TLS with %.*s failed: %s", (int)host.len, host.data,
                   why);
    return;
  }
  a->is_stale = h->conn->was_used && !has_begun;
  attempt_failed(a, FAILURE_UPSTREAM_CUT, "%.*s closed the connection %s: %s", (int)host.len,
                 host.data, has_begun ? "in the middle of its answer" : "before it answered", why);
}

static bool feed(struct attempt *a, struct slice data, size_t *used) {
  enum reply_state state = reply_feed(&a->http1->reply, data, used);
  if (!attempt_is_over(a) && a->events->on_read_end) a->events->on_read_end(a, a->user);
  if (attempt_is_over(a)) return false;
  switch (state) {
  case REPLY_MORE: return !a->is_paused;
  case REPLY_PAUSED: return false;
  case REPLY_DONE: finish(a, *used < data.len); return false;
  case REPLY_BROKEN: fail_protocol(a); return false;
  }
  return false;
}

/* False: stop reading, for now or for good. */
static bool parse(struct attempt *a, struct slice data, size_t *used) {
  a->read_ns = clock_mono_ns();
  bool go_on = feed(a, data, used);
  a->read_ns = 0;
  return go_on;
}

static bool parse_held(struct attempt *a) {
  struct http1 *h = a->http1;
  size_t used;
  bool go_on = parse(a, bytes_slice(&h->held), &used);
  if (!attempt_is_over(a)) bytes_drop_front(&h->held, used);
  return go_on;
}

static void parse_end(struct attempt *a) {
  if (reply_end(&a->http1->reply) == REPLY_DONE)
    finish(a, false);
  else
    fail_cut(a, "end of stream");
}

static bool read_once(struct attempt *a, size_t *turn) {
  struct http1 *h = a->http1;
  struct conn *c = h->conn;
  char *buffer = a->upstream->read_buffer;
  size_t received, used;
  switch (conn_receive(c, buffer, READ_BYTES, &received)) {
  case CONN_IO_AGAIN:
    if (c->is_broken) fail_cut(a, "connection lost");
    return false;
  case CONN_IO_END: parse_end(a); return false;
  case CONN_IO_ERROR: fail_cut(a, conn_reason(c)); return false;
  case CONN_IO_OK: break;
  }
  *turn += received;
  bool go_on = parse(a, (struct slice){buffer, received}, &used);
  if (!go_on && !attempt_is_over(a)) bytes_append(&h->held, buffer + used, received - used);
  /* Less than asked for means that the socket is empty; TLS hands out one record at a time. */
  return go_on && (c->is_tls || c->is_broken || received == READ_BYTES);
}

static void on_readable(struct conn *c, void *user) {
  struct attempt *a = user;
  size_t turn = 0;
  if (a->is_paused) return;
  if (a->http1->reply.is_paused && !parse_held(a)) return;
  while (read_once(a, &turn)) {
    if (turn < TURN_READ_BYTES) continue;
    if (c->is_tls || c->is_broken) conn_read_again(c);
    return;
  }
}

static void on_writable(struct conn *c, void *user) {
  (void)c;
  send_more(user);
}

static void begin(struct attempt *a, bool reused) {
  struct http1 *h = a->http1;
  reply_start(&h->reply, h->is_head_request, &reply_events, a);
  attempt_connected(a, reused);
  if (!conn_departs_later(h->conn)) send_more(a);
}

static void on_connected(struct conn *c, void *user) {
  (void)c;
  begin(user, false);
}

static void on_refused(struct conn *c, enum failure_kind kind, const char *sentence, void *user) {
  (void)c;
  attempt_failed(user, kind, "%s", sentence);
}

static void on_gone(struct conn *c, void *user) {
  struct attempt *a = user;
  a->http1->conn = NULL;
  conn_close(c);
  attempt_reconnect(a);
}

static const struct conn_events conn_events = {on_connected, on_refused, on_writable, on_readable,
                                               on_gone};

static void start_request(struct attempt *a) {
  struct upstream *u = a->upstream;
  struct conn *c = a->is_fresh ? NULL : pool_take(&u->pool, a->route.endpoint);
  if (!c) {
    a->http1->conn = conn_dial(u, a->route.endpoint, a->provider, &conn_events, a);
    return;
  }
  conn_adopt(c, &conn_events, a);
  a->http1->conn = c;
  begin(a, true);
}

static void pause_reading(struct attempt *a) {
  struct conn *c = a->http1->conn;
  if (c && c->state == CONN_BUSY) conn_want(c, false, (c->events & UV_WRITABLE) != 0);
}

static void resume_reading(struct attempt *a) {
  struct conn *c = a->http1->conn;
  if (!c || c->state != CONN_BUSY) return;
  conn_want(c, true, (c->events & UV_WRITABLE) != 0);
  conn_read_again(c);
}

static void cancel_request(struct attempt *a) {
  drop_conn(a->http1);
}

static const struct transport table = {start_request, pause_reading, resume_reading,
                                       cancel_request};

const struct transport *transport_http1(void) {
  return &table;
}
