#include "detect/prefix.h"

#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Bits of the table for each beginning, and bounds of all of them. */
enum { BITS_EACH = 64, BITS_LEAST = 12, BITS_MOST = 16, HASHED_BYTES = 3, PAIR_BYTES = 2 };

static const uint32_t fold = 0x20202020;

void prefixes_init(struct prefixes *p) {
  *p = (struct prefixes){0};
}

void prefixes_fini(struct prefixes *p) {
  free(p->words);
  free(p->bits);
}

static uint32_t load(const char *at) {
  uint32_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

void prefixes_add(struct prefixes *p, struct slice word) {
  uint8_t value[4] = {0}, mask[4] = {0};
  for (size_t i = 0; i < sizeof value && i < word.len; i++) {
    value[i] = (uint8_t)word.data[i] | 0x20;
    mask[i] = 0xff;
    p->has_escaped |= memchr("\"\n\r\t", word.data[i], 4) != NULL;
  }
  if (p->count == p->cap) {
    p->cap = p->cap ? p->cap * 2 : 64;
    p->words = must_realloc(p->words, p->cap * sizeof *p->words);
  }
  p->words[p->count++] = (struct prefix_word){load((char *)value), load((char *)mask)};
  p->is_useless |= word.len < PAIR_BYTES;
}

static int word_order(const void *left, const void *right) {
  const struct prefix_word *a = left, *b = right;
  if (a->value != b->value) return a->value < b->value ? -1 : 1;
  return (a->mask > b->mask) - (a->mask < b->mask);
}

static void words_sort(struct prefixes *p) {
  size_t kept = 0;
  if (p->count) qsort(p->words, p->count, sizeof *p->words, word_order);
  for (size_t i = 0; i < p->count; i++)
    if (kept == 0 || word_order(&p->words[kept - 1], &p->words[i]) != 0)
      p->words[kept++] = p->words[i];
  p->count = kept;
}

static inline bool is_pair(const struct prefix_pair *pair, uint8_t first, uint8_t second) {
  return *pair->first == first && *pair->second == second;
}

/* False: there are too many. */
static bool pairs_take(struct prefixes *p) {
  for (size_t i = 0; i < p->count; i++) {
    uint8_t bytes[4];
    uint32_t at = 0;
    memcpy(bytes, &p->words[i].value, sizeof bytes);
    while (at < p->pair_count && !is_pair(&p->pairs[at], bytes[0], bytes[1]))
      at++;
    if (at < p->pair_count) continue;
    if (at == PREFIX_PAIRS_MAX) return false;
    memset(p->pairs[at].first, bytes[0], sizeof p->pairs[at].first);
    memset(p->pairs[at].second, bytes[1], sizeof p->pairs[at].second);
    p->pair_count++;
  }
  return p->count <= PREFIX_WORDS_MAX;
}

static inline uint32_t hash(uint8_t first, uint8_t second, uint8_t third, uint32_t shift) {
  uint32_t all = (uint32_t)first | (uint32_t)second << 8 | (uint32_t)third << 16;
  return ((all | (fold & 0xffffff)) * 0x9e3779b1u) >> shift;
}

static void bit_set(struct prefixes *p, const uint8_t *bytes, uint8_t third) {
  uint32_t at = hash(bytes[0], bytes[1], third, p->shift);
  p->bits[at / 8] |= (uint8_t)(1u << at % 8);
}

static void bits_fill(struct prefixes *p) {
  uint32_t width = BITS_LEAST;
  while (width < BITS_MOST && (size_t)1 << width < p->count * BITS_EACH)
    width++;
  p->shift = 32 - width;
  p->bits = must_calloc((size_t)1 << (width - 3), 1);
  for (size_t i = 0; i < p->count; i++) {
    uint8_t bytes[4], mask[4];
    memcpy(bytes, &p->words[i].value, sizeof bytes);
    memcpy(mask, &p->words[i].mask, sizeof mask);
    if (mask[2]) bit_set(p, bytes, bytes[2]);
    for (unsigned third = 0; !mask[2] && third < 256; third++)
      bit_set(p, bytes, (uint8_t)third);
  }
}

void prefixes_build(struct prefixes *p) {
  words_sort(p);
  if (!p->is_useless && pairs_take(p)) return;
  if (!p->is_useless) bits_fill(p);
  free(p->words);
  p->words = NULL;
  p->count = p->cap = 0;
}

bool prefixes_may_begin(const struct prefixes *p, const char *at) {
  uint32_t value = load(at) | fold;
  for (size_t i = 0; i < p->count; i++)
    if ((value & p->words[i].mask) == p->words[i].value) return true;
  return false;
}

static bool begins_word(const struct prefixes *p, struct slice text, size_t at) {
  return text.len - at < sizeof(uint32_t) || prefixes_may_begin(p, text.data + at);
}

static bool begins_pair(const struct prefixes *p, struct slice text, size_t at) {
  if (text.len - at < PAIR_BYTES) return true;
  uint8_t first = (uint8_t)text.data[at] | 0x20, second = (uint8_t)text.data[at + 1] | 0x20;
  for (uint32_t i = 0; i < p->pair_count; i++)
    if (is_pair(&p->pairs[i], first, second)) return true;
  return false;
}

#ifdef __SSE2__
/* Of the 16 bytes at text: a bit for each that begins one of the pairs. */
static unsigned pairs_at(const struct prefixes *p, const char *text) {
  const __m128i low = _mm_set1_epi8(0x20);
  __m128i first = _mm_or_si128(_mm_loadu_si128((const __m128i *)text), low);
  __m128i second = _mm_or_si128(_mm_loadu_si128((const __m128i *)(text + 1)), low);
  __m128i found = _mm_setzero_si128();
  for (const struct prefix_pair *pair = p->pairs; pair < p->pairs + p->pair_count; pair++) {
    __m128i is_first = _mm_cmpeq_epi8(first, _mm_loadu_si128((const __m128i *)pair->first));
    __m128i is_second = _mm_cmpeq_epi8(second, _mm_loadu_si128((const __m128i *)pair->second));
    found = _mm_or_si128(found, _mm_and_si128(is_first, is_second));
  }
  return (unsigned)_mm_movemask_epi8(found);
}
#endif

static size_t next_pair(const struct prefixes *p, struct slice text, size_t at, size_t end) {
#ifdef __SSE2__
  for (; end - at >= 16 && text.len - at > 16; at += 16)
    for (unsigned found = pairs_at(p, text.data + at); found; found &= found - 1) {
      size_t place = at + (size_t)__builtin_ctz(found);
      if (begins_word(p, text, place)) return place;
    }
#endif
  while (at < end && !(begins_pair(p, text, at) && begins_word(p, text, at)))
    at++;
  return at;
}

static size_t next_hashed(const struct prefixes *p, struct slice text, size_t at, size_t end) {
  const uint8_t *bytes = (const uint8_t *)text.data;
  size_t last = text.len < HASHED_BYTES ? 0 : text.len - HASHED_BYTES + 1;
  size_t upto = end < last ? end : last;
  for (; at < upto; at++) {
    uint32_t bit = hash(bytes[at], bytes[at + 1], bytes[at + 2], p->shift);
    if (p->bits[bit / 8] >> bit % 8 & 1) return at;
  }
  return at;
}

size_t prefixes_next(const struct prefixes *p, struct slice text, size_t at, size_t end) {
  if (p->is_useless) return at;
  return p->bits ? next_hashed(p, text, at, end) : next_pair(p, text, at, end);
}
