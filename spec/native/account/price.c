#include "account/price.h"

#include "base/zone.h"
#include "check.h"
#include "config/price_table.h"

__extension__ typedef unsigned __int128 wide;

static const uint64_t values[] = {0, 1, 1ull << 31, (1ull << 53) + 1, INT64_MAX, UINT64_MAX};
enum { VALUES = sizeof values / sizeof *values };

/* Prices as people write them: dollars per million tokens, in billionths. */
#define USD(dollars) ((uint64_t)((dollars)*1000000 + 0.5) * 1000)

static enum price_status bill_of(const struct price *p, const struct usage *u, struct bill *out) {
  struct price_query query = {.usage = u, .markup = PRICE_PARTS};
  return price_bill(p, &query, out);
}

static uint64_t cost_of(const struct price *p, const struct usage *u) {
  struct bill bill;
  CHECK(bill_of(p, u, &bill) == PRICE_KNOWN && bill.cost_nanousd == bill.list_nanousd);
  return bill.cost_nanousd;
}

/* Exact or refused: against sums in 128 bits of their own, for every pair in two terms at once. */
static void test_extremes(void) {
  for (int i = 0; i < VALUES; i++)
    for (int j = 0; j < VALUES; j++)
      for (int k = 0; k < VALUES; k++) {
        struct price p = {.known = true};
        p.rates.input = values[i];
        p.rates.output = 7;
        p.request = values[k];
        struct usage u = {.input = values[j], .output = values[k] / 16};
        wide tokens = (wide)values[i] * values[j], pieces = (wide)values[k] * PRICE_PARTS, want;
        bool over = __builtin_add_overflow(tokens, (wide)7 * (values[k] / 16), &tokens) ||
                    __builtin_add_overflow(tokens, pieces, &tokens);
        want = tokens / PRICE_PARTS + (tokens % PRICE_PARTS >= PRICE_PARTS / 2);
        struct bill bill;
        enum price_status status = bill_of(&p, &u, &bill);
        CHECK(status == (over || want > INT64_MAX ? PRICE_OVERFLOW : PRICE_KNOWN));
        CHECK(bill.cost_nanousd == (status == PRICE_KNOWN ? (uint64_t)want : 0));
      }
}

static void test_parts(void) {
  struct price p = {.known = true, .image = 7, .request = 3};
  p.rates = (struct price_rates){.has_reasoning = true,
                                 .has_audio_input = true,
                                 .input = USD(2.5),
                                 .cache_read = USD(1.25),
                                 .cache_write_5m = USD(3.125),
                                 .cache_write_1h = USD(5),
                                 .output = USD(10),
                                 .reasoning = USD(12),
                                 .audio_input = USD(40)};
  struct usage u = {.input = 100,
                    .cache_read = 10,
                    .cache_write_5m = 20,
                    .cache_write_1h = 30,
                    .output = 50,
                    .reasoning = 20,
                    .audio_input = 5,
                    .audio_output = 6,
                    .images = 2};
  CHECK(cost_of(&p, &u) == 95 * 2500 + 5 * 40000 + 10 * 1250 + 20 * 3125 + 30 * 5000 + 30 * 10000 +
                               20 * 12000 + 2 * 7 + 3);
  u.reasoning = 500; /* more than the output it is part of */
  CHECK(cost_of(&p, &u) ==
        95 * 2500 + 5 * 40000 + 10 * 1250 + 20 * 3125 + 30 * 5000 + 50 * 12000 + 2 * 7 + 3);
  p.known = false;
  struct bill bill;
  CHECK(bill_of(&p, &u, &bill) == PRICE_UNKNOWN && bill.cost_nanousd == 0);
  CHECK(strcmp(price_status_name(PRICE_UNKNOWN), "unknown") == 0);
}

