/* vocab, merges and added tokens of a tokenizer.json. */
#include <stdlib.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/utf8.h"
#include "tokenizer/tokenizer_json.h"

struct entry { /* of vocab, as it is written */
  struct slice text;
  uint32_t token;
};

struct model_reading {
  struct json_reading *r;
  struct entry *entries; /* a table by hash; free slots have text.data NULL */
  size_t entry_count, entry_bits;
  struct slice *tokens;
  size_t token_count;
  struct vocabulary_merge *merges;
  size_t merge_count, merge_cap;
  uint32_t byte_token[256];
  int16_t byte_of[512]; /* ByteLevel: the byte that a character stands for; -1: none */
  struct bytes scratch;
};

static struct entry *entry_slot(const struct model_reading *m, struct slice text) {
  size_t mask = ((size_t)1 << m->entry_bits) - 1, at = slice_hash(text) & mask;
  while (m->entries[at].text.data && !slice_equal(m->entries[at].text, text))
    at = (at + 1) & mask;
  return &m->entries[at];
}

/* ByteLevel writes bytes as characters: visible Latin-1 as itself, the other bytes in turn as those
 * from U+0100 on (GPT-2, bytes_to_unicode). */
static void fill_byte_of(struct model_reading *m) {
  memset(m->byte_of, 0xff, sizeof m->byte_of);
  unsigned next = 256;
  for (unsigned b = 0; b < 256; b++) {
    bool is_visible = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
    m->byte_of[is_visible ? b : next++] = (int16_t)b;
  }
}

/* The bytes of a token; empty when it is none that text can become. */
static struct slice token_text(struct model_reading *m, struct slice written) {
  if (!m->r->is_byte_level) return written;
  bytes_clear(&m->scratch);
  const char *at = written.data, *end = at + written.len;
  while (at < end) {
    uint32_t point;
    size_t len = utf8_decode(at, end, &point);
    if (len == 0 || point >= 512 || m->byte_of[point] < 0) return (struct slice){"", 0};
    bytes_append_byte(&m->scratch, (char)m->byte_of[point]);
    at += len;
  }
  return arena_slice(&m->r->t->arena, bytes_slice(&m->scratch));
}

/* "<0x0A>" stands for a byte where byte_fallback is on. */
static int fallback_byte(struct slice text) {
  uint8_t byte;
  bool is_one = text.len == 6 && slice_starts(text, SLICE("<0x")) && text.data[5] == '>' &&
                digest_from_hex((struct slice){text.data + 3, 2}, &byte, 1);
  return is_one ? byte : -1;
}

/* Room for all of vocab, whose numbers are checked here. */
static bool measure_vocab(struct model_reading *m, struct slice vocab) {
  size_t count = 0;
  for (struct json_walk w = json_walk_of(vocab); json_walk_next(&w); count++) {
    uint64_t token;
    if (!json_to_u64(w.value, &token) || token >= VOCABULARY_TOKENS_MAX)
      return json_refuse(m->r, "its vocab holds a number that is no token");
    if (token >= m->token_count) m->token_count = token + 1;
  }
  if (count == 0 || count > VOCABULARY_TOKENS_MAX / 2)
    return json_refuse(m->r, "its vocab is empty or too large");
  for (m->entry_bits = 4; (size_t)1 << m->entry_bits < count * 2;)
    m->entry_bits++;
  m->entries = must_calloc((size_t)1 << m->entry_bits, sizeof *m->entries);
  m->tokens = must_calloc(m->token_count, sizeof *m->tokens);
  return true;
}

static bool read_vocab(struct model_reading *m, struct slice vocab, bool has_fallback) {
  size_t bytes = 0;
  if (!measure_vocab(m, vocab)) return false;
  for (struct json_walk w = json_walk_of(vocab); json_walk_next(&w);) {
    uint64_t token = 0;
    must(json_to_u64(w.value, &token));
    bytes_clear(&m->scratch);
    json_unescape(w.key, &m->scratch);
    struct slice written = arena_slice(&m->r->t->arena, bytes_slice(&m->scratch));
    *entry_slot(m, written) = (struct entry){written, (uint32_t)token};
    int byte = has_fallback ? fallback_byte(written) : -1;
    struct slice text = byte < 0 ? token_text(m, written) : (struct slice){"", 0};
    if (byte >= 0) m->byte_token[byte] = (uint32_t)token;
    if (m->r->is_byte_level && text.len == 1)
      m->byte_token[(unsigned char)*text.data] = (uint32_t)token;
    bytes += text.len;
    if (text.len > VOCABULARY_TOKEN_BYTES_MAX || bytes > VOCABULARY_TEXT_BYTES_MAX)
      return json_refuse(m->r, "its tokens are too long");
    m->tokens[token] = text;
  }
  return true;
}

static bool add_merge(struct model_reading *m, struct slice left, struct slice right) {
  const struct entry *l = entry_slot(m, left), *r = entry_slot(m, right);
  bytes_clear(&m->scratch);
  bytes_append_slice(&m->scratch, left);
  bytes_append_slice(&m->scratch, right);
  const struct entry *both = entry_slot(m, bytes_slice(&m->scratch));
  if (!l->text.data || !r->text.data || !both->text.data)
    return json_refuse(m->r, "its merge of %.*s and %.*s is of no tokens", (int)left.len, left.data,
                       (int)right.len, right.data);
  if (m->merge_count == m->merge_cap) {
    m->merge_cap = m->merge_cap ? m->merge_cap * 2 : 1024;
    m->merges = must_realloc(m->merges, m->merge_cap * sizeof *m->merges);
  }
  m->merges[m->merge_count++] = (struct vocabulary_merge){l->token, r->token, both->token};
  return true;
}

