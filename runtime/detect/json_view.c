#include "detect/json_texts.h"

void json_view_init(struct json_view *view) {
  *view = (struct json_view){0};
  bytes_init(&view->text);
}

void json_view_fini(struct json_view *view) {
  bytes_fini(&view->text);
  offsets_fini(&view->offsets);
}

/* Of \uD8.. to \uDB.. (first of a pair) or \uDC.. to \uDF.. (second). */
static bool is_surrogate(const char *p, char first, char last) {
  char c = (char)(p[3] | 32);
  if (p[0] != '\\' || p[1] != 'u' || (p[2] | 32) != 'd') return false;
  return (c >= first && c <= '9') || (c >= 'a' && c >= first && c <= last);
}

/* The length of the escape at p, which is part of a valid string: both halves of a pair are one. */
static size_t escape_length(const char *p, const char *end) {
  if (p[1] != 'u') return 2;
  bool pair = end - p >= 12 && is_surrogate(p, '8', 'b') && is_surrogate(p + 6, 'c', 'f');
  return pair ? 12 : 6;
}

void json_view_read(struct json_view *view, struct slice token) {
  bytes_clear(&view->text);
  view->offsets.count = 0;
  bool quoted = token.len > 1 && token.data[0] == '"';
  const char *at = token.data + (quoted ? 1 : 0), *end = token.data + token.len - (quoted ? 1 : 0);
  if (quoted) offsets_add(&view->offsets, (struct offset_mark){0, 1, 0});
  while (at < end) {
    const char *plain = memchr(at, '\\', (size_t)(end - at));
    if (!plain) plain = end;
    bytes_append(&view->text, at, (size_t)(plain - at));
    at = plain;
    if (at == end) break;
    size_t len = escape_length(at, end), source = (size_t)(at - token.data);
    offsets_add(&view->offsets, (struct offset_mark){view->text.len, source, (uint32_t)len});
    json_unescape((struct slice){at, len}, &view->text);
    offsets_add(&view->offsets, (struct offset_mark){view->text.len, source + len, 0});
    at += len;
  }
}

struct slice json_view_raw(const struct json_view *view, struct slice token, size_t offset,
                           size_t length) {
  size_t start = offsets_start(&view->offsets, offset);
  size_t end = offsets_end(&view->offsets, offset + length - 1);
  must(length > 0 && start <= end && end <= token.len);
  return (struct slice){token.data + start, end - start};
}
