/* What counters begin with after a restart, and when a limit is made. */
#include <stdlib.h>

#include "account/limit_state.h"

struct limit_seeding {
  struct limiter *limiter;
  struct limit_set *set;
  const struct limit_rule *rule;
  struct instant now;
  int64_t window_start_ms; /* calendar */
  bool is_news;            /* nobody was told of what it crossed */
};

/* The set is taken. */
static struct limit_seeding *seeding_new(struct limiter *l, struct limit_set *set,
                                         const struct limit_rule *rule) {
  if (!rule || rule->counter.form == COUNTER_CONCURRENT) {
    limit_set_unref(set);
    return NULL;
  }
  struct limit_seeding *s = must_calloc(1, sizeof *s);
  *s = (struct limit_seeding){.limiter = l, .set = set, .rule = rule, .now = limiter_now(l)};
  if (rule->counter.form == COUNTER_CALENDAR)
    s->window_start_ms = window_at(&rule->counter.window, s->now.wall_ms).start_s * 1000;
  return s;
}

struct limit_seeding *limiter_seed_begin(struct limiter *l,
                                         const struct limit_definition *definition) {
  struct limit_set *set = limiter_set_ref(l);
  return seeding_new(l, set, limit_set_find(set, definition));
}

void limiter_on_new(struct limiter *l,
                    void (*on_new)(void *context, struct limit_seeding *seeding,
                                   const struct limit_definition *definition),
                    void *context) {
  l->on_new = on_new;
  l->new_context = context;
}

void limit_seed_new(struct limiter *l, struct limit_set *set) {
  for (size_t i = 0; i < set->count && l->on_new; i++) {
    const struct limit_rule *rule = &set->rules[i];
    if (limit_set_find(l->set, &rule->definition)) continue;
    struct limit_seeding *s = seeding_new(l, limit_set_ref(set), rule);
    if (!s) continue;
    s->is_news = true;
    l->on_new(l->new_context, s, &rule->definition);
    limiter_seed_end(s);
  }
}

static void add(struct limit_seeding *s, const struct limit_match *match,
                const struct limit_past *past, uint64_t age_ns) {
  char text[LIMIT_KEY_MAX];
  struct limit_table *table = &s->limiter->table;
  struct slice key = {text, limit_key_write(match, &past->subjects, text)};
  uint64_t hash = limit_slot_hash(s->rule->family, key);
  struct limit_shard *shard = &table->shards[limit_shard_of(hash)];
  uint8_t percent = 0;
  uv_mutex_lock(&shard->lock);
  struct limit_slot *slot = limit_slot_restore(table, s->rule, key, hash, s->now);
  if (slot) {
    /* A new counter has no window yet; a bucket's past is behind its clock. */
    if (s->rule->counter.form == COUNTER_CALENDAR)
      counter_advance(&slot->counter, &s->rule->counter, s->now);
    counter_seed(&slot->counter, &s->rule->counter, s->now, age_ns, past->amount);
    percent = limit_slot_crossed(slot, s->rule);
  }
  bool is_told = percent && s->is_news; /* after a restart it was, when it happened */
  if (is_told) slot->holds++;
  uv_mutex_unlock(&shard->lock);
  if (!is_told) return;
  limiter_tell(s->limiter, slot, s->rule, percent);
  uv_mutex_lock(&shard->lock);
  slot->holds--;
  uv_mutex_unlock(&shard->lock);
}

void limiter_seed_add(struct limit_seeding *s, const struct limit_past *past) {
  struct limit_match matches[LIMIT_PROJECTS_MAX];
  if (past->amount == 0 || past->began_ms < s->window_start_ms) return;
  uint64_t age_ms =
      past->began_ms < s->now.wall_ms ? (uint64_t)(s->now.wall_ms - past->began_ms) : 0;
  size_t count = limit_rule_match(s->rule, &past->subjects, matches);
  for (size_t i = 0; i < count; i++)
    add(s, &matches[i], past, age_ms * 1000000u);
}

void limiter_seed_end(struct limit_seeding *s) {
  if (!s) return;
  limit_set_unref(s->set);
  free(s);
}
