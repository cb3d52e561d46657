#include "tokenizer/tokenizer.h"

#include <stdlib.h>

#include "tokenizer/tokenizer_private.h"

enum { OPEN_BYTES_MAX = 64 << 10 };

struct sink {
  struct encoder *encoder;
  struct bytes *ids;
  uint64_t count;
};

struct tokenizer *tokenizer_new(struct slice name) {
  struct tokenizer *t = must_calloc(1, sizeof *t);
  ref_init(&t->ref);
  arena_init(&t->arena);
  t->name = arena_slice(&t->arena, name);
  return t;
}

struct tokenizer *tokenizer_ref(struct tokenizer *t) {
  ref_take(&t->ref);
  return t;
}

void tokenizer_unref(struct tokenizer *t) {
  if (!t || !ref_drop(&t->ref)) return;
  vocabulary_fini(&t->vocabulary);
  arena_fini(&t->arena);
  free(t);
}

struct slice tokenizer_name(const struct tokenizer *t) {
  return t->name;
}

static bool has_added(const struct tokenizer *t, const char *text) {
  for (size_t i = 0; i < t->added_count; i++)
    if (slice_equal_text(t->added[i].text, text)) return true;
  return *text == 0;
}

struct chat_format tokenizer_chat_format(const struct tokenizer *t) {
#define CHAT_FORMAT(name, mark, ...)                                                               \
  if (has_added(t, mark)) return (struct chat_format){name, __VA_ARGS__};
#include "tokenizer/chat_format.def"
#undef CHAT_FORMAT
  must(false);
  return (struct chat_format){0};
}

/* The first bytes of text. */
static void take_piece(const struct tokenizer *t, struct slice text, size_t bytes,
                       struct sink *sink) {
  encoder_encode(sink->encoder, &t->vocabulary, (struct slice){text.data, bytes}, text.len);
  sink->count += sink->encoder->count;
  if (sink->ids)
    bytes_append(sink->ids, sink->encoder->tokens, sink->encoder->count * sizeof(uint32_t));
}

/* The splits from stage on. There are few. */
static void take_text(const struct tokenizer *t, size_t stage, struct slice text,
                      struct sink *sink) {
  if (stage >= t->split_count) {
    if (text.len) take_piece(t, text, text.len, sink);
    return;
  }
  bool is_last = stage + 1 == t->split_count;
  while (text.len) {
    bool open = false;
    size_t bytes = split_next(&t->splits[stage], text, &open);
    if (is_last)
      take_piece(t, text, bytes, sink);
    else
      take_text(t, stage + 1, (struct slice){text.data, bytes}, sink);
    text = slice_skip(text, bytes);
  }
}

static void take_stretch(const struct tokenizer *t, struct slice text, bool at_start,
                         struct sink *sink) {
  if (text.len == 0) return;
  if (!tokenizer_changes_text(t)) {
    take_text(t, 0, text, sink);
    return;
  }
  struct bytes normal;
  bytes_init(&normal);
  tokenizer_normalize(t, text, at_start, &normal);
  take_text(t, 0, bytes_slice(&normal), sink);
  bytes_fini(&normal);
}

static const struct added_token *find_added(const struct tokenizer *t, struct slice text) {
  unsigned char first = (unsigned char)*text.data;
  for (uint32_t i = t->added_from[first]; i < t->added_from[first + 1]; i++)
    if (slice_starts(text, t->added[i].text)) return &t->added[i];
  return NULL;
}

static bool is_blank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

uint64_t tokenizer_encode(const struct tokenizer *t, struct encoder *e, struct slice text,
                          enum tokenizer_mode mode, struct bytes *ids) {
  struct sink sink = {e, ids, 0};
  size_t from = 0;
  for (size_t at = 0; mode == TOKENIZE_SPECIAL && t->added_count && at < text.len; at++) {
    const struct added_token *added = find_added(t, slice_skip(text, at));
    if (!added) continue;
    size_t end = at;
    while (added->strips_left && end > from && is_blank(text.data[end - 1]))
      end--;
    take_stretch(t, (struct slice){text.data + from, end - from}, from == 0 || !t->prepend_first,
                 &sink);
    sink.count++;
    if (ids) bytes_append(ids, &added->token, sizeof added->token);
    from = at + added->text.len;
    while (added->strips_right && from < text.len && is_blank(text.data[from]))
      from++;
    at = from - 1;
  }
  take_stretch(t, slice_skip(text, from), from == 0 || !t->prepend_first, &sink);
  return sink.count;
}

/* ---- text that comes in pieces ---- */

void token_counter_init(struct token_counter *c, const struct tokenizer *t, struct encoder *e) {
  *c = (struct token_counter){.tokenizer = t, .encoder = e};
  bytes_init(&c->open);
}

void token_counter_fini(struct token_counter *c) {
  bytes_fini(&c->open);
}

static uint64_t count_part(const struct token_counter *c, struct slice text) {
  struct sink sink = {c->encoder, NULL, 0};
  take_stretch(c->tokenizer, text, !c->has_begun, &sink);
  return sink.count;
}

/* Counts the pieces of the first split that are decided; returns their bytes. */
static size_t commit_pieces(struct token_counter *c, struct slice text) {
  struct sink sink = {c->encoder, NULL, 0};
  size_t done = 0;
  while (done < text.len) {
    bool open = false;
    struct slice rest = slice_skip(text, done);
    struct slice piece = {rest.data, split_next(&c->tokenizer->splits[0], rest, &open)};
    if (open) break;
    take_text(c->tokenizer, 1, piece, &sink);
    done += piece.len;
  }
  c->count += sink.count;
  return done;
}

static bool is_plain(char c) {
  return (signed char)c > ' ';
}

/* Normalization looks at neighbours: cut only before a space between plain characters. */
static size_t find_plain_cut(const struct tokenizer *t, struct slice text) {
  if (!(t->vocabulary.head->flags & (VOCABULARY_SPACED | VOCABULARY_BYTES))) return 0;
  for (size_t at = text.len > 2 ? text.len - 2 : 0; at > 0; at--)
    if (text.data[at] == ' ' && is_plain(text.data[at - 1]) && is_plain(text.data[at + 1]))
      return at;
  return 0;
}

static size_t commit(struct token_counter *c, struct slice text) {
  const struct tokenizer *t = c->tokenizer;
  bool by_pieces = t->split_count && !tokenizer_changes_text(t);
  size_t done = by_pieces ? commit_pieces(c, text) : 0, cut = 0;
  if (!by_pieces) cut = find_plain_cut(t, text);
  if (done == 0 && text.len > OPEN_BYTES_MAX) cut = text.len;
  if (cut) c->count += count_part(c, (struct slice){text.data, cut});
  return done + cut;
}

void token_counter_feed(struct token_counter *c, struct slice text) {
  bytes_append_slice(&c->open, text);
  if (c->open.len < c->look_at) return;
  size_t done = commit(c, bytes_slice(&c->open));
  if (done) {
    c->has_begun = true;
    bytes_drop_front(&c->open, done);
  }
  /* A word that goes on and on is looked at again when it has doubled: linear all the same. */
  c->look_at = c->open.len < 256 ? 0 : c->open.len * 2;
}

uint64_t token_counter_value(const struct token_counter *c) {
  return c->count + count_part(c, bytes_slice(&c->open));
}
