#pragma once
#include "base/arena.h"
#include "base/ref.h"
#include "tokenizer/tokenizer.h"

enum { TOKENIZER_SPLITS = 6, TOKENIZER_REPLACEMENTS = 8 };

struct added_token {
  struct slice text;
  uint32_t token;
  bool is_special, strips_left, strips_right;
};

struct replacement {
  struct slice from, to;
};

struct tokenizer {
  struct ref ref;
  struct slice name;
  struct arena arena;
  struct vocabulary vocabulary;
  struct split splits[TOKENIZER_SPLITS]; /* each works on the pieces of the one before */
  size_t split_count;
  /* What becomes of text first, in this order; all off for tiktoken. */
  bool nfc;
  struct slice prepend;      /* before each stretch of text, if it is not empty */
  bool prepend_first;        /* only at the start of the whole text */
  bool prepend_unless_there; /* not when the text begins with it */
  struct replacement replacements[TOKENIZER_REPLACEMENTS];
  size_t replacement_count;
  struct added_token *added; /* by first byte, longest first */
  size_t added_count;
  uint32_t added_from[257]; /* of the tokens that begin with a byte: [from[b], from[b + 1]) */
};

struct tokenizer *tokenizer_new(struct slice name);
struct tokenizer *tokenizer_read(struct slice path, struct bytes *error); /* a tokenizer.json */
/* Appends text as it looks after normalization; at_start: something may be prepended. */
void tokenizer_normalize(const struct tokenizer *t, struct slice text, bool at_start,
                         struct bytes *out);
bool tokenizer_changes_text(const struct tokenizer *t);
