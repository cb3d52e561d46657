/* What counters begin with after a restart. */
#include "limit_kit.h"

static void seed(struct limiter *l, const struct limit_definition *d, const struct limit_past *past,
                 size_t count) {
  struct limit_seeding *seeding = limiter_seed_begin(l, d);
  CHECK(seeding != NULL);
  for (size_t i = 0; i < count; i++)
    limiter_seed_add(seeding, &past[i]);
  limiter_seed_end(seeding);
}

static void test_seed(void) {
  struct limit_definition d[] = {budget,
                                 {.id = SLICE("hour"),
                                  .kind = LIMIT_TOTAL_TOKENS,
                                  .amount = 100,
                                  .window = {.unit = LIMIT_ROLLING, .rolling_ns = 60 * MINUTE_NS},
                                  .scope = {{LIMIT_KEY, SLICE("")}},
                                  .scope_count = 1}};
  struct limiter *l = start(d, 2);
  int64_t now_ms = world.wall_ms;
  struct limit_past used[] = {
      {anyone, 1793491200000 - 1, 7}, /* before November: another budget's */
      {anyone, 1793491200000, 600},
      {anyone, now_ms, 300}};
  seed(l, &d[0], used, 3);
  CHECK(world.events == 0); /* what it crossed was told when that happened */
  struct limit_past old[] = {{anyone, now_ms - 3600000, 99}, {anyone, now_ms - 1800000, 60}};
  seed(l, &d[1], old, 2);
  struct limit_request r = anyone;
  r.cost_nanousd = 101;
  CHECK(!passes(l, &r) && refusal.used == 900);
  r.cost_nanousd = 100;
  r.input_tokens = 41;
  CHECK(!passes(l, &r) && refusal.used == 60 && refusal.retry_after_ms == 1800000);
  r.input_tokens = 40;
  CHECK(passes(l, &r));
  d[1].scope_count = 0;
  CHECK(limiter_seed_begin(l, &d[1]) == NULL); /* namesakes with another scope are others */
  limiter_free(l);
}

/* Two requests a second, six at once: three are there again after two seconds less a little. */
static void test_seed_bucket(void) {
  struct limit_definition d = {.id = SLICE("even"),
                               .kind = LIMIT_REQUESTS,
                               .amount = 120,
                               .burst = 6,
                               .window = {.unit = LIMIT_ROLLING, .rolling_ns = MINUTE_NS}};
  struct limiter *l = start(&d, 1);
  struct limit_request r = anyone;
  struct limit_past past[] = {{anyone, world.wall_ms - 60000, 6},
                              {anyone, world.wall_ms - 1500, 6}};
  seed(l, &d, past, 2);
  for (int i = 0; i < 3; i++)
    CHECK(passes(l, &r));
  CHECK(!passes(l, &r) && refusal.retry_after_ms == 500);
  limiter_free(l);
}

static int primed;

static void on_new(void *context, struct limit_seeding *seeding, const struct limit_definition *d) {
  struct limit_past past = {anyone, world.wall_ms - 1000, *(uint64_t *)context};
  CHECK(slice_equal(d->id, SLICE("month")));
  primed++;
  limiter_seed_add(seeding, &past);
}

/* What is made while requests run begins with what was used before; what stays is not asked again.
 */
static void test_seed_new(void) {
  uint64_t amount = 600;
  struct limit_definition d[] = {budget,
                                 {.id = SLICE("few"), .kind = LIMIT_CONCURRENT, .amount = 5}};
  struct limiter *l = start(d, 0);
  struct limit_request r = anyone;
  limiter_on_new(l, on_new, &amount);
  CHECK(limiter_apply(l, d, 2) == 0 && primed == 1);
  CHECK(world.events == 1 && world.last.percent == 50 && world.last.used == 600);
  r.cost_nanousd = 401;
  CHECK(!passes(l, &r) && refusal.used == 600);
  r.cost_nanousd = 100;
  CHECK(passes(l, &r));
  d[0].amount = 2000; /* the same limit: goes on */
  CHECK(limiter_apply(l, d, 2) == 0 && primed == 1);
  r.cost_nanousd = 1301;
  CHECK(!passes(l, &r) && refusal.used == 700);
  struct reservation *place = reserve(l, &anyone);
  CHECK(limiter_apply(l, NULL, 0) == 0 && primed == 1);
  amount = 900; /* goes and comes back: what the ledger says, not that and its old counter */
  CHECK(limiter_apply(l, d, 2) == 0 && primed == 2);
  r.cost_nanousd = 1101;
  CHECK(!passes(l, &r) && refusal.used == 900 && refusal.reserved == 0);
  d[1].amount = 1;
  CHECK(limiter_apply(l, d, 2) == 0);
  CHECK(!passes(l, &anyone) && refusal.what == LIMIT_CONCURRENT && refusal.reserved == 1);
  limiter_settle(l, &place, &(struct limit_actual){0});
  CHECK(passes(l, &anyone));
  limiter_free(l);
}

/* Random requests, once counted as they come and once from what was written down of them: the same
 * counters, whatever the scope. */
static uint32_t dice_state = 7;

static uint32_t dice(uint32_t sides) {
  dice_state = dice_state * 1664525 + 1013904223;
  return (dice_state >> 8) % sides;
}

