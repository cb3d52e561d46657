#include "account/limit.h"

#include <stdlib.h>

#include "account/limit_view.h"
#include "base/clock.h"

enum { MS_NS = 1000000, TTL_DEFAULT_MS = 3600000, COUNTERS_DEFAULT = 200000, MATCHES_USUAL = 32 };

struct limiter *limiter_new(const struct limiter_settings *settings) {
  struct limiter *l = must_calloc(1, sizeof *l);
  l->settings = *settings;
  limit_table_init(&l->table, settings->max_counters ? settings->max_counters : COUNTERS_DEFAULT);
  must(uv_mutex_init(&l->apply_lock) == 0 && uv_mutex_init(&l->set_lock) == 0);
  for (int i = 0; i < LIMIT_OPEN_LISTS; i++) {
    must(uv_mutex_init(&l->open[i].lock) == 0);
    list_init(&l->open[i].list);
  }
  l->set = limit_set_new(&l->families, NULL, 0);
  return l;
}

void limiter_free(struct limiter *l) {
  if (!l) return;
  for (int i = 0; i < LIMIT_OPEN_LISTS; i++) {
    must(list_empty(&l->open[i].list));
    uv_mutex_destroy(&l->open[i].lock);
  }
  limit_table_fini(&l->table);
  limit_set_unref(l->set);
  limit_families_fini(&l->families);
  uv_mutex_destroy(&l->set_lock);
  uv_mutex_destroy(&l->apply_lock);
  free(l);
}

static bool set_weighs(const struct limit_set *set) {
  for (size_t i = 0; i < set->count; i++) {
    enum limit_kind kind = set->rules[i].definition.kind;
    if (kind != LIMIT_REQUESTS && kind != LIMIT_CONCURRENT) return true;
  }
  return false;
}

static bool set_has_providers(const struct limit_set *set) {
  for (size_t i = 0; i < set->count; i++)
    if (set->rules[i].has_provider) return true;
  return false;
}

size_t limiter_apply(struct limiter *l, const struct limit_definition *definitions, size_t count) {
  uv_mutex_lock(&l->apply_lock);
  struct limit_set *set = limit_set_new(&l->families, definitions, count);
  size_t left_out = set->left_out;
  limit_seed_new(l, set);
  if (set_weighs(set)) atomic_store(&l->weighs, true); /* before anyone is measured by it */
  if (set_has_providers(set)) atomic_store(&l->has_providers, true);
  atomic_store(&l->definition_count, set->count);
  uv_mutex_lock(&l->set_lock);
  struct limit_set *old = l->set;
  l->set = set;
  uv_mutex_unlock(&l->set_lock);
  atomic_fetch_add(&l->generation, 1);
  atomic_store(&l->weighs, set_weighs(set));
  atomic_store(&l->has_providers, set_has_providers(set));
  if (l->on_new) limit_set_retire(old, set);
  limit_set_unref(old);
  limit_families_sweep(&l->families);
  uv_mutex_unlock(&l->apply_lock);
  return left_out;
}

bool limiter_is_empty(const struct limiter *l) {
  return atomic_load_explicit(&l->definition_count, memory_order_relaxed) == 0;
}

struct instant limiter_now(const struct limiter *l) {
  const struct limiter_settings *s = &l->settings;
  uint64_t mono_ns = s->mono_ns ? s->mono_ns(s->context) : clock_turn_mono_ns();
  return (struct instant){(int64_t)mono_ns,
                          s->wall_ms ? s->wall_ms(s->context) : clock_turn_wall_ms()};
}

struct limit_set *limiter_set_ref(struct limiter *l) {
  uv_mutex_lock(&l->set_lock);
  struct limit_set *set = limit_set_ref(l->set);
  uv_mutex_unlock(&l->set_lock);
  return set;
}

bool limiter_weighs(const struct limiter *l) {
  return atomic_load_explicit(&l->weighs, memory_order_relaxed);
}

bool limiter_has_providers(const struct limiter *l) {
  return atomic_load_explicit(&l->has_providers, memory_order_relaxed);
}

