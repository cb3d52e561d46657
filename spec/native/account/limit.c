/* What one limiter does, step by step, under clocks that the test moves. */
#include "account/limit.h"

#include "base/arena.h"
#include "base/zone.h"
#include "limit_kit.h"

static void test_rolling(void) {
  struct limit_definition d = {.id = SLICE("rpm"),
                               .kind = LIMIT_REQUESTS,
                               .amount = 5,
                               .window = {.unit = LIMIT_ROLLING, .rolling_ns = MINUTE_NS}};
  struct limiter *l = start(&d, 1);
  for (int i = 0; i < 5; i++) {
    CHECK(passes(l, &anyone));
    pass_ms(1000);
  }
  CHECK(!passes(l, &anyone));
  CHECK(refusal.kind == LIMIT_REFUSED_RATE && refusal.failure == FAILURE_RATE_LIMITED);
  CHECK(refusal.amount == 5 && refusal.used == 5 && refusal.retry_after_ms == 55000);
  CHECK(refusal.reset_wall_ms == world.wall_ms + 55000 && strcmp(refusal.id, "rpm") == 0);
  CHECK(refusal.standing.requests.remaining == 0 && refusal.standing.requests.reset_ms == 59000);
  pass_ms(54999);
  CHECK(!passes(l, &anyone));
  pass_ms(1);
  CHECK(passes(l, &anyone));
  CHECK(!passes(l, &anyone) && refusal.retry_after_ms == 1000);
  limiter_free(l);
}

/* 7 a minute is no whole number of nanoseconds: over ten hours not one is lost. */
static void test_bucket(void) {
  struct limit_definition d = {.id = SLICE("smooth"),
                               .kind = LIMIT_REQUESTS,
                               .amount = 7,
                               .burst = 2,
                               .window = {.unit = LIMIT_ROLLING, .rolling_ns = MINUTE_NS}};
  struct limiter *l = start(&d, 1);
  CHECK(passes(l, &anyone) && passes(l, &anyone) && !passes(l, &anyone));
  CHECK(refusal.retry_after_ms == 8572); /* 60 s / 7, rounded up */
  uint64_t admitted = 2;
  for (int i = 0; i < 36000 * 4; i++) {
    pass_ms(250);
    admitted += passes(l, &anyone);
  }
  CHECK(admitted == 7 * 600 + 2);
  limiter_free(l);
}

/* Offered ten times the limit, whatever the phase: never above in any window, 1 % below at most. */
static void test_offered_ten_times(void) {
  struct limit_definition d = {.id = SLICE("tpm"),
                               .kind = LIMIT_TOTAL_TOKENS,
                               .amount = 100000,
                               .window = {.unit = LIMIT_ROLLING, .rolling_ns = MINUTE_NS}};
  struct limiter *l = start(&d, 1);
  struct limit_request r = anyone;
  enum { STEPS = 60000 };
  static uint32_t admitted[STEPS];
  uint64_t total = 0, in_window = 0;
  unsigned random = 1;
  for (int i = 0; i < STEPS; i++) { /* 100 ms each: 1666 tokens wanted, 166 allowed */
    random = random * 1103515245 + 12345;
    r.input_tokens = random >> 16 & 1023;
    r.output_tokens = 1666 - r.input_tokens;
    admitted[i] = passes(l, &r) ? 1666 : 0;
    in_window += admitted[i];
    total += admitted[i];
    if (i >= 600) in_window -= admitted[i - 600];
    CHECK(in_window <= 100000);
    pass_ms(100);
  }
  /* 60 requests of 1666 fit into 100,000: that is what the limit is for this size. */
  CHECK(total <= 101 * 60 * 1666 && total >= 99 * 60 * 1666);
  limiter_free(l);
}

