/* The strings of a JSON text, 64 bytes of it at once: what stands outside of them is of no kind,
 * and ends the runs within. Where strings begin and end is found as in simdjson (Langdale and
 * Lemire, "Parsing Gigabytes of JSON per Second"). Escapes count as the character that they stand
 * for would, near enough: \n is a line, \u one of a wide alphabet, the rest a mark. */
#include "account/estimate_block.h"
#include "base/utf8.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Characters of escapes. A break of two characters costs as much as one, a mark's second is taken
 * off again (ESCAPE_MILLI), \u is of no kind and counted by itself. */
struct escapes {
  uint64_t lines, marks, hidden;
  uint64_t starts, wide; /* backslashes: all of them, and those of \u */
};

enum { ESCAPE_MILLI = 150, WIDE_MILLI = 720, SHORT_PIECE = 8 };

struct pass {
  struct estimate *estimate;
  const char *end;
  uint64_t in_string;     /* all bits set: the block begins in one */
  struct escapes carried; /* characters of the block that an escape before it has begun */
  unsigned skipped;       /* bytes of the block that belong to a character before it */
  bool is_left_out;       /* the string that the block begins in */
  bool leaves_next;       /* the string that follows is the value of such a key */
  bool saw_image;
};

/* ---- strings that do not count ---- */

struct word {
  struct slice text;
  bool is_key; /* it and its value do not count; else every string that begins with it */
  bool counts, is_image;
};

/* By their first letters. */
static const struct word words[] = {
    {SLICE("b64_json"), true, false, false},
    {SLICE("cache_control"), true, false, false},
    {SLICE("call_id"), true, false, false},
    {SLICE("data"), true, false, false},
    {SLICE("data:image"), false, false, true},
    {SLICE("data:"), false, false, false},
    {SLICE("encrypted_content"), true, false, false},
    {SLICE("file_data"), true, false, false},
    {SLICE("file_id"), true, false, false},
    {SLICE("id"), true, false, false},
    {SLICE("image_url"), true, true, true},
    {SLICE("image"), false, true, true},
    {SLICE("input_image"), false, true, true},
    {SLICE("signature"), true, false, false},
    {SLICE("tool_call_id"), true, false, false},
    {SLICE("tool_use_id"), true, false, false},
    {SLICE("url"), true, false, false},
};

/* Behind a string's closing quote, or at it. */
static const char *skip_space(const char *at, const char *end) {
  while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
    at++;
  return at;
}

/* The word's key, whose value comes next: does a string follow? */
static bool is_key(struct pass *p, const char *quote) {
  if (quote == p->end || *quote != '"') return false;
  const char *at = skip_space(quote + 1, p->end);
  if (at == p->end || *at != ':') return false;
  at = skip_space(at + 1, p->end);
  p->leaves_next = at < p->end && *at == '"';
  return true;
}

/* text begins with a string's content. True: the string does not count. */
static bool meets_word(struct pass *p, struct slice text, unsigned from) {
  for (size_t i = from; i < sizeof words / sizeof *words; i++) {
    const struct word *w = &words[i];
    if (w->text.data[0] != text.data[0]) break;
    if (w->text.data[1] != text.data[1] || !slice_starts(text, w->text)) continue;
    if (w->is_key && !is_key(p, text.data + w->text.len)) continue;
    p->saw_image |= w->is_image;
    return !w->counts;
  }
  return false;
}

/* Where the words of that letter begin, and one more; 0: there are none. */
static const uint8_t firsts[256] = {
    ['b'] = 1,     ['c'] = 1 + 1,  ['d'] = 1 + 3,  ['e'] = 1 + 6, ['f'] = 1 + 7,
    ['i'] = 1 + 9, ['s'] = 1 + 13, ['t'] = 1 + 14, ['u'] = 1 + 16};

static inline bool may_meet(struct slice text) {
  static const bool seconds[256] = {['6'] = true, ['a'] = true, ['n'] = true, ['i'] = true,
                                    ['d'] = true, ['m'] = true, ['o'] = true, ['r'] = true};
  return text.len > 1 && firsts[(unsigned char)text.data[0]] &&
         seconds[(unsigned char)text.data[1]];
}

/* Characters of the block that belong to such strings. at: the block's place in the text. */
static uint64_t left_out(struct pass *p, const char *at, uint64_t opening, uint64_t closing) {
  uint64_t out = 0;
  if (p->is_left_out) {
    if (!closing) return UINT64_MAX;
    out = closing ^ (closing - 1);
    p->is_left_out = false;
  }
  for (; opening; opening &= opening - 1) {
    uint64_t first = opening & -opening;
    const char *text = at + __builtin_ctzll(opening) + 1;
    struct slice rest = {text, (size_t)(p->end - text)};
    bool leaves = p->leaves_next;
    p->leaves_next = false;
    if (may_meet(rest)) leaves |= meets_word(p, rest, firsts[(unsigned char)*text] - 1u);
    if (!leaves) continue;
    uint64_t end = closing & ~(first - 1);
    p->is_left_out = end == 0;
    out |= (end ? end ^ (end - 1) : UINT64_MAX) & ~(first - 1);
  }
  return out;
}

