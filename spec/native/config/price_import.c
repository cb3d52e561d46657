#include "config/price_import.h"

#include "check.h"

static const char source[] =
    "{\"openai\":{\"id\":\"openai\",\"models\":{"
    "\"gpt-4o\":{\"cost\":{\"input\":2.5,\"output\":10,\"cache_read\":1.25}},"
    "\"gpt-audio\":{\"cost\":{\"input\":2.50,\"output\":10,\"input_audio\":40,\"output_audio\":80}}"
    ","
    "\"whisper\":{\"limit\":{}},"
    "\"odd\":{\"cost\":{\"input\":-1,\"output\":1}},"
    "\"half\":{\"cost\":{\"input\":1}}}},"
    "\"google\":{\"models\":{\"gemini-2.5-pro\":{\"cost\":{\"input\":1.25,\"output\":10,"
    "\"cache_read\":0.31,\"context_over_200k\":{\"input\":2.5,\"output\":15,\"cache_read\":0.625}}}"
    ","
    "\"flash\":{\"cost\":{\"input\":0.0375,\"output\":0.15,\"reasoning\":0.6,\"cache_write\":1}}}},"
    "\"sub\":{\"models\":{\"m\":{\"cost\":{\"input\":0,\"output\":0}}}},\"other\":5}";

/* The schema's newer form: a list of tiers, in any order, with the older one beside it. */
static const char tiered[] =
    "{\"openai\":{\"models\":{"
    "\"gpt-5.5\":{\"cost\":{\"input\":5,\"output\":30,\"cache_read\":0.5,\"tiers\":["
    "{\"input\":20,\"output\":60,\"tier\":{\"type\":\"context\",\"size\":500000}},"
    "{\"input\":10,\"output\":45,\"cache_read\":1,\"tier\":{\"type\":\"context\",\"size\":272000}}]"
    ","
    "\"context_over_200k\":{\"input\":10,\"output\":45,\"cache_read\":1}}},"
    "\"none\":{\"cost\":{\"input\":5,\"output\":30,\"tiers\":[]}},"
    "\"night\":{\"cost\":{\"input\":5,\"output\":30,\"tiers\":["
    "{\"input\":1,\"output\":3,\"tier\":{\"type\":\"time\",\"size\":8}}]}},"
    "\"bare\":{\"cost\":{\"input\":5,\"output\":30,\"tiers\":[{\"input\":1,\"output\":3,"
    "\"tier\":{\"type\":\"context\"}}]}},"
    "\"twice\":{\"cost\":{\"input\":5,\"output\":30,\"tiers\":["
    "{\"input\":1,\"output\":3,\"tier\":{\"type\":\"context\",\"size\":8}},"
    "{\"input\":2,\"output\":3,\"tier\":{\"type\":\"context\",\"size\":8}}]}}}}}";

static const struct price_version *last(struct price_table *t) {
  return &t->versions[t->count - 1];
}

static struct price price_of(const struct price_version *v, const char *name, struct arena *arena) {
  struct price p = {0};
  struct slice json = {NULL, 0};
  struct bytes quoted;
  bytes_init(&quoted);
  bytes_printf(&quoted, "\"%s\":", name);
  const char *found = strstr(v->prices.data, bytes_text(&quoted));
  CHECK(found != NULL);
  if (found) json = slice_of(found + quoted.len);
  json.len = (size_t)(strchr(json.data, '\n') - json.data);
  while (json.data[json.len - 1] != '}')
    json.len--;
  CHECK(price_read(json, arena, &p) == NULL);
  bytes_fini(&quoted);
  return p;
}

