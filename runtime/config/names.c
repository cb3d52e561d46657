#include "config/names.h"

#include <string.h>

enum { WORD_BYTES = 64 }; /* longer words are not compared */

static size_t hash(struct slice s) { /* FNV-1a, 64 bits */
  uint64_t h = 14695981039346656037u;
  for (size_t i = 0; i < s.len; i++)
    h = (h ^ (unsigned char)s.data[i]) * 1099511628211u;
  return (size_t)(h ^ h >> 32);
}

void names_init(struct names *n, struct arena *a, size_t count) {
  size_t size = 8;
  while (size < count * 2)
    size *= 2;
  n->slots = arena_alloc(a, size * sizeof *n->slots);
  n->mask = size - 1;
}

static struct names_slot *slot_of(const struct names *n, struct slice name) {
  size_t at = hash(name) & n->mask;
  while (n->slots[at].thing && !slice_equal(n->slots[at].name, name))
    at = (at + 1) & n->mask;
  return &n->slots[at];
}

const void *names_add(struct names *n, struct slice name, const void *thing) {
  struct names_slot *slot = slot_of(n, name);
  if (slot->thing) return slot->thing;
  *slot = (struct names_slot){name, thing};
  return NULL;
}

const void *names_find(const struct names *n, struct slice name) {
  return slot_of(n, name)->thing;
}

/* Levenshtein distance, one row at a time. */
static unsigned distance(struct slice a, struct slice b) {
  unsigned row[WORD_BYTES + 1];
  for (size_t j = 0; j <= b.len; j++)
    row[j] = (unsigned)j;
  for (size_t i = 1; i <= a.len; i++) {
    unsigned corner = row[0];
    row[0] = (unsigned)i;
    for (size_t j = 1; j <= b.len; j++) {
      unsigned best = corner + (a.data[i - 1] != b.data[j - 1]);
      if (row[j] + 1 < best) best = row[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      corner = row[j];
      row[j] = best;
    }
  }
  return row[b.len];
}

void nearest_init(struct nearest *n, struct slice wanted) {
  *n = (struct nearest){.wanted = wanted, .distance = (unsigned)(2 + wanted.len / 4)};
}

void nearest_offer(struct nearest *n, struct slice candidate) {
  if (candidate.len > WORD_BYTES || n->wanted.len > WORD_BYTES) return;
  unsigned d = distance(n->wanted, candidate);
  if (d >= n->distance || d >= candidate.len) return;
  n->distance = d;
  n->best = candidate;
}

struct slice names_nearest(const struct names *n, struct slice wanted) {
  struct nearest best;
  nearest_init(&best, wanted);
  for (size_t i = 0; i <= n->mask; i++)
    if (n->slots[i].thing) nearest_offer(&best, n->slots[i].name);
  return best.best;
}
