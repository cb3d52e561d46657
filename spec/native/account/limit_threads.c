/* Many threads against each kind of limit: never above, and everything given back. A number of
 * operations per thread as the only argument makes it the long form. */
#include <stdatomic.h>
#include <uv.h>

#include "account/limit.h"
#include "check.h"

enum { THREADS = 8, OPERATIONS = 4000 };

static uint64_t operations = OPERATIONS;

struct crowd {
  struct limiter *l;
  const struct limit_request *request;
  struct limit_actual actual;
  atomic_int admitted;
  bool keeps;
  struct reservation *kept[THREADS * 1000];
  uv_barrier_t start;
};

static void join(uv_thread_cb run, void *arg) {
  uv_thread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    CHECK(uv_thread_create(&threads[i], run, arg) == 0);
  for (int i = 0; i < THREADS; i++)
    uv_thread_join(&threads[i]);
}

static void rush(void *arg) {
  struct crowd *c = arg;
  struct limit_request request = *c->request;
  if (!c->keeps) request.view = limit_view_new(c->l); /* what is kept, another thread ends */
  uv_barrier_wait(&c->start);
  for (int i = 0; i < 1000; i++) {
    struct reservation *r;
    struct limit_refusal refusal;
    if (!limiter_reserve(c->l, &request, &r, &refusal)) continue;
    CHECK(r != NULL);
    int n = atomic_fetch_add(&c->admitted, 1);
    if (c->keeps)
      c->kept[n] = r;
    else
      limiter_settle(c->l, &r, &c->actual);
  }
  limit_view_free(request.view);
}

/* 8,000 requests at once for 100 places, whichever kind counts them. */
static void test_rush(void) {
  struct limit_request request = {
      .tenant = SLICE("acme"), .input_tokens = 40, .output_tokens = 60, .cost_nanousd = 12345};
  static const uint64_t amounts[LIMIT_KINDS] = {100, 4000, 6000, 10000, 100, 1234500 + 12344};
  for (int kind = 0; kind < LIMIT_KINDS; kind++)
    for (int form = 0; form < 3; form++) {
      struct limit_definition d = {.id = SLICE("d"),
                                   .kind = (enum limit_kind)kind,
                                   .amount = amounts[kind],
                                   .scope = {{LIMIT_TENANT, SLICE("")}},
                                   .scope_count = 1};
      d.window = form ? (struct limit_window){.unit = LIMIT_ROLLING,
                                              .rolling_ns = 30ull * 86400 * 1000000000}
                      : (struct limit_window){.unit = LIMIT_YEAR};
      if (form == 2) d.burst = d.amount;
      struct crowd c = {.l = limiter_new(&(struct limiter_settings){0}),
                        .request = &request,
                        .actual = {40, 60, 12345},
                        .keeps = kind == LIMIT_CONCURRENT || form == 1};
      limiter_apply(c.l, &d, 1);
      CHECK(uv_barrier_init(&c.start, THREADS) == 0);
      join(rush, &c);
      CHECK(c.admitted == 100);
      uv_barrier_destroy(&c.start);
      for (int i = 0; i < c.admitted; i++)
        limiter_release(c.l, &c.kept[i]);
      limiter_free(c.l);
    }
}

struct mixed {
  struct limiter *l;
  atomic_uint_fast64_t input, output, cost, requests, seed;
};

