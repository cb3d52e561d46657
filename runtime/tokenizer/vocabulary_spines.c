/* Two tokens meet: from the outside in, their splits are undone while the pairs that then meet are
 * looked up. Most of these pairs can be no merge: a part whose first merge with anything comes
 * later than its own token's split is never in time. Where that holds of all that is further in,
 * the walk may end. It is exact where each merge comes after those of its parts. */
#include <stdlib.h>

#include "tokenizer/vocabulary_layout.h"

struct first_merge { /* the earliest rank of a token's merges */
  uint32_t on_left, on_right;
};

static bool begins_inside(const struct vocabulary *v, uint32_t token) {
  struct slice text = vocabulary_token(v, token);
  return text.len && ((unsigned char)*text.data & 0xc0) == 0x80;
}

static void least(uint32_t *rank, uint32_t other) {
  if (other < *rank) *rank = other;
}

/* Those whose right part begins with a whole character, as the walk's do. */
static struct first_merge *find_first_merges(const struct vocabulary *v) {
  uint32_t count = v->head->token_count;
  struct first_merge *first = must_alloc((count + 1) * sizeof *first);
  memset(first, 0xff, (count + 1) * sizeof *first);
  for (size_t i = 0; i < (size_t)1 << v->head->pair_bits; i++) {
    const struct vocabulary_pair *p = &v->pairs[i];
    if (p->token == TOKEN_NONE || begins_inside(v, p->right)) continue;
    least(&first[p->left].on_left, p->rank);
    least(&first[p->right].on_right, p->rank);
  }
  return first;
}

/* Unless nothing further in can merge in time: the rank of the token's own split. */
static uint32_t right_rank(const struct vocabulary *v, const struct first_merge *first,
                           uint32_t token) {
  const struct vocabulary_split *split = &v->splits[token];
  for (uint32_t at = token; v->splits[at].rank; at = v->splits[at].right)
    if (first[v->splits[at].right].on_left < v->splits[at].rank) return split->rank;
  return 0;
}

static uint32_t left_rank(const struct vocabulary *v, const struct first_merge *first,
                          uint32_t token) {
  const struct vocabulary_split *split = &v->splits[token];
  for (uint32_t at = token; v->splits[at].rank; at = v->splits[at].left)
    if (first[v->splits[at].left].on_right <= v->splits[at].rank) return split->rank;
  return 0;
}

void vocabulary_put_spines(const struct vocabulary *v, struct vocabulary_spine *spines) {
  struct first_merge *first = find_first_merges(v);
  for (uint32_t i = 0; i < v->head->token_count; i++) {
    uint32_t mark = begins_inside(v, i) ? VOCABULARY_INSIDE : 0;
    spines[i] = (struct vocabulary_spine){v->splits[i].right, right_rank(v, first, i),
                                          v->splits[i].left | mark, left_rank(v, first, i)};
  }
  free(first);
}
