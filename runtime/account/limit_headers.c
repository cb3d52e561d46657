#include "account/limit_headers.h"

#include "account/limit_counter.h"
#include "base/clock.h"

/* Without printf: a request has nine of these. */
struct writer {
  struct arena *arena;
  struct header *out;
  size_t count;
  int64_t now_wall_ms;
  struct bytes text; /* of the value that is being written */
};

static void put(struct writer *w, struct slice name, struct slice value) {
  must(w->count < LIMIT_HEADERS_MAX);
  w->out[w->count++] = (struct header){name, value};
}

static void put_text(struct writer *w, struct slice name) {
  put(w, name, arena_slice(w->arena, bytes_slice(&w->text)));
  bytes_clear(&w->text);
}

static void put_number(struct writer *w, struct slice name, uint64_t value) {
  bytes_append_u64(&w->text, value);
  put_text(w, name);
}

static void add(struct bytes *text, uint64_t value, const char *unit) {
  bytes_append_u64(text, value);
  bytes_append_text(text, unit);
}

/* "20ms", "1s", "6m0s", "1h0m0s": as OpenAI writes durations. */
static void put_duration(struct writer *w, struct slice name, uint64_t ms) {
  uint64_t s = ms / 1000 + (ms % 1000 != 0);
  if (ms > 0 && ms < 1000) {
    add(&w->text, ms, "ms");
  } else {
    if (s >= 3600) add(&w->text, s / 3600, "h");
    if (s >= 60) add(&w->text, s / 60 % 60, "m");
    add(&w->text, s % 60, "s");
  }
  put_text(w, name);
}

static void put_date(struct writer *w, struct slice name, int64_t at_ms) {
  char text[25];
  clock_format(at_ms + (1000 - at_ms % 1000) % 1000, text);
  text[19] = 'Z'; /* whole seconds, as the reference shows them */
  bytes_append(&w->text, text, 20);
  put_text(w, name);
}

struct left_names {
  struct slice limit, remaining, reset;
};

#define OPENAI_NAMES(what)                                                                         \
  {                                                                                                \
    SLICE("x-ratelimit-limit-" what), SLICE("x-ratelimit-remaining-" what),                        \
        SLICE("x-ratelimit-reset-" what)                                                           \
  }
#define ANTHROPIC_NAMES(what)                                                                      \
  {                                                                                                \
    SLICE("anthropic-ratelimit-" what "-limit"), SLICE("anthropic-ratelimit-" what "-remaining"),  \
        SLICE("anthropic-ratelimit-" what "-reset")                                                \
  }

static void put_openai(struct writer *w, struct left_names names, const struct limit_left *left) {
  if (!left->is_present) return;
  put_number(w, names.limit, left->limit);
  put_number(w, names.remaining, left->remaining);
  bool is_over = left->reset_wall_ms < w->now_wall_ms; /* the answer took its time */
  put_duration(w, names.reset, is_over ? 0 : (uint64_t)(left->reset_wall_ms - w->now_wall_ms));
}

static void put_anthropic(struct writer *w, struct left_names names,
                          const struct limit_left *left) {
  if (!left->is_present) return;
  put_number(w, names.limit, left->limit);
  put_number(w, names.remaining, left->remaining);
  put_date(w, names.reset, left->reset_wall_ms);
}

static void put_money(struct writer *w, struct slice name, uint64_t nano) {
  bytes_append_fixed(&w->text, nano, 9);
  put_text(w, name);
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
    put_anthropic(w, (struct left_names)ANTHROPIC_NAMES("requests"), &s->requests);
    put_anthropic(w, (struct left_names)ANTHROPIC_NAMES("tokens"), &s->tokens);
    put_anthropic(w, (struct left_names)ANTHROPIC_NAMES("input-tokens"), &s->input_tokens);
    put_anthropic(w, (struct left_names)ANTHROPIC_NAMES("output-tokens"), &s->output_tokens);
  } else {
    put_openai(w, (struct left_names)OPENAI_NAMES("requests"), &s->requests);
    put_openai(w, (struct left_names)OPENAI_NAMES("tokens"), tightest_tokens(s));
  }
  if (s->money.is_present) {
    put_money(w, SLICE("x-gateyes-budget-limit"), s->money.limit);
    put_money(w, SLICE("x-gateyes-budget-remaining"), s->money.remaining);
    put_date(w, SLICE("x-gateyes-budget-reset"), s->money.reset_wall_ms);
  }
  if (s->soft[0])
    put(w, SLICE("x-gateyes-limit-warning"), arena_slice(w->arena, slice_of(s->soft)));
}

size_t limit_headers(const struct limit_standing *standing, enum dialect dialect,
                     int64_t now_wall_ms, struct arena *arena,
                     struct header out[LIMIT_HEADERS_MAX]) {
  struct writer w = {.arena = arena, .out = out, .now_wall_ms = now_wall_ms};
  put_standing(&w, standing, dialect);
  bytes_fini(&w.text);
  return w.count;
}

size_t limit_refusal_headers(const struct limit_refusal *refusal, enum dialect dialect,
                             int64_t now_wall_ms, struct arena *arena,
                             struct header out[LIMIT_HEADERS_MAX]) {
  struct writer w = {.arena = arena, .out = out, .now_wall_ms = now_wall_ms};
  uint64_t wait_ms = refusal->retry_after_ms;
  put_standing(&w, &refusal->standing, dialect);
  put(&w, SLICE("x-gateyes-limit"), arena_slice(arena, slice_of(refusal->id)));
  if (wait_ms) {
    put_number(&w, SLICE("retry-after"), wait_ms / 1000 + (wait_ms % 1000 != 0));
    put_number(&w, SLICE("retry-after-ms"), wait_ms);
  } else if (refusal->kind == LIMIT_REFUSED_RATE) {
    put(&w, SLICE("retry-after"), SLICE("1")); /* a place may be free at any moment */
  }
  bool is_over_soon = refusal->kind == LIMIT_REFUSED_RATE || refusal->kind == LIMIT_REFUSED_FULL;
  if (!is_over_soon) put(&w, SLICE("x-should-retry"), SLICE("false"));
  bytes_fini(&w.text);
  return w.count;
}
