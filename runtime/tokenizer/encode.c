/* A piece that is no token is encoded from left to right: always the longest token that fits
 * behind the one before, and back by one when none does. Two tokens fit when merging their joined
 * text gives just these two; every encoding whose neighbours fit is the one that merging gives.
 * (The idea is that of the crate `bpe` by GitHub.) Each place is given up at most once: linear. */
#include "tokenizer/encode.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "tokenizer/vocabulary_layout.h"

enum {
  MEMO_BITS = 15,
  MEMO_BYTES = 15,
  MEMO_TOKENS = 3,
  PAIR_BITS = 12,
  PAIR_ID_BITS = 19,
  PAIR_IDS = (1 << PAIR_ID_BITS) - 1
};

void encoder_init(struct encoder *e) {
  *e = (struct encoder){0};
  bytes_init(&e->parts);
}

void encoder_fini(struct encoder *e) {
  free(e->tokens);
  free(e->memos);
  free(e->pairs);
  free(e->dead);
  bytes_fini(&e->parts);
}

static void grow(struct encoder *e) {
  e->cap = e->cap ? e->cap * 2 : 64;
  e->tokens = must_realloc(e->tokens, e->cap * sizeof *e->tokens);
}

void encoder_push(struct encoder *e, uint32_t token) {
  if (e->count == e->cap) grow(e);
  e->tokens[e->count++] = token;
}

/* Undoes, of the two tokens, the merge that came last, as long as the two that then meet would not
 * have merged before it. Of equal merges the left one comes first. */
static bool fits_inside(const struct vocabulary *v, uint32_t left, uint32_t right) {
  uint32_t limit = UINT32_MAX;
  for (;;) {
    const struct vocabulary_pair *pair = vocabulary_pair_find(v, left, right);
    if (pair && pair->rank < limit) return false;
    const struct vocabulary_split *l = &v->splits[left], *r = &v->splits[right];
    if (l->rank > r->rank) {
      limit = l->rank;
      left = l->right;
    } else {
      if (r->rank == 0) return true;
      limit = r->rank + 1;
      right = r->left;
    }
  }
}

/* Two tokens that meet, on their way in; limit: the rank that a merge of them has to come before.
 */
struct meeting {
  uint32_t left, right, limit;
};

/* Undoes the later merge of the two, as above, but for what vocabulary_spines.c knows to be in
 * vain. False: there is nothing left to undo. */
static inline bool undo(const struct vocabulary *v, struct meeting *m) {
  const struct vocabulary_spine *l = &v->spines[m->left], *r = &v->spines[m->right];
  if (l->right_rank > r->left_rank) {
    m->limit = l->right_rank;
    m->left = l->right;
    return true;
  }
  if (r->left_rank == 0) return false;
  m->limit = r->left_rank + 1;
  m->right = r->left;
  return true;
}

/* The right one begins a character. is_longest: left is the longest token at its place, so that it
 * is itself no part of a longer one. */
static bool fits(const struct vocabulary *v, uint32_t left, uint32_t right, bool is_longest) {
  struct meeting m = {left, right, UINT32_MAX};
  while (is_longest && m.left == left)
    if (!undo(v, &m)) return true;
  do {
    const struct vocabulary_pair *pair = vocabulary_pair_find(v, m.left, m.right);
    if (pair && pair->rank < m.limit) return false;
  } while (undo(v, &m));
  return true;
}

static void clear_dead(struct encoder *e, size_t places) {
  size_t words = places / 64 + 1;
  if (words > e->dead_cap) {
    e->dead_cap = words + words / 2;
    e->dead = must_realloc(e->dead, e->dead_cap * sizeof *e->dead);
  }
  memset(e->dead, 0, words * sizeof *e->dead);
}

static bool is_dead(const struct encoder *e, size_t place) {
  return e->dead[place / 64] >> (place % 64) & 1;
}

static uint32_t text_len(const struct vocabulary *v, uint32_t token) {
  return v->starts[token + 1] - v->starts[token];
}

/* The token encoded last, and where the rest begins. */
struct place {
  size_t at;
  uint32_t last;
  bool is_longest; /* of those at its place */
};

/* Two tokens that met before, and whether they fit. A text of one letter meets the same few pairs
 * all the time, each of them with a long way in. */