static void test_too_large(void) {
  struct limit_definition d[] = {{.id = SLICE("tpm"),
                                  .kind = LIMIT_INPUT_TOKENS,
                                  .amount = 1000,
                                  .window = {.unit = LIMIT_ROLLING, .rolling_ns = MINUTE_NS}},
                                 {.id = SLICE("rpm"),
                                  .kind = LIMIT_REQUESTS,
                                  .amount = 1,
                                  .window = {.unit = LIMIT_ROLLING, .rolling_ns = MINUTE_NS}}};
  struct limiter *l = start(d, 2);
  struct limit_request r = anyone;
  r.input_tokens = 1000;
  CHECK(passes(l, &r));
  r.input_tokens = 1001; /* both refuse; the one that never admits is named */
  CHECK(!passes(l, &r) && refusal.kind == LIMIT_REFUSED_TOO_LARGE);
  CHECK(refusal.failure == FAILURE_EXCEEDS_LIMIT && refusal.retry_after_ms == 0);
  struct bytes text;
  bytes_init(&text);
  limit_refusal_write(&refusal, SLICE("USD"), &text);
  CHECK_TEXT(bytes_slice(&text),
             "this request may need 1001 input tokens, more than the limit tpm of 1000 input "
             "tokens per 1m ever admits at once; shorten the prompt or lower max_tokens");
  bytes_fini(&text);
  r.input_tokens = UINT64_MAX;
  CHECK(!passes(l, &r) && refusal.kind == LIMIT_REFUSED_TOO_LARGE);
  d[1].amount = 0;
  limiter_apply(l, d, 2);
  CHECK(!passes(l, &r) && refusal.kind == LIMIT_REFUSED_BLOCKED);
  CHECK(refusal.failure == FAILURE_FORBIDDEN);
  limiter_free(l);
}

static void test_budget(void) {
  struct limiter *l = start(&budget, 1);
  struct limit_request r = anyone, other = anyone;
  other.model = SLICE("cheap");
  other.cost_nanousd = 5000;
  CHECK(reserve(l, &other) == NULL && refusal.id[0] == 0); /* no limit, nothing to settle */
  r.cost_nanousd = 600;
  struct reservation *first = reserve(l, &r);
  CHECK(first && reservation_standing(first)->money.remaining == 400);
  CHECK(!reserve(l, &r) && refusal.kind == LIMIT_REFUSED_BUDGET);
  CHECK(refusal.failure == FAILURE_BUDGET_EXHAUSTED && refusal.used == 0);
  CHECK(refusal.reserved == 600 && refusal.wanted == 600);
  CHECK(refusal.retry_after_ms == 12 * 3600 * 1000); /* the month ends at midnight */
  CHECK(strcmp(refusal.scope, "tenant=acme model=m") == 0);
  limiter_settle(l, &first, &(struct limit_actual){.cost_nanousd = 499});
  CHECK(world.events == 0);
  CHECK((first = reserve(l, &r)) == NULL);
  r.cost_nanousd = 501;
  CHECK((first = reserve(l, &r)) != NULL);
  limiter_settle(l, &first, &(struct limit_actual){.cost_nanousd = 1}); /* 500 */
  CHECK(world.events == 1 && world.last.percent == 50 && world.last.used == 500);
  CHECK(strcmp(world.last_id, "month") == 0);
  CHECK(strcmp(world.last_scope, "tenant=acme model=m") == 0);
  CHECK(
      (first = reserve(l, &(struct limit_request){
                              .tenant = SLICE("acme"), .model = SLICE("m"), .cost_nanousd = 500})));
  limiter_settle(l, &first, &(struct limit_actual){.cost_nanousd = 777}); /* more than reserved */
  CHECK(world.events == 2 && world.last.percent == 100 && world.last.used == 1277);
  r.cost_nanousd = 0;
  CHECK(passes(l, &r)); /* costs nothing */
  r.is_unpriced = true;
  CHECK(!passes(l, &r)); /* costs something */
  r.is_unpriced = false;
  struct bytes text;
  bytes_init(&text);
  r.cost_nanousd = 1;
  CHECK(!passes(l, &r));
  limit_refusal_write(&refusal, SLICE("USD"), &text);
  CHECK_TEXT(bytes_slice(&text),
             "the limit month of 0.000001 USD per calendar month for tenant=acme model=m is "
             "reached: 0.000001277 used, 0 held by requests that run; try again after "
             "2026-12-01T00:00:00.000Z");
  bytes_fini(&text);
  pass_ms(12 * 3600 * 1000);
  CHECK(passes(l, &r));
  limiter_free(l);
}

