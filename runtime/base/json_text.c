#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

enum { REPLACEMENT = 0xfffd };

static const double exact_integers = 9007199254740992.0; /* 2^53 */

static uint32_t hex4(const char *at) {
  uint32_t value = 0;
  for (int i = 0; i < 4; i++)
    value = value << 4 | (uint32_t)(at[i] <= '9' ? at[i] - '0' : (at[i] | 0x20) - 'a' + 10);
  return value;
}

/* at is the backslash of a valid \u escape; returns what follows the code point's last escape. */
static const char *unescape_point(const char *at, const char *end, uint32_t *point) {
  *point = hex4(at + 2);
  at += 6;
  if (*point < 0xd800 || *point >= 0xe000) return at;
  if (*point < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
    uint32_t low = hex4(at + 2);
    if (low >= 0xdc00 && low < 0xe000) {
      *point = 0x10000 + ((*point - 0xd800) << 10) + (low - 0xdc00);
      return at + 6;
    }
  }
  *point = REPLACEMENT;
  return at;
}

static char short_escape(char c) {
  switch (c) {
  case 'b': return '\b';
  case 'f': return '\f';
  case 'n': return '\n';
  case 'r': return '\r';
  case 't': return '\t';
  default: return c;
  }
}

/* Writes the unescaped text to out, which has room for raw.len bytes; returns the length. */
static size_t unescape(struct slice raw, char *out) {
  const char *at = raw.data, *end = raw.data + raw.len;
  char *to = out;
  while (at < end) {
    const char *backslash = memchr(at, '\\', (size_t)(end - at));
    size_t run = (size_t)((backslash ? backslash : end) - at);
    memcpy(to, at, run);
    to += run;
    at += run;
    if (!backslash) break;
    if (at[1] == 'u') {
      uint32_t point;
      at = unescape_point(at, end, &point);
      to += utf8_encode(point, to);
    } else {
      *to++ = short_escape(at[1]);
      at += 2;
    }
  }
  return (size_t)(to - out);
}

void json_unescape(struct slice raw, struct bytes *out) {
  if (raw.len) out->len += unescape(raw, bytes_reserve(out, raw.len));
}

bool json_key_equal(struct slice raw, struct slice key) {
  enum { LONGEST_KEY = 128, ESCAPE_BYTES = 6 };
  char text[LONGEST_KEY * ESCAPE_BYTES];
  if (!raw.len || !memchr(raw.data, '\\', raw.len)) return slice_equal(raw, key);
  must(key.len <= LONGEST_KEY);
  if (raw.len > key.len * ESCAPE_BYTES) return false;
  return slice_equal((struct slice){text, unescape(raw, text)}, key);
}

struct slice json_string_raw(struct slice value) {
  if (value.len < 2 || value.data[0] != '"') return (struct slice){"", 0};
  return (struct slice){value.data + 1, value.len - 2};
}

bool json_string(struct slice value, struct bytes *out) {
  if (value.len < 2 || value.data[0] != '"') return false;
  json_unescape(json_string_raw(value), out);
  return true;
}