static bool follows(const struct encoder *e, const struct vocabulary *v, const struct place *p,
                    uint32_t next, bool is_inside) {
  if (!is_inside && p->is_longest && v->spines[p->last].right_rank == 0) return true;
  uint64_t key = ((uint64_t)p->last << 42 | (uint64_t)next << 20 | (v->id & PAIR_IDS) << 1);
  uint64_t *slot = &e->pairs[vocabulary_slot(key, PAIR_BITS)];
  if ((*slot & ~1ull) == key) return *slot & 1;
  bool fine = is_inside ? fits_inside(v, p->last, next) : fits(v, p->last, next, p->is_longest);
  *slot = key | fine;
  return fine;
}

struct choice {
  uint32_t token; /* or TOKEN_NONE */
  size_t len;
};

/* What was looked at last, where that was long: a line of one mark is the same at each place. */
struct walked {
  const char *at;
  struct vocabulary_match match;
};

enum { LONG_WALK = 16 };

static struct choice longest_at(const struct vocabulary *v, struct slice text, struct walked *w) {
  bool is_same = w->at && w->match.seen >= LONG_WALK && text.len >= w->match.seen &&
                 memcmp(w->at, text.data, w->match.seen) == 0;
  if (!is_same) {
    w->match = vocabulary_longest(v, text);
    w->at = w->match.seen <= text.len ? text.data : NULL;
  }
  return (struct choice){w->match.token, w->match.len};
}

/* The longest token that may stand at p, at most c. */
static struct choice choose(const struct encoder *e, const struct vocabulary *v, struct slice text,
                            const struct place *p, struct choice c) {
  bool is_inside = ((unsigned char)text.data[p->at] & 0xc0) == 0x80;
  while (c.token != TOKEN_NONE &&
         (is_dead(e, p->at + c.len) ||
          (p->last != TOKEN_NONE && !follows(e, v, p, c.token, is_inside)))) {
    c.token = v->splits[c.token].prefix;
    if (c.token != TOKEN_NONE) c.len = text_len(v, c.token);
  }
  return c;
}

/* text holds known characters only. Appends. */
static void encode_known(struct encoder *e, const struct vocabulary *v, struct slice text) {
  size_t first = e->count;
  struct place p = {0, TOKEN_NONE, false};
  struct walked walked = {0};
  clear_dead(e, text.len);
  struct choice most = longest_at(v, text, &walked);
  while (p.at < text.len) {
    struct choice next = choose(e, v, text, &p, most);
    if (next.token != TOKEN_NONE) {
      encoder_push(e, next.token);
      p = (struct place){p.at + next.len, next.token, next.token == most.token};
      most = longest_at(v, slice_skip(text, p.at), &walked);
      continue;
    }
    must(p.last != TOKEN_NONE);
    e->dead[p.at / 64] |= 1ull << (p.at % 64);
    e->count--;
    most = (struct choice){p.last, text_len(v, p.last)};
    p.at -= most.len;
    p.last = e->count > first ? e->tokens[e->count - 1] : TOKEN_NONE;
    p.is_longest = false;
  }
}

static void encode_run(struct encoder *e, const struct vocabulary *v, struct slice text) {
  if (text.len == 0) return;
  if (v->head->flags & VOCABULARY_ORDERED)
    encode_known(e, v, text);
  else
    encoder_merge(e, v, text);
}

static bool push_fallback(struct encoder *e, const struct vocabulary *v, struct slice letter) {
  if (!(v->head->flags & VOCABULARY_FALLBACK)) return false;
  for (size_t i = 0; i < letter.len; i++)
    if (v->head->byte_token[(unsigned char)letter.data[i]] == TOKEN_NONE) return false;
  for (size_t i = 0; i < letter.len; i++)
    encoder_push(e, v->head->byte_token[(unsigned char)letter.data[i]]);
  return true;
}

/* Characters that are no tokens stand between the runs that are merged. */
static void encode_characters(struct encoder *e, const struct vocabulary *v, struct slice text) {
  const char *run = text.data, *at = run, *end = run + text.len;
  bool was_unknown = false;
  while (at < end) {
    uint32_t point;
    size_t len = utf8_decode(at, end, &point);
    struct slice letter = {at, len ? len : 1};
    at += letter.len;
    uint32_t token = vocabulary_find(v, letter);
    if (token != TOKEN_NONE && v->splits[token].rank == 0) continue;
    encode_run(e, v, (struct slice){run, (size_t)(letter.data - run)});
    was_unknown &= run == letter.data;
    run = at;
    if (push_fallback(e, v, letter)) {
      was_unknown = false;
      continue;
    }
    bool joins = was_unknown && v->head->flags & VOCABULARY_FUSE;
    was_unknown = true;
    if (!joins && v->head->unknown != TOKEN_NONE) encoder_push(e, v->head->unknown);
  }
  encode_run(e, v, (struct slice){run, (size_t)(end - run)});
}

