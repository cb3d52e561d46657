#include "tokenizer/split.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "tokenizer/classes.h"

struct scan {
  const struct classes *classes;
  const struct split *split;
  const char *end;
  bool open; /* something asked what follows the end */
};

/* 0 at the end. */
static inline unsigned mask_at(struct scan *s, const char *p, size_t *len) {
  if (p == s->end) {
    s->open = true;
    *len = 0;
    return 0;
  }
  return class_at(s->classes, p, s->end, len);
}

static inline const char *skip(struct scan *s, const char *p, unsigned wanted) {
  size_t len;
  while (p < s->end && s->classes->ascii[(unsigned char)*p] & wanted)
    p++;
  while (mask_at(s, p, &len) & wanted)
    p += len;
  return p;
}

static inline bool byte_is(struct scan *s, const char *p, char lower) {
  if (p == s->end) s->open = true;
  return p < s->end && (*p | 0x20) == lower;
}

/* Behind "'s", "'t", "'m", "'d", "'re", "'ve" or "'ll" at p, any case; p when there is none. The
 * long s (U+017F) is a case of s. */
static const char *skip_contraction(struct scan *s, const char *p) {
  if (p == s->end) s->open = true;
  if (p == s->end || *p != '\'') return p;
  const char *q = p + 1;
  if (byte_is(s, q, 's') || byte_is(s, q, 't') || byte_is(s, q, 'm') || byte_is(s, q, 'd'))
    return q + 1;
  if (byte_is(s, q, 'r') || byte_is(s, q, 'v')) return byte_is(s, q + 1, 'e') ? q + 2 : p;
  if (byte_is(s, q, 'l')) return byte_is(s, q + 1, 'l') ? q + 2 : p;
  if (s->end - q >= 2 && q[0] == '\xc5' && q[1] == '\xbf') return q + 2;
  return p;
}

/* As above, small letters only. */
static const char *skip_lower_contraction(struct scan *s, const char *p) {
  const char *q = skip_contraction(s, p);
  for (const char *c = p; c < q; c++)
    if (*c >= 'A' && *c <= 'Z') return p;
  return q - p == 3 && p[1] == '\xc5' ? p : q;
}

static const char *skip_numbers(struct scan *s, const char *p) {
  size_t len;
  unsigned max = s->split->number_max;
  if (max == 0) return skip(s, p, CLASS_NUMBER);
  for (unsigned i = 0; i < max && mask_at(s, p, &len) & CLASS_NUMBER; i++)
    p += len;
  return p;
}

/* White space from p on: what is left of the alternatives that all patterns end with,
 * \s*[\r\n]+|\s+(?!\S)|\s+ (the first only with by_line). */
static const char *skip_space(struct scan *s, const char *p, bool by_line) {
  const char *last = p, *line = NULL, *q = p;
  size_t len;
  for (unsigned mask; (mask = mask_at(s, q, &len)) & CLASS_ANY_SPACE; q += len) {
    if (mask & CLASS_NEWLINE) line = q + len;
    last = q;
  }
  if (q == s->end && s->split->end_space) return q;
  if (by_line && line) return line;
  return q == s->end || last == p ? q : last;
}

/* " ?[^\s\p{L}\p{N}]+" and the line ends behind it; p when it does not match. */
static const char *skip_signs(struct scan *s, const char *p, bool slash) {
  const unsigned signs = CLASS_MARK | CLASS_SIGN | CLASS_OTHER;
  const char *from = p < s->end && *p == ' ' ? p + 1 : p, *q = skip(s, from, signs);
  if (q == from) return p;
  while (q < s->end && (*q == '\r' || *q == '\n' || (slash && *q == '/')))
    q++;
  if (q == s->end) s->open = true;
  return q;
}

/* [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+ at p, or else, with capitals, at least
 * one of the first set; NULL when neither is there. */
