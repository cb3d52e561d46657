/* Quotas, prices by other ways than a table of the model, and what both say together. */
#include "base/zone.h"
#include "config_kit.h"

#define PROVIDER "providers = { p = { adapter = 'openai', base_url = 'http://h/v1' } },\n"
#define MODELS                                                                                     \
  "models = { m = { targets = 'p/m', price = { input = 1, output = 2 } }, free = { targets = "     \
  "'p/f' }, a = { alias = 'm' } },\n"

static void test_quotas(void) {
  struct config *c = accepted(
      "return { " PROVIDER MODELS "unpriced = 'allow_unpriced', quotas = {\n"
      " { name = 'month', scope = { tenant = 'acme', model = 'm' }, money = 100.5,\n"
      "   window = 'month', timezone = 'Asia/Shanghai', start_day = 3, warn = { 90, 110 } },\n"
      " { name = 'user', scope = { tenant = 'acme', user = '*' }, requests = 60,\n"
      "   total_tokens = 1e6, window = '1m', concurrent = 4, soft = true },\n"
      " { name = 'smooth', requests = 10, burst = 3, window = '366d' },\n"
      " { name = 'dear', requests = 10, window = 'day', scope = { model = 'f*', key = 'ci-?' },\n"
      "   each = { 'key' } } } }");
  CHECK(c->quota_count == 6);
  CHECK(c->quotas[5].scope[0].form == LIMIT_APART && c->quotas[5].scope[1].form == LIMIT_TOGETHER);
  CHECK_TEXT(c->quotas[5].scope[0].name, "ci-?");
  const struct limit_definition *d = c->quotas;
  CHECK(d[0].kind == LIMIT_MONEY && d[0].amount == 100500000000 && !d[0].is_soft);
  CHECK(d[0].window.unit == LIMIT_MONTH && d[0].window.start_day == 3);
  CHECK(d[0].window.zone == zone_find(SLICE("Asia/Shanghai")));
  CHECK(d[0].warn_percent[0] == 90 && d[0].warn_percent[1] == 110 && d[0].warn_percent[2] == 0);
  CHECK(d[0].scope_count == 2 && d[0].scope[0].subject == LIMIT_TENANT);
  CHECK_TEXT(d[0].scope[1].name, "m");
  CHECK(d[1].kind == LIMIT_REQUESTS && d[1].amount == 60 && d[1].is_soft);
  CHECK(d[1].window.unit == LIMIT_ROLLING && d[1].window.rolling_ns == 60000000000);
  CHECK(d[1].scope[0].subject == LIMIT_USER && d[1].scope[0].name.len == 0);
  CHECK(d[1].warn_percent[0] == 50);
  CHECK(d[2].kind == LIMIT_TOTAL_TOKENS && d[2].amount == 1000000);
  CHECK(d[3].kind == LIMIT_CONCURRENT && d[3].amount == 4 && d[3].window.rolling_ns == 0);
  CHECK(d[4].burst == 3 && d[4].window.rolling_ns == 366ull * 86400 * 1000000000);
  CHECK(d[4].warn_percent[0] == 0);
  config_unref(c);
}

