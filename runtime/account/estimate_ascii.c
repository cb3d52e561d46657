#include "account/estimate_ascii.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { BLOCK = ESTIMATE_BLOCK_BYTES };

uint64_t estimate_run_milli(enum estimate_kind kind, uint64_t run) {
  if (run == 0) return 0;
  switch (kind) {
  case LOWER: return run <= 6 ? 1000 : 1000 + (run - 6) * 120;
  case UPPER: return run <= 3 ? 1000 : 1000 + (run - 3) * 300;
  case DIGIT: return (run + 2) / 3 * 1000;
  case MARK: return 900 + (run - 1) * 150;
  case SPACE: return run == 1 ? 0 : 800 + run / 64 * 1000; /* one space joins the next word */
  case LINE: return 700;
  case WIDE: return run * 720;
  case LETTER: return 500 + run * 230;
  case SYMBOL: return run * 1800;
  case NOTHING: break;
  }
  return 0;
}

enum estimate_kind estimate_ascii_kind(unsigned char c) {
  static const uint8_t kinds[128] = {
      [0 ... 9] = SPACE,     ['\n'] = LINE,        [11 ... 12] = SPACE,   ['\r'] = LINE,
      [14 ... ' '] = SPACE,  ['!' ... '/'] = MARK, ['0' ... '9'] = DIGIT, [':' ... '@'] = MARK,
      ['A' ... 'Z'] = UPPER, ['[' ... '`'] = MARK, ['a' ... 'z'] = LOWER, ['{' ... 127] = MARK};
  return (enum estimate_kind)kinds[c];
}

struct masks {
  uint64_t lower, upper, digit, mark, space, line, other; /* other: not ASCII */
};

#ifdef __SSE2__
static uint64_t bits(__m128i bytes) {
  return (uint64_t)(unsigned)_mm_movemask_epi8(bytes);
}

/* Where low <= byte < low + count, without signs. */
static __m128i is_within(__m128i bytes, char low, char count) {
  __m128i above = _mm_sub_epi8(bytes, _mm_set1_epi8(low));
  return _mm_cmpeq_epi8(_mm_min_epu8(above, _mm_set1_epi8((char)(count - 1))), above);
}

/* BLOCK bytes can be read; only the first `bytes` are meant. */
static struct masks masks_of(const char *at, size_t bytes) {
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
  }
  m.space &= ~m.line;
  m.mark = ~(m.lower | m.upper | m.digit | m.line | m.space | m.other);
  return m;
}
#else
static struct masks masks_of(const char *at, size_t bytes) {
  uint64_t kinds[SYMBOL + 1] = {0}, other = 0;
  for (size_t i = 0; i < bytes; i++) {
    unsigned char c = (unsigned char)at[i];
    if (c < 0x80)
      kinds[estimate_ascii_kind(c)] |= (uint64_t)1 << i;
    else
      other |= (uint64_t)1 << i;
  }
  return (struct masks){kinds[LOWER], kinds[UPPER], kinds[DIGIT], kinds[MARK],
                        kinds[SPACE], kinds[LINE],  other};
}
#endif