static void test_all_or_none(void) {
  struct limit_definition d[] = {
      {.id = SLICE("wide"), .kind = LIMIT_REQUESTS, .amount = 10, .window = {.unit = LIMIT_DAY}},
      {.id = SLICE("users"),
       .kind = LIMIT_REQUESTS,
       .amount = 1,
       .window = {.unit = LIMIT_DAY},
       .scope = {{LIMIT_TENANT, SLICE("acme")}, {LIMIT_USER, SLICE("")}},
       .scope_count = 2},
      {.id = SLICE("two"),
       .kind = LIMIT_CONCURRENT,
       .amount = 2,
       .scope = {{LIMIT_KEY, SLICE("k1")}},
       .scope_count = 1}};
  struct limiter *l = start(d, 3);
  struct limit_request ann = anyone, bob = anyone;
  ann.user = SLICE("ann");
  bob.user = SLICE("bob");
  CHECK(passes(l, &ann));
  for (int i = 0; i < 50; i++)
    CHECK(!passes(l, &ann) && strcmp(refusal.id, "users") == 0);
  CHECK(strcmp(refusal.scope, "tenant=acme user=ann") == 0);
  struct reservation *a = reserve(l, &bob), *b = reserve(l, &anyone); /* without a user: not met */
  CHECK(a && b);
  CHECK(!reserve(l, &anyone) && refusal.what == LIMIT_CONCURRENT && refusal.retry_after_ms == 0);
  struct limit_use uses[4];
  struct arena arena;
  arena_init(&arena);
  CHECK(limiter_report(l, &bob, &arena, uses, 4) == 3);
  for (int i = 0; i < 3; i++) {
    uint64_t sum = uses[i].used + uses[i].reserved;
    if (slice_equal_text(uses[i].definition.id, "wide")) CHECK(sum == 3 && uses[i].used == 1);
    if (slice_equal_text(uses[i].definition.id, "users")) {
      CHECK(sum == 1);
      CHECK_TEXT(uses[i].scope, "tenant=acme user=bob");
    }
    if (slice_equal_text(uses[i].definition.id, "two")) CHECK(sum == 2);
  }
  limiter_release(l, &a); /* nothing was used: bob may again */
  CHECK(a == NULL && passes(l, &bob));
  limiter_settle(l, &b, &(struct limit_actual){0});
  arena_fini(&arena);
  limiter_free(l);
}

static void test_projects_and_providers(void) {
  struct limit_definition d[] = {{.id = SLICE("parent"),
                                  .kind = LIMIT_REQUESTS,
                                  .amount = 2,
                                  .window = {.unit = LIMIT_DAY},
                                  .scope = {{LIMIT_PROJECT, SLICE("top")}},
                                  .scope_count = 1},
                                 {.id = SLICE("each"),
                                  .kind = LIMIT_REQUESTS,
                                  .amount = 3,
                                  .window = {.unit = LIMIT_DAY},
                                  .scope = {{LIMIT_PROJECT, SLICE("")}},
                                  .scope_count = 1},
                                 {.id = SLICE("gpu"),
                                  .kind = LIMIT_REQUESTS,
                                  .amount = 1,
                                  .window = {.unit = LIMIT_DAY},
                                  .scope = {{LIMIT_PROVIDER, SLICE("gpu")}},
                                  .scope_count = 1}};
  struct limiter *l = start(d, 3);
  struct slice one[LIMIT_PROJECTS_MAX], two[LIMIT_PROJECTS_MAX];
  CHECK(limit_project_chain(SLICE("top/one"), one) == 2);
  CHECK(limit_project_chain(SLICE("top/two"), two) == 2);
  CHECK_TEXT(one[0], "top/one");
  CHECK_TEXT(one[1], "top");
  struct slice none[LIMIT_PROJECTS_MAX];
  CHECK(limit_project_chain(SLICE(""), none) == 0);
  struct limit_request a = anyone, b = anyone, attempt = anyone;
  a.projects = one;
  b.projects = two;
  a.project_count = b.project_count = 2;
  CHECK(passes(l, &a) && passes(l, &b));
  CHECK(!passes(l, &a) && strcmp(refusal.id, "parent") == 0);
  b.tenant = SLICE("beta"); /* its namesake shares nothing */
  CHECK(passes(l, &b));
  attempt.provider = SLICE("gpu");
  CHECK(passes(l, &attempt) && !passes(l, &attempt) && strcmp(refusal.id, "gpu") == 0);
  attempt.provider = SLICE("cloud");
  CHECK(reserve(l, &attempt) == NULL && refusal.id[0] == 0);
  limiter_free(l);
}