static const char *skip_cased_slowly(struct scan *s, const char *p, bool capitals) {
  const unsigned both = CLASS_LETTER | CLASS_MARK;
  const char *q = p, *both_end = NULL;
  size_t len;
  unsigned mask;
  while ((mask = mask_at(s, q, &len)) & (CLASS_UPPER | both)) {
    q += len;
    if (mask & both) both_end = q;
  }
  if (mask & CLASS_LOWER) return skip(s, q + len, CLASS_LOWER | both);
  if (both_end) return both_end;
  return capitals && q > p ? q : NULL;
}

static inline const char *skip_range(const char *p, const char *end, char first, char last) {
  while (p < end && *p >= first && *p <= last)
    p++;
  return p;
}

/* A word of ASCII: so many capitals, then so many small letters. */
struct word {
  size_t capitals, length;
};

static inline struct word read_word(const char *p, const char *end) {
#ifdef __SSE2__
  if (end - p >= 16) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)p);
    __m128i letter = _mm_sub_epi8(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
    __m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(25)), letter);
    unsigned letters = (unsigned)_mm_movemask_epi8(is_letter);
    unsigned small = letters & (unsigned)_mm_movemask_epi8(_mm_slli_epi16(bytes, 2));
    unsigned capitals = (unsigned)__builtin_ctz(~(letters & ~small));
    unsigned length = capitals + (unsigned)__builtin_ctz(~(small >> capitals));
    if (length < 16) return (struct word){capitals, length};
  }
#endif
  const char *q = skip_range(p, end, 'A', 'Z');
  return (struct word){(size_t)(q - p), (size_t)(skip_range(q, end, 'a', 'z') - p)};
}

/* Most words are ASCII. What follows may be of another script. */
static inline const char *skip_cased(struct scan *s, const char *p, bool capitals) {
  struct word word = read_word(p, s->end);
  const char *q = p + word.length;
  if (q == s->end || *q & 0x80) return skip_cased_slowly(s, p, capitals);
  if (word.length > word.capitals) return q;
  return capitals && q > p ? q : NULL;
}

static const char *next_o200k(struct scan *s, const char *p) {
  size_t len;
  unsigned first = mask_at(s, p, &len);
  const char *word = NULL;
  if (!(first & (CLASS_ANY_LETTER | CLASS_NUMBER | CLASS_NEWLINE)))
    word = skip_cased(s, p + len, !(first & CLASS_MARK));
  if (!word && first & (CLASS_ANY_LETTER | CLASS_MARK)) word = skip_cased(s, p, true);
  if (word) return s->split->contractions ? skip_contraction(s, word) : word;
  if (first & CLASS_NUMBER) return skip_numbers(s, p);
  const char *signs = skip_signs(s, p, true);
  return signs > p ? signs : skip_space(s, p, true);
}

static const char *next_cl100k(struct scan *s, const char *p) {
  const char *contraction = skip_contraction(s, p);
  if (contraction > p) return contraction;
  size_t len;
  unsigned first = mask_at(s, p, &len);
  if (first & CLASS_ANY_LETTER) return skip(s, p + len, CLASS_ANY_LETTER);
  if (first & CLASS_NUMBER) return skip_numbers(s, p);
  if (!(first & CLASS_NEWLINE)) {
    const char *word = skip(s, p + len, CLASS_ANY_LETTER);
    if (word > p + len) return word;
  }
  const char *signs = skip_signs(s, p, false);
  return signs > p ? signs : skip_space(s, p, true);
}

static const char *next_gpt2(struct scan *s, const char *p) {
  static const unsigned sets[] = {CLASS_ANY_LETTER, CLASS_NUMBER,
                                  CLASS_MARK | CLASS_SIGN | CLASS_OTHER};
  const char *contraction = skip_lower_contraction(s, p);
  if (contraction > p) return contraction;
  const char *from = *p == ' ' ? p + 1 : p;
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
    const char *q = skip(s, from, sets[i]);
    if (q > from) return q;
  }
  return skip_space(s, p, false);
}

