#include "tokenizer/vocabulary.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tokenizer/vocabulary_layout.h"

uint32_t vocabulary_hash(struct slice text) {
  uint64_t hash = text.len;
  while (text.len >= 8) {
    hash = (hash ^ vocabulary_key(text.data, 8)) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
    text = slice_skip(text, 8);
  }
  hash = (hash ^ vocabulary_key(text.data, text.len)) * 0x9e3779b97f4a7c15u;
  return (uint32_t)(hash >> 32);
}

static uint32_t find_long(const struct vocabulary *v, struct slice text) {
  uint32_t bit = vocabulary_long_bit(text, v->head->long_bits);
  if (!(v->long_filter[bit / 64] >> (bit % 64) & 1)) return TOKEN_NONE;
  uint32_t mask = (1u << v->head->text_bits) - 1, hash = vocabulary_hash(text);
  for (uint32_t at = hash & mask;; at = (at + 1) & mask) {
    const struct vocabulary_text *slot = &v->long_texts[at];
    if (slot->token == TOKEN_NONE) return TOKEN_NONE;
    if (slot->hash == hash && slice_equal(vocabulary_token(v, slot->token), text))
      return slot->token;
  }
}

uint32_t vocabulary_find(const struct vocabulary *v, struct slice text) {
  if (text.len > 8) return find_long(v, text);
  uint64_t key = vocabulary_key(text.data, text.len);
  uint32_t bits = v->head->word_bits, mask = (1u << bits) - 1;
  for (uint32_t at = vocabulary_slot(key, bits);; at = (at + 1) & mask) {
    const struct vocabulary_word *slot = &v->words[at];
    if (slot->key == key && slot->len == text.len) return slot->token;
    if (slot->len == 0) return TOKEN_NONE;
  }
}

const struct vocabulary_pair *vocabulary_pair_find(const struct vocabulary *v, uint32_t left,
                                                   uint32_t right) {
  uint64_t key = (uint64_t)left << 32 | right;
  uint32_t bit = vocabulary_slot(key, v->head->filter_bits);
  if (!(v->filter[bit / 64] >> (bit % 64) & 1)) return NULL;
  uint32_t bits = v->head->pair_bits, mask = (1u << bits) - 1;
  for (uint32_t at = vocabulary_slot(key, bits);; at = (at + 1) & mask) {
    const struct vocabulary_pair *slot = &v->pairs[at];
    if (slot->left == left && slot->right == right) return slot;
    if (slot->token == TOKEN_NONE) return NULL;
  }
}

static const struct vocabulary_letter *find_hop(const struct vocabulary *v, uint32_t step,
                                                uint32_t letter) {
  uint64_t key = vocabulary_hop_key(step, letter);
  uint32_t bit = vocabulary_slot(key, v->head->hop_filter_bits);
  if (!(v->hop_filter[bit / 64] >> (bit % 64) & 1)) return NULL;
  uint32_t bits = v->head->hop_bits, mask = (1u << bits) - 1, at = vocabulary_slot(key, bits);
  for (; v->hops[at].key != VOCABULARY_HOP_FREE; at = (at + 1) & mask)
    if (v->hops[at].key == key) return &v->hops[at].to;
  return NULL;
}

enum { LETTER_BYTES = 3 };

static bool may_grow(uint32_t found) {
  return found == TOKEN_NONE || !(found & VOCABULARY_LEAF);
}

struct walk {
  uint32_t at, found; /* the place, and the longest token on the way */
  size_t used, len;   /* bytes up to there; of that token */
};

static void take_found(struct walk *w, uint32_t token) {
  if (token == TOKEN_NONE) return;
  w->found = token;
  w->len = w->used - (token >> VOCABULARY_SHORT_SHIFT & 3);
}

/* As far as whole Chinese characters lead. The longest token may end inside of the last one. */
static void walk_letters(const struct vocabulary *v, struct slice text, struct walk *w) {
  uint32_t letter = vocabulary_letter_of(text.data, text.len);
  const struct vocabulary_letter *to = letter < v->head->letter_count ? &v->letters[letter] : NULL;
  while (to && to->step != TOKEN_NONE) {
    w->at = to->step;
    w->used += LETTER_BYTES;
    take_found(w, to->token);
    if (!may_grow(w->found)) break;
    letter = vocabulary_letter_of(text.data + w->used, text.len - w->used);
    to = letter < v->head->letter_count ? find_hop(v, w->at, letter) : NULL;
  }
}