static void test_patterns(void) {
  struct limit_definition d[] = {{.id = SLICE("together"),
                                  .kind = LIMIT_REQUESTS,
                                  .amount = 3,
                                  .window = {.unit = LIMIT_DAY},
                                  .scope = {{LIMIT_MODEL, SLICE("gpt-*"), LIMIT_TOGETHER}},
                                  .scope_count = 1},
                                 {.id = SLICE("apart"),
                                  .kind = LIMIT_REQUESTS,
                                  .amount = 2,
                                  .window = {.unit = LIMIT_DAY},
                                  .scope = {{LIMIT_MODEL, SLICE("gpt-?"), LIMIT_APART}},
                                  .scope_count = 1},
                                 {.id = SLICE("users"),
                                  .kind = LIMIT_REQUESTS,
                                  .amount = 1,
                                  .window = {.unit = LIMIT_DAY},
                                  .scope = {{LIMIT_USER, SLICE("bot-*"), LIMIT_TOGETHER},
                                            {LIMIT_TENANT, SLICE("t*"), LIMIT_TOGETHER}},
                                  .scope_count = 2}};
  struct limiter *l = start(d, 3);
  struct limit_request r = anyone;
  r.model = SLICE("gpt-4");
  CHECK(passes(l, &r) && passes(l, &r) && !passes(l, &r) && strcmp(refusal.id, "apart") == 0);
  CHECK(strcmp(refusal.scope, "model=gpt-4") == 0);
  r.model = SLICE("gpt-5");
  CHECK(passes(l, &r) && !passes(l, &r) && strcmp(refusal.id, "together") == 0);
  CHECK(strcmp(refusal.scope, "model=gpt-*") == 0);
  r.model = SLICE("gp");
  CHECK(reserve(l, &r) == NULL && refusal.id[0] == 0); /* none holds */
  r.user = SLICE("bot-1");
  CHECK(reserve(l, &r) == NULL && refusal.id[0] == 0);
  r.tenant = SLICE("t1");
  CHECK(passes(l, &r));
  r.user = SLICE("bot-2");
  CHECK(!passes(l, &r) && strcmp(refusal.id, "users") == 0);
  r.tenant = SLICE("t2"); /* its users are others, also below one pattern */
  CHECK(passes(l, &r) && !passes(l, &r));
  CHECK(strcmp(refusal.scope, "user=bot-* tenant=t* tenant=t2") == 0);
  limiter_free(l);
}