static void append_escape(struct bytes *out, unsigned char byte) {
  static const char hex[] = "0123456789abcdef";
  const char *from = "\b\f\n\r\t\"\\", *to = "bfnrt\"\\";
  const char *hit = byte ? strchr(from, byte) : NULL;
  char text[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
  if (hit) text[1] = to[hit - from];
  bytes_append(out, text, hit ? 2 : 6);
}

static void quote_rest(struct bytes *out, const char *run, const char *at, const char *end) {
  for (; at < end; at = json_plain_end(at, end)) {
    uint32_t point;
    unsigned char byte = (unsigned char)*at;
    size_t len = byte < 0x80 ? 0 : utf8_decode(at, end, &point);
    if (len > 0) {
      at += len;
      continue;
    }
    bytes_append(out, run, (size_t)(at - run));
    if (byte < 0x80)
      append_escape(out, byte);
    else
      bytes_append(out, "\xef\xbf\xbd", 3);
    run = ++at;
  }
  bytes_append(out, run, (size_t)(end - run));
}

void json_quote(struct bytes *out, struct slice text) {
  const char *start = text.len ? text.data : "", *end = start + text.len;
  const char *plain = json_plain_end(start, end);
  char *at = bytes_reserve(out, text.len + 2);
  if (plain == end) { /* nearly always: one copy between quotes */
    at[0] = at[text.len + 1] = '"';
    memcpy(at + 1, start, text.len);
    out->len += text.len + 2;
    return;
  }
  bytes_append_byte(out, '"');
  quote_rest(out, start, plain, end);
  bytes_append_byte(out, '"');
}

void json_append_text(struct bytes *out, const char *name, struct slice text) {
  bytes_printf(out, ",\"%s\":", name);
  json_quote(out, text);
}

void json_append_json(struct bytes *out, const char *name, struct slice json) {
  bytes_printf(out, ",\"%s\":", name);
  if (json.len && json_validate(json, JSON_DEPTH_DEFAULT, NULL))
    bytes_append_slice(out, json);
  else
    bytes_append_text(out, "null");
}

/* Up to 15 digits with a small exponent need no strtod: both parts are exact, one rounding. */
static bool simple_double(struct slice text, double *out) {
  static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  enum { EXACT_DIGITS = 15 };
  bool negative = text.len && text.data[0] == '-';
  uint64_t value = 0;
  size_t digits = 0, fraction = 0;
  bool point = false;
  if (text.len > EXACT_DIGITS + 2) return false;
  for (size_t i = negative; i < text.len; i++) {
    char c = text.data[i];
    if (c == '.') {
      point = true;
    } else if (c >= '0' && c <= '9') {
      value = value * 10 + (uint64_t)(c - '0');
      digits++;
      fraction += point;
    } else {
      return false;
    }
  }
  if (digits == 0 || digits > EXACT_DIGITS) return false;
  double number = (double)value / powers[fraction];
  *out = negative ? -number : number;
  return true;
}

static double read_double(struct slice text) {
  char copy[64];
  char *heap = text.len < sizeof copy ? NULL : must_alloc(text.len + 1);
  char *zeroed = heap ? heap : copy;
  memcpy(zeroed, text.data, text.len);
  zeroed[text.len] = 0;
  double number = strtod(zeroed, NULL);
  free(heap);
  return number;
}

bool json_to_double(struct slice value, double *out) {
  struct json_cursor c = json_cursor_of(value);
  if (!json_scan_number(&c) || c.at != c.end) return false;
  if (simple_double(value, out)) return true;
  double number = read_double(value);
  if (!isfinite(number)) return false;
  *out = number;
  return true;
}

static bool whole_double(struct slice value, double *out) {
  double number;
  if (!json_to_double(value, &number)) return false;
  if (number != floor(number) || fabs(number) >= exact_integers) return false;
  *out = number;
  return true;
}

bool json_to_u64(struct slice value, uint64_t *out) {
  double number;
  if (value.len && (value.len == 1 || value.data[0] != '0') && slice_to_u64(value, out))
    return true;
  if (!whole_double(value, &number) || number < 0) return false;
  *out = (uint64_t)number;
  return true;
}

bool json_to_i64(struct slice value, int64_t *out) {
  uint64_t size;
  double number;
  bool negative = value.len && value.data[0] == '-';
  struct slice digits = slice_skip(value, negative);
  if (digits.len && digits.data[0] != '0' && slice_to_u64(digits, &size)) {
    if (size > (uint64_t)INT64_MAX + negative) return false;
    *out = negative ? (int64_t)(0 - size) : (int64_t)size;
    return true;
  }
  if (!whole_double(value, &number)) return false;
  *out = (int64_t)number;
  return true;
}

/* Few decimals, the usual case (0.7): the quotient of two exact integers is what the text reads as.
 */
static bool append_short_fraction(struct bytes *out, double size) {
  double power = 1;
  for (int places = 1; places <= 4; places++) {
    power *= 10;
    double digits = nearbyint(size * power);
    if (digits < 1 || digits >= 1e15 || digits / power != size) continue;
    uint64_t whole = (uint64_t)digits / (uint64_t)power, rest = (uint64_t)digits % (uint64_t)power;
    bytes_append_u64(out, whole);
    char fraction[5] = ".";
    for (int i = places; i > 0; i--, rest /= 10)
      fraction[i] = (char)('0' + rest % 10);
    bytes_append(out, fraction, (size_t)places + 1);
    return true;
  }
  return false;
}

void json_append_double(struct bytes *out, double number) {
  must(isfinite(number));
  double size = fabs(number);
  if (signbit(number)) bytes_append_byte(out, '-');
  if (size < exact_integers && size == floor(size)) {
    bytes_append_u64(out, (uint64_t)size);
    return;
  }
  if (append_short_fraction(out, size)) return;
  char text[32];
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, size);
    if (strtod(text, NULL) == size) break;
  }
  bytes_append_text(out, text);
}
