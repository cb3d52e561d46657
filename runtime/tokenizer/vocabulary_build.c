/* Tables from a list of tokens and merges. Only one pair of tokens can ever merge into a given
 * token: inside its span, merging goes the way that it would go for the text of the token alone, as
 * no neighbour took part in it. So each token's own text is merged here once, and the last merge is
 * its split; a token that merging does not arrive at has none. */
#include <stdlib.h>

#include "base/utf8.h"
#include "tokenizer/vocabulary_layout.h"

struct part {
  uint32_t token, rank; /* rank of the merge with the next part; 0: none */
  uint32_t from, merged;
};

struct builder {
  const struct vocabulary_source *source;
  struct vocabulary v;
  struct vocabulary_pair *pairs; /* of the source's merges, or those that are kept */
  uint32_t pair_bits;
  struct vocabulary_split *splits;
  bool *reached;
  struct part parts[VOCABULARY_TOKEN_BYTES_MAX];
};

static uint32_t bits_for(size_t count) {
  uint32_t bits = 4;
  while ((size_t)1 << bits < count * 2)
    bits++;
  return bits;
}

static void pairs_clear(struct vocabulary_pair *pairs, uint32_t bits) {
  for (size_t i = 0; i < (size_t)1 << bits; i++)
    pairs[i] = (struct vocabulary_pair){TOKEN_NONE, TOKEN_NONE, TOKEN_NONE, 0};
}

static struct vocabulary_pair *pair_slot(struct vocabulary_pair *pairs, uint32_t bits,
                                         uint32_t left, uint32_t right) {
  uint32_t at = vocabulary_slot((uint64_t)left << 32 | right, bits);
  while (pairs[at].token != TOKEN_NONE && (pairs[at].left != left || pairs[at].right != right))
    at = (at + 1) & ((1u << bits) - 1);
  return &pairs[at];
}

static void load_merges(struct builder *b) {
  const struct vocabulary_source *s = b->source;
  b->pair_bits = bits_for(s->merge_count);
  b->pairs = must_calloc((size_t)1 << b->pair_bits, sizeof *b->pairs);
  pairs_clear(b->pairs, b->pair_bits);
  for (size_t i = 0; i < s->merge_count; i++) {
    const struct vocabulary_merge *m = &s->merges[i];
    *pair_slot(b->pairs, b->pair_bits, m->left, m->right) =
        (struct vocabulary_pair){m->left, m->right, m->token, (uint32_t)i + 1};
  }
}

/* ---- the tree of prefixes ---- */

/* How many slots became taken. */
static size_t put_path(struct vocabulary_step *steps, uint32_t bits, struct slice text,
                       uint32_t token) {
  uint32_t node = VOCABULARY_ROOT;
  size_t fresh = 0;
  for (size_t i = 0; i < text.len; i++) {
    uint32_t key = vocabulary_step_key(node, text.data[i]), at = vocabulary_slot(key, bits);
    while (steps[at].key != VOCABULARY_STEP_FREE && steps[at].key != key)
      at = (at + 1) & ((1u << bits) - 1);
    fresh += steps[at].key != key;
    steps[at].key = key;
    node = at;
  }
  if (text.len) steps[node].token = token;
  return fresh;
}

static size_t count_steps(const struct vocabulary_source *s, size_t bytes) {
  uint32_t bits = bits_for(bytes);
  struct vocabulary_step *steps = must_alloc(sizeof *steps << bits);
  memset(steps, 0xff, sizeof *steps << bits);
  size_t count = 0;
  for (size_t i = 0; i < s->token_count; i++)
    count += put_path(steps, bits, s->tokens[i], (uint32_t)i);
  free(steps);
  return count;
}

/* Characters behind the first, of texts that begin with Chinese ones: at least as many as hops. */
static size_t count_hops(const struct vocabulary_source *s) {
  size_t count = 0;
  for (size_t i = 0; i < s->token_count; i++) {
    struct slice text = s->tokens[i];
    for (size_t at = 0; vocabulary_letter_of(text.data + at, text.len - at) < VOCABULARY_LETTERS;
         at += 3)
      count += at > 0;
  }
  return count;
}

