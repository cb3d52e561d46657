#include "account/limit_table.h"

#include <stdlib.h>

#include "base/keyed_hash.h"

enum { BUCKETS_FIRST = 16, SWEEP_BUCKETS = 64 };

void limit_table_init(struct limit_table *t, uint32_t max_counters) {
  *t = (struct limit_table){.max_counters = max_counters};
  limit_shares_init(&t->shares);
  for (int i = 0; i < LIMIT_SHARDS; i++) {
    struct limit_shard *s = &t->shards[i];
    must(uv_mutex_init(&s->lock) == 0);
    s->buckets = must_calloc(BUCKETS_FIRST, sizeof(struct limit_slot *));
    s->mask = BUCKETS_FIRST - 1;
  }
}

static void slot_free(struct limit_table *t, struct limit_slot *slot) {
  if (slot->share) limit_share_drop(&t->shares, slot->share);
  counter_fini(&slot->counter, &slot->rule);
  atomic_fetch_sub(&slot->family->counters, 1);
  limit_family_unref(slot->family);
  free(slot);
}

void limit_table_fini(struct limit_table *t) {
  for (int i = 0; i < LIMIT_SHARDS; i++) {
    struct limit_shard *s = &t->shards[i];
    for (size_t b = 0; b <= s->mask; b++)
      while (s->buckets[b]) {
        struct limit_slot *slot = s->buckets[b];
        s->buckets[b] = slot->next;
        must(slot->holds == 0);
        slot_free(t, slot);
      }
    free(s->buckets);
    uv_mutex_destroy(&s->lock);
  }
  limit_shares_fini(&t->shares);
}

uint64_t limit_slot_hash(const struct limit_family *family, struct slice key) {
  return keyed_hash(key, family->hash);
}

struct limit_slot *limit_slot_find(const struct limit_shard *shard,
                                   const struct limit_family *family, struct slice key,
                                   uint64_t hash) {
  struct limit_slot *slot = shard->buckets[hash & shard->mask];
  while (slot && !(slot->hash == hash && slot->family == family &&
                   slice_equal((struct slice){slot->key, slot->key_len}, key)))
    slot = slot->next;
  return slot;
}

static void grow(struct limit_shard *s) {
  size_t mask = s->mask * 2 + 1;
  struct limit_slot **buckets = must_calloc(mask + 1, sizeof(struct limit_slot *));
  for (size_t b = 0; b <= s->mask; b++)
    while (s->buckets[b]) {
      struct limit_slot *slot = s->buckets[b];
      s->buckets[b] = slot->next;
      slot->next = buckets[slot->hash & mask];
      buckets[slot->hash & mask] = slot;
    }
  free(s->buckets);
  s->buckets = buckets;
  s->mask = mask;
}

/* Slots that were found but not held yet, by a reservation that is being made, carry a hold
 * already.
 */
static void sweep_some(struct limit_table *t, struct limit_shard *s, struct instant now) {
  for (int i = 0; i < SWEEP_BUCKETS && i <= (int)s->mask; i++) {
    struct limit_slot **at = &s->buckets[s->cursor++ & s->mask];
    while (*at) {
      struct limit_slot *slot = *at;
      counter_advance(&slot->counter, &slot->rule, now);
      if (slot->holds || !counter_is_idle(&slot->counter, &slot->rule, now)) {
        at = &slot->next;
        continue;
      }
      *at = slot->next;
      s->count--;
      slot_free(t, slot);
    }
  }
}

struct limit_place {
  struct slice key;
  uint64_t hash;
  struct instant now;
};

static struct limit_slot *slot_new(struct limit_shard *s, const struct limit_rule *rule,
                                   struct slice key, uint64_t hash) {
  if (s->count > s->mask) grow(s);
  struct limit_slot *slot = must_calloc(1, sizeof *slot + key.len);
  slot->family = rule->family;
  slot->hash = hash;
  slot->key_len = (uint16_t)key.len;
  if (key.len) memcpy(slot->key, key.data, key.len);
  slot->next = s->buckets[hash & s->mask];
  s->buckets[hash & s->mask] = slot;
  s->count++;
  atomic_fetch_add(&rule->family->refs, 1);
  atomic_fetch_add(&rule->family->counters, 1);
  return slot;
}

/* How many more the family may have. */
static uint32_t room_for(struct limit_table *t, struct limit_shard *s,
                         const struct limit_rule *rule, struct instant now) {
  uint32_t count = atomic_load(&rule->family->counters);
  if (count >= t->max_counters) {
    sweep_some(t, s, now);
    count = atomic_load(&rule->family->counters);
  }
  return count < t->max_counters ? t->max_counters - count : 0;
}

static struct limit_slot *slot_get(struct limit_table *t, const struct limit_rule *rule,
                                   const struct limit_place *place, bool is_shared) {
  struct limit_shard *s = &t->shards[limit_shard_of(place->hash)];
  struct limit_slot *slot = limit_slot_find(s, rule->family, place->key, place->hash);
  if (!slot) {
    struct limit_share *share = NULL;
    uint32_t room = room_for(t, s, rule, place->now);
    struct slice tenant = limit_scope_name(rule, place->key, LIMIT_TENANT);
    if (room == 0) return NULL;
    if (tenant.len) {
      share = limit_share_take(&t->shares, rule->family, tenant, is_shared ? room : UINT32_MAX);
      if (!share) sweep_some(t, s, place->now);
      if (!share) share = limit_share_take(&t->shares, rule->family, tenant, room);
      if (!share) return NULL;
    }
    slot = slot_new(s, rule, place->key, place->hash);
    slot->share = share;
  }
  slot->rule = rule->counter;
  return slot;
}

struct limit_slot *limit_slot_get(struct limit_table *t, const struct limit_rule *rule,
                                  struct slice key, uint64_t hash, struct instant now) {
  return slot_get(t, rule, &(struct limit_place){key, hash, now}, true);
}

struct limit_slot *limit_slot_restore(struct limit_table *t, const struct limit_rule *rule,
                                      struct slice key, uint64_t hash, struct instant now) {
  return slot_get(t, rule, &(struct limit_place){key, hash, now}, false);
}

void limit_table_sweep(struct limit_table *t, struct instant now) {
  for (int i = 0; i < LIMIT_SHARDS; i++) {
    struct limit_shard *s = &t->shards[i];
    size_t done = 0, mask;
    do {
      uv_mutex_lock(&s->lock);
      sweep_some(t, s, now);
      mask = s->mask;
      uv_mutex_unlock(&s->lock);
      done += SWEEP_BUCKETS;
    } while (done <= mask);
  }
}