static void test_project_patterns(void) {
  struct limit_definition d[] = {{.id = SLICE("apart"),
                                  .kind = LIMIT_REQUESTS,
                                  .amount = 1,
                                  .window = {.unit = LIMIT_DAY},
                                  .scope = {{LIMIT_PROJECT, SLICE("top/*"), LIMIT_APART}},
                                  .scope_count = 1},
                                 {.id = SLICE("together"),
                                  .kind = LIMIT_REQUESTS,
                                  .amount = 2,
                                  .window = {.unit = LIMIT_DAY},
                                  .scope = {{LIMIT_PROJECT, SLICE("top/*"), LIMIT_TOGETHER}},
                                  .scope_count = 1}};
  struct limiter *l = start(d, 2);
  struct slice chain[LIMIT_PROJECTS_MAX];
  struct limit_request r = anyone;
  r.projects = chain;
  r.project_count = limit_project_chain(SLICE("top/a/b"), chain);
  CHECK(r.project_count == 3 && passes(l, &r));
  r.project_count = limit_project_chain(SLICE("top/a/c"), chain);
  CHECK(!passes(l, &r) && strcmp(refusal.scope, "project=top/a tenant=acme") == 0);
  r.project_count = limit_project_chain(SLICE("top/d"), chain);
  CHECK(passes(l, &r));
  r.project_count = limit_project_chain(SLICE("top/e"), chain);
  CHECK(!passes(l, &r) && strcmp(refusal.id, "together") == 0);
  r.project_count = limit_project_chain(SLICE("top"), chain); /* not below itself */
  CHECK(reserve(l, &r) == NULL && refusal.id[0] == 0);
  limiter_free(l);
}

static void test_customers(void) {
  struct limit_definition d = {.id = SLICE("c"),
                               .kind = LIMIT_REQUESTS,
                               .amount = 1,
                               .window = {.unit = LIMIT_DAY},
                               .scope = {{LIMIT_CUSTOMER, SLICE("")}},
                               .scope_count = 1};
  struct limiter *l = start(&d, 1);
  struct limit_request r = anyone;
  CHECK(passes(l, &r) && !passes(l, &r)); /* leaving it out is a customer, too */
  CHECK(strcmp(refusal.scope, "customer= tenant=acme") == 0);
  r.customer = SLICE("c1");
  CHECK(passes(l, &r) && !passes(l, &r));
  limiter_free(l);
}

static void test_soft(void) {
  struct limit_definition d = budget;
  d.is_soft = true;
  d.amount = 10;
  struct limiter *l = start(&d, 1);
  struct limit_request r = anyone;
  r.cost_nanousd = 8;
  CHECK(passes(l, &r) && world.events == 1 && world.last.percent == 80 && world.last.is_soft);
  struct reservation *out = reserve(l, &r);
  CHECK(out && strcmp(reservation_standing(out)->soft, "month") == 0);
  limiter_settle(l, &out, &(struct limit_actual){.cost_nanousd = 8});
  CHECK(world.events == 2 && world.last.percent == 100);
  CHECK(passes(l, &r) && world.events == 2); /* once per window */
  pass_ms(12 * 3600 * 1000);
  CHECK(passes(l, &r) && world.events == 3);
  limiter_free(l);
}

static void test_unpriced(void) {
  struct limiter *l = start(&budget, 1);
  struct limit_request r = anyone;
  r.is_unpriced = true;
  r.cost_nanousd = 99999;
  struct reservation *out = reserve(l, &r);
  CHECK(out && reservation_standing(out)->money.remaining == 1000);
  limiter_settle(l, &out, &(struct limit_actual){0});
  CHECK(passes(l, &r)); /* 99999 of it */
  CHECK(!passes(l, &r) && refusal.failure == FAILURE_BUDGET_EXHAUSTED);
  r.refuse_unpriced = true;
  CHECK(!passes(l, &r) && refusal.failure == FAILURE_UNPRICED);
  limiter_free(l);
}

static void test_expiry(void) {
  struct limiter *l = start(&budget, 1);
  struct limit_request r = anyone;
  r.cost_nanousd = 1000;
  r.ttl_ms = 60000;
  struct reservation *leaked = reserve(l, &r), *late = NULL;
  CHECK(leaked && !reserve(l, &r));
  pass_ms(59999);
  CHECK(limiter_expire(l) == 0);
  pass_ms(1);
  CHECK(limiter_expire(l) == 1 && limiter_expire(l) == 0);
  CHECK((late = reserve(l, &r)) != NULL);
  pass_ms(60000);
  CHECK(limiter_expire(l) == 1);
  limiter_settle(l, &late, &(struct limit_actual){.cost_nanousd = 400}); /* still booked */
  CHECK(!reserve(l, &r) && refusal.used == 400 && refusal.reserved == 0);
  limiter_release(l, &leaked); /* given back before: nothing more */
  CHECK(!reserve(l, &r) && refusal.used == 400 && refusal.reserved == 0);
  limiter_free(l);
}