static uint64_t count(uint64_t mask) {
  mask -= mask >> 1 & 0x5555555555555555;
  mask = (mask & 0x3333333333333333) + (mask >> 2 & 0x3333333333333333);
  mask = (mask + (mask >> 4)) & 0x0f0f0f0f0f0f0f0f;
  return mask * 0x0101010101010101 >> 56;
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
static uint64_t later(const struct block *b, struct track t, unsigned places) {
  return t.now << places | t.past >> (BLOCK - places) << b->start;
}

static uint64_t first_of(const struct block *b, bool is_set) {
  return (uint64_t)is_set << b->start;
}

/* Breaks that join the punctuation before them. */
static uint64_t joined_lines(const struct block *b, const struct masks *m) {
  uint64_t seeds = m->line & (m->mark << 1 | first_of(b, b->kind == MARK));
  return ((m->line + seeds) ^ m->line) & m->line; /* the carry runs through each seeded run */
}

/* What differs from the character before it: kinds are compared as numbers of three bits. */
static uint64_t changes(const struct block *b, const struct masks *m) {
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
static unsigned length_at(uint64_t mask, unsigned at) {
  uint64_t rest = ~(mask >> at);
  return rest ? (unsigned)__builtin_ctzll(rest) : BLOCK;
}

static uint64_t digits_milli(const struct block *b, uint64_t digit) {
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
static uint64_t spaces_milli(const struct block *b, uint64_t space, struct track same) {
  uint64_t second = space & same.now & ~later(b, same, 1);
  uint64_t before = b->kind == SPACE ? b->run : 0;
  uint64_t long_runs = (before + length_at(space, b->start)) / 64 - before / 64;
  return (second ? count(second) * 800 : 0) + long_runs * 1000;
}

static uint64_t letters_milli(const struct block *b, const struct masks *m, struct track same) {
  struct track two = {same.now & later(b, same, 1), same.past & same.past << 1};
  if (!(two.now & (m->lower | m->upper))) return 0;
  struct track four = {two.now & later(b, two, 2), two.past & two.past << 2};
  uint64_t sum = count(m->lower & four.now & later(b, two, 4)) * 120; /* from the seventh on */
  return m->upper ? sum + count(m->upper & two.now & later(b, same, 2)) * 300 : sum;
}

static uint64_t block_milli(const struct block *b, const struct masks *m, uint64_t begins) {
  /* Of the characters before the block, those of the open run but its first. */
  uint32_t open = b->run ? b->run - 1 : 0;
  struct track same = {~begins >> b->start << b->start,
                       open >= BLOCK ? UINT64_MAX : ~(UINT64_MAX >> open)};
  uint64_t sum = count(begins & (m->lower | m->upper)) * 1000 + letters_milli(b, m, same);
  if (m->mark) sum += count(begins & m->mark) * 900;
  if (m->mark & same.now) sum += count(m->mark & same.now) * 150;
  if (m->digit) sum += digits_milli(b, m->digit);
  if (m->space & same.now) sum += spaces_milli(b, m->space, same);
  return m->line ? sum + count(begins & m->line) * 700 : sum;
}

static enum estimate_kind last_kind(const struct masks *m) {
  const uint64_t *masks[] = {&m->lower, &m->space, &m->mark, &m->line, &m->upper};
  static const enum estimate_kind kinds[] = {LOWER, SPACE, MARK, LINE, UPPER};
  for (int i = 0; i < 5; i++)
    if (*masks[i] >> (BLOCK - 1)) return kinds[i];
  return DIGIT;
}

static void take_block(struct estimate *e, struct masks *m, unsigned bytes) {
  struct block b = {BLOCK - bytes, (enum estimate_kind)e->kind, e->run};
  uint64_t joined = joined_lines(&b, m);
  m->mark |= joined;
  m->line &= ~joined;
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

static void move_up(struct masks *m, unsigned places) {
  m->lower <<= places;
  m->upper <<= places;
  m->digit <<= places;
  m->mark <<= places;
  m->space <<= places;
  m->line <<= places;
}

size_t estimate_ascii(struct estimate *e, struct slice text) {
  char copy[BLOCK];
  const char *at = text.data;
  size_t bytes = text.len < BLOCK ? text.len : BLOCK;
  if (bytes < BLOCK) at = memcpy(memset(copy, 0, BLOCK), at, bytes);
  struct masks m = masks_of(at, bytes);
  if (m.other && (size_t)__builtin_ctzll(m.other) < bytes) bytes = (size_t)__builtin_ctzll(m.other);
  if (bytes == 0) return 0;
  if (e->run > UINT32_MAX - BLOCK) e->kind = NOTHING;
  if (bytes < BLOCK) move_up(&m, (unsigned)(BLOCK - bytes));
  take_block(e, &m, (unsigned)bytes);
  return bytes;
}
