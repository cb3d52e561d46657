#include "account/limit_headers.h"

#include "account/limit_counter.h"
#include "base/clock.h"

enum { LINES_BYTES = 2048 }; /* more than all lines together */

/* Straight into the buffer: a request has nine of these lines. */
struct writer {
  char *at;
  int64_t now_wall_ms;
};

#define PUT(w, literal) put_constant(w, literal, sizeof(literal) - 1)
#define INLINE static inline __attribute__((always_inline))

/* Of a length that the compiler knows. */
INLINE void put_constant(struct writer *w, const char *text, size_t len) {
  memcpy(w->at, text, len);
  w->at += len;
}

INLINE void end_line(struct writer *w) {
  PUT(w, "\r\n");
}

/* Chosen by people: the only ones of these values that may hold anything. */
static void put_checked(struct writer *w, struct slice text) {
  must(header_is_clean(SLICE("x"), text));
  memcpy(w->at, text.data, text.len);
  w->at += text.len;
  end_line(w);
}

static void put_number(struct writer *w, uint64_t value) {
  w->at = bytes_write_u64(w->at, value);
  end_line(w);
}

/* "20ms", "1s", "6m0s", "1h0m0s": as OpenAI writes durations. */
static void put_duration(struct writer *w, uint64_t ms) {
  uint64_t s = ms / 1000 + (ms % 1000 != 0);
  if (ms > 0 && ms < 1000) {
    w->at = bytes_write_u64(w->at, ms);
    PUT(w, "ms\r\n");
    return;
  }
  if (s >= 3600) {
    w->at = bytes_write_u64(w->at, s / 3600);
    PUT(w, "h");
  }
  if (s >= 60) {
    w->at = bytes_write_u64(w->at, s / 60 % 60);
    PUT(w, "m");
  }
  w->at = bytes_write_u64(w->at, s % 60);
  PUT(w, "s\r\n");
}

/* Windows end at the same time for many requests. */
static void put_date(struct writer *w, int64_t at_ms) {
  static _Thread_local int64_t last_ms = -1;
  static _Thread_local char last[25];
  if (last_ms != at_ms) {
    clock_format(at_ms + (1000 - at_ms % 1000) % 1000, last);
    last[19] = 'Z'; /* whole seconds, as the reference shows them */
    last_ms = at_ms;
  }
  put_constant(w, last, 20);
  end_line(w);
}

#define PUT_OPENAI(w, what, left)                                                                  \
  do {                                                                                             \
    if (!(left)->is_present) break;                                                                \
    PUT(w, "x-ratelimit-limit-" what ": ");                                                        \
    put_number(w, (left)->limit);                                                                  \
    PUT(w, "x-ratelimit-remaining-" what ": ");                                                    \
    put_number(w, (left)->remaining);                                                              \
    PUT(w, "x-ratelimit-reset-" what ": ");                                                        \
    put_duration(w, wait_of(w, left));                                                             \
  } while (0)

#define PUT_ANTHROPIC(w, what, left)                                                               \
  do {                                                                                             \
    if (!(left)->is_present) break;                                                                \
    PUT(w, "anthropic-ratelimit-" what "-limit: ");                                                \
    put_number(w, (left)->limit);                                                                  \
    PUT(w, "anthropic-ratelimit-" what "-remaining: ");                                            \
    put_number(w, (left)->remaining);                                                              \
    PUT(w, "anthropic-ratelimit-" what "-reset: ");                                                \
    put_date(w, (left)->reset_wall_ms);                                                            \
  } while (0)

static uint64_t wait_of(const struct writer *w, const struct limit_left *left) {
  bool is_over = left->reset_wall_ms < w->now_wall_ms; /* the answer took its time */
  return is_over ? 0 : (uint64_t)(left->reset_wall_ms - w->now_wall_ms);
}

static void put_money(struct writer *w, uint64_t nano) {
  w->at = bytes_write_u64(w->at, nano / 1000000000);
  PUT(w, ".");
  char *end = bytes_write_u64(w->at, 1000000000 + nano % 1000000000);
  memmove(w->at, w->at + 1, 9); /* without the one that kept the zeros */
  w->at = end - 1;
  end_line(w);
}

/* Few budgets differ in their amount. */
static void put_budget(struct writer *w, uint64_t nano) {
  static _Thread_local struct {
    uint64_t nano;
    size_t len; /* 0: nothing is kept */
    char line[40];
  } last;
  if (!last.len || last.nano != nano) {
    struct writer line = {last.line, 0};
    put_money(&line, nano);
    last.nano = nano;
    last.len = (size_t)(line.at - last.line);
  }
  memcpy(w->at, last.line, sizeof last.line);
  w->at += last.len;
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
    PUT_ANTHROPIC(w, "requests", &s->requests);
    PUT_ANTHROPIC(w, "tokens", &s->tokens);
    PUT_ANTHROPIC(w, "input-tokens", &s->input_tokens);
    PUT_ANTHROPIC(w, "output-tokens", &s->output_tokens);
  } else {
    const struct limit_left *tokens = tightest_tokens(s);
    PUT_OPENAI(w, "requests", &s->requests);
    PUT_OPENAI(w, "tokens", tokens);
  }
  if (s->money.is_present) {
    PUT(w, "x-gateyes-budget-limit: ");
    put_budget(w, s->money.limit);
    PUT(w, "x-gateyes-budget-remaining: ");
    put_money(w, s->money.remaining);
    PUT(w, "x-gateyes-budget-reset: ");
    put_date(w, s->money.reset_wall_ms);
  }
  if (s->soft[0]) {
    PUT(w, "x-gateyes-limit-warning: ");
    put_checked(w, slice_of(s->soft));
  }
}

static struct writer writer_of(struct bytes *lines, int64_t now_wall_ms) {
  return (struct writer){bytes_reserve(lines, LINES_BYTES), now_wall_ms};
}

static void take_lines(struct bytes *lines, const struct writer *w) {
  lines->len = (size_t)(w->at - lines->data);
  must(lines->len <= lines->cap);
}

void limit_headers(const struct limit_standing *standing, enum dialect dialect, int64_t now_wall_ms,
                   struct bytes *lines) {
  struct writer w = writer_of(lines, now_wall_ms);
  put_standing(&w, standing, dialect);
  take_lines(lines, &w);
}

void limit_refusal_headers(const struct limit_refusal *refusal, enum dialect dialect,
                           int64_t now_wall_ms, struct bytes *lines) {
  struct writer w = writer_of(lines, now_wall_ms);
  uint64_t wait_ms = refusal->retry_after_ms;
  put_standing(&w, &refusal->standing, dialect);
  if (refusal->id[0]) {
    PUT(&w, "x-gateyes-limit: ");
    put_checked(&w, slice_of(refusal->id));
  }
  if (wait_ms) {
    PUT(&w, "retry-after: ");
    put_number(&w, wait_ms / 1000 + (wait_ms % 1000 != 0));
    PUT(&w, "retry-after-ms: ");
    put_number(&w, wait_ms);
  } else if (refusal->kind == LIMIT_REFUSED_RATE) {
    PUT(&w, "retry-after: 1\r\n"); /* a place may be free at any moment */
  }
  bool is_over_soon = refusal->kind == LIMIT_REFUSED_RATE || refusal->kind == LIMIT_REFUSED_FULL;
  if (!is_over_soon) PUT(&w, "x-should-retry: false\r\n");
  take_lines(lines, &w);
}
