#include "model/header.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct slice header_find_slice(struct headers h, struct slice name) {
  for (const struct header *item = h.items; item < h.items + h.count; item++)
    if (slice_equal_nocase(item->name, name)) return item->value;
  return (struct slice){NULL, 0};
}

/* RFC 9110, 5.6.2: the bytes a token may hold. */
static const bool token[256] = {
    ['!'] = true,         ['#'] = true,         ['$'] = true,         ['%'] = true, ['&'] = true,
    ['\''] = true,        ['*'] = true,         ['+'] = true,         ['-'] = true, ['.'] = true,
    ['^'] = true,         ['_'] = true,         ['`'] = true,         ['|'] = true, ['~'] = true,
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
};

static bool is_clean_byte(unsigned char c) {
  return (c >= 0x20 && c != 0x7f) || c == '\t';
}

#ifdef __SSE2__
#define INLINE static inline __attribute__((always_inline))

/* Where low <= byte < low + count, without signs. */
INLINE __m128i is_within(__m128i bytes, char low, char count) {
  __m128i above = _mm_sub_epi8(bytes, _mm_set1_epi8(low));
  return _mm_cmpeq_epi8(_mm_min_epu8(above, _mm_set1_epi8((char)(count - 1))), above);
}

/* What names are made of, mostly: letters, digits and '-'. */
INLINE bool is_usual_name(__m128i bytes) {
  __m128i letter = is_within(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 26);
  __m128i other =
      _mm_or_si128(is_within(bytes, '0', 10), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-')));
  return _mm_movemask_epi8(_mm_or_si128(letter, other)) == 0xffff;
}

/* A tab is left to the slower look. */
INLINE bool is_usual_value(__m128i bytes) {
  __m128i deleted = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
  return _mm_movemask_epi8(_mm_or_si128(is_within(bytes, 0, 0x20), deleted)) == 0;
}

/* Sixteen bytes at once; the last piece begins within the one before it. False: perhaps not. */
INLINE bool all_usual(struct slice text, bool (*is_usual)(__m128i)) {
  const char *at = text.data, *end = at + text.len;
  if (text.len < 8) return false;
  if (text.len < 16)
    return is_usual(_mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)at),
                                       _mm_loadl_epi64((const __m128i *)(end - 8))));
  for (; end - at > 16; at += 16)
    if (!is_usual(_mm_loadu_si128((const __m128i *)at))) return false;
  return is_usual(_mm_loadu_si128((const __m128i *)(end - 16)));
}
#else
#define all_usual(text, is_usual) false
#endif

/* Names are short and nearly always good: no branch for each byte. */
static bool is_token(struct slice name) {
  const unsigned char *at = (const unsigned char *)name.data;
  bool good = name.len > 0;
  size_t i = 0;
  for (; i + 4 <= name.len; i += 4)
    good &= token[at[i]] & token[at[i + 1]] & token[at[i + 2]] & token[at[i + 3]];
  for (; i < name.len; i++)
    good &= token[at[i]];
  return good;
}

static bool is_value(struct slice value) {
  for (size_t i = 0; i < value.len; i++)
    if (!is_clean_byte((unsigned char)value.data[i])) return false;
  return true;
}

bool header_is_clean(struct slice name, struct slice value) {
  return (all_usual(name, is_usual_name) || is_token(name)) &&
         (all_usual(value, is_usual_value) || is_value(value));
}
