/* Up to 64 characters at once: each kind is a mask with one bit for each character, and runs are
 * counted by shifting it. The same sums as character by character. Inlined, so that what is
 * compiled for newer processors counts with their instructions. For estimate_ascii.c and
 * estimate_json.c. */
#pragma once
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "account/estimate_ascii.h"

enum { BLOCK = ESTIMATE_BLOCK_BYTES };

#define INLINE static inline __attribute__((always_inline))

struct masks {
  uint64_t lower, upper, digit, mark, space, line, other; /* other: not ASCII */
  uint64_t quote, backslash;                              /* marks, too */
};

#ifdef __SSE2__
INLINE uint64_t bits(__m128i bytes) {
  return (uint64_t)(unsigned)_mm_movemask_epi8(bytes);
}

/* Where low <= byte < low + count, without signs. */
INLINE __m128i is_within(__m128i bytes, char low, char count) {
  __m128i above = _mm_sub_epi8(bytes, _mm_set1_epi8(low));
  return _mm_cmpeq_epi8(_mm_min_epu8(above, _mm_set1_epi8((char)(count - 1))), above);
}

/* BLOCK bytes can be read; only the first `bytes` are meant. */
INLINE struct masks masks_of(const char *at, size_t bytes) {
  struct masks m = {0};
  for (size_t i = 0; i < bytes; i += 16) {
    __m128i chunk = _mm_loadu_si128((const __m128i *)(at + i));
    __m128i folded = _mm_or_si128(chunk, _mm_set1_epi8(0x20));
    __m128i line = _mm_or_si128(_mm_cmpeq_epi8(chunk, _mm_set1_epi8('\n')),
                                _mm_cmpeq_epi8(chunk, _mm_set1_epi8('\r')));
    uint64_t letters = bits(is_within(folded, 'a', 26));
    uint64_t small = bits(_mm_slli_epi16(chunk, 2)); /* bit 5 of each byte */
    m.lower |= (letters & small) << i;
    m.upper |= (letters & ~small) << i;
    m.digit |= bits(is_within(chunk, '0', 10)) << i;
    m.line |= bits(line) << i;
    m.space |= bits(is_within(chunk, 0, ' ' + 1)) << i;
    m.other |= bits(chunk) << i;
    m.quote |= bits(_mm_cmpeq_epi8(chunk, _mm_set1_epi8('"'))) << i;
    m.backslash |= bits(_mm_cmpeq_epi8(chunk, _mm_set1_epi8('\\'))) << i;
  }
  m.space &= ~m.line;
  m.mark = ~(m.lower | m.upper | m.digit | m.line | m.space | m.other);
  return m;
}
#else
INLINE struct masks masks_of(const char *at, size_t bytes) {
  uint64_t kinds[SYMBOL + 1] = {0}, other = 0, quote = 0, backslash = 0;
  for (size_t i = 0; i < bytes; i++) {
    unsigned char c = (unsigned char)at[i];
    uint64_t bit = (uint64_t)1 << i;
    if (c < 0x80)
      kinds[estimate_ascii_kind(c)] |= bit;
    else
      other |= bit;
    quote |= c == '"' ? bit : 0;
    backslash |= c == '\\' ? bit : 0;
  }
  return (struct masks){kinds[LOWER], kinds[UPPER], kinds[DIGIT], kinds[MARK], kinds[SPACE],
                        kinds[LINE],  other,        quote,        backslash};
}
#endif

INLINE uint64_t count(uint64_t mask) {
  return (uint64_t)__builtin_popcountll(mask);
}

/* A block's characters are its highest bits, the first of them at `start`. */
struct block {
  unsigned start;
  enum estimate_kind kind; /* of the open run before it, and its length */
  uint32_t run;
};

/* Some of the characters, and of those before the block, the newest in the highest bit. */
struct track {
  uint64_t now, past;
};

/* Moved to later characters by so many places. */
INLINE uint64_t later(const struct block *b, struct track t, unsigned places) {
  return t.now << places | t.past >> (BLOCK - places) << b->start;
}

INLINE uint64_t first_of(const struct block *b, bool is_set) {
  return (uint64_t)is_set << b->start;
}

/* Breaks that join the punctuation before them. */
INLINE uint64_t joined_lines(const struct block *b, const struct masks *m) {
  uint64_t seeds = m->line & (m->mark << 1 | first_of(b, b->kind == MARK));
  return ((m->line + seeds) ^ m->line) & m->line; /* the carry runs through each seeded run */
}

/* What differs from the character before it: kinds are compared as numbers of three bits. */
INLINE uint64_t changes(const struct block *b, const struct masks *m) {
  unsigned kind = b->kind <= LINE ? b->kind : NOTHING;
  uint64_t one = m->lower | m->digit | m->space, two = m->upper | m->digit | m->line;
  uint64_t four = m->mark | m->space | m->line;
  _Static_assert(LOWER == 1 && UPPER == 2 && DIGIT == 3 && MARK == 4 && SPACE == 5 && LINE == 6,
                 "the bits of each kind");
  uint64_t differ = (one ^ (one << 1 | first_of(b, kind & 1))) |
                    (two ^ (two << 1 | first_of(b, kind & 2))) |
                    (four ^ (four << 1 | first_of(b, kind & 4)));
  return differ >> b->start << b->start;
}