static bool is_ascii_sign(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

static const char *skip_ascii_letters(struct scan *s, const char *p) {
  while (p < s->end && (*p | 0x20) >= 'a' && (*p | 0x20) <= 'z')
    p++;
  if (p == s->end) s->open = true;
  return p;
}

/* The match of DeepSeek's words at p; NULL when none begins here. */
static const char *match_deepseek(struct scan *s, const char *p) {
  const unsigned letters = CLASS_ANY_LETTER | CLASS_MARK;
  size_t len;
  unsigned first = mask_at(s, p, &len);
  if (is_ascii_sign(*p)) {
    const char *q = skip_ascii_letters(s, p + 1);
    if (q > p + 1) return q;
  }
  if (!(first & (CLASS_NEWLINE | CLASS_ANY_LETTER | CLASS_SIGN))) {
    const char *q = skip(s, p + len, letters);
    if (q > p + len) return q;
  }
  if (first & letters) return skip(s, p + len, letters);
  const char *from = *p == ' ' ? p + 1 : p, *q = skip(s, from, CLASS_SIGN);
  if (q > from) {
    while (q < s->end && (*q == '\r' || *q == '\n'))
      q++;
    if (q == s->end) s->open = true;
    return q;
  }
  return first & CLASS_ANY_SPACE ? skip_space(s, p, true) : NULL;
}

static const char *next_deepseek(struct scan *s, const char *p) {
  const char *match = match_deepseek(s, p);
  if (match) return match;
  for (size_t len; p < s->end && !match_deepseek(s, p); p += len)
    (void)mask_at(s, p, &len);
  s->open |= p == s->end;
  return p;
}

static const char *next_numbers(struct scan *s, const char *p) {
  const char *q = skip_numbers(s, p);
  return q > p ? q : skip(s, p, ~CLASS_NUMBER & ((CLASS_OTHER << 1) - 1));
}

static bool is_ideograph(const char *p, const char *end, size_t *len) {
  uint32_t point;
  *len = utf8_decode(p, end, &point);
  if (*len == 0) {
    *len = 1;
    return false;
  }
  return (point >= 0x4e00 && point <= 0x9fa5) || (point >= 0x3040 && point <= 0x30ff);
}

static const char *next_ideographs(struct scan *s, const char *p) {
  size_t len;
  bool wanted = is_ideograph(p, s->end, &len);
  do
    p += len;
  while (p < s->end && is_ideograph(p, s->end, &len) == wanted);
  s->open |= p == s->end;
  return p;
}

static const char *next_marked(struct scan *s, const char *p, bool each) {
  static const char mark[] = "\xe2\x96\x81";
  while (s->end - p >= 3 && memcmp(p, mark, 3) == 0) {
    p += 3;
    if (each) break;
  }
  const char *found = memmem(p, (size_t)(s->end - p), mark, 3);
  if (!found) s->open = true;
  return found ? found : s->end;
}

size_t split_next(const struct split *split, struct slice text, bool *open) {
  struct scan s = {classes_get(), split, text.data + text.len, false};
  const char *p = text.data, *q = s.end;
  switch ((enum split_kind)split->kind) {
  case SPLIT_O200K: q = next_o200k(&s, p); break;
  case SPLIT_CL100K: q = next_cl100k(&s, p); break;
  case SPLIT_GPT2: q = next_gpt2(&s, p); break;
  case SPLIT_DEEPSEEK: q = next_deepseek(&s, p); break;
  case SPLIT_NUMBERS: q = next_numbers(&s, p); break;
  case SPLIT_IDEOGRAPHS: q = next_ideographs(&s, p); break;
  case SPLIT_MARKED_SPACE:
  case SPLIT_EACH_MARK: q = next_marked(&s, p, split->kind == SPLIT_EACH_MARK); break;
  case SPLIT_NONE: s.open = true; break;
  }
  *open = s.open;
  return (size_t)(q - p);
}