/* Worked out by hand from the providers' published usage examples and prices per million. */
static void test_golden(void) {
  /* GPT-4o, 2.50 / 1.25 / 10.00: prompt_tokens 2006 with cached_tokens 1920, completion_tokens 300:
   * 86 x 2.50 + 1920 x 1.25 + 300 x 10.00 = 215 + 2400 + 3000 = 5615 millionths. */
  struct price gpt = {.known = true};
  gpt.rates = (struct price_rates){.input = USD(2.5),
                                   .cache_read = USD(1.25),
                                   .cache_write_5m = USD(2.5),
                                   .cache_write_1h = USD(2.5),
                                   .output = USD(10)};
  CHECK(cost_of(&gpt, &(struct usage){.input = 86, .cache_read = 1920, .output = 300}) == 5615000);
  /* o3, 2.00 / 0.50 / 8.00: 75 in, 1186 out of which 1024 reasoning, billed as output:
   * 75 x 2 + 1186 x 8 = 150 + 9488 = 9638. */
  struct price o3 = {.known = true};
  o3.rates = (struct price_rates){.input = USD(2), .cache_read = USD(0.5), .output = USD(8)};
  CHECK(cost_of(&o3, &(struct usage){.input = 75, .output = 1186, .reasoning = 1024}) == 9638000);
  /* GPT-4o audio, text 2.50 / 10.00, audio 40 / 80: 1200 in of which 1000 audio, 500 out of which
   * 400 audio: 200 x 2.5 + 1000 x 40 + 100 x 10 + 400 x 80 = 500 + 40000 + 1000 + 32000 = 73500. */
  struct price audio = gpt;
  audio.rates.has_audio_input = audio.rates.has_audio_output = true;
  audio.rates.audio_input = USD(40);
  audio.rates.audio_output = USD(80);
  CHECK(cost_of(&audio,
                &(struct usage){
                    .input = 1200, .audio_input = 1000, .output = 500, .audio_output = 400}) ==
        73500000);
  /* Claude Sonnet, 3.00 / 15.00, read 0.30, write 3.75 and 6.00: input_tokens 2048, cache_read
   * 1800, ephemeral_5m 148, ephemeral_1h 100, output 503: 6144 + 540 + 555 + 600 + 7545 = 15384. */
  struct price claude = {.known = true,
                         .services = {[SERVICE_BATCH] = {.has_factor = true, .factor = 500000}}};
  claude.rates = (struct price_rates){.input = USD(3),
                                      .cache_read = USD(0.3),
                                      .cache_write_5m = USD(3.75),
                                      .cache_write_1h = USD(6),
                                      .output = USD(15)};
  struct price_tier tier = {.above_tokens = 200000};
  tier.rates = (struct price_rates){.input = USD(6),
                                    .cache_read = USD(0.6),
                                    .cache_write_5m = USD(7.5),
                                    .cache_write_1h = USD(12),
                                    .output = USD(22.5)};
  claude.tiers = &tier;
  claude.tier_count = 1;
  struct usage u = {.input = 2048,
                    .cache_read = 1800,
                    .cache_write_5m = 148,
                    .cache_write_1h = 100,
                    .output = 503};
  CHECK(cost_of(&claude, &u) == 15384000);
  /* The same in a batch: half. */
  struct bill bill;
  u.service = SERVICE_BATCH;
  struct price_query query = {.usage = &u, .markup = PRICE_PARTS};
  CHECK(price_bill(&claude, &query, &bill) == PRICE_KNOWN && bill.cost_nanousd == 7692000);
  /* 200,000 prompt tokens, cached ones included, are still the base price: 50,000 x 3 + 150,000 x
   * 0.3 = 195,000; one more and all of it is dearer: 50,001 x 6 + 150,000 x 0.6 + 10 x 22.5. */
  u = (struct usage){.input = 50000, .cache_read = 150000};
  CHECK(cost_of(&claude, &u) == 195000000);
  u.input++;
  u.output = 10;
  query = (struct price_query){.usage = &u, .markup = PRICE_PARTS};
  CHECK(price_bill(&claude, &query, &bill) == PRICE_KNOWN);
  CHECK(bill.cost_nanousd == 390231000 && bill.tier_tokens == 200000);
}