static void test_import(void) {
  struct price_import i;
  struct arena arena;
  const char *problem;
  arena_init(&arena);
  price_import_init(&i);
  CHECK(price_import_read(&i, slice_of(source), false, &problem));
  CHECK(i.taken == 4 && i.without_cost == 1 && i.free == 1);
  CHECK_TEXT(bytes_slice(&i.refused),
             "\"openai/odd\": a price is no number from 0 to 1000000000 with at most 9 decimals\n"
             "\"openai/half\": input or output is missing\n");
  struct bytes table, name;
  bytes_init(&table);
  bytes_init(&name);
  struct price_import_version v = {.source = SLICE("a \"b\""), .from_ms = 1795341601000};
  price_version_name(NULL, v.from_ms, &name);
  CHECK_TEXT(bytes_slice(&name), "2026-11-22.1");
  v.version = bytes_slice(&name);
  price_table_write(NULL, &v, bytes_slice(&i.prices), &table);
  struct price_table *t = price_table_read(bytes_slice(&table), &arena, &problem);
  CHECK(t && t->count == 1 && t->versions[0].from_ms == 1795341601000);
  if (!t) exit(1);
  CHECK_TEXT(t->versions[0].source, "a \"b\"");
  struct price p = price_of(last(t), "google/gemini-2.5-pro", &arena);
  CHECK(p.rates.input == 1250000000 && p.rates.cache_read == 310000000 && p.tier_count == 1);
  CHECK(p.tiers[0].above_tokens == 200000 && p.tiers[0].rates.output == 15000000000);
  p = price_of(last(t), "google/flash", &arena);
  CHECK(p.rates.input == 37500000 && p.rates.has_reasoning && p.rates.cache_write_1h == 1000000000);
  p = price_of(last(t), "openai/gpt-audio", &arena);
  CHECK(p.rates.has_audio_input && p.rates.audio_output == 80000000000);
  /* A second version stands behind the first, which stays as it was. */
  struct bytes second;
  bytes_init(&second);
  struct price_import_version later = {.version = SLICE("2026-11-22.2"), .from_ms = 1796000000000};
  price_version_name(t, 1795341601000, &name);
  CHECK_TEXT(bytes_slice(&name), "2026-11-22.2");
  price_table_write(t, &later, SLICE("{}"), &second);
  t = price_table_read(bytes_slice(&second), &arena, &problem);
  CHECK(t && t->count == 2);
  if (t) CHECK_TEXT(t->versions[0].version, "2026-11-22.1");
  if (t) CHECK(price_of(&t->versions[0], "openai/gpt-4o", &arena).rates.input == 2500000000);
  bytes_fini(&second);
  bytes_fini(&name);
  bytes_fini(&table);
  price_import_fini(&i);
  arena_fini(&arena);
}

static void test_refused(void) {
  static const char *const bad[] = {"", "[]", "{", "{}", "{\"a\":{\"models\":[]}}", "5"};
  for (size_t n = 0; n < sizeof bad / sizeof *bad; n++) {
    struct price_import i;
    const char *problem = NULL;
    price_import_init(&i);
    CHECK(!price_import_read(&i, slice_of(bad[n]), true, &problem) && problem);
    price_import_fini(&i);
  }
  struct price_import i;
  const char *problem;
  price_import_init(&i);
  CHECK(price_import_read(&i, slice_of(source), true, &problem) && i.taken == 5 && i.free == 0);
  price_import_fini(&i);
}

static void test_tiers(void) {
  struct price_import i;
  struct arena arena;
  const char *problem;
  struct bytes table;
  arena_init(&arena);
  bytes_init(&table);
  price_import_init(&i);
  CHECK(price_import_read(&i, slice_of(tiered), false, &problem) && i.taken == 2);
  CHECK_TEXT(bytes_slice(&i.refused),
             "\"openai/night\": a tier is of another kind than \"context\"\n"
             "\"openai/bare\": a tier has no size in tokens\n"
             "\"openai/twice\": tiers do not rise\n");
  struct price_import_version v = {.version = SLICE("1"), .source = SLICE("s"), .from_ms = 1000};
  price_table_write(NULL, &v, bytes_slice(&i.prices), &table);
  struct price_table *t = price_table_read(bytes_slice(&table), &arena, &problem);
  CHECK(t != NULL);
  if (!t) exit(1);
  struct price p = price_of(last(t), "openai/gpt-5.5", &arena);
  CHECK(p.tier_count == 2 && p.tiers[0].above_tokens == 272000 &&
        p.tiers[1].above_tokens == 500000);
  CHECK(p.tiers[0].rates.cache_read == 1000000000 && p.tiers[1].rates.input == 20000000000);
  CHECK(price_of(last(t), "openai/none", &arena).tier_count == 0);
  price_import_fini(&i);
  bytes_fini(&table);
  arena_fini(&arena);
}

int main(void) {
  test_tiers();
  test_import();
  test_refused();
  return checks_end();
}
