#include "account/limit_counter.h"

#include <stdlib.h>

/* Moments are at most that part of the window long: so much later than exact may a use leave it. */
enum { MOMENTS_PER_WINDOW = 128, MOMENTS_FIRST = 4, MS_NS = 1000000 };
/* Clocks that are put back by no more than that stay in the later window: it is not given twice. */
enum { CLOCK_STEP_S = 25 * 3600 };

static uint64_t narrow(wide value) {
  return value > UINT64_MAX ? UINT64_MAX : (uint64_t)value;
}

static wide minus(wide a, wide b) {
  return a > b ? a - b : 0;
}

static wide up_div(wide a, wide b) {
  return a / b + (a % b != 0);
}

static uint64_t ns_to_ms(wide ns) {
  return narrow(up_div(ns, MS_NS));
}

static struct moment *moment_at(const struct counter *c, uint32_t index) {
  return &c->moments[(c->first + index) & (c->room - 1)];
}

void counter_fini(struct counter *c, const struct counter_rule *rule) {
  if (rule->form == COUNTER_ROLLING) free(c->moments);
}

static void grow_moments(struct counter *c) {
  uint32_t room = c->room ? c->room * 2 : MOMENTS_FIRST;
  struct moment *moments = must_alloc(room * sizeof *moments);
  for (uint32_t i = 0; i < c->count; i++)
    moments[i] = *moment_at(c, i);
  free(c->moments);
  c->moments = moments;
  c->first = 0;
  c->room = room;
}

/* The moment that a use of `amount` at that time belongs to. Threads read the clock before they
 * hold the lock, so time may seem to go back a little; here it does not. */
static struct moment *moment_for(struct counter *c, const struct counter_rule *rule, int64_t now_ns,
                                 uint64_t amount) {
  uint64_t sum;
  struct moment *last = c->count ? moment_at(c, c->count - 1) : NULL;
  if (last && now_ns < last->last_ns) now_ns = last->last_ns;
  uint64_t length_ns = rule->window.rolling_ns / MOMENTS_PER_WINDOW;
  bool is_same = last && (uint64_t)(now_ns - last->first_ns) < length_ns &&
                 !__builtin_add_overflow(last->used + last->reserved, amount, &sum);
  if (is_same) {
    last->last_ns = now_ns;
    return last;
  }
  if (c->count == c->room) grow_moments(c);
  last = moment_at(c, c->count++);
  *last = (struct moment){.first_ns = now_ns, .last_ns = now_ns};
  return last;
}

static void advance_rolling(struct counter *c, const struct counter_rule *rule, int64_t now_ns) {
  while (c->count) {
    const struct moment *m = moment_at(c, 0);
    if (now_ns - m->last_ns < (int64_t)rule->window.rolling_ns) break;
    c->used -= m->used;
    c->reserved -= m->reserved;
    c->first++;
    c->count--;
    c->epoch++;
  }
}

static void advance_bucket(struct counter *c, const struct counter_rule *rule, int64_t now_ns) {
  if (now_ns <= c->at_ns) return;
  c->debt = minus(c->debt, (wide)(uint64_t)(now_ns - c->at_ns) * rule->amount);
  c->at_ns = now_ns;
  c->used = minus(up_div(c->debt, rule->window.rolling_ns), c->reserved);
}

static void advance_calendar(struct counter *c, const struct counter_rule *rule, int64_t wall_ms) {
  int64_t now_s = wall_ms / 1000;
  if (now_s >= c->span.start_s && now_s < c->span.end_s) return;
  bool is_first = c->span.end_s == 0;
  if (now_s < c->span.start_s) {
    /* Further back, the clock was wrong before: the use is kept, the date is not. */
    if (c->span.start_s - now_s > CLOCK_STEP_S) c->span = window_at(&rule->window, wall_ms);
    return;
  }
  c->span = window_at(&rule->window, wall_ms);
  if (is_first) return;
  c->used = c->reserved = 0;
  c->epoch++;
}

void counter_advance(struct counter *c, const struct counter_rule *rule, struct instant now) {
  switch (rule->form) {
  case COUNTER_CONCURRENT: break;
  case COUNTER_ROLLING: advance_rolling(c, rule, now.mono_ns); break;
  case COUNTER_BUCKET: advance_bucket(c, rule, now.mono_ns); break;
  case COUNTER_CALENDAR: advance_calendar(c, rule, now.wall_ms); break;
  }
}

uint64_t counter_left(const struct counter *c, const struct counter_rule *rule) {
  if (rule->form != COUNTER_BUCKET) return narrow(minus(rule->amount, c->used + c->reserved));
  wide window_ns = rule->window.rolling_ns;
  return narrow(minus(rule->burst * window_ns, c->debt) / window_ns);
}

bool counter_ever_fits(const struct counter_rule *rule, uint64_t want) {
  if (rule->form == COUNTER_BUCKET) return want <= rule->burst && rule->amount > 0;
  return want <= rule->amount;
}

static uint64_t wait_rolling(const struct counter *c, const struct counter_rule *rule,
                             int64_t now_ns, uint64_t want) {
  wide missing = minus(c->used + c->reserved + want, rule->amount), freed = 0;
  int64_t at_ns = now_ns;
  for (uint32_t i = 0; i < c->count && freed < missing; i++) {
    const struct moment *m = moment_at(c, i);
    freed += (wide)m->used + m->reserved;
    at_ns = m->last_ns + (int64_t)rule->window.rolling_ns;
  }
  return at_ns > now_ns ? ns_to_ms((uint64_t)(at_ns - now_ns)) : 0;
}