static struct slice pick(const char *const *names, uint32_t count) {
  return slice_of(names[dice(count)]);
}

struct wanted_use {
  struct limiter *other;
  struct slice id;
  size_t found;
  const struct limit_use *use;
  bool is_same;
};

static void on_other(void *context, const struct limit_use *use) {
  struct wanted_use *w = context;
  if (!slice_equal(use->scope, w->use->scope) || use->definition.kind != w->use->definition.kind)
    return;
  w->found++;
  w->is_same = use->used == w->use->used && use->window_start_s == w->use->window_start_s;
}

static void on_live(void *context, const struct limit_use *use) {
  struct wanted_use *w = context, one = {.use = use};
  if (use->used == 0) return; /* claimed and released */
  limiter_list(w->other, w->id, on_other, &one);
  CHECK(one.found == 1 && one.is_same);
  w->found++;
}

enum { TRIALS = 400 };

static struct limit_past random_past(struct slice projects[LIMIT_PROJECTS_MAX]) {
  static const char *const tenants[] = {"acme", "initech"}, *const users[] = {"", "ann", "bob"};
  static const char *const paths[] = {"", "top", "top/one", "top/one/deep", "other"};
  static const char *const models[] = {"m", "n"}, *const customers[] = {"", "c", "d"};
  static const char *const providers[] = {"p", "q"};
  struct limit_past past = {.began_ms = world.wall_ms, .amount = dice(50)};
  struct limit_request *r = &past.subjects;
  *r = (struct limit_request){.key = pick(users, 3), .user = pick(users, 3)};
  r->tenant = pick(tenants, 2);
  r->model = pick(models, 2);
  r->customer = pick(customers, 3);
  r->provider = pick(providers, 2);
  r->project_count = limit_project_chain(pick(paths, 5), projects);
  r->projects = projects;
  return past;
}

static void count_live(struct limiter *l, const struct limit_past *past) {
  for (int with_provider = 0; with_provider < 2; with_provider++) {
    struct limit_request r = past->subjects;
    struct reservation *out;
    struct limit_actual actual = {past->amount, 0, 0};
    if (!with_provider) r.provider = (struct slice){"", 0};
    r.input_tokens = 100;
    CHECK(limiter_reserve(l, &r, &out, &refusal));
    if (past->amount)
      limiter_settle(l, &out, &actual);
    else
      limiter_release(l, &out);
  }
}

static void compare_seeded(const struct limit_definition *d) {
  static struct limit_past past[TRIALS];
  static struct slice projects[TRIALS][LIMIT_PROJECTS_MAX];
  struct limiter *live = start(d, 1);
  for (int i = 0; i < TRIALS; i++) {
    past[i] = random_past(projects[i]);
    /* A rolling counter groups what it gave back with what came after: later by a 128th at most. */
    if (d->window.unit == LIMIT_ROLLING && past[i].amount == 0) past[i].amount = 1;
    count_live(live, &past[i]);
    pass_ms(dice(8000)); /* all within the hour */
  }
  struct limiter *fresh =
      limiter_new(&(struct limiter_settings){mono_ns, wall_ms, NULL, &world, 0});
  CHECK(limiter_apply(fresh, d, 1) == 0);
  seed(fresh, d, past, TRIALS);
  struct wanted_use wanted = {.other = fresh, .id = d->id};
  limiter_list(live, d->id, on_live, &wanted);
  CHECK(wanted.found > 0);
  for (int i = 0; i < 90 && d->window.unit == LIMIT_ROLLING; i++) { /* they also end together */
    pass_ms(MINUTE_NS / 1000000);
    limiter_list(live, d->id, on_live, &wanted);
  }
  limiter_free(live);
  limiter_free(fresh);
}

static void test_seed_is_the_same(void) {
  static const char *const names[LIMIT_SUBJECTS] = {"ann", "bob", "top", "acme", "m", "p", "c"};
  const struct limit_window windows[] = {{.unit = LIMIT_ROLLING, .rolling_ns = 60 * MINUTE_NS},
                                         {.unit = LIMIT_HOUR},
                                         {.unit = LIMIT_MONTH, .start_day = 30}};
  for (int trial = 0; trial < 60; trial++) {
    struct limit_definition d = {.id = SLICE("q"), .kind = LIMIT_INPUT_TOKENS, .amount = INT64_MAX};
    d.window = windows[trial % 3];
    for (uint32_t s = 0; s < LIMIT_SUBJECTS; s++)
      if (dice(3) == 0) {
        struct slice patterns[] = {slice_of(names[s]), SLICE(""), SLICE("*"), SLICE("?*")};
        uint32_t which = dice(4);
        d.scope[d.scope_count++] = (struct limit_condition){(enum limit_subject)s, patterns[which],
                                                            which < 2 ? LIMIT_NAMED
                                                            : dice(2) ? LIMIT_TOGETHER
                                                                      : LIMIT_APART};
      }
    if (d.scope_count > 3) d.scope_count = 3; /* more hardly ever hold */
    compare_seeded(&d);
  }
}

int main(void) {
  test_seed();
  test_seed_bucket();
  test_seed_new();
  test_seed_is_the_same();
  return checks_end();
}