/* ---- escapes ---- */

INLINE void add_escape(uint64_t *here, uint64_t *carried, unsigned at, unsigned length) {
  uint64_t all = ((uint64_t)1 << length) - 1;
  *here |= all << at;
  if (at + length > BLOCK) *carried |= all >> (BLOCK - at);
}

INLINE struct escapes escapes_of(struct pass *p, const char *at, uint64_t backslashes) {
  struct escapes found = p->carried, *carried = &p->carried;
  *carried = (struct escapes){0};
  for (;;) {
    backslashes &= ~(found.lines | found.marks | found.hidden);
    if (!backslashes) return found;
    unsigned i = (unsigned)__builtin_ctzll(backslashes);
    char letter = at + i + 1 < p->end ? at[i + 1] : 0;
    found.starts |= (uint64_t)1 << i;
    if (letter == 'u') {
      found.wide |= (uint64_t)1 << i;
      add_escape(&found.hidden, &carried->hidden, i, 6);
    } else if (letter == 'n') {
      add_escape(&found.lines, &carried->lines, i, 2);
    } else {
      add_escape(&found.marks, &carried->marks, i, 2);
    }
  }
}

/* ---- characters that are not ASCII ---- */

static enum estimate_kind kind_at(const struct masks *m, unsigned at) {
  struct masks last = *m;
  move_up(&last, at, at + 1);
  return last_kind(&last);
}

/* [from, to) of the block. A few characters cost less one by one. */
static void take_piece(struct estimate *e, const struct masks *m, uint64_t starts,
                       const unsigned range[2]) {
  unsigned from = range[0], length = range[1] - from;
  starts = starts >> from << (BLOCK - length);
  if (length > SHORT_PIECE || starts) {
    struct masks piece = *m;
    move_up(&piece, from, range[1]);
    take_block(e, &piece, length);
    e->milli -= count(starts & piece.mark) * ESCAPE_MILLI;
    return;
  }
  for (unsigned at = from; at < range[1]; at++)
    estimate_take(e, kind_at(m, at));
}

static void take_mixed(struct pass *p, const char *at, const struct masks *m, uint64_t starts) {
  unsigned from = p->skipped;
  while (from < BLOCK) {
    uint64_t others = m->other >> from;
    unsigned to = others ? from + (unsigned)__builtin_ctzll(others) : BLOCK;
    if (to > from) take_piece(p->estimate, m, starts, (const unsigned[2]){from, to});
    from = to < BLOCK ? to + (unsigned)estimate_wide(p->estimate, at + to, p->end) : to;
  }
  p->skipped = from - BLOCK;
}

/* ---- blocks ---- */

/* Each bit: is the number of bits up to it odd? */
INLINE uint64_t odd_so_far(uint64_t bits) {
  bits ^= bits << 1;
  bits ^= bits << 2;
  bits ^= bits << 4;
  bits ^= bits << 8;
  bits ^= bits << 16;
  return bits ^ bits << 32;
}

INLINE void put_escapes(struct masks *m, const struct escapes *x) {
  uint64_t rest = ~(x->lines | x->marks | x->hidden);
  m->lower &= rest;
  m->upper &= rest;
  m->digit &= rest;
  m->line = x->lines;
  m->mark = (m->mark & rest) | x->marks;
}

INLINE void keep_only(struct masks *m, uint64_t content) {
  m->lower &= content;
  m->upper &= content;
  m->digit &= content;
  m->mark &= content;
  m->space &= content;
  m->line &= content;
  m->other &= content;
}

static bool has_carried(const struct pass *p) {
  return (p->carried.lines | p->carried.marks | p->carried.hidden) != 0;
}

/* content: characters within strings. */
INLINE void take_content(struct pass *p, const char *at, struct masks *m, uint64_t content,
                         const struct escapes *x) {
  struct estimate *e = p->estimate;
  if (~content) keep_only(m, content); /* long texts fill their blocks */
  if (x->wide) e->milli += count(x->wide & content) * WIDE_MILLI;
  if (m->other | p->skipped) {
    struct masks mixed = *m; /* so that the others may stay in registers */
    take_mixed(p, at, &mixed, x->starts & content);
    return;
  }
  take_block(e, m, BLOCK);
  if (x->starts) e->milli -= count(x->starts & m->mark) * ESCAPE_MILLI;
}

