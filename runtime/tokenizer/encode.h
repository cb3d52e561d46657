/* Byte-pair encoding of one piece of text. */
#pragma once
#include "tokenizer/vocabulary.h"

/* A short piece that was encoded before. The same words come again and again in any text, and the
 * tables of a vocabulary are far larger than the caches of a processor. */
struct encoder_memo {
  uint64_t low, high; /* the piece's bytes, and its length in the highest one */
  uint32_t tokens[3];
  uint32_t owner; /* the vocabulary's id and, in the lowest two bits, how many tokens; 0: free */
};

/* Working memory, kept from piece to piece; one for each thread. */
struct encoder {
  uint32_t *tokens; /* of the piece encoded last */
  size_t count, cap;
  struct encoder_memo *memos;
  uint64_t *pairs; /* of tokens that met before, and whether they may */
  uint32_t epoch;
  uint64_t *dead; /* a bit for each place where no encoding of the rest fits */
  size_t dead_cap;
  struct bytes parts;
};

void encoder_init(struct encoder *e);
void encoder_fini(struct encoder *e);
/* Fills tokens and count. readable: bytes from the piece's first on that may be read, its own and
 * what happens to follow it. Time and memory grow with the length of the piece, whatever it holds:
 * linear; by n log n for merges that are not ordered. */
void encoder_encode(struct encoder *e, const struct vocabulary *v, struct slice piece,
                    size_t readable);
/* For vocabularies whose merges come in any order, and to compare with: merges the best pair first,
 * as the definition has it. piece must be all known characters. Appends. */
void encoder_merge(struct encoder *e, const struct vocabulary *v, struct slice piece);
void encoder_push(struct encoder *e, uint32_t token);
