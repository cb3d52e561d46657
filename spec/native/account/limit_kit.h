/* A limiter under clocks that the test moves. */
#pragma once
#include "account/limit.h"
#include "check.h"

static const uint64_t MINUTE_NS = 60000000000u;

static struct world {
  uint64_t mono_ns;
  int64_t wall_ms;
  int events;
  struct limit_event last;
  char last_id[32], last_scope[64];
} world;

static inline uint64_t mono_ns(void *context) {
  return ((struct world *)context)->mono_ns;
}

static inline int64_t wall_ms(void *context) {
  return ((struct world *)context)->wall_ms;
}

static inline void on_event(void *context, const struct limit_event *event) {
  struct world *w = context;
  w->events++;
  w->last = *event;
  snprintf(w->last_id, sizeof w->last_id, "%.*s", (int)event->id.len, event->id.data);
  snprintf(w->last_scope, sizeof w->last_scope, "%s", event->scope);
}

static inline struct limiter *start(const struct limit_definition *d, size_t count) {
  world = (struct world){.mono_ns = 1000000000, .wall_ms = 1796040000000}; /* 2026-11-30 12:00 */
  struct limiter *l =
      limiter_new(&(struct limiter_settings){mono_ns, wall_ms, on_event, &world, 0});
  CHECK(limiter_apply(l, d, count) == 0);
  return l;
}

static inline void pass_ms(uint64_t ms) {
  world.mono_ns += ms * 1000000;
  world.wall_ms += (int64_t)ms;
}

static struct limit_refusal refusal;

static inline struct reservation *reserve(struct limiter *l, const struct limit_request *r) {
  struct reservation *out;
  refusal = (struct limit_refusal){0};
  return limiter_reserve(l, r, &out, &refusal) ? out : NULL;
}

static inline bool passes(struct limiter *l, const struct limit_request *r) {
  struct reservation *out = reserve(l, r);
  struct limit_actual actual = {r->input_tokens, r->output_tokens, r->cost_nanousd};
  if (!out) return false;
  limiter_settle(l, &out, &actual);
  CHECK(out == NULL);
  limiter_settle(l, &out, &actual); /* a second time does nothing */
  return true;
}

static const struct limit_request anyone = {
    .key = SLICE("k1"), .tenant = SLICE("acme"), .model = SLICE("m")};

static const struct limit_definition budget = {
    .id = SLICE("month"),
    .kind = LIMIT_MONEY,
    .amount = 1000,
    .window = {.unit = LIMIT_MONTH},
    .warn_percent = {50, 80, 100},
    .scope = {{LIMIT_TENANT, SLICE("acme")}, {LIMIT_MODEL, SLICE("m")}},
    .scope_count = 2};