static void test_refused_quotas(void) {
  REFUSED("return { " PROVIDER MODELS "quotas = {\n { name = 'a', money = 1, window = 'day' } } }",
          "4: quotas[1].money: covers the model free, which has no price; give it one (price = { "
          "input = 0, output = 0 } if it costs nothing), or set unpriced = \"default\" or "
          "\"allow_unpriced\"");
  config_unref(accepted("return { " PROVIDER MODELS "quotas = {\n { name = 'a', money = 1,"
                        " window = 'day', scope = { model = 'm' } } } }"));
  REFUSED(
      "return { " PROVIDER MODELS "quotas = {\n {},\n"
      " { name = 'x', requests = 1 },\n"
      " { name = 'x', requests = 1, window = '1ms' },\n"
      " { name = 'y', concurrent = 1, window = '1m' },\n"
      " { name = 'z', requests = 1, window = 'day', burst = 2, timezone = 'Mars/Olympus' },\n"
      " { name = 'w', requests = 1, total_tokens = 1, window = 60, burst = 2, start_day = 1 },\n"
      " { name = 'v', requests = -1, window = 'week', start_day = 9 },\n"
      " { name = 'u', requests = 1, window = '1m', scope = { model = 'a', tenent = 'x' } },\n"
      " { name = 't', requests = 1, window = '1m', scope = { model = 'mm', provider = 'q' } },\n"
      " { name = 'r', requests = 1, window = '1m', scope = { model = 'x*', tenant = 't' },\n"
      "   each = { 'tenant', 'key' } },\n"
      " { name = 's', requests = 1, window = 'fortnight', soft = 'yes', warn = { 80, 50 } } } }",
      "4: quotas[1]: has no name; refusals and reports need one",
      "4: quotas[1]: limits nothing; write requests, input_tokens, output_tokens, "
      "total_tokens, money or concurrent",
      "5: quotas[2]: has no window; write window = \"1m\" or window = \"month\"",
      "6: quotas[3].name: two quotas have this name; rename one",
      "6: quotas[3].window: expects a duration from \"1s\" to \"366d\", or minute, hour, day, "
      "week, month, quarter or year, got \"1ms\"",
      "7: quotas[4].window: has no meaning for concurrent alone; remove it",
      "8: quotas[5].timezone: \"Mars/Olympus\" is no time zone of this machine; write a name "
      "such as Europe/Berlin, and see that tzdata is installed",
      "8: quotas[5].burst: has no meaning for a calendar window; write a duration, or remove "
      "it",
      "9: quotas[6].start_day: has no meaning for this window; remove it",
      "9: quotas[6].burst: says not which limit it is for; give each limit an entry of its own",
      "10: quotas[7].start_day: is no day of a week; use 1 (Monday) to 7",
      "10: quotas[7].requests: expects a whole number, got -1",
      "11: quotas[8].scope.tenent: unknown key; did you mean \"tenant\"?",
      "11: quotas[8].scope.model: \"a\" is an alias, and requests for it count as its model; "
      "write \"m\"",
      "12: quotas[9].scope.model: no model is called \"mm\"; correct the name",
      "12: quotas[9].scope.provider: no provider is called \"q\"; correct the name",
      "13: quotas[10].scope.model: \"x*\" matches no name; correct the pattern",
      "14: quotas[10].each: names \"tenant\", of which scope names one; remove it here, or use * "
      "there",
      "14: quotas[10].each: names \"key\", which scope does not; write it in both",
      "15: quotas[11].window: expects a duration from \"1s\" to \"366d\", or minute, hour, day, "
      "week, month, quarter or year, got \"fortnight\"",
      "15: quotas[11].soft: expects true or false, got \"yes\"",
      "15: quotas[11].warn[2]: expects rising percent from 1 to 250, got 50");
}

static void test_money(void) {
  struct config *c =
      accepted("return { " PROVIDER MODELS "unpriced = 'default', default_price = { input = 3,\n"
               " output = 4 }, markups = { acme = -12.5, ['*'] = 5 },\n"
               " reserve = { output_tokens = 10, tenants = { acme = 20 } },\n"
               " quotas = { { name = 'a', money = 1, window = 'day' } } }");
  CHECK(c->models[0].price.rates.input + c->models[1].price.rates.input == 4000000000);
  CHECK(c->markup_count == 2 && c->markups[0].figure + c->markups[1].figure == 875000 + 1050000);
  CHECK(c->reserve_output_tokens == 10 && c->reserve_by_tenant[0].figure == 20);
  config_unref(c);
  REFUSED("return { default_price = { input = 1 }, markups = { a = -101,\n b = 'x' } }",
          "1: default_price: has no output price; write output = 0 if it costs nothing",
          "1: default_price: is not used; write unpriced = \"default\" or remove it",
          "1: markups.a: expects percent from -100 to 9900 with at most 4 decimals, got -101",
          "2: markups.b: expects percent from -100 to 9900 with at most 4 decimals, got \"x\"");
  REFUSED("return { unpriced = 'default' }",
          "1: unpriced: wants default_price; write default_price = { input = …, output = … }");
}

static void test_price_forms(void) {
  struct config *c = accepted(
      "return { " PROVIDER
      "models = { m = { targets = 'p/m', price = { input = 1.25, output = 10,\n"
      " tiers = { { above = 200000, input = 2.5, output = 15 } }, batch = 0.5,\n"
      " hours = { { from = '16:30', to = '00:30', factor = 0.25, timezone = 'Asia/Shanghai' } }\n"
      "} } } }");
  const struct price *p = &c->models[0].price;
  CHECK(p->tier_count == 1 && p->tiers[0].above_tokens == 200000);
  CHECK(p->tiers[0].rates.cache_read == 2500000000 && p->services[SERVICE_BATCH].factor == 500000);
  CHECK(p->hours_count == 1 && p->hours[0].from_minute == 990 && p->hours[0].to_minute == 30);
  CHECK(p->hours[0].factor == 250000 && p->hours[0].zone);
  config_unref(c);
  REFUSED("return { " PROVIDER
          "models = { m = { targets = 'p/m', price = { input = 1, output = 1,\n"
          " tiers = { { input = 1, output = 1 }, { above = 5, input = 1 } },\n"
          " hours = { { from = '25:00', to = '1:00' } }, batch = -1 } } } }",
          "3: models.m.price.tiers[1]: does not say above how many tokens; write above = 200000",
          "3: models.m.price.tiers[2]: has no output price; write output = 0 if it costs nothing",
          "4: models.m.price.hours[1].from: \"25:00\" is no time of day; write HH:MM",
          "4: models.m.price.hours[1].to: \"1:00\" is no time of day; write HH:MM",
          "4: models.m.price.hours[1]: has no factor; write factor = 0.5 for half the price",
          "4: models.m.price.batch: is negative, got -1; use 0 or more");
}

