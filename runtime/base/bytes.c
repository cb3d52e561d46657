#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { U64_DIGITS = 20 };

uint64_t slice_hash(struct slice s) {
  uint64_t hash = 14695981039346656037u;
  for (size_t i = 0; i < s.len; i++)
    hash = (hash ^ (unsigned char)s.data[i]) * 1099511628211u;
  return hash;
}

bool slice_starts(struct slice text, struct slice prefix) {
  return text.len >= prefix.len &&
         (prefix.len == 0 || memcmp(text.data, prefix.data, prefix.len) == 0);
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice text) {
  while (text.len && is_blank(text.data[0]))
    text = slice_skip(text, 1);
  while (text.len && is_blank(text.data[text.len - 1]))
    text.len--;
  return text;
}

struct slice slice_skip(struct slice text, size_t count) {
  must(count <= text.len);
  if (count == 0) return text; /* adding to a NULL pointer is undefined, even nothing */
  return (struct slice){text.data + count, text.len - count};
}

struct slice slice_cut(struct slice text, char separator, struct slice *rest) {
  const char *at = text.len ? memchr(text.data, separator, text.len) : NULL;
  if (!at) {
    *rest = (struct slice){text.data + text.len, 0};
    return text;
  }
  size_t head = (size_t)(at - text.data);
  *rest = slice_skip(text, head + 1);
  return (struct slice){text.data, head};
}

bool slice_to_u64(struct slice text, uint64_t *out) {
  uint64_t value = 0;
  if (text.len == 0) return false;
  for (size_t i = 0; i < text.len; i++) {
    unsigned digit = (unsigned)(unsigned char)text.data[i] - '0';
    if (digit > 9) return false;
    bool may_overflow = i >= U64_DIGITS - 1;
    if (may_overflow && value > (UINT64_MAX - digit) / 10) return false;
    value = value * 10 + digit;
  }
  *out = value;
  return true;
}

void bytes_init(struct bytes *b) {
  *b = (struct bytes){0};
}

void bytes_fini(struct bytes *b) {
  free(b->data);
  *b = (struct bytes){0};
}

void bytes_recycle(struct bytes *b, size_t most) {
  if (b->cap > most) bytes_fini(b);
  b->len = 0;
}

void bytes_clear(struct bytes *b) {
  b->len = 0;
}

void bytes_grow(struct bytes *b, size_t more) {
  size_t need;
  must(!__builtin_add_overflow(b->len, more, &need));
  size_t cap = b->cap ? b->cap : 64;
  while (cap < need)
    cap += cap / 2 + 64;
  b->data = must_realloc(b->data, cap);
  b->cap = cap;
}

void bytes_fit(struct bytes *b, size_t more, size_t step) {
  if (more <= b->cap - b->len) return;
  size_t need;
  must(!__builtin_add_overflow(b->len, more + step - 1, &need));
  b->cap = need / step * step;
  b->data = must_realloc(b->data, b->cap);
}

/* Two digits for each division; end is behind the last of them. Returns the first. */
static char *write_digits(char *end, uint64_t value) {
  static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233"
                              "34353637383940414243444546474849505152535455565758596061626364656667"
                              "6869707172737475767778798081828384858687888990919293949596979899";
  for (; value >= 100; value /= 100)
    memcpy(end -= 2, pairs + value % 100 * 2, 2);
  if (value >= 10) return memcpy(end - 2, pairs + value * 2, 2);
  *--end = (char)('0' + value);
  return end;
}

char *bytes_write_u64(char *at, uint64_t value) {
  char digits[2 * U64_DIGITS], *end = digits + U64_DIGITS, *first = write_digits(end, value);
  memcpy(at, first, U64_DIGITS); /* with some behind it: a length that the compiler knows */
  return at + (end - first);
}

void bytes_append_u64(struct bytes *b, uint64_t value) {
  char *at = bytes_reserve(b, U64_DIGITS);
  b->len = (size_t)(bytes_write_u64(at, value) - b->data);
}

void bytes_vprintf(struct bytes *b, const char *format, va_list list) {
  va_list again;
  va_copy(again, list);
  size_t room = b->cap - b->len;
  int need = vsnprintf(room ? b->data + b->len : NULL, room, format, list);
  must(need >= 0);
  if ((size_t)need >= room)
    vsnprintf(bytes_reserve(b, (size_t)need + 1), (size_t)need + 1, format, again);
  va_end(again);
  b->len += (size_t)need;
}

void bytes_append_money(struct bytes *b, uint64_t nano) {
  bytes_append_fixed(b, nano, 9);
  for (int i = 0; i < 7 && b->data[b->len - 1] == '0'; i++)
    b->len--;
}

void bytes_append_fixed(struct bytes *b, uint64_t value, unsigned decimals) {
  char digits[32];
  size_t at = sizeof digits;
  must(decimals > 0 && decimals <= 9);
  for (unsigned i = 0; i < decimals; i++, value /= 10)
    digits[--at] = (char)('0' + value % 10);
  digits[--at] = '.';
  do {
    digits[--at] = (char)('0' + value % 10);
    value /= 10;
  } while (value);
  bytes_append(b, digits + at, sizeof digits - at);
}

void bytes_printf(struct bytes *b, const char *format, ...) {
  va_list list;
  va_start(list, format);
  bytes_vprintf(b, format, list);
  va_end(list);
}

void bytes_drop_front(struct bytes *b, size_t count) {
  must(count <= b->len);
  b->len -= count;
  if (b->len && count) memmove(b->data, b->data + count, b->len);
}

struct slice bytes_slice(const struct bytes *b) {
  return (struct slice){b->data ? b->data : "", b->len};
}

const char *bytes_text(struct bytes *b) {
  *bytes_reserve(b, 1) = 0;
  return b->data;
}

char *bytes_take(struct bytes *b, size_t *len) {
  char *data = b->data;
  if (len) *len = b->len;
  *b = (struct bytes){0};
  return data;
}
