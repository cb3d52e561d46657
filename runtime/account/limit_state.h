/* What a limiter and a reservation are made of; for account/limit*.c. */
#pragma once
#include "account/limit_table.h"
#include "base/list.h"

enum { LIMIT_OPEN_LISTS = 16 };

struct limiter {
  struct limiter_settings settings;
  struct limit_table table;
  uv_mutex_t apply_lock; /* families */
  struct limit_families families;
  void (*on_new)(void *context, struct limit_seeding *seeding,
                 const struct limit_definition *definition);
  void *new_context;
  uv_mutex_t set_lock; /* for as long as it takes to count one reference */
  struct limit_set *set;
  atomic_uint_fast64_t generation; /* grows after each new set */
  atomic_size_t definition_count;
  atomic_bool weighs, has_providers; /* is there a limit of tokens or money; of a provider */
  atomic_uint_fast64_t last_id;
  atomic_int_fast64_t wall_ahead_ns; /* wall clock against monotonic, for reports; 0: not known */
  struct limit_open {                /* reservations, by id */
    uv_mutex_t lock;
    struct list list;
  } open[LIMIT_OPEN_LISTS];
};

struct limit_hold {
  const struct limit_rule *rule;
  struct limit_slot *slot;
  uint64_t hash;
  struct slice key; /* the caller's memory until the slot is known */
  struct claim claim;
};

struct reservation {
  struct list link;
  uint64_t id;
  int64_t expires_ns;
  struct limit_set *set;   /* counted, unless there is a view */
  struct limit_view *view; /* of the thread that made it, whose memory this is; or NULL */
  struct limit_held *held;
  struct limit_standing standing;
  size_t count;
  struct limit_hold holds[];
};

struct instant limiter_now(const struct limiter *l);
/* Has on_new seed what the set, which nobody counts by yet, has more than the limiter's. */
void limit_seed_new(struct limiter *l, struct limit_set *set);
struct limit_set *limiter_set_ref(struct limiter *l);
/* Adds what the counter has left to the standing, if it is the tightest of its sort. */
void limit_standing_add(struct limit_standing *standing, const struct limit_rule *rule,
                        const struct counter *counter, struct instant now);
/* With the slot's lock held: the threshold in percent that its use has just crossed, or 0. */
uint8_t limit_slot_crossed(struct limit_slot *slot, const struct limit_rule *rule);
/* Without it; the slot must be held. */
void limiter_tell(const struct limiter *l, const struct limit_slot *slot,
                  const struct limit_rule *rule, uint8_t percent);