static void test_table(void) {
  static const char table[] =
      "{\"format\":1,\"versions\":[{\"version\":\"v1\",\"from\":\"2026-01-01\",\"prices\":{\"p/m\":"
      "{\"input\":1,\"output\":2},\"x/y\":{\"input\":3,\"output\":4},\"bad\":{}}},{\"version\":\"v2"
      "\",\"from\":\"2026-06-01\",\"prices\":{\"p/m\":{\"input\":5,\"output\":6}}}]}";
  write_beside("prices.json", table, sizeof table - 1);
  struct config *c =
      accepted("return { " PROVIDER "prices = 'prices.json', models = { m = { targets = 'p/m' },\n"
               " n = { targets = 'p/n', priced_as = 'x/y' } },\n"
               " quotas = { { name = 'q', money = 1, window = 'day' } } }");
  const struct model *m = config_model_find(c, SLICE("m")), *n = config_model_find(c, SLICE("n"));
  CHECK(m->price_change_count == 2 && m->price_changes[1].price.rates.input == 5000000000);
  CHECK_TEXT(m->price_changes[0].price.version, "v1");
  CHECK(n->price_change_count == 1 && n->price_changes[0].price.rates.output == 4000000000);
  config_unref(c);
  REFUSED(
      "return { " PROVIDER "prices = 'prices.json', models = {\n"
      " m = { targets = 'p/m', priced_as = 'z' },\n n = { targets = 'p/n', priced_as = 'bad' } }"
      "}",
      "3: models.m.priced_as: no price is called z in the price table; correct it",
      "4: models.n: its price in version v1 of the price table is damaged: input or output is "
      "missing; import it anew",
      "4: models.n.priced_as: no price is called bad in the price table; correct it");
  static const char later[] =
      "{\"format\":1,\"versions\":[{\"version\":\"v1\",\"from\":\"2999-01-01\","
      "\"prices\":{\"p/m\":{\"input\":1,\"output\":2}}}]}";
  write_beside("prices.json", later, sizeof later - 1);
  REFUSED(
      "return { unpriced = 'block', prices = 'prices.json', " PROVIDER "models = {\n"
      " m = { targets = 'p/m' } } }",
      "3: models.m: its price in the price table has not begun yet, and unpriced = \"block\"; add "
      "a version that has, or allow unknown costs");
  REFUSED(
      "return { prices = 'prices.json', " PROVIDER "models = {\n"
      " m = { targets = 'p/m' } },\n quotas = { { name = 'q', money = 1, window = 'day' } } }",
      "4: quotas[1].money: covers the model m, which has no price; give it one (price = { input "
      "= 0, output = 0 } if it costs nothing), or set unpriced = \"default\" or "
      "\"allow_unpriced\"");
  c = accepted("return { unpriced = 'default', default_price = { input = 7, output = 7 },\n"
               "prices = 'prices.json', " PROVIDER "models = { m = { targets = 'p/m' } } }");
  CHECK(config_model_find(c, SLICE("m"))->price.known);
  config_unref(c);
  write_beside("prices.json", "{}", 2);
  REFUSED("return {\n prices = 'prices.json' }",
          "2: prices: is no price table of format 1; make one with gateyes prices import");
  REFUSED("return { store = 'none', " PROVIDER " models = {\n"
          " m = { targets = 'p/m', priced_as = 'z' } } }",
          "3: models.m.priced_as: names a price, but there is no price table; set prices");
  /* Beside the store the first push may make one. */
  config_unref(
      accepted("return { " PROVIDER "models = { m = { targets = 'p/m', priced_as = 'z' } } }"));
  write_beside("gateyes.db.prices.json", "{}", 2);
  REFUSED("return {\n " PROVIDER " }",
          beside("1: prices: ", "gateyes.db.prices.json",
                 " is no price table of format 1; make one with gateyes prices import"));
  write_beside("gateyes.db.prices.json", "{\"format\":1,\"versions\":[]}", 27);
}

int main(void) {
  kit_init();
  test_quotas();
  test_refused_quotas();
  test_money();
  test_price_forms();
  test_table();
  return kit_end();
}
