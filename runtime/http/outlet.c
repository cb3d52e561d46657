#include <stdio.h>
#include <string.h>

#include "http/server.h"

static const char *phrase_of(int status) {
  switch (status) {
  case 200: return "OK";
  case 201: return "Created";
  case 202: return "Accepted";
  case 204: return "No Content";
  case 302: return "Found";
  case 303: return "See Other";
  case 304: return "Not Modified";
  case 400: return "Bad Request";
  case 401: return "Unauthorized";
  case 402: return "Payment Required";
  case 403: return "Forbidden";
  case 404: return "Not Found";
  case 405: return "Method Not Allowed";
  case 408: return "Request Timeout";
  case 409: return "Conflict";
  case 413: return "Content Too Large";
  case 414: return "URI Too Long";
  case 415: return "Unsupported Media Type";
  case 417: return "Expectation Failed";
  case 422: return "Unprocessable Content";
  case 429: return "Too Many Requests";
  case 431: return "Request Header Fields Too Large";
  case 500: return "Internal Server Error";
  case 501: return "Not Implemented";
  case 502: return "Bad Gateway";
  case 503: return "Service Unavailable";
  case 504: return "Gateway Timeout";
  case 505: return "HTTP Version Not Supported";
  default: return "Status";
  }
}

/* "Date: …\r\n", made once a second. Names of days and months are English whatever the locale. */
static struct slice date_line(struct http_server *server) {
  static const char days[] = "SunMonTueWedThuFriSat";
  static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  time_t now = time(NULL);
  if (now != server->date_at) {
    struct tm t;
    char text[64];
    gmtime_r(&now, &t);
    int len = snprintf(text, sizeof text, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n",
                       days + 3 * t.tm_wday, t.tm_mday, months + 3 * t.tm_mon, t.tm_year + 1900,
                       t.tm_hour, t.tm_min, t.tm_sec);
    must(len == DATE_BYTES);
    memcpy(server->date, text, DATE_BYTES);
    server->date_at = now;
  }
  return (struct slice){server->date, DATE_BYTES};
}

static bool has_body(int status) {
  return status != 204 && status != 304;
}

static void append_status(struct bytes *out, int status) {
  must(status >= 200 && status <= 599);
  char digits[4] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10),
                    (char)('0' + status % 10), ' '};
  bytes_append(out, "HTTP/1.1 ", 9);
  bytes_append(out, digits, 4);
  bytes_append_text(out, phrase_of(status));
  bytes_append(out, "\r\n", 2);
}

static void append_header(struct bytes *out, const struct header *h) {
  if (!h->name.len) { /* whole lines, which were made here */
    bytes_append_slice(out, h->value);
    return;
  }
  must(header_is_clean(h->name, h->value));
  char *at = bytes_reserve(out, h->name.len + h->value.len + 4);
  memcpy(at, h->name.data, h->name.len);
  at += h->name.len;
  memcpy(at, ": ", 2);
  if (h->value.len) memcpy(at + 2, h->value.data, h->value.len);
  memcpy(at + 2 + h->value.len, "\r\n", 2);
  out->len += h->name.len + h->value.len + 4;
}

static void append_head(struct http_stream *s, struct bytes *out, int status, struct headers h) {
  append_status(out, status);
  bytes_append_slice(out, date_line(s->conn->server));
  for (size_t i = 0; i < h.count; i++)
    append_header(out, &h.items[i]);
  if (!s->keep_alive)
    bytes_append(out, "Connection: close\r\n", 19);
  else if (s->request.is_http10)
    bytes_append(out, "Connection: keep-alive\r\n", 24);
}

/* A body that is left unread must be skipped before the next request; where that would take long,
 * or where the client may or may not send it, the connection ends with this answer. */
static void decide_keep_alive(struct http_stream *s) {
  struct conn *c = s->conn;
  if (c->server->is_draining || c->is_eof) s->keep_alive = false;
  if (c->phase != CONN_BODY) return;
  bool is_short = s->body_kind == BODY_LENGTH && s->body_left <= DISCARD_BYTES;
  if (!is_short || s->wants_continue) s->keep_alive = false;
}

static void end(struct http_stream *s) {
  s->answer = ANSWER_ENDED;
  stream_body_resume(s); /* what is left of the body is skipped */
  conn_soon(s->conn);
}

static bool is_over(const struct http_stream *s) {
  return s->answer == ANSWER_ENDED || s->conn->broken || s->conn->phase == CONN_CLOSING;
}

static void put(struct http_stream *s, const struct slice *parts, unsigned count) {
  for (unsigned i = 0; i < count; i++)
    s->bytes_out += parts[i].len;
  queue_send(s->conn, parts, count);
}

void stream_respond(struct http_stream *s, int status, struct headers headers, struct slice body) {
  struct bytes *out = &s->conn->server->scratch;
  if (is_over(s)) return;
  must(s->answer != ANSWER_FLOWING);
  decide_keep_alive(s);
  bytes_clear(out);
  append_head(s, out, status, headers);
  if (has_body(status)) {
    bytes_append(out, "Content-Length: ", 16);
    bytes_append_u64(out, body.len);
    bytes_append(out, "\r\n", 2);
  }
  bytes_append(out, "\r\n", 2);
  bool is_bare = s->is_head || !has_body(status) || body.len == 0;
  struct slice parts[2] = {bytes_slice(out), body};
  put(s, parts, is_bare ? 1 : 2);
  end(s);
}