struct vocabulary_match vocabulary_longest(const struct vocabulary *v, struct slice text) {
  uint32_t bits = v->head->step_bits, mask = (1u << bits) - 1;
  struct walk w = {VOCABULARY_ROOT | VOCABULARY_GOES_ON, TOKEN_NONE, 0, 0};
  walk_letters(v, text, &w);
  bool goes_on = w.at & VOCABULARY_GOES_ON;
  w.at &= ~VOCABULARY_GOES_ON;
  while (goes_on && w.used < text.len && may_grow(w.found)) {
    uint32_t key = vocabulary_step_key(w.at, text.data[w.used]), at = vocabulary_slot(key, bits);
    while (v->steps[at].key != key && v->steps[at].key != VOCABULARY_STEP_FREE)
      at = (at + 1) & mask;
    if (v->steps[at].key != key) break;
    w.at = at;
    w.used++;
    take_found(&w, v->steps[at].token);
  }
  uint32_t token = w.found == TOKEN_NONE ? w.found : w.found & VOCABULARY_TOKEN_MASK;
  return (struct vocabulary_match){token, w.len, w.used + LETTER_BYTES};
}

void vocabulary_attach(struct vocabulary *v, const void *image) {
  static atomic_uint ids;
  const char *base = image;
  const struct vocabulary_head *h = image;
  v->head = h;
  v->id = atomic_fetch_add(&ids, 1) + 1;
  v->starts = (const uint32_t *)(base + h->starts);
  v->texts = base + h->texts;
  v->splits = (const struct vocabulary_split *)(base + h->splits);
  v->spines = (const struct vocabulary_spine *)(base + h->spines);
  v->words = (const struct vocabulary_word *)(base + h->words);
  v->long_texts = (const struct vocabulary_text *)(base + h->long_texts);
  v->long_filter = (const uint64_t *)(base + h->long_filter);
  v->pairs = (const struct vocabulary_pair *)(base + h->pairs);
  v->steps = (const struct vocabulary_step *)(base + h->steps);
  v->filter = (const uint64_t *)(base + h->filter);
  v->letters = (const struct vocabulary_letter *)(base + h->letters);
  v->hops = (const struct vocabulary_hop *)(base + h->hops);
  v->hop_filter = (const uint64_t *)(base + h->hop_filter);
}

struct slice vocabulary_image(const struct vocabulary *v) {
  return (struct slice){(const char *)v->head, v->head->bytes};
}

void vocabulary_fini(struct vocabulary *v) {
  if (!v->head) return;
  if (v->is_mapped)
    munmap((void *)v->head, v->head->bytes);
  else
    free((void *)v->head);
  v->head = NULL;
}

static bool refuse(struct bytes *error, const char *path, const char *why) {
  bytes_printf(error, "%s: %s", path, why);
  return false;
}

/* The file was written by a build of ours; this keeps one of another version or a cut one out. */
static bool is_ours(const struct vocabulary_head *h, size_t bytes) {
  return memcmp(h->magic, VOCABULARY_MAGIC, sizeof h->magic) == 0 && h->bytes == bytes;
}

bool vocabulary_map(struct vocabulary *v, const char *path, struct bytes *error) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return refuse(error, path, strerror(errno));
  struct stat status;
  bool is_long = fstat(file, &status) == 0 && (size_t)status.st_size > sizeof *v->head;
  size_t bytes = is_long ? (size_t)status.st_size : 0;
  void *image = is_long ? mmap(NULL, bytes, PROT_READ, MAP_SHARED, file, 0) : MAP_FAILED;
  close(file);
  if (image != MAP_FAILED && is_ours(image, bytes)) {
    vocabulary_attach(v, image);
    v->is_mapped = true;
    return true;
  }
  if (image != MAP_FAILED) munmap(image, bytes);
  return refuse(error, path, "is no vocabulary of this version of Gateyes");
}
