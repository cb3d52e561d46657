/* UTF-8 (RFC 3629): overlong forms, surrogates and values above U+10FFFF are invalid. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Length of the sequence that starts at p, 1 to 4, with its code point in *point; 0 when the bytes
 * before end are no complete and valid sequence. p < end. */
static inline size_t utf8_decode(const char *p, const char *end, uint32_t *point) {
  const unsigned char *u = (const unsigned char *)p;
  size_t left = (size_t)(end - p);
  if (u[0] < 0x80) {
    *point = u[0];
    return 1;
  }
  if (u[0] < 0xc2 || u[0] > 0xf4) return 0;
  size_t len = u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
  if (left < len) return 0;
  uint32_t value = u[0] & (0x7fu >> len);
  for (size_t i = 1; i < len; i++) {
    if ((u[i] & 0xc0) != 0x80) return 0;
    value = value << 6 | (u[i] & 0x3fu);
  }
  if (len == 3 && (value < 0x800 || (value >= 0xd800 && value < 0xe000))) return 0;
  if (len == 4 && (value < 0x10000 || value > 0x10ffff)) return 0;
  *point = value;
  return len;
}

/* Writes point, which must be valid, to out (room for 4 bytes); returns the length. */
static inline size_t utf8_encode(uint32_t point, char *out) {
  if (point < 0x80) {
    out[0] = (char)point;
    return 1;
  }
  size_t len = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  for (size_t i = len - 1; i > 0; i--, point >>= 6)
    out[i] = (char)(0x80 | (point & 0x3f));
  out[0] = (char)((0xf00u >> len & 0xf0) | point);
  return len;
}
