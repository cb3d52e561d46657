/* Seed phrases of wallets (BIP-39). */
#include "base/digest.h"
#include "detect/rules.h"
#include "detect/seed_words.h"

enum { TABLE = 8192, WORDS_LEAST = 12, WORDS_MOST = 24, RUN_MOST = 27 };

/* Two numbers for each place of the table: hash, index in the list. */
void seed_words(struct detect_rules *rules) {
  rules->seed_words = must_calloc(TABLE * 2, sizeof *rules->seed_words);
  for (uint32_t i = 0; i < 2048; i++) {
    uint32_t place = seed_word_hashes[i] % TABLE;
    while (rules->seed_words[place * 2])
      place = (place + 1) % TABLE;
    rules->seed_words[place * 2] = seed_word_hashes[i];
    rules->seed_words[place * 2 + 1] = i;
  }
}

static int word_index(const struct detect_rules *rules, const char *word, size_t len) {
  uint32_t hash = 2166136261u;
  if (len < 3 || len > 8) return -1;
  for (size_t i = 0; i < len; i++)
    hash = (hash ^ (uint8_t)(word[i] | 0x20)) * 16777619u; /* letters, in small */
  for (uint32_t place = hash % TABLE; rules->seed_words[place * 2]; place = (place + 1) % TABLE)
    if (rules->seed_words[place * 2] == hash) return (int)rules->seed_words[place * 2 + 1];
  return -1;
}

static bool is_gap(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == ',';
}

enum { GAP_MOST = 4 };

/* The word before, if it stands as close as the words of a phrase. */
static bool follows_word(const struct scan *s, size_t start) {
  size_t end = start;
  while (end > 0 && start - end < GAP_MOST && is_gap(s->text[end - 1]))
    end--;
  size_t begin = end;
  while (begin > 0 && end - begin < 9 && is_alpha(s->text[begin - 1]))
    begin--;
  if (end == start || begin == end || is_alnum(scan_before(s, begin))) return false;
  return word_index(s->rules, s->text + begin, end - begin) >= 0;
}

struct phrase {
  uint16_t index[RUN_MOST];
  size_t start[RUN_MOST], end[RUN_MOST];
  unsigned count;
};

/* False: the text ends before the phrase does. */
static bool phrase_read(struct scan *s, struct phrase *p, size_t at) {
  while (p->count < RUN_MOST) {
    size_t begin = at;
    while (at < s->len && at - begin < 9 && is_alpha(s->text[at]))
      at++;
    if (at == s->len && !s->ended) return false;
    int index = is_alnum(scan_byte(s, at)) ? -1 : word_index(s->rules, s->text + begin, at - begin);
    if (index < 0) return true;
    p->index[p->count] = (uint16_t)index;
    p->start[p->count] = begin;
    p->end[p->count++] = at;
    size_t gap = at;
    while (at < s->len && at - gap < GAP_MOST && is_gap(s->text[at]))
      at++;
    if (at == s->len && !s->ended) return false;
    if (at == gap) return true;
  }
  return true;
}

/* 11 bits a word: the entropy, then as many bits of its SHA-256 as there are 32s in it. */
static bool checksum_fits(const uint16_t *index, unsigned count) {
  uint8_t raw[33] = {0}, hash[SHA256_BYTES];
  unsigned bits = count * 11, checksum = bits / 33, entropy = bits - checksum;
  for (unsigned i = 0; i < bits; i++)
    if (index[i / 11] >> (10 - i % 11) & 1) raw[i / 8] |= (uint8_t)(0x80 >> i % 8);
  digest_sha256((struct slice){(const char *)raw, entropy / 8}, hash);
  for (unsigned i = 0; i < checksum; i++) {
    unsigned at = entropy + i;
    if ((raw[at / 8] >> (7 - at % 8) & 1) != (hash[0] >> (7 - i) & 1)) return false;
  }
  return true;
}

static void phrase_hit(struct scan *s, const struct phrase *p, unsigned first, unsigned count,
                       bool proven) {
  struct hit_at at = {p->start[first], p->end[first + count - 1], p->start[0]};
  scan_hit(s, DETECT_SEED_PHRASE, at,
           (struct detect_finding){.score = proven ? 98 : 70, .validated = proven});
}

void match_seed(struct scan *s, const struct token *t) {
  if (!scan_wants(s, DETECT_SEED_PHRASE)) return;
  struct phrase p = {.count = 0};
  if (word_index(s->rules, s->text + t->start, t->end - t->start) < 0 || follows_word(s, t->start))
    return;
  if (!phrase_read(s, &p, t->start)) {
    scan_wait(s, t->start);
    return;
  }
  if (p.count < WORDS_LEAST) return;
  for (unsigned count = WORDS_MOST; count >= WORDS_LEAST; count -= 3)
    for (unsigned first = 0; first + count <= p.count; first++)
      if (checksum_fits(p.index + first, count)) {
        phrase_hit(s, &p, first, count, true);
        return;
      }
  if (p.count <= WORDS_MOST) phrase_hit(s, &p, 0, p.count - p.count % 3, false);
}