static uint64_t add(uint64_t a, uint64_t b) {
  uint64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* Above INT64_MAX nothing fits anywhere, so cutting there changes no answer. */
static uint64_t wanted(enum limit_kind kind, uint64_t input, uint64_t output, uint64_t cost) {
  uint64_t want = 1;
  switch (kind) {
  case LIMIT_INPUT_TOKENS: want = input; break;
  case LIMIT_OUTPUT_TOKENS: want = output; break;
  case LIMIT_TOTAL_TOKENS: want = add(input, output); break;
  case LIMIT_MONEY: want = cost; break;
  default: break;
  }
  return want < INT64_MAX ? want : INT64_MAX;
}

static struct reservation *reservation_new(struct limit_set *set, const struct limit_match *matches,
                                           size_t count) {
  struct reservation *out = must_alloc(sizeof *out + count * sizeof *out->holds);
  out->set = set;
  out->view = NULL;
  out->count = count;
  for (size_t i = 0; i < count; i++)
    out->holds[i] = (struct limit_hold){.rule = matches[i].rule};
  return out;
}

static void reservation_free(struct reservation *r) {
  if (r->view) {
    limit_held_unref(r->held);
    limit_view_give_back(r->view, r);
    return;
  }
  limit_set_unref(r->set);
  free(r);
}

static void want_all(struct reservation *r, const struct limit_request *request) {
  uint64_t cost = request->is_unpriced ? 0 : request->cost_nanousd;
  list_init(&r->link);
  for (size_t i = 0; i < r->count; i++) {
    struct limit_hold *h = &r->holds[i];
    h->claim.want =
        wanted(h->rule->definition.kind, request->input_tokens, request->output_tokens, cost);
  }
}

/* In the order of shards, so that two reservations never wait for each other. */
static void sort_holds(struct reservation *r) {
  for (size_t i = 1; i < r->count; i++) {
    struct limit_hold hold = r->holds[i];
    size_t k = i;
    for (; k > 0 && r->holds[k - 1].hash > hold.hash; k--)
      r->holds[k] = r->holds[k - 1];
    r->holds[k] = hold;
  }
}

static uv_mutex_t *lock_of(struct limiter *l, uint64_t hash) {
  return &l->table.shards[limit_shard_of(hash)].lock;
}

static void lock_all(struct limiter *l, const struct reservation *r, void (*turn)(uv_mutex_t *)) {
  for (size_t i = 0; i < r->count; i++)
    if (i == 0 || limit_shard_of(r->holds[i].hash) != limit_shard_of(r->holds[i - 1].hash))
      turn(lock_of(l, r->holds[i].hash));
}

static bool find_slots(struct limiter *l, struct reservation *r, struct instant now) {
  for (size_t i = 0; i < r->count; i++) {
    struct limit_hold *h = &r->holds[i];
    h->slot = limit_slot_get(&l->table, h->rule, h->key, h->hash, now);
    if (!h->slot) return false;
    h->slot->holds++;
    counter_advance(&h->slot->counter, &h->rule->counter, now);
  }
  return true;
}

static void let_go(struct reservation *r) {
  for (size_t i = 0; i < r->count && r->holds[i].slot; i++)
    r->holds[i].slot->holds--;
}

struct verdict { /* of the limits that refuse, the one to name */
  const struct limit_hold *hold;
  enum limit_refusal_kind kind;
  uint64_t wait_ms;
};

/* Those for which waiting never helps come first. */
static int weight(enum limit_refusal_kind kind) {
  switch (kind) {
  case LIMIT_REFUSED_BLOCKED: return 4;
  case LIMIT_REFUSED_TOO_LARGE: return 3;
  case LIMIT_REFUSED_UNPRICED: return 2;
  default: return 1;
  }
}

static void consider(struct verdict *v, const struct limit_hold *hold, enum limit_refusal_kind kind,
                     uint64_t wait_ms) {
  bool is_worse = !v->hold || weight(kind) > weight(v->kind) ||
                  (weight(kind) == weight(v->kind) && wait_ms > v->wait_ms);
  if (is_worse) *v = (struct verdict){hold, kind, wait_ms};
}

static void judge(struct verdict *v, const struct limit_hold *h, const struct limit_request *r,
                  struct instant now) {
  const struct limit_definition *d = &h->rule->definition;
  const struct counter_rule *rule = &h->rule->counter;
  if (d->is_soft) return;
  bool is_money = d->kind == LIMIT_MONEY;
  /* Nobody knows what it costs, but it is not nothing: a spent budget stops it, too. */
  uint64_t want = is_money && r->is_unpriced ? 1 : h->claim.want;
  if (d->amount == 0)
    consider(v, h, LIMIT_REFUSED_BLOCKED, 0);
  else if (is_money && r->is_unpriced && r->refuse_unpriced)
    consider(v, h, LIMIT_REFUSED_UNPRICED, 0);
  else if (!counter_ever_fits(rule, h->claim.want))
    consider(v, h, LIMIT_REFUSED_TOO_LARGE, 0);
  else if (counter_left(&h->slot->counter, rule) < want)
    consider(v, h, is_money ? LIMIT_REFUSED_BUDGET : LIMIT_REFUSED_RATE,
             counter_wait_ms(&h->slot->counter, rule, now, h->claim.want));
}

static uint64_t narrow(wide value) {
  return value > UINT64_MAX ? UINT64_MAX : (uint64_t)value;
}

static void write_cut(char *out, size_t room, struct slice text) {
  size_t len = text.len < room ? text.len : room - 1;
  if (len) memcpy(out, text.data, len);
  out[len] = 0;
}

static enum failure_kind failure_of(enum limit_refusal_kind kind) {
  switch (kind) {
  case LIMIT_REFUSED_RATE: return FAILURE_RATE_LIMITED;
  case LIMIT_REFUSED_BUDGET: return FAILURE_BUDGET_EXHAUSTED;
  case LIMIT_REFUSED_BLOCKED: return FAILURE_FORBIDDEN;
  case LIMIT_REFUSED_TOO_LARGE: return FAILURE_EXCEEDS_LIMIT;
  case LIMIT_REFUSED_UNPRICED: return FAILURE_UNPRICED;
  case LIMIT_REFUSED_FULL: break;
  }
  return FAILURE_OVERLOADED;
}

static void refuse(const struct verdict *v, struct slice scope, struct instant now,
                   struct limit_refusal *out) {
  const struct limit_definition *d = &v->hold->rule->definition;
  struct limit_standing standing = out->standing;
  *out = (struct limit_refusal){.kind = v->kind, .failure = failure_of(v->kind), .what = d->kind};
  out->standing = standing;
  out->window = d->window;
  out->amount = d->amount;
  out->burst = d->burst;
  out->wanted = v->hold->claim.want;
  if (v->hold->slot) {
    out->used = narrow(v->hold->slot->counter.used);
    out->reserved = narrow(v->hold->slot->counter.reserved);
  }
  out->retry_after_ms = v->wait_ms;
  if (v->wait_ms) out->reset_wall_ms = now.wall_ms + (int64_t)v->wait_ms;
  write_cut(out->id, sizeof out->id, d->id);
  write_cut(out->scope, sizeof out->scope, scope);
}

/* All or none, with every lock held. */
static bool claim_all(struct reservation *r, struct verdict *v, struct instant now) {
  for (size_t i = 0; i < r->count && !v->hold; i++) {
    struct limit_hold *h = &r->holds[i];
    h->claim.mark = counter_claim(&h->slot->counter, &h->rule->counter, now, h->claim.want);
  }
  return !v->hold;
}

static void stand_all(const struct reservation *r, struct limit_standing *standing,
                      struct instant now) {
  *standing = (struct limit_standing){0};
  for (size_t i = 0; i < r->count; i++)
    limit_standing_add(standing, r->holds[i].rule, &r->holds[i].slot->counter, now);
}

struct crossing {
  const struct limit_hold *hold;
  uint8_t percent;
};

/* What is used up at once; tokens and money are judged by what they really come to, at the end. */
static size_t find_crossings(const struct reservation *r, struct crossing *out) {
  size_t count = 0;
  for (size_t i = 0; i < r->count && count < MATCHES_USUAL; i++) {
    const struct limit_hold *h = &r->holds[i];
    enum limit_kind kind = h->rule->definition.kind;
    if (kind != LIMIT_REQUESTS && kind != LIMIT_CONCURRENT) continue;
    uint8_t percent = limit_slot_crossed(h->slot, h->rule);
    if (percent) out[count++] = (struct crossing){h, percent};
  }
  return count;
}

static bool try_claim(struct limiter *l, struct reservation *r, const struct limit_request *request,
                      struct limit_refusal *refusal) {
  struct instant now = limiter_now(l);
  r->expires_ns = now.mono_ns;
  struct verdict verdict = {0};
  struct crossing crossings[MATCHES_USUAL];
  size_t crossed = 0;
  lock_all(l, r, uv_mutex_lock);
  bool is_found = find_slots(l, r, now);
  for (size_t i = 0; i < r->count && is_found; i++)
    judge(&verdict, &r->holds[i], request, now);
  bool is_claimed = is_found && claim_all(r, &verdict, now);
  if (is_found) stand_all(r, is_claimed ? &r->standing : &refusal->standing, now);
  if (is_claimed) {
    crossed = find_crossings(r, crossings);
  } else {
    if (!is_found) {
      for (size_t i = 0; i < r->count && !verdict.hold; i++)
        if (!r->holds[i].slot) verdict = (struct verdict){&r->holds[i], LIMIT_REFUSED_FULL, 0};
      refusal->standing = (struct limit_standing){0};
    }
    struct bytes scope;
    bytes_init(&scope);
    limit_scope_write(verdict.hold->rule, verdict.hold->key, &scope);
    refuse(&verdict, bytes_slice(&scope), now, refusal);
    bytes_fini(&scope);
    let_go(r);
  }
  lock_all(l, r, uv_mutex_unlock);
  for (size_t i = 0; i < crossed; i++)
    limiter_tell(l, crossings[i].hold->slot, crossings[i].hold->rule, crossings[i].percent);
  return is_claimed;
}

static void register_open(struct limiter *l, struct reservation *r, uint64_t ttl_ms) {
  uint64_t most_ms = INT64_MAX / 2 / MS_NS;
  if (!ttl_ms) ttl_ms = TTL_DEFAULT_MS;
  if (ttl_ms > most_ms) ttl_ms = most_ms;
  r->id = atomic_fetch_add(&l->last_id, 1) + 1;
  r->expires_ns += (int64_t)(ttl_ms * MS_NS);
  struct limit_open *open = &l->open[r->id % LIMIT_OPEN_LISTS];
  uv_mutex_lock(&open->lock);
  list_append(&open->list, &r->link);
  uv_mutex_unlock(&open->lock);
}

/* The keys are needed only until each hold has its slot, which has a copy. */
static bool reserve_matches(struct limiter *l, struct reservation *r,
                            const struct limit_request *request, const struct limit_match *matches,
                            struct limit_refusal *refusal) {
  char usual[4 * LIMIT_KEY_MAX], *keys = usual, *at;
  if (r->count * LIMIT_KEY_MAX > sizeof usual) keys = must_alloc(r->count * LIMIT_KEY_MAX);
  at = keys;
  for (size_t i = 0; i < r->count; i++) {
    struct limit_hold *h = &r->holds[i];
    h->key = (struct slice){at, limit_key_write(&matches[i], request, at)};
    at += h->key.len;
    h->hash = limit_slot_hash(h->rule->family, h->key);
  }
  sort_holds(r);
  bool is_claimed = try_claim(l, r, request, refusal);
  for (size_t i = 0; i < r->count && is_claimed; i++)
    r->holds[i].key = (struct slice){r->holds[i].slot->key, r->holds[i].slot->key_len};
  if (keys != usual) free(keys);
  return is_claimed;
}

static bool end_reserve(struct limiter *l, struct reservation *r, uint64_t ttl_ms, bool is_claimed,
                        struct reservation **out) {
  if (is_claimed) {
    register_open(l, r, ttl_ms);
    *out = r;
  } else {
    reservation_free(r);
  }
  return is_claimed;
}

static bool reserve_found(struct limiter *l, const struct limit_request *request,
                          const struct limit_found *found, struct reservation **out,
                          struct limit_refusal *refusal) {
  if (found->count == 0) return true;
  struct reservation *r = limit_view_take(request->view);
  r->view = request->view;
  r->held = found->held;
  r->held->refs++;
  r->set = r->held->set;
  r->count = found->count;
  memcpy(r->holds, found->holds, found->count * sizeof *r->holds);
  want_all(r, request);
  bool is_claimed = try_claim(l, r, request, refusal);
  for (size_t i = 0; i < r->count && is_claimed; i++)
    r->holds[i].key = (struct slice){r->holds[i].slot->key, r->holds[i].slot->key_len};
  return end_reserve(l, r, request->ttl_ms, is_claimed, out);
}

static bool reserve_any(struct limiter *l, const struct limit_request *request,
                        struct reservation **out, struct limit_refusal *refusal) {
  struct limit_match usual[MATCHES_USUAL], *matches = usual;
  struct limit_set *set = limiter_set_ref(l);
  size_t count = limit_set_match(set, request, usual, MATCHES_USUAL);
  if (count == 0) {
    limit_set_unref(set);
    return true;
  }
  if (count > MATCHES_USUAL) {
    matches = must_alloc(count * sizeof *matches);
    must(limit_set_match(set, request, matches, count) == count);
  }
  struct reservation *r = reservation_new(set, matches, count);
  want_all(r, request);
  bool is_claimed = reserve_matches(l, r, request, matches, refusal);
  if (matches != usual) free(matches);
  return end_reserve(l, r, request->ttl_ms, is_claimed, out);
}

bool limiter_reserve(struct limiter *l, const struct limit_request *request,
                     struct reservation **out, struct limit_refusal *refusal) {
  struct limit_found found;
  *out = NULL;
  if (limiter_is_empty(l)) return true;
  if (request->provider.len && !limiter_has_providers(l)) return true;
  if (request->view && !request->provider.len && limit_view_find(request->view, request, &found))
    return reserve_found(l, request, &found, out, refusal);
  return reserve_any(l, request, out, refusal);
}

/* is_end: the reservation lets go of the slot, too, and news of thresholds is told. */
static void settle_hold(struct limiter *l, struct limit_hold *h, uint64_t actual,
                        struct instant now, bool is_end) {
  uint8_t percent = 0;
  uv_mutex_t *lock = lock_of(l, h->hash);
  uv_mutex_lock(lock);
  counter_advance(&h->slot->counter, &h->rule->counter, now);
  counter_settle(&h->slot->counter, &h->rule->counter, h->claim, actual);
  if (is_end) percent = limit_slot_crossed(h->slot, h->rule);
  if (is_end && !percent) h->slot->holds--;
  uv_mutex_unlock(lock);
  if (!percent) return;
  limiter_tell(l, h->slot, h->rule, percent);
  uv_mutex_lock(lock);
  h->slot->holds--;
  uv_mutex_unlock(lock);
}

/* From here on limiter_expire does not see it. */
static struct reservation *take(struct limiter *l, struct reservation **reservation) {
  struct reservation *r = *reservation;
  if (!r) return NULL;
  *reservation = NULL;
  struct limit_open *open = &l->open[r->id % LIMIT_OPEN_LISTS];
  uv_mutex_lock(&open->lock);
  list_remove(&r->link);
  uv_mutex_unlock(&open->lock);
  return r;
}

void limiter_settle(struct limiter *l, struct reservation **reservation,
                    const struct limit_actual *a) {
  struct reservation *r = take(l, reservation);
  if (!r) return;
  struct instant now = limiter_now(l);
  for (size_t i = 0; i < r->count; i++) {
    enum limit_kind kind = r->holds[i].rule->definition.kind;
    settle_hold(l, &r->holds[i], wanted(kind, a->input_tokens, a->output_tokens, a->cost_nanousd),
                now, true);
  }
  reservation_free(r);
}

void limiter_release(struct limiter *l, struct reservation **reservation) {
  struct reservation *r = take(l, reservation);
  if (!r) return;
  struct instant now = limiter_now(l);
  for (size_t i = 0; i < r->count; i++)
    settle_hold(l, &r->holds[i], 0, now, true);
  reservation_free(r);
}

uint64_t reservation_id(const struct reservation *r) {
  return r->id;
}

const struct limit_standing *reservation_standing(const struct reservation *r) {
  return &r->standing;
}

size_t limiter_expire(struct limiter *l) {
  struct instant now = limiter_now(l);
  size_t expired = 0;
  for (int i = 0; i < LIMIT_OPEN_LISTS; i++) {
    struct limit_open *open = &l->open[i];
    uv_mutex_lock(&open->lock);
    list_each_safe(node, &open->list) {
      struct reservation *r = list_entry(node, struct reservation, link);
      if (r->expires_ns > now.mono_ns) continue;
      list_remove(node);
      for (size_t k = 0; k < r->count; k++) {
        settle_hold(l, &r->holds[k], 0, now, false);
        r->holds[k].claim.want = 0; /* settling it later adds to its window, if that still runs */
      }
      expired++;
    }
    uv_mutex_unlock(&open->lock);
  }
  limit_table_sweep(&l->table, now);
  return expired;
}
