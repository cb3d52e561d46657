/* What the files that read a tokenizer.json share (Hugging Face tokenizers, its serialized form).
 */
#pragma once
#include "tokenizer/tokenizer_private.h"

struct json_reading {
  struct tokenizer *t;
  struct bytes *error; /* not empty: reading has failed */
  bool is_byte_level;
};

/* Always false: adds a sentence to the error, once. */
bool json_refuse(struct json_reading *r, const char *format, ...) PRINTF(2, 3);
/* The text of a string, in the tokenizer's arena; empty for anything else. */
struct slice json_arena_text(struct json_reading *r, struct slice value);
bool json_is_true(struct slice value);

/* tokenizer_json_stages.c: what happens to text before the merges. */
bool json_read_normalizer(struct json_reading *r, struct slice value);
bool json_read_pre_tokenizer(struct json_reading *r, struct slice value);
/* tokenizer_json_model.c */
bool json_read_model(struct json_reading *r, struct slice model, struct slice added);