/* ---- the places of the tables ---- */

static size_t text_bytes(const struct vocabulary_source *s) {
  size_t total = 0;
  for (size_t i = 0; i < s->token_count; i++)
    total += s->tokens[i].len;
  must(total <= VOCABULARY_TEXT_BYTES_MAX && s->token_count <= VOCABULARY_TOKENS_MAX);
  return total;
}

static uint64_t place(uint64_t *end, uint64_t bytes) {
  uint64_t at = *end;
  *end += (bytes + 63) / 64 * 64;
  return at;
}

static char *allocate(struct builder *b) {
  const struct vocabulary_source *s = b->source;
  size_t bytes = text_bytes(s), shorter = 0;
  for (size_t i = 0; i < s->token_count; i++)
    shorter += s->tokens[i].len <= 8;
  struct vocabulary_head h = {.token_count = (uint32_t)s->token_count,
                              .flags = s->flags,
                              .unknown = s->unknown,
                              .word_bits = bits_for(shorter),
                              .text_bits = bits_for(s->token_count - shorter),
                              .pair_bits = bits_for(s->token_count),
                              .step_bits = bits_for(count_steps(s, bytes)),
                              .hop_bits = bits_for(count_hops(s))};
  memcpy(h.magic, VOCABULARY_MAGIC, sizeof h.magic);
  memcpy(h.byte_token, s->byte_token, sizeof h.byte_token);
  uint64_t end = 0;
  place(&end, sizeof h);
  h.starts = place(&end, (s->token_count + 1) * sizeof(uint32_t));
  h.texts = place(&end, bytes + 8);
  h.splits = place(&end, s->token_count * sizeof(struct vocabulary_split));
  h.spines = place(&end, s->token_count * sizeof(struct vocabulary_spine));
  h.words = place(&end, sizeof(struct vocabulary_word) << h.word_bits);
  h.long_texts = place(&end, sizeof(struct vocabulary_text) << h.text_bits);
  h.long_bits = h.text_bits + 2;
  h.long_filter = place(&end, (uint64_t)1 << (h.long_bits - 3));
  h.pairs = place(&end, sizeof(struct vocabulary_pair) << h.pair_bits);
  h.steps = place(&end, sizeof(struct vocabulary_step) << h.step_bits);
  h.filter_bits = h.pair_bits + 3;
  h.filter = place(&end, (uint64_t)1 << (h.filter_bits - 3));
  h.letters = place(&end, VOCABULARY_LETTERS * sizeof(struct vocabulary_letter));
  h.hops = place(&end, sizeof(struct vocabulary_hop) << h.hop_bits);
  h.hop_filter_bits = h.hop_bits + 2;
  h.hop_filter = place(&end, (uint64_t)1 << (h.hop_filter_bits - 3));
  h.bytes = end;
  char *image = must_calloc(1, end);
  memcpy(image, &h, sizeof h);
  vocabulary_attach(&b->v, image);
  return image;
}

static void put_texts(struct builder *b, char *image) {
  const struct vocabulary_source *s = b->source;
  uint32_t *starts = (uint32_t *)(image + b->v.head->starts), at = 0;
  char *texts = image + b->v.head->texts;
  for (size_t i = 0; i < s->token_count; i++) {
    starts[i] = at;
    if (s->tokens[i].len) memcpy(texts + at, s->tokens[i].data, s->tokens[i].len);
    at += (uint32_t)s->tokens[i].len;
  }
  starts[s->token_count] = at;
}

/* ---- finding a token by its text ---- */

static void put_word(struct builder *b, char *image, uint32_t token) {
  struct slice text = vocabulary_token(&b->v, token);
  const struct vocabulary_head *h = b->v.head;
  if (text.len == 0 || vocabulary_find(&b->v, text) != TOKEN_NONE) return;
  if (text.len <= 8) {
    struct vocabulary_word *words = (void *)(image + h->words);
    uint64_t key = vocabulary_key(text.data, text.len);
    uint32_t at = vocabulary_slot(key, h->word_bits);
    while (words[at].len)
      at = (at + 1) & ((1u << h->word_bits) - 1);
    words[at] = (struct vocabulary_word){key, token, (uint32_t)text.len};
    return;
  }
  struct vocabulary_text *long_texts = (void *)(image + h->long_texts);
  uint32_t hash = vocabulary_hash(text), mask = (1u << h->text_bits) - 1, at = hash & mask;
  while (long_texts[at].token != TOKEN_NONE)
    at = (at + 1) & mask;
  long_texts[at] = (struct vocabulary_text){hash, token};
  uint32_t bit = vocabulary_long_bit(text, h->long_bits);
  ((uint64_t *)(image + h->long_filter))[bit / 64] |= 1ull << (bit % 64);
}

