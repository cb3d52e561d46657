/* What a worker keeps of the limiter changes no answer: two limiters of the same definitions, of
 * which one is asked through a view. */
#include "account/limit.h"
#include "dice.h"
#include "limit_kit.h"

enum { OPEN = 64, STEPS = 20000, DEFINITIONS = 12 };

#define HOUR                                                                                       \
  { .unit = LIMIT_ROLLING, .rolling_ns = 3600000000000u }
#define MONTH                                                                                      \
  { .unit = LIMIT_MONTH }

static struct limit_definition definitions[DEFINITIONS] = {
    {.id = SLICE("a"),
     .kind = LIMIT_REQUESTS,
     .window = HOUR,
     .amount = 40,
     .scope = {{LIMIT_KEY, SLICE("")}},
     .scope_count = 1},
    {.id = SLICE("b"),
     .kind = LIMIT_TOTAL_TOKENS,
     .window = HOUR,
     .amount = 90000,
     .scope = {{LIMIT_TENANT, SLICE("")}},
     .scope_count = 1},
    {.id = SLICE("c"),
     .kind = LIMIT_CONCURRENT,
     .window = HOUR,
     .amount = 9,
     .scope = {{LIMIT_TENANT, SLICE("acme")}},
     .scope_count = 1},
    {.id = SLICE("d"),
     .kind = LIMIT_MONEY,
     .window = MONTH,
     .amount = 5000000,
     .scope = {{LIMIT_CUSTOMER, SLICE("")}},
     .scope_count = 1},
    {.id = SLICE("e"),
     .kind = LIMIT_REQUESTS,
     .window = HOUR,
     .amount = 99,
     .scope = {{LIMIT_PROJECT, SLICE("")}},
     .scope_count = 1},
    {.id = SLICE("f"),
     .kind = LIMIT_OUTPUT_TOKENS,
     .window = HOUR,
     .amount = 9000,
     .scope = {{LIMIT_USER, SLICE("ann")}, {LIMIT_MODEL, SLICE("")}},
     .scope_count = 2},
    {.id = SLICE("g"),
     .kind = LIMIT_REQUESTS,
     .window = HOUR,
     .amount = 60,
     .scope = {{LIMIT_MODEL, SLICE("m")}},
     .scope_count = 1},
    {.id = SLICE("h"), .kind = LIMIT_REQUESTS, .window = MONTH, .amount = 5000},
    {.id = SLICE("i"), .kind = LIMIT_INPUT_TOKENS, .window = MONTH, .amount = 5000000},
    {.id = SLICE("j"), .kind = LIMIT_INPUT_TOKENS, .window = HOUR, .amount = 500000},
    {.id = SLICE("k"),
     .kind = LIMIT_REQUESTS,
     .window = HOUR,
     .amount = 300,
     .scope = {{LIMIT_PROVIDER, SLICE("")}},
     .scope_count = 1},
    {.id = SLICE("l"), .kind = LIMIT_MONEY, .window = MONTH, .amount = 900000000},
};

static const struct slice keys[] = {SLICE("k1"), SLICE("k2"), SLICE("k3"), SLICE("")};
static const struct slice tenants[] = {SLICE("acme"), SLICE("globex")};
static const struct slice users[] = {SLICE("ann"), SLICE("bob"), SLICE("")};
static const struct slice models[] = {SLICE("m"), SLICE("n")};
static const struct slice customers[] = {SLICE(""), SLICE("x"), SLICE("y")};

struct side {
  struct limiter *l;
  struct limit_view *view;
  struct reservation *open[OPEN];
};

/* Names may stand in other places each time, and others in the same. */
static char place[4][256];

static struct slice moved(struct slice name, unsigned which) {
  char *at = place[which] + dice(3);
  memcpy(at, name.data, name.len);
  return (struct slice){at, name.len};
}

static struct limit_request random_request(struct slice projects[LIMIT_PROJECTS_MAX]) {
  static const char *const paths[] = {"", "research", "research/vision", "sales"};
  static char huge[3000];
  bool is_huge = dice(200) == 0;
  memset(huge, 'x', sizeof huge);
  struct limit_request r = {.key = moved(keys[dice(4)], 0),
                            .tenant = moved(tenants[dice(2)], 1),
                            .user = users[dice(3)],
                            .model = moved(models[dice(2)], 2),
                            .customer = is_huge ? (struct slice){huge, sizeof huge}
                                                : moved(customers[dice(3)], 3),
                            .projects = projects,
                            .provider = dice(5) ? SLICE("") : SLICE("p"),
                            .input_tokens = dice(1000),
                            .output_tokens = dice(1000),
                            .cost_nanousd = dice(100000)};
  r.project_count = limit_project_chain(slice_of(paths[dice(4)]), projects);
  return r;
}