/* A file may leave bytes out: they split the text and count for nothing, as the reference has it.
 */
static void encode_bytes(struct encoder *e, const struct vocabulary *v, struct slice text) {
  size_t run = 0;
  for (size_t i = 0; i < text.len && !(v->head->flags & VOCABULARY_ALL_BYTES); i++) {
    if (v->head->byte_token[(unsigned char)text.data[i]] != TOKEN_NONE) continue;
    encode_run(e, v, (struct slice){text.data + run, i - run});
    if (v->head->unknown != TOKEN_NONE) encoder_push(e, v->head->unknown);
    run = i + 1;
  }
  encode_run(e, v, slice_skip(text, run));
}

static void encode(struct encoder *e, const struct vocabulary *v, struct slice piece) {
  e->count = 0;
  uint32_t token = vocabulary_find(v, piece);
  if (token != TOKEN_NONE)
    encoder_push(e, token);
  else if (v->head->flags & VOCABULARY_BYTES)
    encode_bytes(e, v, piece);
  else
    encode_characters(e, v, piece);
}

/* The piece, at most MEMO_BYTES long, as two numbers. Bytes behind it are read and cut off, which
 * is faster than a copy of so many bytes. */
static struct encoder_memo memo_of(const struct vocabulary *v, struct slice piece,
                                   size_t readable) {
  uint64_t low = 0, high = 0, length = (uint64_t)piece.len << 56;
  if (readable < 16) {
    char text[16] = {0};
    memcpy(text, piece.data, piece.len);
    memcpy(&low, text, 8);
    memcpy(&high, text + 8, 8);
  } else {
    memcpy(&low, piece.data, 8);
    memcpy(&high, piece.data + 8, 8);
    if (piece.len < 8) low &= ~(UINT64_MAX << 8 * piece.len);
    high = piece.len > 8 ? high & ~(UINT64_MAX << 8 * (piece.len - 8)) : 0;
  }
  return (struct encoder_memo){.low = low, .high = high | length, .owner = v->id << 2};
}

static struct encoder_memo *memo_slot(struct encoder *e, const struct encoder_memo *m) {
  uint64_t key = (m->low ^ (m->high << 29 | m->high >> 35)) + m->owner;
  return &e->memos[(key * 0x9e3779b97f4a7c15u) >> (64 - MEMO_BITS)];
}

/* Pairs name a vocabulary by the lower bits of its id: when the others change they are forgotten.
 */
static void prepare(struct encoder *e, const struct vocabulary *v) {
  if (!e->memos) {
    e->memos = must_calloc((size_t)1 << MEMO_BITS, sizeof *e->memos);
    e->pairs = must_alloc(sizeof *e->pairs << PAIR_BITS);
  } else if (e->epoch == v->id >> PAIR_ID_BITS) {
    return;
  }
  memset(e->pairs, 0xff, sizeof *e->pairs << PAIR_BITS); /* no pair at all */
  e->epoch = v->id >> PAIR_ID_BITS;
}

void encoder_encode(struct encoder *e, const struct vocabulary *v, struct slice piece,
                    size_t readable) {
  prepare(e, v);
  if (piece.len == 0 || piece.len > MEMO_BYTES) {
    e->count = 0;
    if (piece.len) encode(e, v, piece);
    return;
  }
  struct encoder_memo wanted = memo_of(v, piece, readable), *slot = memo_slot(e, &wanted);
  if (slot->low == wanted.low && slot->high == wanted.high && slot->owner >> 2 == v->id) {
    e->count = slot->owner & 3;
    if (e->cap < MEMO_TOKENS) grow(e);
    memcpy(e->tokens, slot->tokens, sizeof slot->tokens);
    return;
  }
  encode(e, v, piece);
  if (e->count == 0 || e->count > MEMO_TOKENS) return;
  wanted.owner |= (uint32_t)e->count;
  memcpy(wanted.tokens, e->tokens, e->count * sizeof *e->tokens);
  *slot = wanted;
}