/* Characters of the mask from `at` on, up to the first that is not set. */
INLINE unsigned length_at(uint64_t mask, unsigned at) {
  uint64_t rest = ~(mask >> at);
  return rest ? (unsigned)__builtin_ctzll(rest) : BLOCK;
}

static inline uint64_t digits_milli(const struct block *b, uint64_t digit) {
  uint64_t sum = 0;
  while (digit) {
    unsigned at = (unsigned)__builtin_ctzll(digit), length = length_at(digit, at);
    uint64_t before = at == b->start && b->kind == DIGIT ? b->run : 0;
    sum += estimate_run_milli(DIGIT, before + length) - estimate_run_milli(DIGIT, before);
    if (at + length == BLOCK) break;
    digit = digit >> (at + length) << (at + length);
  }
  return sum;
}

/* same: characters of the kind of the one before them. */
INLINE uint64_t spaces_milli(const struct block *b, uint64_t space, struct track same) {
  uint64_t second = space & same.now & ~later(b, same, 1);
  uint64_t before = b->kind == SPACE ? b->run : 0;
  uint64_t long_runs = (before + length_at(space, b->start)) / 64 - before / 64;
  return count(second) * 800 + long_runs * 1000;
}

INLINE uint64_t letters_milli(const struct block *b, const struct masks *m, struct track same) {
  struct track two = {same.now & later(b, same, 1), same.past & same.past << 1};
  if (!(two.now & (m->lower | m->upper))) return 0;
  struct track four = {two.now & later(b, two, 2), two.past & two.past << 2};
  uint64_t sum = count(m->lower & four.now & later(b, two, 4)) * 120; /* from the seventh on */
  return m->upper ? sum + count(m->upper & two.now & later(b, same, 2)) * 300 : sum;
}

INLINE uint64_t block_milli(const struct block *b, const struct masks *m, uint64_t begins) {
  /* Of the characters before the block, those of the open run but its first. */
  uint32_t open = b->run ? b->run - 1 : 0;
  struct track same = {~begins >> b->start << b->start,
                       open >= BLOCK ? UINT64_MAX : ~(UINT64_MAX >> open)};
  uint64_t sum = count(begins & (m->lower | m->upper)) * 1000 + letters_milli(b, m, same);
  sum += count(begins & m->mark) * 900 + count(m->mark & same.now) * 150;
  if (m->digit) sum += digits_milli(b, m->digit);
  if (m->space & same.now) sum += spaces_milli(b, m->space, same);
  return m->line ? sum + count(begins & m->line) * 700 : sum;
}

INLINE enum estimate_kind last_kind(const struct masks *m) {
  unsigned one = (m->lower | m->digit | m->space) >> (BLOCK - 1);
  unsigned two = (m->upper | m->digit | m->line) >> (BLOCK - 1);
  unsigned four = (m->mark | m->space | m->line) >> (BLOCK - 1);
  return (enum estimate_kind)(one | two << 1 | four << 2);
}

/* A block's last `bytes` characters. Bits of no kind are what stands between texts. */
INLINE void take_block(struct estimate *e, struct masks *m, unsigned bytes) {
  if (e->run > UINT32_MAX - BLOCK) e->kind = NOTHING;
  struct block b = {BLOCK - bytes, (enum estimate_kind)e->kind, e->run};
  if (m->line) {
    uint64_t joined = joined_lines(&b, m);
    m->mark |= joined;
    m->line &= ~joined;
  }
  /* "Word" is one run, "camelCase" two. */
  uint64_t initial = m->upper & ~(m->upper << 1 | first_of(&b, b.kind == UPPER)) & m->lower >> 1;
  m->upper &= ~initial;
  m->lower |= initial;
  if (b.kind == UPPER && b.run == 1 && (m->lower & ~initial & first_of(&b, true))) b.kind = LOWER;
  uint64_t begins = changes(&b, m) | initial;
  e->milli += block_milli(&b, m, begins);
  e->kind = (uint8_t)last_kind(m);
  e->run = begins ? (uint32_t)__builtin_clzll(begins) + 1 : b.run + bytes;
}

/* The block's characters [from, to) become its highest bits. */
INLINE void move_up(struct masks *m, unsigned from, unsigned to) {
  unsigned places = BLOCK - (to - from);
  m->lower = m->lower >> from << places;
  m->upper = m->upper >> from << places;
  m->digit = m->digit >> from << places;
  m->mark = m->mark >> from << places;
  m->space = m->space >> from << places;
  m->line = m->line >> from << places;
}