static void test_factors(void) {
  struct price p = {.known = true};
  struct price_hours hours[] = {{16 * 60 + 30, 30, 500000, NULL}};
  p.rates.input = USD(0.27);
  p.hours = hours;
  p.hours_count = 1;
  struct usage u = {.input = 1000001};
  struct price_query query = {.usage = &u, .markup = 1100000}; /* 10 % on top */
  struct bill bill;
  static const struct {
    int minute;
    uint64_t list, cost;
  } cases[] = {{990, 135000135, 148500149}, /* 148500148.5, half up */
               {1439, 135000135, 148500149}, {0, 135000135, 148500149},  {29, 135000135, 148500149},
               {30, 270000270, 297000297},   {989, 270000270, 297000297}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    query.at_ms = 1796040000000 / 86400000 * 86400000 + cases[i].minute * 60000 + 59999;
    CHECK(price_bill(&p, &query, &bill) == PRICE_KNOWN);
    CHECK(bill.list_nanousd == cases[i].list && bill.cost_nanousd == cases[i].cost);
  }
  hours[0].zone = zone_find(SLICE("Asia/Shanghai"));
  query.at_ms = 1796040000000; /* 12:00 UTC is 20:00 there */
  if (hours[0].zone) CHECK(price_bill(&p, &query, &bill) == PRICE_KNOWN);
  if (hours[0].zone) CHECK(bill.list_nanousd == 135000135);
  query.markup = 0; /* a discount of all of it */
  CHECK(price_bill(&p, &query, &bill) == PRICE_KNOWN && bill.cost_nanousd == 0);
  p.rates.input = 500; /* half of a billionth for 1,000 tokens; a third of nothing is 0 */
  p.hours_count = 0;
  query.markup = PRICE_PARTS;
  u.input = 1000;
  CHECK(price_bill(&p, &query, &bill) == PRICE_KNOWN && bill.cost_nanousd == 1);
  u.input = 999;
  CHECK(price_bill(&p, &query, &bill) == PRICE_KNOWN && bill.cost_nanousd == 0);
}

/* A reservation is never below any bill that the same figures can come to. */
static void test_worst(void) {
  struct price p = {.known = true};
  p.rates = (struct price_rates){.has_reasoning = true,
                                 .has_audio_input = true,
                                 .has_audio_output = true,
                                 .input = 100000000,
                                 .cache_read = 10000000,
                                 .cache_write_5m = 125000000,
                                 .cache_write_1h = 200000000,
                                 .output = 500000000,
                                 .reasoning = 600000000,
                                 .audio_input = 150000000,
                                 .audio_output = 700000000};
  struct usage worst =
      price_worst_usage(&p, 1000, 100, &(struct price_allows){PRICE_AUDIO | PRICE_CACHE_WRITE, 0});
  CHECK(cost_of(&p, &worst) == 1000 * 200 + 100 * 700);
  worst = price_worst_usage(&p, 1000, 100, &(struct price_allows){PRICE_AUDIO, 0});
  CHECK(cost_of(&p, &worst) == 1000 * 150 + 100 * 700);
  worst = price_worst_usage(&p, 1000, 100, &(struct price_allows){0, 0});
  CHECK(cost_of(&p, &worst) == 1000 * 100 + 100 * 600);
  struct config c = {.reserve_output_tokens = 4096};
  struct tenant_figure figures[] = {{SLICE("acme"), 100}};
  struct model m = {.max_output_tokens = 1000};
  c.reserve_by_tenant = figures;
  c.reserve_by_tenant_count = 1;
  CHECK(price_output_tokens(&c, &m, SLICE("acme"), 0, 1) == 100);
  CHECK(price_output_tokens(&c, &m, SLICE("beta"), 0, 1) == 1000);
  CHECK(price_output_tokens(&c, &m, SLICE("beta"), 50, 3) == 150);
  CHECK(price_output_tokens(&c, &m, SLICE("beta"), UINT64_MAX, 0) == 1000);
  m.max_output_tokens = 0;
  CHECK(price_output_tokens(&c, &m, SLICE("beta"), UINT64_MAX / 2, 3) == UINT64_MAX);
}

