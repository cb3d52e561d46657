/* Exact counts by a tokenizer, of nothing but what is given: any thread. */
#pragma once
#include "account/image.h"
#include "model/dialect.h"
#include "tokenizer/tokenizer.h"

struct prompt {
  const struct tokenizer *tokenizer;
  enum dialect dialect;
  struct image_rule images;
  struct slice body; /* a valid JSON object */
};

/* Tokens, the framing of messages included. */
uint64_t prompt_count(const struct prompt *p, struct encoder *e);
/* value: a JSON string. Appends `,"count":N,"tokens":[...]`. */
void prompt_write_ids(const struct tokenizer *t, struct encoder *e, struct slice value,
                      struct bytes *out);
