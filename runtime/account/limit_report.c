/* What counters say to people: standings, events, listings. */
#include <stdlib.h>

#include "account/limit_state.h"
#include "base/zone.h"

enum { MATCHES_MAX = 256, LIST_BUCKETS = 32, MS_NS = 1000000, JUMP_NS = 500000000 };

static uint64_t narrow(wide value) {
  return value > UINT64_MAX ? UINT64_MAX : (uint64_t)value;
}

static struct limit_left *left_of(struct limit_standing *s, enum limit_kind kind) {
  switch (kind) {
  case LIMIT_REQUESTS: return &s->requests;
  case LIMIT_INPUT_TOKENS: return &s->input_tokens;
  case LIMIT_OUTPUT_TOKENS: return &s->output_tokens;
  case LIMIT_TOTAL_TOKENS: return &s->tokens;
  case LIMIT_MONEY: return &s->money;
  default: return NULL;
  }
}

void limit_standing_add(struct limit_standing *standing, const struct limit_rule *rule,
                        const struct counter *counter, struct instant now) {
  const struct limit_definition *d = &rule->definition;
  wide use = counter->used + counter->reserved;
  if (d->is_soft) {
    size_t len = d->id.len < sizeof standing->soft ? d->id.len : sizeof standing->soft - 1;
    if (use <= d->amount || standing->soft[0]) return;
    memcpy(standing->soft, d->id.data, len);
    return;
  }
  struct limit_left *left = left_of(standing, d->kind);
  uint64_t remaining = counter_left(counter, &rule->counter);
  bool is_tighter = left && (!left->is_present ||
                             (wide)remaining * left->limit < (wide)left->remaining * d->amount);
  if (!is_tighter) return;
  uint64_t reset_ms = counter_reset_ms(counter, &rule->counter, now);
  *left =
      (struct limit_left){true, d->amount, remaining, reset_ms, now.wall_ms + (int64_t)reset_ms};
}

uint8_t limit_slot_crossed(struct limit_slot *slot, const struct limit_rule *rule) {
  const struct limit_definition *d = &rule->definition;
  wide use = slot->counter.used;
  if (d->kind == LIMIT_REQUESTS || d->kind == LIMIT_CONCURRENT) use += slot->counter.reserved;
  uint8_t reached = 0;
  while (reached < LIMIT_THRESHOLDS_MAX && d->warn_percent[reached] &&
         use * 100 >= (wide)d->amount * d->warn_percent[reached])
    reached++;
  bool is_new_window =
      rule->counter.form == COUNTER_CALENDAR && slot->reported_epoch != slot->counter.epoch;
  if (is_new_window || reached == 0) slot->thresholds = 0;
  slot->reported_epoch = slot->counter.epoch;
  if (reached <= slot->thresholds) return 0;
  slot->thresholds = reached;
  return d->warn_percent[reached - 1];
}

void limiter_tell(const struct limiter *l, const struct limit_slot *slot,
                  const struct limit_rule *rule, uint8_t percent) {
  const struct limit_definition *d = &rule->definition;
  struct limit_shard *shard = (struct limit_shard *)&l->table.shards[limit_shard_of(slot->hash)];
  struct bytes scope;
  if (!l->settings.on_event) return;
  bytes_init(&scope);
  limit_scope_write(rule, (struct slice){slot->key, slot->key_len}, &scope);
  struct slice key = {slot->key, slot->key_len};
  struct limit_event event = {.id = d->id,
                              .scope = bytes_text(&scope),
                              .tenant = limit_scope_name(rule, key, LIMIT_TENANT),
                              .kind = d->kind,
                              .is_soft = d->is_soft,
                              .percent = percent,
                              .amount = d->amount};
  uv_mutex_lock(&shard->lock);
  event.used = narrow(slot->counter.used + (d->kind == LIMIT_REQUESTS || d->kind == LIMIT_CONCURRENT
                                                ? slot->counter.reserved
                                                : 0));
  if (rule->counter.form == COUNTER_CALENDAR) event.window_start_s = slot->counter.span.start_s;
  uv_mutex_unlock(&shard->lock);
  l->settings.on_event(l->settings.context, &event);
  bytes_fini(&scope);
}

/* Read anew only when the wall clock was set: else a moment that stays would be told as another one
 * each time. */
static int64_t wall_of(struct limiter *l, struct instant now, uint64_t ahead_ns) {
  int64_t offset = now.wall_ms * MS_NS - now.mono_ns;
  int64_t kept = atomic_load(&l->wall_ahead_ns);
  if (kept == 0 || llabs(offset - kept) > JUMP_NS) atomic_store(&l->wall_ahead_ns, kept = offset);
  return (now.mono_ns + (int64_t)ahead_ns + kept + MS_NS - 1) / MS_NS;
}

/* slot NULL: nothing has been counted yet. Else with its lock held. */
static void fill_use(struct limiter *l, const struct limit_rule *rule, struct limit_slot *slot,
                     struct instant now, struct limit_use *out) {
  struct counter none = {0}, *counter = slot ? &slot->counter : &none;
  counter_advance(counter, &rule->counter, now);
  out->definition = rule->definition;
  out->used = narrow(counter->used);
  out->reserved = narrow(counter->reserved);
  out->window_start_s = out->window_end_s = 0;
  if (rule->counter.form == COUNTER_CALENDAR) {
    out->window_start_s = counter->span.start_s;
    out->window_end_s = counter->span.end_s;
  }
  bool is_whole = counter->used == 0 && counter->reserved == 0;
  uint64_t left_ns = is_whole ? 0 : counter_reset_ns(counter, &rule->counter, now);
  out->reset_ms = (left_ns + MS_NS - 1) / MS_NS;
  out->reset_wall_ms = left_ns == 0                             ? 0
                       : rule->counter.form == COUNTER_CALENDAR ? counter->span.end_s * 1000
                                                                : wall_of(l, now, left_ns);
}