static void put_words(struct builder *b, char *image) {
  for (uint32_t i = 0; i < b->v.head->token_count; i++)
    if (b->source->flags & VOCABULARY_WHOLE || b->reached[i]) put_word(b, image, i);
}

static void clear_long_texts(struct builder *b, char *image) {
  struct vocabulary_text *long_texts = (void *)(image + b->v.head->long_texts);
  for (size_t i = 0; i < (size_t)1 << b->v.head->text_bits; i++)
    long_texts[i].token = TOKEN_NONE;
}

/* ---- splits ---- */

/* The merge of part i with the next one. */
static void rank_part(struct builder *b, struct slice text, size_t i, size_t count) {
  struct part *p = &b->parts[i];
  p->rank = 0;
  if (i + 1 >= count) return;
  if (b->source->merges) {
    const struct vocabulary_pair *pair = pair_slot(b->pairs, b->pair_bits, p->token, p[1].token);
    if (pair->token == TOKEN_NONE) return;
    p->merged = pair->token;
    p->rank = pair->rank;
    return;
  }
  size_t end = i + 2 < count ? p[2].from : text.len;
  p->merged = vocabulary_find(&b->v, (struct slice){text.data + p->from, end - p->from});
  if (p->merged != TOKEN_NONE) p->rank = p->merged + 1;
}

/* The parts that text begins as; 0 when one of them is no token. */
static size_t begin_parts(struct builder *b, struct slice text) {
  size_t count = 0;
  for (size_t at = 0, len; at < text.len; at += len, count++) {
    uint32_t token = TOKEN_NONE, point;
    if (b->source->flags & VOCABULARY_BYTES) {
      len = 1;
      token = b->source->byte_token[(unsigned char)text.data[at]];
    } else {
      len = utf8_decode(text.data + at, text.data + text.len, &point);
      if (len == 0) return 0;
      token = vocabulary_find(&b->v, (struct slice){text.data + at, len});
    }
    if (token == TOKEN_NONE) return 0;
    b->parts[count] = (struct part){.token = token, .from = (uint32_t)at};
  }
  for (size_t i = 0; i < count; i++)
    rank_part(b, text, i, count);
  return count;
}

static size_t best_part(const struct builder *b, size_t count) {
  size_t best = count;
  for (size_t i = 0; i + 1 < count; i++)
    if (b->parts[i].rank && (best == count || b->parts[i].rank < b->parts[best].rank)) best = i;
  return best;
}

static bool find_split(struct builder *b, uint32_t token) {
  struct slice text = vocabulary_token(&b->v, token);
  size_t count = text.len ? begin_parts(b, text) : 0;
  if (count == 1) return b->parts[0].token == token;
  while (count > 1) {
    size_t best = best_part(b, count);
    if (best == count) return false;
    struct part *p = &b->parts[best];
    if (count == 2) {
      b->splits[token] = (struct vocabulary_split){p->token, p[1].token, p->rank, TOKEN_NONE};
      return p->merged == token;
    }
    p->token = p->merged;
    memmove(p + 1, p + 2, (count - best - 2) * sizeof *p);
    count--;
    rank_part(b, text, best, count);
    if (best) rank_part(b, text, best - 1, count);
  }
  return false;
}

static void find_splits(struct builder *b) {
  for (uint32_t i = 0; i < b->v.head->token_count; i++) {
    b->splits[i].prefix = TOKEN_NONE;
    b->reached[i] = find_split(b, i);
    if (!b->reached[i]) b->splits[i] = (struct vocabulary_split){0, 0, 0, TOKEN_NONE};
  }
}

