/* The JSON reader for text that is right and not nested deeply, which is nearly all: no cursor in
 * memory, hardly a call. Each step takes the place where its token begins and gives the place
 * behind it, or NULL for what it does not understand: json_scan.h then reads the text again, and
 * says what is wrong, if anything is. For base/json*.c only. */
#pragma once
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/json.h"
#include "base/json_scan.h"

/* Any value, as json_scan_value. */
const char *json_behind_value(const char *at, const char *end, uint32_t max_depth);
/* At the opening brace; fills wanted, cleared before. max_depth is that of the values inside. NULL
 * for what is no valid object. */
const char *json_behind_members(const char *at, const char *end, struct json_member *wanted,
                                size_t count, uint32_t max_depth);
void json_forget(struct json_member *wanted, size_t count);

static const bool json_special[256] = {
    [0 ... 0x1f] = true, ['"'] = true, ['\\'] = true, [0x80 ... 0xff] = true};

#ifdef __SSE2__
/* One bit for each special byte. */
static inline unsigned special_bits(__m128i chunk) {
  const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
  /* Signed comparison: bytes from 0x80 on count as negative, so below space too. */
  __m128i hit =
      _mm_or_si128(_mm_cmplt_epi8(chunk, _mm_set1_epi8(0x20)),
                   _mm_or_si128(_mm_cmpeq_epi8(chunk, quote), _mm_cmpeq_epi8(chunk, backslash)));
  return (unsigned)_mm_movemask_epi8(hit);
}

/* Eight to sixteen bytes, as the first eight and the last eight. */
static inline unsigned special_bits_short(const char *at, const char *end) {
  __m128i first = _mm_loadl_epi64((const __m128i *)at);
  __m128i last = _mm_loadl_epi64((const __m128i *)(end - 8));
  return (special_bits(first) & 0xff) | (special_bits(last) & 0xff) << (end - at - 8);
}
#endif

/* First byte that a plain run of string text cannot hold (json_plain_end). */
static inline const char *plain_end(const char *at, const char *end) {
#ifdef __SSE2__
  for (; end - at >= 16; at += 16) {
    unsigned found = special_bits(_mm_loadu_si128((const __m128i *)at));
    if (found) return at + __builtin_ctz(found);
  }
  if (end - at >= 8) {
    unsigned found = special_bits_short(at, end);
    return found ? at + __builtin_ctz(found) : end;
  }
#endif
  while (at < end && !json_special[(unsigned char)*at])
    at++;
  return at;
}

static inline bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static inline const char *behind_space(const char *at, const char *end) {
  if (at<end && * at> ' ') return at;
  while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
    at++;
  return at;
}

const char *json_behind_rich_string(const char *at, const char *end);
const char *json_behind_rich_number(const char *at, const char *end);

static inline const char *behind_string(const char *at, const char *end) {
  const char *close = plain_end(at + 1, end);
  if (close < end && *close == '"') return close + 1;
  return json_behind_rich_string(at, end);
}

/* A whole number without sign, most often. */
static inline const char *behind_number(const char *at, const char *end) {
  const char *start = at;
  while (at < end && is_digit(*at))
    at++;
  bool is_whole = at < end && *at != '.' && (*at | 0x20) != 'e';
  bool is_plain = is_whole && at > start && (*start != '0' || at == start + 1);
  return is_plain ? at : json_behind_rich_number(start, end);
}

static inline const char *behind_literal(const char *at, const char *end) {
  size_t len = *at == 'f' ? 5 : 4;
  if ((size_t)(end - at) < len) return NULL;
  bool known = memcmp(at, "null", 4) == 0 || memcmp(at, "true", 4) == 0 ||
               (len == 5 && memcmp(at, "false", 5) == 0);
  return known ? at + len : NULL;
}

static inline const char *behind_scalar(const char *at, const char *end) {
  if (*at == '"') return behind_string(at, end);
  return *at == '-' || is_digit(*at) ? behind_number(at, end) : behind_literal(at, end);
}

static inline enum json_type json_type_of(char first) {
  switch (first) {
  case '{': return JSON_OBJECT;
  case '[': return JSON_ARRAY;
  case '"': return JSON_STRING;
  case 't': return JSON_TRUE;
  case 'f': return JSON_FALSE;
  case 'n': return JSON_NULL;
  default: return first == '-' || (first >= '0' && first <= '9') ? JSON_NUMBER : JSON_NONE;
  }
}
