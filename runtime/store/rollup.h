/* Records summed up by day and by the texts that many of them share, before anything is written: a
 * batch of thousands has a handful of such groups. */
#pragma once
#include "store/usage_query.h"

/* TEXT(column): of a ledger record, and of the table request_groups. */
#define ROLLUP_TEXTS(TEXT)                                                                         \
  TEXT(tenant)                                                                                     \
  TEXT(key_id)                                                                                     \
  TEXT(project)                                                                                    \
  TEXT(user)                                                                                       \
  TEXT(customer)                                                                                   \
  TEXT(requested_model)                                                                            \
  TEXT(model)                                                                                      \
  TEXT(provider)                                                                                   \
  TEXT(upstream_model)                                                                             \
  TEXT(residency)                                                                                  \
  TEXT(dialect)                                                                                    \
  TEXT(failure)                                                                                    \
  TEXT(finish_reason)                                                                              \
  TEXT(price_version)                                                                              \
  TEXT(currency)                                                                                   \
  TEXT(service_tier)

struct rollup_group {
  struct rollup_group *next; /* of the same bucket */
  uint64_t hash;
  int64_t day;                        /* UTC, since 1970 */
  const struct ledger_record *record; /* one of the group: borrowed, as its texts are */
  int64_t id;                         /* of its row; 0: not known */
  struct used used;                   /* added to by the caller */
  struct block *blocks;               /* the store's */
  struct rollup_tags *tags;           /* the newest of the group */
};

struct rollup_tags { /* records with the same tags, one after the other */
  const struct rollup_group *group;
  struct slice tags;
  struct used used;
};

struct rollup {
  struct rollup_group *groups, **buckets, *newest;
  struct rollup_tags *tags; /* room for all records, from the first on that has any */
  size_t count, mask, tags_count, records;
};

/* Room for as many groups as there may be records. */
void rollup_init(struct rollup *r, size_t records);
void rollup_fini(struct rollup *r);
struct rollup_group *rollup_get(struct rollup *r, const struct ledger_record *record);
/* Adds the record to those of its group with its tags, if it has any. */
void rollup_tag(struct rollup *r, struct rollup_group *group, const struct ledger_record *record);