uint64_t counter_wait_ms(const struct counter *c, const struct counter_rule *rule,
                         struct instant now, uint64_t want) {
  if (counter_left(c, rule) >= want) return 0;
  wide window_ns = rule->window.rolling_ns;
  switch (rule->form) {
  case COUNTER_ROLLING: return wait_rolling(c, rule, now.mono_ns, want);
  case COUNTER_BUCKET:
    if (rule->amount == 0) return 0;
    return ns_to_ms(
        up_div(minus(c->debt + want * window_ns, rule->burst * window_ns), rule->amount));
  case COUNTER_CALENDAR: return counter_reset_ms(c, rule, now);
  case COUNTER_CONCURRENT: break;
  }
  return 0;
}

uint64_t counter_reset_ns(const struct counter *c, const struct counter_rule *rule,
                          struct instant now) {
  int64_t left_ns = 0;
  switch (rule->form) {
  case COUNTER_ROLLING:
    if (c->count)
      left_ns =
          moment_at(c, c->count - 1)->last_ns + (int64_t)rule->window.rolling_ns - now.mono_ns;
    break;
  case COUNTER_BUCKET: return rule->amount ? narrow(up_div(c->debt, rule->amount)) : 0;
  case COUNTER_CALENDAR: left_ns = (c->span.end_s * 1000 - now.wall_ms) * MS_NS; break;
  case COUNTER_CONCURRENT: break;
  }
  return left_ns > 0 ? (uint64_t)left_ns : 0;
}

uint64_t counter_reset_ms(const struct counter *c, const struct counter_rule *rule,
                          struct instant now) {
  uint64_t ns = counter_reset_ns(c, rule, now);
  return ns / MS_NS + (ns % MS_NS != 0); /* in a register: every request asks */
}

uint64_t counter_claim(struct counter *c, const struct counter_rule *rule, struct instant now,
                       uint64_t want) {
  c->reserved += want;
  if (rule->form == COUNTER_BUCKET) c->debt += (wide)want * rule->window.rolling_ns;
  if (rule->form != COUNTER_ROLLING) return c->epoch;
  moment_for(c, rule, now.mono_ns, want)->reserved += want;
  return c->epoch + c->count - 1;
}

static void settle_rolling(struct counter *c, struct claim claim, uint64_t actual) {
  if (claim.mark < c->epoch) return; /* has left the window, claim and all */
  struct moment *m = moment_at(c, (uint32_t)(claim.mark - c->epoch));
  uint64_t room = UINT64_MAX - m->used - (m->reserved - claim.want);
  if (actual > room) actual = room;
  m->reserved -= claim.want;
  m->used += actual;
  c->reserved -= claim.want;
  c->used += actual;
}

/* What has drained away since the claim cannot be given back. */
static void settle_bucket(struct counter *c, const struct counter_rule *rule, struct claim claim,
                          uint64_t actual) {
  wide window_ns = rule->window.rolling_ns;
  c->reserved -= claim.want;
  if (actual >= claim.want)
    c->debt += (actual - claim.want) * window_ns;
  else
    c->debt = minus(c->debt, (claim.want - actual) * window_ns);
  c->used = minus(up_div(c->debt, window_ns), c->reserved);
}

void counter_settle(struct counter *c, const struct counter_rule *rule, struct claim claim,
                    uint64_t actual) {
  switch (rule->form) {
  case COUNTER_CONCURRENT: c->reserved -= claim.want; break;
  case COUNTER_ROLLING: settle_rolling(c, claim, actual); break;
  case COUNTER_BUCKET: settle_bucket(c, rule, claim, actual); break;
  case COUNTER_CALENDAR:
    if (claim.mark != c->epoch) break; /* its window is over */
    c->reserved -= claim.want;
    c->used += actual;
    break;
  }
}

bool counter_is_idle(const struct counter *c, const struct counter_rule *rule, struct instant now) {
  bool is_empty = c->used == 0 && c->reserved == 0;
  if (rule->form == COUNTER_BUCKET) return c->debt == 0 && c->reserved == 0;
  if (rule->form != COUNTER_CALENDAR) return is_empty;
  return is_empty || now.wall_ms / 1000 >= c->span.end_s;
}

static uint64_t capped(wide use) {
  return use < UINT64_MAX ? (uint64_t)use : UINT64_MAX;
}

static void seed_bucket(struct counter *c, const struct counter_rule *rule, int64_t at_ns,
                        uint64_t use) {
  if (c->debt == 0)
    c->at_ns = at_ns; /* the past lies behind a new counter's clock */
  else
    advance_bucket(c, rule, at_ns);
  c->debt += (wide)use * rule->window.rolling_ns;
  c->used = minus(up_div(c->debt, rule->window.rolling_ns), c->reserved);
}

void counter_seed(struct counter *c, const struct counter_rule *rule, struct instant now,
                  uint64_t age_ns, uint64_t use) {
  int64_t at_ns = now.mono_ns - (int64_t)age_ns;
  switch (rule->form) {
  case COUNTER_CONCURRENT: return;
  case COUNTER_BUCKET: seed_bucket(c, rule, at_ns, use); return;
  case COUNTER_ROLLING:
    if (age_ns >= rule->window.rolling_ns) return;
    moment_for(c, rule, at_ns, use)->used += use;
    break;
  case COUNTER_CALENDAR: break;
  }
  c->used = capped(c->used + use);
}