static void test_apply(void) {
  struct limit_definition d = budget;
  struct limiter *l = start(&d, 1);
  struct limit_request r = anyone;
  r.cost_nanousd = 300;
  CHECK(passes(l, &r));
  struct reservation *open = reserve(l, &r);
  d.amount = 2000; /* keeps what was counted */
  CHECK(limiter_apply(l, &d, 1) == 0);
  struct limit_definition twice[] = {d, d};
  CHECK(limiter_apply(l, twice, 2) == 1);
  struct limit_definition stricter[] = {d, d};
  stricter[0].is_soft = true;
  stricter[1].amount = 0; /* what the second one forbids is forbidden */
  CHECK(limiter_apply(l, stricter, 2) == 1);
  CHECK(!passes(l, &anyone) && refusal.kind == LIMIT_REFUSED_BLOCKED);
  CHECK(limiter_apply(l, &d, 1) == 0);
  r.cost_nanousd = 1500;
  CHECK(!passes(l, &r) && refusal.amount == 2000 && refusal.used == 300 && refusal.reserved == 300);
  limiter_apply(l, NULL, 0);
  CHECK(limiter_is_empty(l) && reserve(l, &r) == NULL && refusal.id[0] == 0);
  limiter_settle(l, &open, &(struct limit_actual){.cost_nanousd = 200});
  limiter_apply(l, &d, 1);
  CHECK(passes(l, &r) && !passes(l, &r) && refusal.used == 2000);
  limiter_free(l);
}

/* Only tokens and money make a request's worst case worth counting. */
static void test_weighs(void) {
  struct limit_definition d = {.id = SLICE("one"), .kind = LIMIT_REQUESTS, .amount = 5};
  d.window.rolling_ns = MINUTE_NS;
  struct limiter *l = start(&d, 1);
  CHECK(!limiter_weighs(l));
  static const enum limit_kind kinds[] = {LIMIT_INPUT_TOKENS, LIMIT_OUTPUT_TOKENS,
                                          LIMIT_TOTAL_TOKENS, LIMIT_MONEY};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    struct limit_definition both[] = {d, d};
    both[1].kind = kinds[i];
    CHECK(limiter_apply(l, both, 2) == 0 && limiter_weighs(l));
    d.kind = LIMIT_CONCURRENT;
    CHECK(limiter_apply(l, &d, 1) == 0 && !limiter_weighs(l));
    d.kind = LIMIT_REQUESTS;
  }
  limiter_free(l);
}

/* A request that began before midnight counts where it began. */
static void test_window_edge(void) {
  struct limiter *l = start(&budget, 1);
  struct limit_request r = anyone;
  r.cost_nanousd = 1000;
  struct reservation *over = reserve(l, &r);
  pass_ms(12 * 3600 * 1000);
  CHECK(passes(l, &r));
  limiter_settle(l, &over, &(struct limit_actual){.cost_nanousd = 900});
  CHECK(!passes(l, &r) && refusal.used == 1000 && refusal.reserved == 0);
  limiter_free(l);
}

/* Clocks that are put back do not give a window twice; one that was far off is believed again. */
static void test_clock_steps(void) {
  struct limit_definition d = budget;
  d.window.unit = LIMIT_DAY;
  struct limiter *l = start(&d, 1);
  struct limit_request r = anyone;
  r.cost_nanousd = 1000;
  world.wall_ms += 12 * 3600 * 1000 - 1;
  CHECK(passes(l, &r));
  world.wall_ms += 1;
  CHECK(passes(l, &r) && !passes(l, &r));
  world.wall_ms -= 10000; /* 23:59:50 again */
  CHECK(!passes(l, &r));
  world.wall_ms += 10000;
  CHECK(!passes(l, &r));
  world.wall_ms += 3600 * 1000;
  world.wall_ms -= 3600 * 1000;
  CHECK(!passes(l, &r));
  world.wall_ms += 366ll * 86400 * 1000; /* a wrong year, found out */
  CHECK(passes(l, &r));
  world.wall_ms -= 366ll * 86400 * 1000;
  CHECK(!passes(l, &r));
  world.wall_ms += 86400 * 1000;
  CHECK(passes(l, &r));
  limiter_free(l);
}

