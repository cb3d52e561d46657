/* What the builder and the reader of the tables share. */
#pragma once
#include "tokenizer/vocabulary.h"

#define VOCABULARY_MAGIC "gateyes tokens 5" /* 16 bytes, without the zero */

enum { VOCABULARY_STEP_BITS_MAX = 24 };
/* A parent that is no slot. */
#define VOCABULARY_ROOT ((1u << VOCABULARY_STEP_BITS_MAX) - 2)
#define VOCABULARY_STEP_FREE UINT32_MAX
/* In the token of a step that none follows: the walk ends without another look. */
#define VOCABULARY_LEAF (1u << 31)
/* In the token of a letter or a hop: how many bytes before the character's end it ends. */
#define VOCABULARY_SHORT_SHIFT 29
#define VOCABULARY_TOKEN_MASK ((1u << VOCABULARY_SHORT_SHIFT) - 1)

/* In the left part of a spine: the token begins with a byte that continues a character. */
#define VOCABULARY_INSIDE (1u << 31)

/* In the slot of a letter or a hop: a token goes on from there otherwise than with a whole Chinese
 * character. */
#define VOCABULARY_GOES_ON (1u << 31)
#define VOCABULARY_HOP_FREE UINT64_MAX

/* The Chinese character that text begins with, as an index of letters; else at least
 * VOCABULARY_LETTERS. */
static inline uint32_t vocabulary_letter_of(const char *text, size_t len) {
  const unsigned char *u = (const unsigned char *)text;
  if (len < 3 || (u[0] & 0xf0) != 0xe0 || (u[1] & 0xc0) != 0x80 || (u[2] & 0xc0) != 0x80)
    return UINT32_MAX;
  uint32_t point = (u[0] & 0x0fu) << 12 | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu);
  return point - VOCABULARY_LETTER;
}

static inline uint64_t vocabulary_hop_key(uint32_t step, uint32_t letter) {
  return (uint64_t)(step & ~VOCABULARY_GOES_ON) << 16 | letter;
}

static inline uint32_t vocabulary_step_key(uint32_t parent, char byte) {
  return parent << 8 | (unsigned char)byte;
}

/* Of text longer than 8 bytes: a bit that no token of its beginning and length has set says that it
 * is none. */
static inline uint32_t vocabulary_long_bit(struct slice text, uint32_t bits) {
  return vocabulary_slot(vocabulary_key(text.data, 8) + text.len * 0x9e3779b97f4a7c15u, bits);
}

uint32_t vocabulary_hash(struct slice text);
/* Of tables that have their tokens, pairs and splits. */
void vocabulary_put_spines(const struct vocabulary *v, struct vocabulary_spine *spines);
/* Sets v's pointers into an image. */
void vocabulary_attach(struct vocabulary *v, const void *image);