static unsigned refusals, reservations;

static void step(struct side sides[2]) {
  struct slice projects[LIMIT_PROJECTS_MAX];
  struct limit_request r = random_request(projects);
  struct limit_refusal refused[2] = {0};
  size_t n = dice(OPEN);
  struct limit_actual actual = {dice(1000), dice(1000), dice(100000)};
  bool gives_back = dice(4) == 0, is_fine[2];
  for (int i = 0; i < 2; i++) {
    struct side *s = &sides[i];
    if (gives_back)
      limiter_release(s->l, &s->open[n]);
    else
      limiter_settle(s->l, &s->open[n], &actual);
    r.view = s->view;
    is_fine[i] = limiter_reserve(s->l, &r, &s->open[n], &refused[i]);
  }
  CHECK(is_fine[0] == is_fine[1]);
  CHECK(refused[0].kind == refused[1].kind && strcmp(refused[0].id, refused[1].id) == 0);
  CHECK(strcmp(refused[0].scope, refused[1].scope) == 0);
  CHECK(!sides[0].open[n] == !sides[1].open[n]);
  refusals += !is_fine[0];
  reservations += sides[0].open[n] != NULL;
  if (!sides[0].open[n] || !sides[1].open[n]) return;
  const struct limit_standing *a = reservation_standing(sides[0].open[n]);
  const struct limit_standing *b = reservation_standing(sides[1].open[n]);
  CHECK(a->requests.remaining == b->requests.remaining && a->money.limit == b->money.limit);
  CHECK(a->tokens.remaining == b->tokens.remaining && a->money.remaining == b->money.remaining);
  CHECK(reservation_bounds_output(sides[0].open[n]) == reservation_bounds_output(sides[1].open[n]));
}

static void apply(struct side sides[2]) {
  size_t from = dice(DEFINITIONS), count = dice(DEFINITIONS - from + 1);
  for (size_t i = 0; i < DEFINITIONS; i++)
    if (dice(4) == 0) definitions[i].amount += dice(3);
  for (int i = 0; i < 2; i++)
    CHECK(limiter_apply(sides[i].l, definitions + from, count) == 0);
}

static void add_use(void *context, const struct limit_use *use) {
  uint64_t *sums = context;
  sums[0] += use->used;
  sums[1] += use->reserved;
}

static void check_counters(struct side sides[2], bool is_end) {
  for (size_t i = 0; i < DEFINITIONS; i++) {
    uint64_t a[2] = {0, 0}, b[2] = {0, 0};
    limiter_list(sides[0].l, definitions[i].id, add_use, a);
    limiter_list(sides[1].l, definitions[i].id, add_use, b);
    CHECK(a[0] == b[0] && a[1] == b[1] && (!is_end || a[1] == 0));
  }
}

int main(void) {
  struct side sides[2] = {{.l = start(definitions, DEFINITIONS)}, {0}};
  sides[1].l = limiter_new(&(struct limiter_settings){mono_ns, wall_ms, on_event, &world, 0});
  CHECK(limiter_apply(sides[1].l, definitions, DEFINITIONS) == 0);
  sides[1].view = limit_view_new(sides[1].l);
  for (int i = 0; i < STEPS; i++) {
    step(sides);
    pass_ms(dice(3000));
    if (dice(500) == 0) apply(sides);
    if (dice(500) == 0) check_counters(sides, false);
    if (dice(900) == 0) CHECK(limiter_expire(sides[0].l) == limiter_expire(sides[1].l));
  }
  CHECK(refusals > STEPS / 20 && reservations > STEPS / 20);
  for (int i = 0; i < 2; i++)
    for (int n = 0; n < OPEN; n++)
      limiter_release(sides[i].l, &sides[i].open[n]);
  check_counters(sides, true);
  limit_view_free(sides[1].view);
  for (int i = 0; i < 2; i++)
    limiter_free(sides[i].l);
  return checks_end();
}