static void put_pairs(struct builder *b, char *image) {
  const struct vocabulary_head *h = b->v.head;
  struct vocabulary_pair *pairs = (void *)(image + h->pairs);
  uint64_t *filter = (void *)(image + h->filter);
  pairs_clear(pairs, h->pair_bits);
  for (uint32_t i = 0; i < h->token_count; i++) {
    const struct vocabulary_split *s = &b->splits[i];
    if (!b->reached[i] || !s->rank) continue;
    *pair_slot(pairs, h->pair_bits, s->left, s->right) =
        (struct vocabulary_pair){s->left, s->right, i, s->rank};
    uint32_t bit = vocabulary_slot((uint64_t)s->left << 32 | s->right, h->filter_bits);
    filter[bit / 64] |= 1ull << (bit % 64);
  }
}

static void mark_leaves(struct vocabulary_step *steps, uint32_t bits) {
  bool *is_parent = must_calloc((size_t)1 << bits, sizeof *is_parent);
  for (size_t i = 0; i < (size_t)1 << bits; i++)
    if (steps[i].key != VOCABULARY_STEP_FREE && steps[i].key >> 8 != VOCABULARY_ROOT)
      is_parent[steps[i].key >> 8] = true;
  for (size_t i = 0; i < (size_t)1 << bits; i++)
    if (steps[i].token != TOKEN_NONE && !is_parent[i]) steps[i].token |= VOCABULARY_LEAF;
  free(is_parent);
}

static void put_steps(struct builder *b, char *image) {
  const struct vocabulary_head *h = b->v.head;
  struct vocabulary_step *steps = (void *)(image + h->steps);
  for (size_t i = 0; i < (size_t)1 << h->step_bits; i++)
    steps[i] = (struct vocabulary_step){VOCABULARY_STEP_FREE, TOKEN_NONE};
  for (uint32_t i = 0; i < h->token_count; i++)
    if (b->reached[i]) put_path(steps, h->step_bits, vocabulary_token(&b->v, i), i);
  mark_leaves(steps, h->step_bits);
  for (uint32_t i = 0; i < h->token_count; i++) {
    struct slice text = vocabulary_token(&b->v, i);
    if (!b->reached[i] || text.len < 2) continue;
    struct slice shorter = {text.data, text.len - 1};
    b->splits[i].prefix = vocabulary_longest(&b->v, shorter).token;
  }
}

static uint32_t find_step(const struct builder *b, uint32_t parent, char byte) {
  uint32_t key = vocabulary_step_key(parent, byte), bits = b->v.head->step_bits;
  uint32_t at = vocabulary_slot(key, bits);
  while (b->v.steps[at].key != VOCABULARY_STEP_FREE && b->v.steps[at].key != key)
    at = (at + 1) & ((1u << bits) - 1);
  return b->v.steps[at].key == key ? at : TOKEN_NONE;
}

/* Over the bytes of a Chinese character, from a place in the tree. */
static struct vocabulary_letter cross(const struct builder *b, uint32_t from, uint32_t letter) {
  struct vocabulary_letter to = {from & ~VOCABULARY_GOES_ON, TOKEN_NONE};
  char text[4];
  (void)utf8_encode(VOCABULARY_LETTER + letter, text);
  for (size_t k = 0; k < 3 && to.step != TOKEN_NONE; k++) {
    to.step = find_step(b, to.step, text[k]);
    if (to.step != TOKEN_NONE && b->v.steps[to.step].token != TOKEN_NONE)
      to.token = b->v.steps[to.step].token | (uint32_t)(2 - k) << VOCABULARY_SHORT_SHIFT;
  }
  return to;
}

static struct vocabulary_letter *get_hop(const struct builder *b, struct vocabulary_hop *hops,
                                         uint32_t from, uint32_t letter) {
  uint64_t key = vocabulary_hop_key(from, letter);
  uint32_t bits = b->v.head->hop_bits, at = vocabulary_slot(key, bits);
  while (hops[at].key != VOCABULARY_HOP_FREE && hops[at].key != key)
    at = (at + 1) & ((1u << bits) - 1);
  if (hops[at].key == key) return &hops[at].to;
  hops[at] = (struct vocabulary_hop){key, cross(b, from, letter)};
  uint32_t bit = vocabulary_slot(key, b->v.head->hop_filter_bits);
  ((uint64_t *)b->v.hop_filter)[bit / 64] |= 1ull << (bit % 64);
  return &hops[at].to;
}

