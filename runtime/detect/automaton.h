/* Many words looked for at once in one pass (Aho and Corasick, 1975). The root and its children
 * have full rows of transitions; deeper states have only their own edges and a link to the longest
 * shorter prefix, so memory follows the words' length and time stays linear. ASCII letters match
 * without case.
 */
#pragma once
#include "detect/prefix.h"

struct automaton_edge {
  uint8_t byte;
  uint32_t target;
};

struct automaton_state {
  uint32_t edges; /* first of edge_count in the list of edges */
  uint16_t edge_count;
  uint16_t depth; /* bytes of the prefix this state stands for */
  uint32_t fallback;
  uint32_t row;    /* of dense transitions; 0: none, else number + 1 */
  uint32_t word;   /* first word that ends here, + 1; 0: none */
  uint32_t suffix; /* nearest state on the chain of fallbacks with a word; 0: none */
};

struct automaton_word {
  uint32_t value; /* the caller's */
  uint32_t next;  /* another with the same text, + 1; 0: none */
  uint32_t length;
};

struct automaton {
  struct automaton_state *states;
  struct automaton_edge *edges;
  struct automaton_word *words;
  uint32_t *rows;
  struct prefixes prefixes;
  size_t state_count, state_cap, edge_count, word_count, word_cap, row_count;
};

void automaton_init(struct automaton *a);
void automaton_fini(struct automaton *a);
/* text is not empty and of at most 1000 bytes. */
void automaton_add(struct automaton *a, struct slice text, uint32_t value);
void automaton_build(struct automaton *a); /* once, after the last word */

static inline uint8_t automaton_fold(uint8_t c) {
  return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

uint32_t automaton_step_deep(const struct automaton *a, uint32_t state, uint8_t folded);

static inline uint32_t automaton_step(const struct automaton *a, uint32_t state, uint8_t c) {
  uint32_t row = a->states[state].row;
  c = automaton_fold(c);
  return row ? a->rows[(size_t)(row - 1) * 256 + c] : automaton_step_deep(a, state, c);
}
