#include "store/rollup.h"

#include <stdlib.h>

#include "base/keyed_hash.h"

void rollup_init(struct rollup *r, size_t records) {
  size_t buckets = 16;
  while (buckets < records)
    buckets *= 2;
  *r = (struct rollup){.mask = buckets - 1, .records = records};
  r->buckets = must_calloc(buckets, sizeof(struct rollup_group *));
  r->groups = must_alloc((records + 1) * sizeof *r->groups);
}

void rollup_fini(struct rollup *r) {
  free(r->buckets);
  free(r->groups);
  free(r->tags);
}

static uint64_t hash_of(const struct ledger_record *record, int64_t day) {
  uint64_t hash = (uint64_t)day;
#define GROUP_TEXT(column) hash = record->column.len ? keyed_hash(record->column, hash) : hash + 1;
  ROLLUP_TEXTS(GROUP_TEXT)
#undef GROUP_TEXT
  return hash;
}

static bool belongs(const struct rollup_group *g, const struct ledger_record *record, int64_t day) {
  if (g->day != day) return false;
#define GROUP_TEXT(column)                                                                         \
  if (!slice_equal(g->record->column, record->column)) return false;
  ROLLUP_TEXTS(GROUP_TEXT)
#undef GROUP_TEXT
  return true;
}

struct rollup_group *rollup_get(struct rollup *r, const struct ledger_record *record) {
  int64_t day = (int64_t)record->time_ms / MS_PER_DAY;
  if (r->newest && belongs(r->newest, record, day)) return r->newest;
  uint64_t hash = hash_of(record, day);
  struct rollup_group **bucket = &r->buckets[hash & r->mask], *g = *bucket;
  while (g && !(g->hash == hash && belongs(g, record, day)))
    g = g->next;
  if (!g) {
    g = &r->groups[r->count++];
    *g = (struct rollup_group){.next = *bucket, .hash = hash, .day = day, .record = record};
    *bucket = g;
  }
  return r->newest = g;
}

static bool has_tags(struct slice tags) {
  return tags.len && !slice_equal(tags, SLICE("{}")) && !slice_equal(tags, SLICE("[]"));
}

void rollup_tag(struct rollup *r, struct rollup_group *group, const struct ledger_record *record) {
  if (!has_tags(record->tags)) return;
  if (!r->tags) r->tags = must_alloc(r->records * sizeof *r->tags);
  if (!group->tags || !slice_equal(group->tags->tags, record->tags)) {
    must(r->tags_count < r->records);
    group->tags = &r->tags[r->tags_count++];
    *group->tags = (struct rollup_tags){.group = group, .tags = record->tags};
  }
  used_add(&group->tags->used, record);
}