/* Names that a client makes up end at the cap, only where they are counted, and not for others. */
static void test_many_subjects(void) {
  struct limit_definition d = {.id = SLICE("c"),
                               .kind = LIMIT_REQUESTS,
                               .amount = 2,
                               .window = {.unit = LIMIT_ROLLING, .rolling_ns = MINUTE_NS},
                               .scope = {{LIMIT_CUSTOMER, SLICE("")}},
                               .scope_count = 1};
  struct limit_request r = anyone;
  char name[300];
  world = (struct world){.mono_ns = 1000000000, .wall_ms = 1796040000000};
  struct limiter *l = limiter_new(&(struct limiter_settings){mono_ns, wall_ms, NULL, &world, 1000});
  limiter_apply(l, &d, 1);
  for (int i = 0; i < 1500; i++) {
    r.customer = (struct slice){name, (size_t)snprintf(name, sizeof name, "c%d", i)};
    CHECK(passes(l, &r) == (i < 500)); /* as many as it leaves free */
  }
  CHECK(refusal.kind == LIMIT_REFUSED_FULL && refusal.failure == FAILURE_OVERLOADED);
  r.customer = SLICE("c7");
  CHECK(passes(l, &r) && !passes(l, &r)); /* those that are counted go on */
  static const char *const others[] = {"b", "c", "d", "e"};
  for (int tenant = 0, left = 500; tenant < 4; left -= (left + 1) / 2, tenant++)
    for (int i = 0; i < 300; i++) {
      r.tenant = slice_of(others[tenant]);
      r.customer = (struct slice){name, (size_t)snprintf(name, sizeof name, "c%d", i)};
      CHECK(passes(l, &r) == (i < (left + 1) / 2));
    }
  r.tenant = anyone.tenant;
  pass_ms(60000);
  limiter_expire(l); /* all of them are idle now */
  for (int i = 2000; i < 2500; i++) {
    r.customer = (struct slice){name, (size_t)snprintf(name, sizeof name, "c%d", i)};
    CHECK(passes(l, &r));
  }
  memset(name, 'x', sizeof name);
  pass_ms(60000);
  r.customer = (struct slice){name, sizeof name};
  CHECK(passes(l, &r) && passes(l, &r) && !passes(l, &r));
  limiter_free(l);
}

static void count_use(void *context, const struct limit_use *use) {
  *(uint64_t *)context += use->used;
}

static void test_list(void) {
  struct limit_definition d = {.id = SLICE("keys"),
                               .kind = LIMIT_REQUESTS,
                               .amount = 9,
                               .window = {.unit = LIMIT_YEAR},
                               .scope = {{LIMIT_KEY, SLICE("")}},
                               .scope_count = 1};
  struct limiter *l = start(&d, 1);
  struct limit_request r = anyone;
  char name[16];
  for (int i = 0; i < 3000; i++) {
    r.key = (struct slice){name, (size_t)snprintf(name, sizeof name, "k%d", i % 1500)};
    CHECK(passes(l, &r));
  }
  uint64_t sum = 0;
  limiter_list(l, SLICE("keys"), count_use, &sum);
  CHECK(sum == 3000);
  limiter_list(l, SLICE("other"), count_use, &sum);
  CHECK(sum == 3000);
  limiter_free(l);
}

int main(void) {
  test_rolling();
  test_bucket();
  test_offered_ten_times();
  test_too_large();
  test_budget();
  test_all_or_none();
  test_projects_and_providers();
  test_patterns();
  test_project_patterns();
  test_customers();
  test_soft();
  test_unpriced();
  test_expiry();
  test_apply();
  test_weighs();
  test_window_edge();
  test_clock_steps();
  test_many_subjects();
  test_list();
  return checks_end();
}
