#include <string.h>

#include "http/intake.h"

static bool refuse(struct http_stream *s, int status, const char *sentence) {
  s->refusal = status;
  s->sentence = sentence;
  return false;
}

/* The parser leaves them out in front. */
static struct slice without_end_blanks(struct slice s) {
  while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
    s.len--;
  return s;
}

static void point_lines(struct http_stream *s) {
  for (size_t i = 0; i < s->line_count; i++) {
    struct header *h = &s->lines[i];
    h->name.data = s->head.data + (uintptr_t)h->name.data;
    h->value.data = s->head.data + (uintptr_t)h->value.data;
    h->value = without_end_blanks(h->value);
  }
  s->request.headers = (struct headers){s->lines, s->line_count};
}

/* The raw lines, whatever the parser made of them. */
static bool check_lines(struct http_stream *s) {
  struct slice rest = bytes_slice(&s->head);
  while (rest.len) {
    const char *lf = memchr(rest.data, '\n', rest.len);
    size_t len = lf ? (size_t)(lf - rest.data) : 0;
    if (len == 0 || lf[-1] != '\r') return refuse(s, 400, "A line does not end in CRLF.");
    char first = rest.data[0];
    if (first == ' ' || first == '\t' || first == ':')
      return refuse(s, 400, "A header line is folded or has no name.");
    rest = slice_skip(rest, len + 1);
  }
  return true;
}

