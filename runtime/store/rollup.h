/* Records summed up by day and by all that they can be asked for, before anything is written: a
 * batch of thousands has a handful of such groups. */
#pragma once
#include "store/usage_query.h"

struct rollup_group {
  struct rollup_group *next; /* of the same bucket */
  uint64_t hash;
  int64_t day;                        /* UTC, since 1970 */
  const struct ledger_record *record; /* one of the group: borrowed, as its texts are */
  struct used used;
};

struct rollup {
  struct rollup_group *groups, **buckets, *newest;
  size_t count, mask;
};

/* Room for as many groups as there may be records. */
void rollup_init(struct rollup *r, size_t records);
void rollup_fini(struct rollup *r);
void rollup_add(struct rollup *r, const struct ledger_record *record);