/* The hops that the text of a token takes, and a mark where something else follows them. */
static void put_hops(const struct builder *b, char *image, struct slice text) {
  struct vocabulary_letter *letters = (void *)(image + b->v.head->letters);
  struct vocabulary_hop *hops = (void *)(image + b->v.head->hops);
  uint32_t letter = vocabulary_letter_of(text.data, text.len);
  if (letter >= VOCABULARY_LETTERS) return;
  struct vocabulary_letter *to = &letters[letter];
  size_t at = 3;
  for (; (letter = vocabulary_letter_of(text.data + at, text.len - at)) < VOCABULARY_LETTERS;
       at += 3)
    to = get_hop(b, hops, to->step, letter);
  if (at < text.len) to->step |= VOCABULARY_GOES_ON;
}

/* After the steps, which are final then. */
static void put_letters(struct builder *b, char *image) {
  const struct vocabulary_head *h = b->v.head;
  struct vocabulary_letter *letters = (void *)(image + h->letters);
  for (uint32_t i = 0; i < VOCABULARY_LETTERS; i++)
    letters[i] = cross(b, VOCABULARY_ROOT, i);
  memset(image + h->hops, 0xff, sizeof(struct vocabulary_hop) << h->hop_bits);
  for (uint32_t i = 0; i < h->token_count; i++)
    if (b->reached[i]) put_hops(b, image, vocabulary_token(&b->v, i));
  ((struct vocabulary_head *)image)->letter_count = VOCABULARY_LETTERS;
}

/* ---- what holds of the whole ---- */

static bool has_inner_mark(struct slice text) {
  static const char mark[] = "\xe2\x96\x81";
  while (slice_starts(text, slice_of(mark)))
    text = slice_skip(text, 3);
  return text.len && memmem(text.data, text.len, mark, 3) != NULL;
}

static unsigned find_flags(const struct builder *b) {
  unsigned flags = b->source->flags | VOCABULARY_ORDERED | VOCABULARY_SPACED | VOCABULARY_ALL_BYTES;
  for (size_t i = 0; i < 256; i++)
    if (b->source->byte_token[i] == TOKEN_NONE) flags &= ~(unsigned)VOCABULARY_ALL_BYTES;
  for (uint32_t i = 0; i < b->v.head->token_count; i++) {
    const struct vocabulary_split *s = &b->splits[i];
    if (!b->reached[i]) continue;
    if (s->rank && (b->splits[s->left].rank >= s->rank || b->splits[s->right].rank >= s->rank))
      flags &= ~(unsigned)VOCABULARY_ORDERED;
    if (has_inner_mark(vocabulary_token(&b->v, i))) flags &= ~(unsigned)VOCABULARY_SPACED;
  }
  return flags;
}

void vocabulary_build(struct vocabulary *v, const struct vocabulary_source *source) {
  struct builder *b = must_calloc(1, sizeof *b);
  b->source = source;
  char *image = allocate(b);
  b->reached = must_calloc(source->token_count + 1, sizeof *b->reached);
  b->splits = (void *)(image + b->v.head->splits);
  put_texts(b, image);
  clear_long_texts(b, image);
  /* All of them until it is known which are reached. */
  for (uint32_t i = 0; i < source->token_count; i++)
    put_word(b, image, i);
  if (source->merges) load_merges(b);
  find_splits(b);
  memset(image + b->v.head->words, 0, sizeof(struct vocabulary_word) << b->v.head->word_bits);
  clear_long_texts(b, image);
  put_words(b, image);
  put_pairs(b, image);
  put_steps(b, image);
  put_letters(b, image);
  vocabulary_put_spines(&b->v, (void *)(image + b->v.head->spines));
  ((struct vocabulary_head *)image)->flags = find_flags(b);
  *v = b->v;
  v->is_mapped = false;
  free(b->pairs);
  free(b->reached);
  free(b);
}