INLINE void take_masks(struct pass *p, const char *at, struct masks *m, uint64_t within) {
  struct escapes x = {0};
  if (m->backslash || has_carried(p)) {
    x = escapes_of(p, at, m->backslash);
    m->quote &= ~(x.lines | x.marks | x.hidden);
    put_escapes(m, &x);
  } else {
    m->line = 0; /* a string holds none as it is */
  }
  uint64_t in = p->in_string;
  if (m->quote) in ^= odd_so_far(m->quote);
  uint64_t content = in & ~m->quote & within;
  if (p->is_left_out || (m->quote & in)) content &= ~left_out(p, at, m->quote & in, m->quote & ~in);
  p->in_string = -(in >> (BLOCK - 1));
  if (content) {
    take_content(p, at, m, content, &x);
  } else {
    p->estimate->kind = NOTHING;
    p->skipped = 0;
  }
}

static void take_rest(struct pass *p, const char *at) {
  size_t bytes = (size_t)(p->end - at);
  char copy[BLOCK] = {0};
  if (!bytes) return;
  memcpy(copy, at, bytes);
  struct masks m = masks_of(copy, BLOCK);
  take_masks(p, at, &m, UINT64_MAX >> (BLOCK - bytes));
}

#if defined(__x86_64__)
#define NEWER __attribute__((target("avx2,bmi,bmi2,popcnt")))

static bool is_newer(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}

struct halves {
  __m256i low, high;
};

NEWER INLINE uint64_t wide_bits(struct halves h) {
  return (uint64_t)(unsigned)_mm256_movemask_epi8(h.low) |
         (uint64_t)(unsigned)_mm256_movemask_epi8(h.high) << 32;
}

NEWER INLINE uint64_t wide_equal(struct halves h, char byte) {
  __m256i wanted = _mm256_set1_epi8(byte);
  return wide_bits(
      (struct halves){_mm256_cmpeq_epi8(h.low, wanted), _mm256_cmpeq_epi8(h.high, wanted)});
}

NEWER INLINE __m256i wide_within(__m256i bytes, char low, char count) {
  __m256i above = _mm256_sub_epi8(bytes, _mm256_set1_epi8(low));
  return _mm256_cmpeq_epi8(_mm256_min_epu8(above, _mm256_set1_epi8((char)(count - 1))), above);
}

/* Without line: it is found by its escape. */
NEWER INLINE struct masks wide_masks(const char *at) {
  struct halves h = {_mm256_loadu_si256((const __m256i *)at),
                     _mm256_loadu_si256((const __m256i *)(at + 32))};
  const __m256i small = _mm256_set1_epi8(0x20);
  struct halves letters = {wide_within(_mm256_or_si256(h.low, small), 'a', 26),
                           wide_within(_mm256_or_si256(h.high, small), 'a', 26)};
  struct halves digits = {wide_within(h.low, '0', 10), wide_within(h.high, '0', 10)};
  struct halves shifted = {_mm256_slli_epi16(h.low, 2), _mm256_slli_epi16(h.high, 2)};
  uint64_t is_letter = wide_bits(letters), is_small = wide_bits(shifted);
  struct masks m = {.lower = is_letter & is_small,
                    .upper = is_letter & ~is_small,
                    .digit = wide_bits(digits),
                    .space = wide_equal(h, ' '),
                    .other = wide_bits(h),
                    .quote = wide_equal(h, '"'),
                    .backslash = wide_equal(h, '\\')};
  m.mark = ~(is_letter | m.digit | m.space | m.other);
  return m;
}

NEWER static const char *take_newer(struct pass *p, const char *at) {
  char copy[BLOCK];
  while (at < p->end) {
    const char *block = at;
    size_t bytes = (size_t)(p->end - at);
    if (bytes < BLOCK)
      block = memcpy(memset(copy, 0, BLOCK), at, bytes);
    else
      bytes = BLOCK;
    struct masks m = wide_masks(block);
    take_masks(p, at, &m, UINT64_MAX >> (BLOCK - bytes));
    at += bytes;
  }
  return at;
}
#else
static bool is_newer(void) {
  return false;
}

static const char *take_newer(struct pass *p, const char *at) {
  (void)p;
  return at;
}
#endif

static bool take_text(struct estimate *e, struct slice json, bool newer) {
  const char *at = json.len ? json.data : "";
  struct pass p = {.estimate = e, .end = at + json.len};
  if (newer) at = take_newer(&p, at);
  for (; p.end - at >= BLOCK; at += BLOCK) {
    struct masks m = masks_of(at, BLOCK);
    take_masks(&p, at, &m, UINT64_MAX);
  }
  take_rest(&p, at);
  return p.saw_image;
}

bool estimate_json(struct estimate *e, struct slice json) {
  return take_text(e, json, is_newer());
}

bool estimate_json_portable(struct estimate *e, struct slice json) {
  return take_text(e, json, false);
}
