#include "detect/harmless.h"

#include "detect/encoded.h"
#include "detect/normal.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define NEWER __attribute__((target("avx2,bmi,bmi2,popcnt"), always_inline)) static inline

enum {
  BLOCK = 64,
  HALF = 32,
  AHEAD = 4
}; /* AHEAD: of a word that begins with a block's last byte */

/* Letters of base64, in both alphabets, by their halves: a bit for each group of upper halves, set
 * where the lower half has one of its letters. 1: + - / (2), 2: digits (3), 4: A-O a-o (4, 6),
 * 8: P-Z _ (5), 16: p-z (7). */
static const uint8_t by_lower[16] = {26, 30, 30, 30, 30, 30, 30, 30, 30, 30, 28, 5, 4, 5, 4, 13};
static const uint8_t by_upper[16] = {0, 0, 1, 2, 4, 8, 4, 16};

struct glance {
  __m256i by_lower, by_upper;
  const struct prefixes *prefixes;
  unsigned run; /* letters of base64 that end the block before */
  bool is_quoted;
};

/* A bit for each byte. */
struct seen {
  uint64_t odd, backslashes, letters, begins;
};

NEWER uint32_t letters_of(const struct glance *g, __m256i bytes) {
  const __m256i half = _mm256_set1_epi8(15);
  __m256i lower = _mm256_shuffle_epi8(g->by_lower, _mm256_and_si256(bytes, half));
  __m256i upper =
      _mm256_shuffle_epi8(g->by_upper, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), half));
  __m256i none = _mm256_cmpeq_epi8(_mm256_and_si256(lower, upper), _mm256_setzero_si256());
  return ~(uint32_t)_mm256_movemask_epi8(none);
}

/* What the rules do not read as it stands, but for backslashes. */
NEWER uint32_t odd_of(__m256i bytes) {
  __m256i odd = _mm256_cmpgt_epi8(_mm256_set1_epi8(NORMAL_CONTROL_END), bytes);
  odd = _mm256_or_si256(odd, _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('%')));
  return (uint32_t)_mm256_movemask_epi8(odd);
}

NEWER uint32_t backslashes_of(__m256i bytes) {
  return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\')));
}

NEWER uint32_t begins_of(const struct glance *g, const char *at, __m256i bytes) {
  const __m256i low = _mm256_set1_epi8(0x20);
  __m256i first = _mm256_or_si256(bytes, low), found = _mm256_setzero_si256();
  __m256i second = _mm256_or_si256(_mm256_loadu_si256((const __m256i *)(at + 1)), low);
  for (uint32_t i = 0; i < g->prefixes->pair_count; i++) {
    const struct prefix_pair *pair = &g->prefixes->pairs[i];
    __m256i is_first = _mm256_cmpeq_epi8(first, _mm256_set1_epi8((char)*pair->first));
    __m256i is_second = _mm256_cmpeq_epi8(second, _mm256_set1_epi8((char)*pair->second));
    found = _mm256_or_si256(found, _mm256_and_si256(is_first, is_second));
  }
  return (uint32_t)_mm256_movemask_epi8(found);
}

NEWER struct seen look(const struct glance *g, const char *at) {
  __m256i a = _mm256_loadu_si256((const __m256i *)at);
  __m256i b = _mm256_loadu_si256((const __m256i *)(at + HALF));
  return (struct seen){odd_of(a) | (uint64_t)odd_of(b) << HALF,
                       backslashes_of(a) | (uint64_t)backslashes_of(b) << HALF,
                       letters_of(g, a) | (uint64_t)letters_of(g, b) << HALF,
                       begins_of(g, at, a) | (uint64_t)begins_of(g, at + HALF, b) << HALF};
}

/* So many letters in a row, in the block or with the end of the one before. */
NEWER bool has_run(struct glance *g, uint64_t letters) {
  _Static_assert(ENCODED_RUN_MIN == 16, "runs are found by doubling their length");
  uint64_t runs = letters & letters >> 1;
  runs &= runs >> 2;
  runs &= runs >> 4;
  runs &= runs >> 8;
  unsigned begins = letters == UINT64_MAX ? BLOCK : (unsigned)__builtin_ctzll(~letters);
  bool is_long = runs || g->run + begins >= ENCODED_RUN_MIN;
  g->run = letters == UINT64_MAX ? g->run + BLOCK : (unsigned)__builtin_clzll(~letters);
  return is_long;
}

/* Escapes of what ends a word and hides nothing: not of a backslash, which the text then has, nor
 * of a slash, which is a letter of base64. */
static inline bool are_plain_escapes(const char *at, uint64_t backslashes) {
  for (; backslashes; backslashes &= backslashes - 1) {
    char letter = at[__builtin_ctzll(backslashes) + 1];
    if (letter != 'n' && letter != '"' && letter != 't' && letter != 'r') return false;
  }
  return true;
}

/* BLOCK + AHEAD bytes can be read. */
NEWER bool is_harmless(struct glance *g, const char *at) {
  struct seen seen = look(g, at);
  if (seen.odd || has_run(g, seen.letters)) return false;
  if (seen.backslashes && !(g->is_quoted && are_plain_escapes(at, seen.backslashes))) return false;
  for (; seen.begins; seen.begins &= seen.begins - 1)
    if (prefixes_may_begin(g->prefixes, at + __builtin_ctzll(seen.begins))) return false;
  return true;
}

__attribute__((target("avx2,bmi,bmi2,popcnt"))) static bool
glance_at(const struct prefixes *prefixes, struct slice text, bool is_quoted) {
  struct glance g = {.prefixes = prefixes, .is_quoted = is_quoted};
  g.by_lower = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)by_lower));
  g.by_upper = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)by_upper));
  const char *at = text.data, *end = at + text.len;
  for (; end - at >= BLOCK + AHEAD; at += BLOCK)
    if (!is_harmless(&g, at)) return false;
  while (at < end) {
    char rest[BLOCK + AHEAD];
    size_t bytes = (size_t)(end - at), take = bytes < BLOCK + AHEAD ? bytes : BLOCK + AHEAD;
    memset(rest, ' ', sizeof rest);
    memcpy(rest, at, take);
    if (!is_harmless(&g, rest)) return false;
    at += bytes < BLOCK ? bytes : BLOCK;
  }
  return true;
}

static bool is_newer(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}

static bool is_answered(const struct detect_rules *rules) {
  const struct prefixes *p = &rules->automaton.prefixes;
  return !rules->has_shapes && !p->is_useless && !p->bits && is_newer();
}

bool harmless_is(const struct detect_rules *rules, struct slice text) {
  return is_answered(rules) && glance_at(&rules->automaton.prefixes, text, false);
}

/* Where no word begins with what these escapes stand for, the same words begin in both texts, and
 * runs of base64 can only look longer: by the letter of an escape before them. */
bool harmless_is_quoted(const struct detect_rules *rules, struct slice raw) {
  const struct prefixes *p = &rules->automaton.prefixes;
  return is_answered(rules) && !p->has_escaped && glance_at(p, raw, true);
}
#else
bool harmless_is(const struct detect_rules *rules, struct slice text) {
  (void)rules;
  (void)text;
  return false;
}

bool harmless_is_quoted(const struct detect_rules *rules, struct slice raw) {
  return harmless_is(rules, raw);
}
#endif