void stream_begin(struct http_stream *s, int status, struct headers headers) {
  if (is_over(s)) return;
  must(s->answer == ANSWER_NONE);
  decide_keep_alive(s);
  s->framing = s->is_head || !has_body(status) ? FRAMING_NO_BODY
               : s->request.is_http10          ? FRAMING_CLOSE
                                               : FRAMING_CHUNKED;
  if (s->framing == FRAMING_CLOSE) s->keep_alive = false;
  bytes_clear(&s->answer_head);
  append_head(s, &s->answer_head, status, headers);
  if (has_body(status) && !s->request.is_http10)
    bytes_append(&s->answer_head, "Transfer-Encoding: chunked\r\n", 28);
  bytes_append(&s->answer_head, "\r\n", 2);
  struct slice type = header_find(headers, "content-type");
  s->is_event_stream = slice_starts(type, SLICE("text/event-stream"));
  s->at_frame_end = true;
  s->answer = ANSWER_BEGUN;
}

static size_t write_size_line(char line[20], size_t size) {
  static const char digits[] = "0123456789abcdef";
  char reversed[16];
  size_t count = 0, at = 0;
  for (; size; size >>= 4)
    reversed[count++] = digits[size & 15];
  while (count)
    line[at++] = reversed[--count];
  line[at++] = '\r';
  line[at++] = '\n';
  return at;
}

/* The waiting head, then data in its framing, all in one write. */
static void emit(struct http_stream *s, struct slice data, bool is_last) {
  struct slice parts[4];
  unsigned count = 0;
  char line[20];
  if (s->answer == ANSWER_BEGUN) parts[count++] = bytes_slice(&s->answer_head);
  s->answer = ANSWER_FLOWING;
  bool is_chunked = s->framing == FRAMING_CHUNKED;
  if (data.len && is_chunked)
    parts[count++] = (struct slice){line, write_size_line(line, data.len)};
  if (data.len && s->framing != FRAMING_NO_BODY) parts[count++] = data;
  const char *tail = data.len ? (is_last ? "\r\n0\r\n\r\n" : "\r\n") : (is_last ? "0\r\n\r\n" : "");
  if (is_chunked && *tail) parts[count++] = slice_of(tail);
  if (count) put(s, parts, count);
}

bool stream_write(struct http_stream *s, struct slice data) {
  if (is_over(s)) return true;
  must(s->answer != ANSWER_NONE);
  emit(s, data, false);
  if (data.len)
    s->at_frame_end = data.len > 1 && data.data[data.len - 1] == '\n' &&
                      (data.data[data.len - 2] == '\n' || data.data[data.len - 2] == '\r');
  size_t most = s->conn->config->limits.write_high_bytes;
  if (queue_bytes(s->conn) > most) queue_flush(s->conn);
  if (queue_bytes(s->conn) > most) s->is_blocked = true;
  return !s->is_blocked;
}

void stream_end(struct http_stream *s) {
  if (is_over(s)) return;
  must(s->answer != ANSWER_NONE);
  emit(s, (struct slice){NULL, 0}, true);
  end(s);
}

void stream_cut(struct http_stream *s) {
  if (is_over(s)) return;
  s->is_cut = true;
  s->keep_alive = false;
  end(s);
}

static void put_continue(struct http_stream *s) {
  static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
  struct slice part = {interim, sizeof interim - 1};
  put(s, &part, 1);
}

void outlet_continue(struct http_stream *s) {
  if (!s->wants_continue || s->is_body_paused || s->answer != ANSWER_NONE) return;
  s->wants_continue = false;
  put_continue(s);
}

bool outlet_probe(struct http_stream *s) {
  if (s->request.is_http10) return false;
  if (s->answer != ANSWER_FLOWING) {
    put_continue(s);
    return true;
  }
  if (!s->is_event_stream || !s->at_frame_end || s->framing != FRAMING_CHUNKED) return false;
  emit(s, SLICE(":\n\n"), false);
  return true;
}

static struct slice path_of(struct http_stream *s) {
  struct slice rest, target = {s->head.data + s->url_at, s->url_bytes};
  if (s->request.path.len) return s->request.path;
  if (s->url_bytes == 0 || target.data[0] != '/') return (struct slice){"", 0};
  return slice_cut(target, '?', &rest);
}

void outlet_error(struct http_stream *s, int status, const char *sentence) {
  struct http_server *server = s->conn->server;
  struct bytes body;
  bytes_init(&body);
  bool is_named = s->announced && server->handler.request_id;
  struct http_error error = {status, path_of(s), sentence,
                             is_named ? server->handler.request_id(s->user) : ""};
  struct header lines[] = {{.name = SLICE("Content-Type")},
                           {SLICE("x-request-id"), slice_of(error.request_id)}};
  lines[0].value = slice_of(server->handler.error_body(&error, &body));
  s->answer = ANSWER_NONE;
  stream_respond(s, status, (struct headers){lines, is_named ? 2 : 1}, bytes_slice(&body));
  bytes_fini(&body);
}