static bool check_request_line(struct http_stream *s) {
  struct slice line = bytes_slice(&s->head);
  while (line.len >= 2 && line.data[0] == '\r' && line.data[1] == '\n')
    line = slice_skip(line, 2);
  size_t at = (size_t)(line.data - s->head.data);
  const char *space = memchr(line.data, ' ', line.len);
  if (!space || s->url_at != (size_t)(space + 1 - s->head.data))
    return refuse(s, 400, "The request line is not valid; send METHOD /path HTTP/1.1.");
  s->request.method = (struct slice){line.data, s->url_at - 1 - at};
  struct slice tail = slice_skip(bytes_slice(&s->head), s->url_at + s->url_bytes);
  if (slice_starts(tail, SLICE(" HTTP/1.1\r\n"))) return true;
  s->request.is_http10 = slice_starts(tail, SLICE(" HTTP/1.0\r\n"));
  if (s->request.is_http10) return true;
  if (!slice_starts(tail, SLICE(" HTTP/")))
    return refuse(s, 400, "The request line is not valid; send METHOD /path HTTP/1.1.");
  return refuse(s, 505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.");
}

static bool is_host(struct slice host) {
  /* One bit for each byte that RFC 3986, 3.2.2 and 3.2.3 know in a host and a port. */
  static const uint32_t allowed[8] = {0, 0x2fff7ff2, 0xaffffffe, 0x47fffffe};
  for (size_t i = 0; i < host.len; i++) {
    unsigned char c = (unsigned char)host.data[i];
    if (!(allowed[c >> 5] >> (c & 31) & 1)) return false;
  }
  return true;
}

static void set_path(struct http_stream *s, struct slice target) {
  s->request.path = slice_cut(target, '?', &s->request.query);
}

static bool check_absolute(struct http_stream *s, struct slice target) {
  size_t scheme = slice_starts(target, SLICE("http://"))    ? 7
                  : slice_starts(target, SLICE("https://")) ? 8
                                                            : 0;
  if (!scheme) return refuse(s, 400, "The request target is not valid; send a path.");
  struct slice rest = slice_skip(target, scheme);
  size_t len = 0;
  while (len < rest.len && rest.data[len] != '/' && rest.data[len] != '?')
    len++;
  if (len == 0 || !is_host((struct slice){rest.data, len}))
    return refuse(s, 400, "The request target is not valid; send a path.");
  struct slice path = slice_skip(rest, len);
  set_path(s, path);
  if (s->request.path.len == 0) s->request.path = SLICE("/");
  return true;
}

static bool check_target(struct http_stream *s) {
  struct slice target = {s->head.data + s->url_at, s->url_bytes};
  if (slice_equal(s->request.method, SLICE("CONNECT")))
    return refuse(s, 501, "CONNECT is not supported.");
  if (target.len && memchr(target.data, '#', target.len))
    return refuse(s, 400, "The request target has a fragment.");
  if (target.len && target.data[0] == '/') {
    set_path(s, target);
    return true;
  }
  if (!slice_equal(target, SLICE("*"))) return check_absolute(s, target);
  set_path(s, target);
  if (slice_equal(s->request.method, SLICE("OPTIONS"))) return true;
  return refuse(s, 400, "The request target is not valid; send a path.");
}

struct seen {
  unsigned hosts, lengths, encodings, credentials;
  bool close, keep_alive, packed;
};

static void see_connection(struct seen *seen, struct slice value) {
  while (value.len) {
    struct slice token = slice_trim(slice_cut(value, ',', &value));
    if (slice_equal_nocase(token, SLICE("close"))) seen->close = true;
    if (slice_equal_nocase(token, SLICE("keep-alive"))) seen->keep_alive = true;
  }
}

static bool see_encoding(struct http_stream *s, struct seen *seen, struct slice value) {
  if (s->request.is_http10 || seen->encodings++)
    return refuse(s, 400, "Transfer-Encoding is not valid here; send it once, and to HTTP/1.1.");
  if (!slice_equal_nocase(value, SLICE("chunked")))
    return refuse(s, 501, "Only the transfer coding \"chunked\" is supported.");
  s->body_kind = BODY_CHUNKED;
  return true;
}

static bool see_length(struct http_stream *s, struct seen *seen, struct slice value) {
  if (seen->lengths++ || !slice_to_u64(value, &s->request.content_length))
    return refuse(s, 400, "Content-Length is not valid; send one decimal number.");
  if (s->request.content_length > 0) s->body_kind = BODY_LENGTH;
  return true;
}

static bool see_expect(struct http_stream *s, struct slice value) {
  if (s->request.is_http10) return true;
  if (!slice_equal_nocase(value, SLICE("100-continue")))
    return refuse(s, 417, "Only the expectation \"100-continue\" is known.");
  s->wants_continue = true;
  return true;
}

static bool is_named(const struct header *h, struct slice name) {
  return (h->name.data[0] | 0x20) == name.data[0] && slice_equal_nocase(h->name, name);
}

static bool see(struct http_stream *s, struct seen *seen, const struct header *h) {
  switch (h->name.len) {
  case 4:
    if (!is_named(h, SLICE("host"))) return true;
    if (seen->hosts++ || !is_host(h->value))
      return refuse(s, 400, "Host is not valid; send one, with a host and perhaps a port.");
    return true;
  case 6: return !is_named(h, SLICE("expect")) || see_expect(s, h->value);
  case 10:
    if (is_named(h, SLICE("connection"))) see_connection(seen, h->value);
    return true;
  case 13: /* which of two a proxy in front has looked at, nobody knows */
    if (is_named(h, SLICE("authorization")) && seen->credentials++)
      return refuse(s, 400, "Authorization stands twice; send it once.");
    return true;
  case 14: return !is_named(h, SLICE("content-length")) || see_length(s, seen, h->value);
  case 16:
    if (is_named(h, SLICE("content-encoding")) && !slice_equal_nocase(h->value, SLICE("identity")))
      seen->packed = true;
    return true;
  case 17: return !is_named(h, SLICE("transfer-encoding")) || see_encoding(s, seen, h->value);
  default: return true;
  }
}

static bool check_headers(struct http_stream *s) {
  struct seen seen = {0};
  for (size_t i = 0; i < s->line_count; i++)
    if (!see(s, &seen, &s->lines[i])) return false;
  if (seen.encodings && seen.lengths)
    return refuse(s, 400, "Transfer-Encoding and Content-Length exclude each other.");
  if (!seen.hosts && !s->request.is_http10)
    return refuse(s, 400, "Host is missing; HTTP/1.1 asks for one.");
  s->keep_alive = !seen.close && (!s->request.is_http10 || seen.keep_alive);
  s->is_close_asked = !s->keep_alive;
  s->request.has_body = s->body_kind != BODY_NONE;
  if (seen.packed && s->request.has_body)
    return refuse(s, 415, "The body is compressed; send it as it is, without Content-Encoding.");
  if (s->body_kind == BODY_CHUNKED) s->request.content_length = UINT64_MAX;
  if (!s->request.has_body) s->wants_continue = false;
  return true;
}

bool rules_check(struct http_stream *s) {
  point_lines(s);
  s->is_head = false;
  if (!check_lines(s) || !check_request_line(s) || !check_target(s)) return false;
  s->is_head = slice_equal(s->request.method, SLICE("HEAD"));
  return check_headers(s);
}
