#include "store/rollup.h"

#include <stdlib.h>

#include "base/keyed_hash.h"

void rollup_init(struct rollup *r, size_t records) {
  size_t buckets = 16;
  while (buckets < records)
    buckets *= 2;
  *r = (struct rollup){.mask = buckets - 1};
  r->buckets = must_calloc(buckets, sizeof(struct rollup_group *));
  r->groups = must_alloc((records + 1) * sizeof *r->groups);
}

void rollup_fini(struct rollup *r) {
  free(r->buckets);
  free(r->groups);
}

static uint64_t hash_of(const struct ledger_record *record, int64_t day) {
  uint64_t hash = (uint64_t)day;
#define DIMENSION(name, column) hash = keyed_hash(record->column, hash);
  USAGE_DIMENSIONS(DIMENSION)
#undef DIMENSION
  return hash;
}

static bool belongs(const struct rollup_group *g, const struct ledger_record *record, int64_t day) {
  if (g->day != day) return false;
#define DIMENSION(name, column)                                                                    \
  if (!slice_equal(g->record->column, record->column)) return false;
  USAGE_DIMENSIONS(DIMENSION)
#undef DIMENSION
  return true;
}

static struct rollup_group *group_get(struct rollup *r, const struct ledger_record *record,
                                      int64_t day) {
  uint64_t hash = hash_of(record, day);
  struct rollup_group **bucket = &r->buckets[hash & r->mask], *g = *bucket;
  while (g && !(g->hash == hash && belongs(g, record, day)))
    g = g->next;
  if (g) return g;
  g = &r->groups[r->count++];
  *g = (struct rollup_group){.next = *bucket, .hash = hash, .day = day, .record = record};
  return *bucket = g;
}

void rollup_add(struct rollup *r, const struct ledger_record *record) {
  int64_t day = (int64_t)record->time_ms / MS_PER_DAY;
  if (!r->newest || !belongs(r->newest, record, day)) r->newest = group_get(r, record, day);
  used_add(&r->newest->used, record);
}