static void test_table(void) {
  struct arena arena;
  arena_init(&arena);
  const char *wrong;
  int64_t ms;
  CHECK(price_date(SLICE("2026-11-22"), &ms) && ms == 1795305600000);
  CHECK(price_date(SLICE("2026-11-22T10:00:01Z"), &ms) && ms == 1795341601000);
  CHECK(!price_date(SLICE("2026-02-30"), &ms) && !price_date(SLICE("2026-11-22T25:00:00Z"), &ms));
  CHECK(!price_date(SLICE("2026-11-22T10:00:00"), &ms) && !price_date(SLICE(""), &ms));
  struct price_table *t = price_table_read(
      SLICE("{\"format\":1,\"versions\":[{\"version\":\"b\",\"from\":\"2026-12-01\",\"prices\":{}},"
            "{\"version\":\"a\",\"from\":\"2026-11-01\",\"prices\":{\"p/m\":{}}}]}"),
      &arena, &wrong);
  CHECK(t && t->count == 2);
  if (t) CHECK_TEXT(t->versions[0].version, "a");
  CHECK(!price_table_read(SLICE("{\"format\":2,\"versions\":[]}"), &arena, &wrong) && wrong);
  CHECK(!price_table_read(SLICE("{"), &arena, &wrong) && strstr(wrong, "is no JSON"));
  CHECK(!price_table_read(SLICE("{\"format\":1,\"versions\":[{\"version\":\"a\",\"from\":\"x\"}]}"),
                          &arena, &wrong));
  struct price p;
  CHECK(price_read(SLICE("{\"input\":0.0375,\"output\":\"0.15\",\"cache_write\":1,\"batch\":0.5,"
                         "\"tiers\":[{\"above\":200000,\"input\":1,\"output\":2}]}"),
                   &arena, &p) == NULL);
  CHECK(p.rates.input == 37500000 && p.rates.output == 150000000 &&
        p.services[SERVICE_BATCH].factor == 500000);
  CHECK(p.rates.cache_read == 37500000 && p.rates.cache_write_1h == 1000000000);
  CHECK(p.tier_count == 1 && p.tiers[0].rates.cache_read == 1000000000);
  static const char *const bad[] = {"[]",
                                    "{\"input\":1}",
                                    "{\"input\":-1,\"output\":1}",
                                    "{\"input\":1e300,\"output\":1}",
                                    "{\"input\":\"NaN\",\"output\":1}",
                                    "{\"input\":1,\"output\":true}",
                                    "{\"input\":0.0000000001,\"output\":1}",
                                    "{\"input\":1,\"output\":1,\"batch\":-1}",
                                    "{\"input\":1,\"output\":1,\"tiers\":[{\"input\":1}]}"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    CHECK(price_read(slice_of(bad[i]), &arena, &p) != NULL);
  struct price_change changes[] = {{1000, {.version = SLICE("a")}},
                                   {2000, {.version = SLICE("b")}}};
  struct model m = {.price_changes = changes, .price_change_count = 2};
  CHECK(price_at(&m, 999) == &m.price && price_at(&m, 1000) == &changes[0].price);
  CHECK(price_at(&m, 1999) == &changes[0].price && price_at(&m, 9999) == &changes[1].price);
  arena_fini(&arena);
}

int main(void) {
  test_extremes();
  test_parts();
  test_golden();
  test_factors();
  test_worst();
  test_table();
  return checks_end();
}