static uint64_t next(uint64_t *state) { /* xorshift */
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static void mix(void *arg) {
  struct mixed *m = arg;
  static const struct slice users[] = {SLICE("a"), SLICE("b"), SLICE("c"), SLICE("d")};
  static const struct slice models[] = {SLICE("m"), SLICE("n")};
  uint64_t random = 88172645463325252u + 7919 * atomic_fetch_add(&m->seed, 1);
  struct reservation *open[16] = {0};
  struct limit_actual actual[16];
  struct limit_refusal refusal;
  struct limit_view *view = random % 2 ? limit_view_new(m->l) : NULL;
  for (uint64_t i = 0; i < operations; i++) {
    uint64_t n = next(&random) & 15;
    if (open[n] && next(&random) % 20 == 0) {
      limiter_release(m->l, &open[n]); /* a fault: nothing was used */
    } else if (open[n]) {
      limiter_settle(m->l, &open[n], &actual[n]);
      atomic_fetch_add(&m->input, actual[n].input_tokens);
      atomic_fetch_add(&m->output, actual[n].output_tokens);
      atomic_fetch_add(&m->cost, actual[n].cost_nanousd);
      atomic_fetch_add(&m->requests, 1);
    } else {
      struct limit_request r = {.tenant = SLICE("acme"),
                                .user = users[next(&random) & 3],
                                .model = models[next(&random) & 1],
                                .view = view,
                                .input_tokens = next(&random) % 1000,
                                .output_tokens = next(&random) % 1000,
                                .cost_nanousd = next(&random) % 1000000};
      actual[n] = (struct limit_actual){r.input_tokens, next(&random) % (r.output_tokens + 1),
                                        next(&random) % (r.cost_nanousd + 1)};
      if (!limiter_reserve(m->l, &r, &open[n], &refusal)) continue;
    }
    if (i % 1024 == 0) limiter_expire(m->l);
  }
  for (int n = 0; n < 16; n++)
    limiter_release(m->l, &open[n]);
  limit_view_free(view);
}

static void add_use(void *context, const struct limit_use *use) {
  uint64_t *sums = context;
  sums[0] += use->used;
  sums[1] += use->reserved;
  CHECK(use->used <= use->definition.amount);
}

static void check_sum(struct limiter *l, const char *id, uint64_t want) {
  uint64_t sums[2] = {0, 0};
  limiter_list(l, slice_of(id), add_use, sums);
  CHECK(sums[0] == want && sums[1] == 0);
  if (sums[0] != want)
    fprintf(stderr, "%s: %llu, settled %llu\n", id, (unsigned long long)sums[0],
            (unsigned long long)want);
}

/* Counters come to what was settled, to the unit, and no reservation is left; definitions are
 * replaced all the while. */
static void test_sums(void) {
  struct limit_window year = {.unit = LIMIT_YEAR}, month = {.unit = LIMIT_ROLLING};
  month.rolling_ns = 30ull * 86400 * 1000000000;
  struct limit_definition d[] = {
      {.id = SLICE("in"), .kind = LIMIT_INPUT_TOKENS, .amount = INT64_MAX, .window = year},
      {.id = SLICE("out"), .kind = LIMIT_OUTPUT_TOKENS, .amount = INT64_MAX, .window = month},
      {.id = SLICE("n"),
       .kind = LIMIT_REQUESTS,
       .amount = INT64_MAX,
       .window = month,
       .scope = {{LIMIT_MODEL, SLICE("")}, {LIMIT_USER, SLICE("")}},
       .scope_count = 2},
      {.id = SLICE("open"), .kind = LIMIT_CONCURRENT, .amount = 40},
      {.id = SLICE("money"),
       .kind = LIMIT_MONEY,
       .amount = operations * THREADS * 60000,
       .window = year,
       .scope = {{LIMIT_USER, SLICE("")}},
       .scope_count = 1},
  };
  struct mixed m = {.l = limiter_new(&(struct limiter_settings){0})};
  limiter_apply(m.l, d, 5);
  uv_thread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    CHECK(uv_thread_create(&threads[i], mix, &m) == 0);
  for (int i = 0; i < 50; i++) {
    d[3].amount = 40 + (uint64_t)(i & 1);
    CHECK(limiter_apply(m.l, d, 5) == 0);
    uv_sleep(1);
  }
  for (int i = 0; i < THREADS; i++)
    uv_thread_join(&threads[i]);
  CHECK(m.requests > 0);
  check_sum(m.l, "in", m.input);
  check_sum(m.l, "out", m.output);
  check_sum(m.l, "n", m.requests);
  check_sum(m.l, "money", m.cost);
  check_sum(m.l, "open", 0);
  limiter_free(m.l);
}

int main(int argc, char **argv) {
  if (argc > 1) operations = strtoull(argv[1], NULL, 10);
  test_rush();
  test_sums();
  return checks_end();
}