/* "a b", or since version 0.20 ["a", "b"]. */
static bool read_merge(struct model_reading *m, struct slice value) {
  struct slice left, right;
  struct bytes text;
  bytes_init(&text);
  if (json_type(value) == JSON_STRING) {
    json_string(value, &text);
    left = slice_cut(bytes_slice(&text), ' ', &right);
  } else {
    struct json_walk w = json_walk_of(value);
    if (json_walk_next(&w)) json_string(w.value, &text);
    size_t cut = text.len;
    if (json_walk_next(&w)) json_string(w.value, &text);
    left = (struct slice){text.data, cut};
    right = slice_skip(bytes_slice(&text), cut);
  }
  bool fine = left.len && right.len ? add_merge(m, left, right)
                                    : json_refuse(m->r, "one of its merges is no pair");
  bytes_fini(&text);
  return fine;
}

static bool read_merges(struct model_reading *m, struct slice merges) {
  m->merges = must_alloc(sizeof *m->merges);
  for (struct json_walk w = json_walk_of(merges); json_walk_next(&w);)
    if (!read_merge(m, w.value)) return false;
  return true;
}

static int compare_added(const void *a, const void *b) {
  const struct added_token *l = a, *r = b;
  int first = (unsigned char)*l->text.data - (unsigned char)*r->text.data;
  if (first) return first;
  return l->text.len < r->text.len ? 1 : l->text.len > r->text.len ? -1 : 0;
}

static bool read_added(struct model_reading *m, struct slice added) {
  struct tokenizer *t = m->r->t;
  size_t count = 0;
  for (struct json_walk w = json_walk_of(added); json_walk_next(&w);)
    count++;
  t->added = arena_alloc(&t->arena, (count + 1) * sizeof *t->added);
  for (struct json_walk w = json_walk_of(added); json_walk_next(&w);) {
    struct slice text = json_arena_text(m->r, json_find(w.value, "content"));
    uint64_t token;
    if (!json_to_u64(json_find(w.value, "id"), &token) || token >= VOCABULARY_TOKENS_MAX)
      return json_refuse(m->r, "its added_tokens hold one without an id");
    if (json_is_true(json_find(w.value, "single_word")))
      return json_refuse(m->r, "its added token %.*s is for single words, which is not known here",
                         (int)text.len, text.data);
    if (text.len == 0) continue;
    t->added[t->added_count++] =
        (struct added_token){.text = text,
                             .token = (uint32_t)token,
                             .is_special = json_is_true(json_find(w.value, "special")),
                             .strips_left = json_is_true(json_find(w.value, "lstrip")),
                             .strips_right = json_is_true(json_find(w.value, "rstrip"))};
  }
  if (t->added_count) qsort(t->added, t->added_count, sizeof *t->added, compare_added);
  size_t at = 0;
  for (unsigned byte = 0; byte < 257; byte++) {
    while (at < t->added_count && (unsigned char)*t->added[at].text.data < byte)
      at++;
    t->added_from[byte] = (uint32_t)at;
  }
  return true;
}

static bool is_plain_bpe(struct model_reading *m, struct slice model) {
  static const char *const off[] = {"dropout", "continuing_subword_prefix", "end_of_word_suffix"};
  struct slice type = json_arena_text(m->r, json_find(model, "type"));
  if (type.len && !slice_equal_text(type, "BPE"))
    return json_refuse(m->r, "its model is %.*s; BPE is the one known here", (int)type.len,
                       type.data);
  for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
    struct slice value = json_find(model, off[i]);
    if (value.data && json_type(value) != JSON_NULL && !slice_equal_text(value, "\"\""))
      return json_refuse(m->r, "its model sets %s, which is not known here", off[i]);
  }
  return true;
}

static void build(struct model_reading *m, struct slice model, bool has_fallback) {
  struct slice unknown = json_arena_text(m->r, json_find(model, "unk_token"));
  const struct entry *entry = unknown.len ? entry_slot(m, unknown) : NULL;
  struct vocabulary_source source = {
      .tokens = m->tokens,
      .token_count = m->token_count,
      .merges = m->merges,
      .merge_count = m->merge_count,
      .byte_token = m->byte_token,
      .unknown = entry && entry->text.data ? entry->token : TOKEN_NONE,
      .flags = (m->r->is_byte_level ? VOCABULARY_BYTES : 0) |
               (has_fallback ? VOCABULARY_FALLBACK : 0) |
               (json_is_true(json_find(model, "ignore_merges")) ? VOCABULARY_WHOLE : 0) |
               (json_is_true(json_find(model, "fuse_unk")) ? VOCABULARY_FUSE : 0)};
  vocabulary_build(&m->r->t->vocabulary, &source);
}

bool json_read_model(struct json_reading *r, struct slice model, struct slice added) {
  struct model_reading m = {.r = r};
  bytes_init(&m.scratch);
  memset(m.byte_token, 0xff, sizeof m.byte_token);
  fill_byte_of(&m);
  bool has_fallback = json_is_true(json_find(model, "byte_fallback"));
  bool fine = is_plain_bpe(&m, model) && read_vocab(&m, json_find(model, "vocab"), has_fallback) &&
              read_merges(&m, json_find(model, "merges")) && read_added(&m, added);
  if (fine) build(&m, model, has_fallback);
  bytes_fini(&m.scratch);
  free(m.entries);
  free(m.tokens);
  free(m.merges);
  return fine;
}
