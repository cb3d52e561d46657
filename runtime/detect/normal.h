/* Text as the rules read it, and the way back to the bytes it was made of. Full-width forms,
 * letters of formulas and in circles and foreign digits become ASCII, letters outside ASCII lose
 * their case, characters without width and control characters below tab vanish, JSON escapes and
 * percent signs are resolved one layer deep. */
#pragma once
#include "detect/offsets.h"

enum { NORMAL_CONTROL_END = 9 }; /* what is below tab is nothing that anybody reads */

struct normal {
  struct bytes text;
  struct offsets offsets;
  size_t raw;     /* given bytes that have been turned into text */
  char carry[16]; /* the start of a character or escape whose end has not come */
  size_t carried;
};

void normal_init(struct normal *n);
void normal_fini(struct normal *n);
bool normal_is_same(struct slice text); /* nothing in it would be turned into something else */
/* Appends the text of piece; what may be half a character waits for the next. */
void normal_feed(struct normal *n, struct slice piece, bool ended);
/* The given bytes that made text[position]. */
static inline size_t normal_raw_start(const struct normal *n, size_t position) {
  return offsets_start(&n->offsets, position);
}

static inline size_t normal_raw_end(const struct normal *n, size_t position) {
  return offsets_end(&n->offsets, position);
}

/* Forgets the first count bytes of text. */
void normal_drop(struct normal *n, size_t count);
