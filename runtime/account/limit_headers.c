#include "account/limit_headers.h"

#include "account/limit_counter.h"
#include "base/clock.h"

struct writer {
  struct arena *arena;
  struct header *out;
  size_t count;
  int64_t now_wall_ms;
};

static void put(struct writer *w, const char *name, const char *value) {
  must(w->count < LIMIT_HEADERS_MAX);
  w->out[w->count++] = (struct header){slice_of(name), slice_of(value)};
}

static void put_number(struct writer *w, const char *name, uint64_t value) {
  put(w, name, arena_printf(w->arena, "%llu", (unsigned long long)value));
}

/* "20ms", "1s", "6m0s", "1h0m0s": as OpenAI writes durations. */
static const char *duration(struct arena *a, uint64_t ms) {
  unsigned long long s = ms / 1000 + (ms % 1000 != 0);
  if (ms > 0 && ms < 1000) return arena_printf(a, "%llums", (unsigned long long)ms);
  if (s < 60) return arena_printf(a, "%llus", s);
  if (s < 3600) return arena_printf(a, "%llum%llus", s / 60, s % 60);
  return arena_printf(a, "%lluh%llum%llus", s / 3600, s / 60 % 60, s % 60);
}

static const char *date(struct writer *w, uint64_t in_ms) {
  int64_t at_ms = w->now_wall_ms + (int64_t)in_ms;
  char *text = arena_alloc(w->arena, 25);
  clock_format(at_ms + (1000 - at_ms % 1000) % 1000, text);
  memcpy(text + 19, "Z", 2); /* whole seconds, as the reference shows them */
  return text;
}

static void put_openai(struct writer *w, const char *what, const struct limit_left *left) {
  if (!left->is_present) return;
  put_number(w, arena_printf(w->arena, "x-ratelimit-limit-%s", what), left->limit);
  put_number(w, arena_printf(w->arena, "x-ratelimit-remaining-%s", what), left->remaining);
  put(w, arena_printf(w->arena, "x-ratelimit-reset-%s", what), duration(w->arena, left->reset_ms));
}

static void put_anthropic(struct writer *w, const char *what, const struct limit_left *left) {
  if (!left->is_present) return;
  put_number(w, arena_printf(w->arena, "anthropic-ratelimit-%s-limit", what), left->limit);
  put_number(w, arena_printf(w->arena, "anthropic-ratelimit-%s-remaining", what), left->remaining);
  put(w, arena_printf(w->arena, "anthropic-ratelimit-%s-reset", what), date(w, left->reset_ms));
}

static const char *money(struct arena *a, uint64_t nano) {
  return arena_printf(a, "%llu.%09llu", (unsigned long long)(nano / 1000000000u),
                      (unsigned long long)(nano % 1000000000u));
}

/* OpenAI knows one sort of tokens: the tightest of ours. */
static const struct limit_left *tightest_tokens(const struct limit_standing *s) {
  const struct limit_left *sorts[] = {&s->tokens, &s->input_tokens, &s->output_tokens}, *found;
  found = sorts[0];
  for (int i = 1; i < 3; i++) {
    const struct limit_left *l = sorts[i];
    if (l->is_present && (!found->is_present ||
                          (wide)l->remaining * found->limit < (wide)found->remaining * l->limit))
      found = l;
  }
  return found;
}

static void put_standing(struct writer *w, const struct limit_standing *s, enum dialect dialect) {
  if (dialect == DIALECT_MESSAGES) {
    put_anthropic(w, "requests", &s->requests);
    put_anthropic(w, "tokens", &s->tokens);
    put_anthropic(w, "input-tokens", &s->input_tokens);
    put_anthropic(w, "output-tokens", &s->output_tokens);
  } else {
    put_openai(w, "requests", &s->requests);
    put_openai(w, "tokens", tightest_tokens(s));
  }
  if (s->money.is_present) {
    put(w, "x-gateyes-budget-limit", money(w->arena, s->money.limit));
    put(w, "x-gateyes-budget-remaining", money(w->arena, s->money.remaining));
    put(w, "x-gateyes-budget-reset", date(w, s->money.reset_ms));
  }
  if (s->soft[0]) put(w, "x-gateyes-limit-warning", arena_text(w->arena, slice_of(s->soft)));
}

size_t limit_headers(const struct limit_standing *standing, enum dialect dialect,
                     int64_t now_wall_ms, struct arena *arena,
                     struct header out[LIMIT_HEADERS_MAX]) {
  struct writer w = {arena, out, 0, now_wall_ms};
  put_standing(&w, standing, dialect);
  return w.count;
}

size_t limit_refusal_headers(const struct limit_refusal *refusal, enum dialect dialect,
                             int64_t now_wall_ms, struct arena *arena,
                             struct header out[LIMIT_HEADERS_MAX]) {
  struct writer w = {arena, out, 0, now_wall_ms};
  uint64_t wait_ms = refusal->retry_after_ms;
  put_standing(&w, &refusal->standing, dialect);
  put(&w, "x-gateyes-limit", arena_text(arena, slice_of(refusal->id)));
  if (wait_ms) {
    put_number(&w, "retry-after", wait_ms / 1000 + (wait_ms % 1000 != 0));
    put_number(&w, "retry-after-ms", wait_ms);
  } else if (refusal->kind == LIMIT_REFUSED_RATE) {
    put(&w, "retry-after", "1"); /* a place may be free at any moment */
  }
  bool is_over_soon = refusal->kind == LIMIT_REFUSED_RATE || refusal->kind == LIMIT_REFUSED_FULL;
  if (!is_over_soon) put(&w, "x-should-retry", "false");
  return w.count;
}
