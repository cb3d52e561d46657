/* A piece that is no token is encoded from left to right: always the longest token that fits
 * behind the one before, and back by one when none does. Two tokens fit when merging their joined
 * text gives just these two; every encoding whose neighbours fit is the one that merging gives.
 * (The idea is that of the crate `bpe` by GitHub.) Each place is given up at most once: linear. */
#include "tokenizer/encode.h"

#include <stdlib.h>

#include "base/utf8.h"

void encoder_init(struct encoder *e) {
  *e = (struct encoder){0};
  bytes_init(&e->parts);
}

void encoder_fini(struct encoder *e) {
  free(e->tokens);
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
static bool fits(const struct vocabulary *v, uint32_t left, uint32_t right) {
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

/* text holds known characters only. Appends. */
static void encode_known(struct encoder *e, const struct vocabulary *v, struct slice text) {
  size_t at = 0, first = e->count;
  clear_dead(e, text.len);
  uint32_t next = vocabulary_longest(v, text);
  while (at < text.len) {
    uint32_t last = e->count > first ? e->tokens[e->count - 1] : TOKEN_NONE;
    while (next != TOKEN_NONE &&
           (is_dead(e, at + text_len(v, next)) || (last != TOKEN_NONE && !fits(v, last, next))))
      next = v->splits[next].prefix;
    if (next != TOKEN_NONE) {
      encoder_push(e, next);
      at += text_len(v, next);
      next = vocabulary_longest(v, slice_skip(text, at));
      continue;
    }
    must(last != TOKEN_NONE);
    e->dead[at / 64] |= 1ull << (at % 64);
    e->count--;
    at -= text_len(v, last);
    next = last;
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

void encoder_encode(struct encoder *e, const struct vocabulary *v, struct slice piece) {
  e->count = 0;
  if (piece.len == 0) return;
  uint32_t token = vocabulary_find(v, piece);
  if (token != TOKEN_NONE)
    encoder_push(e, token);
  else if (v->head->flags & VOCABULARY_BYTES)
    encode_bytes(e, v, piece);
  else
    encode_characters(e, v, piece);
}