static bool bounds_output(const struct limit_definition *d) {
  return !d->is_soft && (d->kind == LIMIT_MONEY || d->kind == LIMIT_OUTPUT_TOKENS ||
                         d->kind == LIMIT_TOTAL_TOKENS);
}

bool limiter_bounds_output(struct limiter *l, const struct limit_request *request) {
  struct limit_match matches[MATCHES_MAX];
  bool is_bounded = false;
  if (limiter_is_empty(l)) return false;
  struct limit_set *set = limiter_set_ref(l);
  size_t count = limit_set_match(set, request, matches, MATCHES_MAX);
  for (size_t i = 0; i < count && i < MATCHES_MAX && !is_bounded; i++)
    is_bounded = bounds_output(&matches[i].rule->definition);
  limit_set_unref(set);
  return is_bounded || count > MATCHES_MAX;
}

bool reservation_bounds_output(const struct reservation *r) {
  bool is_bounded = false;
  for (size_t i = 0; r && i < r->count && !is_bounded; i++)
    is_bounded = bounds_output(&r->holds[i].rule->definition);
  return is_bounded;
}

static void copy_texts(struct limit_use *use, struct arena *arena) {
  struct limit_definition *d = &use->definition;
  d->id = arena_slice(arena, d->id);
  for (int i = 0; i < d->scope_count; i++)
    d->scope[i].name = arena_slice(arena, d->scope[i].name);
}

static void report_match(struct limiter *l, const struct limit_match *match,
                         const struct limit_request *subjects, struct arena *arena,
                         struct limit_use *out) {
  char text[LIMIT_KEY_MAX];
  struct slice key = {text, limit_key_write(match, subjects, text)};
  uint64_t hash = limit_slot_hash(match->rule->family, key);
  struct limit_shard *shard = &l->table.shards[limit_shard_of(hash)];
  uv_mutex_lock(&shard->lock);
  fill_use(l, match->rule, limit_slot_find(shard, match->rule->family, key, hash), limiter_now(l),
           out);
  uv_mutex_unlock(&shard->lock);
  copy_texts(out, arena);
  struct bytes scope;
  bytes_init(&scope);
  limit_scope_write(match->rule, key, &scope);
  out->scope = arena_slice(arena, bytes_slice(&scope));
  bytes_fini(&scope);
}

size_t limiter_report(struct limiter *l, const struct limit_request *subjects, struct arena *arena,
                      struct limit_use *out, size_t max) {
  struct limit_match matches[MATCHES_MAX];
  struct limit_set *set = limiter_set_ref(l);
  struct limit_request plain = *subjects;
  plain.provider = (struct slice){"", 0};
  size_t count = limit_set_match(set, &plain, matches, MATCHES_MAX);
  if (count > MATCHES_MAX) count = MATCHES_MAX;
  if (subjects->provider.len)
    count += limit_set_match(set, subjects, matches + count, MATCHES_MAX - count);
  if (count > MATCHES_MAX) count = MATCHES_MAX;
  if (count > max) count = max;
  for (size_t i = 0; i < count; i++)
    report_match(l, &matches[i], subjects, arena, &out[i]);
  limit_set_unref(set);
  return count;
}

struct listing {
  size_t count;
  struct limiter *limiter;
  void (*on_use)(void *context, const struct limit_use *use);
  void *context;
  struct instant now;
};

static void list_slot(const struct limit_rule *rule, struct limit_slot *slot,
                      struct listing *listing) {
  struct limit_use use = {0};
  struct slice key = slot ? (struct slice){slot->key, slot->key_len} : (struct slice){"", 0};
  struct bytes scope;
  fill_use(listing->limiter, rule, slot, listing->now, &use);
  bytes_init(&scope);
  limit_scope_write(rule, key, &scope);
  use.tenant = limit_scope_name(rule, key, LIMIT_TENANT);
  use.key = limit_scope_name(rule, key, LIMIT_KEY);
  use.scope = bytes_slice(&scope);
  listing->count++;
  listing->on_use(listing->context, &use);
  bytes_fini(&scope);
}

/* Returns whether there are more buckets. What is made meanwhile may be missed. */
static bool list_some(struct limit_shard *shard, size_t from, const struct limit_rule *rule,
                      struct listing *listing) {
  uv_mutex_lock(&shard->lock);
  for (size_t b = from; b < from + LIST_BUCKETS && b <= shard->mask; b++)
    for (struct limit_slot *slot = shard->buckets[b]; slot; slot = slot->next)
      if (slot->family == rule->family) list_slot(rule, slot, listing);
  bool has_more = from + LIST_BUCKETS <= shard->mask;
  uv_mutex_unlock(&shard->lock);
  return has_more;
}

void limiter_list(struct limiter *l, struct slice id,
                  void (*on_use)(void *context, const struct limit_use *use), void *context) {
  struct limit_set *set = limiter_set_ref(l);
  struct listing listing = {0, l, on_use, context, limiter_now(l)};
  for (size_t i = 0; i < set->count; i++) {
    if (!slice_equal(set->rules[i].definition.id, id)) continue;
    listing.count = 0;
    for (int s = 0; s < LIMIT_SHARDS; s++)
      for (size_t b = 0; list_some(&l->table.shards[s], b, &set->rules[i], &listing);)
        b += LIST_BUCKETS;
    if (listing.count == 0 && limit_rule_is_single(&set->rules[i]))
      list_slot(&set->rules[i], NULL, &listing);
  }
  limit_set_unref(set);
}
