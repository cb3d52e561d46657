#include "detect/automaton.h"

#include <stdlib.h>

static uint32_t state_new(struct automaton *a, uint16_t depth) {
  if (a->state_count == a->state_cap) {
    a->state_cap = a->state_cap ? a->state_cap * 2 : 256;
    a->states = must_realloc(a->states, a->state_cap * sizeof *a->states);
    a->edges = must_realloc(a->edges, a->state_cap * sizeof *a->edges);
  }
  a->states[a->state_count] = (struct automaton_state){.depth = depth};
  a->edges[a->state_count] = (struct automaton_edge){0};
  return (uint32_t)a->state_count++;
}

void automaton_init(struct automaton *a) {
  *a = (struct automaton){0};
  prefixes_init(&a->prefixes);
  state_new(a, 0);
}

void automaton_fini(struct automaton *a) {
  free(a->states);
  free(a->edges);
  free(a->words);
  free(a->rows);
  prefixes_fini(&a->prefixes);
}

/* Building: states[s].edges is the newest child, states[child].fallback the next older one, and
 * edges[child] the byte that leads to it. */
static uint32_t child_find(const struct automaton *a, uint32_t state, uint8_t byte) {
  uint32_t child = a->states[state].edges;
  while (child && a->edges[child].byte != byte)
    child = a->states[child].fallback;
  return child;
}

void automaton_add(struct automaton *a, struct slice text, uint32_t value) {
  must(text.len > 0 && text.len <= 1000 && a->row_count == 0);
  uint32_t at = 0;
  prefixes_add(&a->prefixes, text);
  for (size_t i = 0; i < text.len; i++) {
    uint8_t byte = automaton_fold((uint8_t)text.data[i]);
    uint32_t child = child_find(a, at, byte);
    if (!child) {
      child = state_new(a, (uint16_t)(i + 1));
      a->edges[child].byte = byte;
      a->states[child].fallback = a->states[at].edges;
      a->states[at].edges = child;
      a->states[at].edge_count++;
    }
    at = child;
  }
  if (a->word_count == a->word_cap) {
    a->word_cap = a->word_cap ? a->word_cap * 2 : 256;
    a->words = must_realloc(a->words, a->word_cap * sizeof *a->words);
  }
  a->words[a->word_count++] =
      (struct automaton_word){value, a->states[at].word, (uint32_t)text.len};
  a->states[at].word = (uint32_t)a->word_count;
}

static int edge_order(const void *left, const void *right) {
  const struct automaton_edge *a = left, *b = right;
  return (int)a->byte - (int)b->byte;
}

/* From chains of children to one sorted run of edges for each state. */
static void edges_pack(struct automaton *a) {
  struct automaton_edge *packed = must_calloc(a->state_count, sizeof *packed);
  uint32_t *first = must_calloc(a->state_count, sizeof *first);
  for (uint32_t s = 0; s < a->state_count; s++) {
    first[s] = (uint32_t)a->edge_count;
    for (uint32_t child = a->states[s].edges; child; child = a->states[child].fallback)
      packed[a->edge_count++] = (struct automaton_edge){a->edges[child].byte, child};
    qsort(packed + first[s], a->edge_count - first[s], sizeof *packed, edge_order);
  }
  for (uint32_t s = 0; s < a->state_count; s++) {
    a->states[s].edges = first[s];
    a->states[s].fallback = 0;
  }
  free(first);
  free(a->edges);
  a->edges = packed;
}

static uint32_t edge_find(const struct automaton *a, const struct automaton_state *s,
                          uint8_t byte) {
  const struct automaton_edge *edges = a->edges + s->edges;
  if (s->edge_count <= 4) {
    for (unsigned i = 0; i < s->edge_count; i++)
      if (edges[i].byte == byte) return edges[i].target;
    return 0;
  }
  unsigned low = 0, high = s->edge_count;
  while (low < high) {
    unsigned middle = (low + high) / 2;
    if (edges[middle].byte == byte) return edges[middle].target;
    if (edges[middle].byte < byte)
      low = middle + 1;
    else
      high = middle;
  }
  return 0;
}

uint32_t automaton_step_deep(const struct automaton *a, uint32_t state, uint8_t folded) {
  for (;;) {
    const struct automaton_state *s = &a->states[state];
    if (s->row) return a->rows[(size_t)(s->row - 1) * 256 + folded];
    uint32_t target = edge_find(a, s, folded);
    if (target) return target;
    state = s->fallback;
  }
}

static void rows_fill(struct automaton *a) {
  const struct automaton_state *root = &a->states[0];
  a->rows = must_calloc((size_t)root->edge_count + 1, 256 * sizeof *a->rows);
  for (unsigned i = 0; i < root->edge_count; i++)
    a->rows[a->edges[root->edges + i].byte] = a->edges[root->edges + i].target;
  a->states[0].row = 1;
  a->row_count = 1;
  for (unsigned i = 0; i < root->edge_count; i++) {
    uint32_t child = a->edges[root->edges + i].target;
    struct automaton_state *s = &a->states[child];
    uint32_t *row = a->rows + a->row_count * 256;
    memcpy(row, a->rows, 256 * sizeof *row);
    for (unsigned e = 0; e < s->edge_count; e++)
      row[a->edges[s->edges + e].byte] = a->edges[s->edges + e].target;
    s->row = (uint32_t)++a->row_count;
  }
}

void automaton_build(struct automaton *a) {
  prefixes_build(&a->prefixes);
  edges_pack(a);
  rows_fill(a);
  /* Breadth first: a child's fallback is what its byte gives from its parent's fallback. */
  uint32_t *queue = must_calloc(a->state_count, sizeof *queue);
  size_t head = 0, tail = 1;
  while (head < tail) {
    uint32_t at = queue[head++];
    const struct automaton_state *s = &a->states[at];
    for (unsigned i = 0; i < s->edge_count; i++) {
      struct automaton_edge edge = a->edges[s->edges + i];
      struct automaton_state *child = &a->states[edge.target];
      child->fallback = at ? automaton_step_deep(a, s->fallback, edge.byte) : 0;
      const struct automaton_state *back = &a->states[child->fallback];
      child->suffix = back->word ? child->fallback : back->suffix;
      queue[tail++] = edge.target;
    }
  }
  free(queue);
}
