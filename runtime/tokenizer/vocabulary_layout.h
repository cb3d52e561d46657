/* What the builder and the reader of the tables share. */
#pragma once
#include "tokenizer/vocabulary.h"

#define VOCABULARY_MAGIC "gateyes tokens 2" /* 16 bytes, without the zero */

enum { VOCABULARY_STEP_BITS_MAX = 24 };
/* A parent that is no slot. */
#define VOCABULARY_ROOT ((1u << VOCABULARY_STEP_BITS_MAX) - 2)
#define VOCABULARY_STEP_FREE UINT32_MAX
/* In the token of a step that none follows: the walk ends without another look. */
#define VOCABULARY_LEAF (1u << 31)

static inline uint32_t vocabulary_step_key(uint32_t parent, char byte) {
  return parent << 8 | (unsigned char)byte;
}

uint32_t vocabulary_hash(struct slice text);
/* Sets v's pointers into an image. */
void vocabulary_attach(struct vocabulary *v, const void *image);
