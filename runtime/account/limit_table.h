/* All counters, spread over shards that each have a lock; for account/limit*.c. */
#pragma once
#include <uv.h>

#include "account/limit_set.h"
#include "account/limit_share.h"

enum { LIMIT_SHARDS = 64 };

struct limit_slot { /* lives while it is held or may not be forgotten */
  struct limit_slot *next;
  struct limit_family *family;
  struct limit_share *share; /* its tenant's; NULL: it belongs to none */
  struct counter_rule rule;  /* as the counter was last used */
  struct counter counter;
  uint64_t hash;
  uint32_t holds;     /* open reservations */
  uint8_t thresholds; /* how many have been reported since the window began */
  uint64_t reported_epoch;
  uint16_t key_len;
  char key[];
};

struct limit_shard {
  uv_mutex_t lock;
  struct limit_slot **buckets;
  size_t mask, count, cursor;
};

struct limit_table {
  struct limit_shard shards[LIMIT_SHARDS];
  struct limit_shares shares;
  uint32_t max_counters; /* of a family */
};

void limit_table_init(struct limit_table *t, uint32_t max_counters);
void limit_table_fini(struct limit_table *t);

uint64_t limit_slot_hash(const struct limit_family *family, struct slice key);
static inline unsigned limit_shard_of(uint64_t hash) {
  return (unsigned)(hash >> 58);
}
/* With the shard's lock held. get: NULL when the family has too many counters that are in use, or
 * the tenant more than are still free: so however many it makes, others find room. */
struct limit_slot *limit_slot_find(const struct limit_shard *shard,
                                   const struct limit_family *family, struct slice key,
                                   uint64_t hash);
struct limit_slot *limit_slot_get(struct limit_table *t, const struct limit_rule *rule,
                                  struct slice key, uint64_t hash, struct instant now);
/* The same, for what was counted by an earlier process: only the family's bound holds. */
struct limit_slot *limit_slot_restore(struct limit_table *t, const struct limit_rule *rule,
                                      struct slice key, uint64_t hash, struct instant now);
/* Forgets idle counters, a few instructions under each lock at a time. */
void limit_table_sweep(struct limit_table *t, struct instant now);
