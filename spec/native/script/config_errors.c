/* Every way in which a configuration can be wrong, with the line and the words that say so. */
#include "config_kit.h"

#define PROVIDER "providers = { p = { adapter = 'openai', base_url = 'http://h/v1' } },\n"

#define DURATION                                                                                   \
  "expects a duration: seconds, or text such as \"500ms\", \"5s\", \"2m\", \"1h\", got "

static void test_names_and_types(void) {
  REFUSED("return {\n\n lissten = {} }", "3: lissten: unknown key; did you mean \"listen\"?");
  REFUSED("return { queue = {\n zzzzzzzz = 1 } }",
          "2: queue.zzzzzzzz: unknown key; keys here are wait");
  REFUSED("return { models = {\n m = { targets = 'p/m',\n prise = {} } },\n" PROVIDER "}",
          "3: models.m.prise: unknown key; did you mean \"price\"?");
  REFUSED("return { client = { header =\n {} },\n ping = {}, strict = 'yes', workers = 1.5,\n"
          " upstream = 5 }",
          "1: client.header: " DURATION "a table with names",
          "3: ping: " DURATION "a table with names",
          "3: strict: expects true or false, got \"yes\"",
          "3: workers: expects a whole number, got 1.5",
          "4: upstream: expects a table of settings, got 5; write { name = value }");
  REFUSED("return { limits = { body = '20 megs' },\n log = { file = 5 },\n currency = '' }",
          "1: limits.body: expects a size: bytes, or text such as \"64KiB\", \"20MiB\", got \"20 "
          "megs\"",
          "2: log.file: expects text, got 5; put it in quotes",
          "3: currency: is empty; give it a value or remove the key");
  REFUSED("return { providers = {\n { adapter = 'openai' } } }",
          "1: providers: expects a table of providers, got a list; write { name = value }");
  REFUSED("return { keys = { name = 'x' } }",
          "1: keys: expects a list of keys, got a table with names; write { … } with values and no "
          "names");
}

static void test_bounds(void) {
  REFUSED("return {\n workers = 0,\n client = { header = 0, body_idle = '25h' },\n"
          " limits = { json_depth = 100000, body = '2GiB' },\n"
          " limits_ = 1 }",
          "2: workers: 0 is out of range; use 1 to 256",
          "3: client.body_idle: \"25h\" is out of range; use 0.001s to 86400s",
          "3: client.header: 0 is out of range; use 0.001s to 86400s",
          "4: limits.body: \"2GiB\" is out of range; use 1 bytes to 1073741824 bytes",
          "4: limits.json_depth: 100000 is out of range; use 8 to 1000",
          "5: limits_: unknown key; did you mean \"limits\"?");
  REFUSED("return { queue = { wait = -1 },\n ping = 0.0001 }", "1: queue.wait: " DURATION "-1",
          "2: ping: " DURATION "0.0001");
  REFUSED("return { limits = {\n write_high = 4096, write_low = 4096 },\n"
          " drain = { grace = 60, hard = 30 } }",
          "1: limits: write_low is not below write_high; lower write_low or raise write_high",
          "3: drain: hard is below grace; raise hard or lower grace");
  REFUSED("return { currency = 'usd', unpriced = 'deny' }",
          "1: unpriced: \"deny\" is none of allow|allow_unpriced|block|default; use one of them",
          "1: currency: is no currency; write capital letters such as \"USD\"");
}

static void test_secrets(void) {
  write_beside("empty.txt", "\n", 1);
  REFUSED("return {\n admin = { key = env 'GATEYES_NONE' },\n"
          " keys = { { name = 'a', key = env 'GATEYES_EMPTY' },\n"
          "  { name = 'b', key = secret_file 'none.txt' }, { name = 'c',\n"
          "   key = secret_file '.' }, { name = 'd', key = secret_file 'empty.txt' } },\n"
          " ping = 'x' }",
          "2: admin.key: environment variable GATEYES_NONE is not set; set it, or write "
          "env(\"GATEYES_NONE\", \"default\")",
          "3: keys[1].key: environment variable GATEYES_EMPTY is empty; set it, or write "
          "env(\"GATEYES_EMPTY\", \"default\")",
          SECRET_FILE("4: keys[2].key", "none.txt", "No such file or directory", ""),
          SECRET_FILE("5: keys[3].key", ".", "it is no plain file", ""),
          SECRET_FILE("5: keys[4].key", "empty.txt", "it is empty", ""),
          "6: ping: " DURATION "\"x\"");
}

#define NOT_SET(name, meant)                                                                       \
  "environment variable " name " is not set" meant "; set it, or write env(\"" name                \
  "\", \"default\")"

/* Each missing thing with the place of its value, and with the name that was probably meant. */
static void test_missing(void) {
  write_beside("key.txt", "secret", 6);
  REFUSED("local token = env 'GATEYES_NO_TOKEN'\n"
          "return { providers = { p = { adapter = 'openai', base_url = 'http://h',\n"
          " credential = env 'GATEYES_SECRTE',\n"
          " headers = { ['x.y'] = 'Bearer ' .. token } } },\n"
          " keys = { { name = 'a', key = secret_file 'keys.txt' } },\n"
          " workers = tonumber(env 'GATEYES_NO_NUMBER'),\n pings = 1 }",
          "1: providers.p.headers[\"x.y\"]: " NOT_SET("GATEYES_NO_TOKEN", ""),
          "3: providers.p.credential: " NOT_SET("GATEYES_SECRTE",
                                                " (did you mean \"GATEYES_SECRET\"?)"),
          SECRET_FILE("5: keys[1].key", "keys.txt", "No such file or directory",
                      " (did you mean \"key.txt\"?)"),
          "6: workers: " NOT_SET("GATEYES_NO_NUMBER", ""),
          "7: pings: unknown key; did you mean \"ping\"?");
  REFUSED("local name = env 'GATEYES_NO_NAME'\nerror('no ' .. name)",
          "1: " NOT_SET("GATEYES_NO_NAME", ""));
  REFUSED("return {\n ping = function() end,\n models = { { 1, x = 2 } } }",
          "2: ping: a function is no value of a setting; call it, or remove it",
          "3: models[1]: a table mixes names with places or other keys; use only names, or none",
          "3: models: expects a table of models, got a list; write { name = value }");
}

static void test_secrets_stay(void) {
  REFUSED("return { ping = env 'GATEYES_SECRET' }", "1: ping: " DURATION "a secret value");
  REFUSED("return { ping = 'Bearer ' .. env 'GATEYES_SECRET' }",
          "1: ping: " DURATION "a secret value");
  REFUSED("return { workers = tonumber(env 'GATEYES_PIN') }",
          "1: workers: a secret value is out of range; use 1 to 256");
  REFUSED(
      "return { keys = { { name = 'a', key = 'gy-key-one', models = { env 'GATEYES_SECRET' } } },\n"
      " cors = { origins = env 'GATEYES_SECRET' },\n"
      " models = { m = { alias = env 'GATEYES_SECRET' },\n"
      "  n = { targets = { env 'GATEYES_SECRET' .. '/x' } } } }",
      "1: keys[1].models: no model is called a secret value; correct the name or use * in it",
      "2: cors.origins: a secret value is no origin; write \"*\" or \"https://host\", without a "
      "path",
      "3: models.m.alias: no model is called a secret value; correct the name",
      "4: models.n.targets[1]: no provider is called a secret value; add it to providers or "
      "correct "
      "the name");
  REFUSED("error('bad ' .. env 'GATEYES_SECRET')",
          "1: an error whose message holds a secret; it is not shown");
  REFUSED("return { [env 'GATEYES_SECRET'] = 1 }",
          "1: configuration: a name comes from env or a secret file; write names out");
  REFUSED("return { keys = { { name = 'a', key = 1234567890 } } }",
          "1: keys[1].key: expects text, got a secret value; put it in quotes");
  REFUSED("return { keys = { { name = 'a', key = '' }, { name = 'b', key = 'with a blank' } } }",
          "1: keys[1].key: is no key; use 1 to 512 visible characters",
          "1: keys[2].key: is no key; use 1 to 512 visible characters");
}

static void test_twice(void) {
  REFUSED("return { models = {\n m = { targets = 'p/a' },\n x = {\n alias = 'm' },\n"
          " m = { targets = 'p/b' } },\n" PROVIDER "}",
          "5: models.m: stands in this table already, on line 2; keep one of the two");
  REFUSED("return { models = { m = { targets = 'p/a' },\n ['m'] = { alias = 'm2' },\n"
          " m2 = { targets = 'p/c' } },\n" PROVIDER "}",
          "2: models.m: stands in this table already, on line 1; keep one of the two");
  REFUSED("return { keys = {\n { name = 'a', key = 'gy-key-one' },\n"
          " { name = 'a', key = 'gy-key-two' },\n { name = 'b', key = 'gy-key-one' },\n"
          " { name = 'c', key = 'gy-key-adm' } },\n admin = { key = 'gy-key-adm' } }",
          "3: keys[2].name: two keys have this name; rename one",
          "4: keys[3]: is the same key as \"a\"; give each its own",
          "5: keys[4]: is the same key as another, or as admin.key; give each its own");
  REFUSED("return { models = { m = { targets = {\n 'p/a',\n 'p/a' } } },\n" PROVIDER "}",
          "3: models.m.targets[2]: the same target twice; keep one");
}

static void test_targets(void) {
  REFUSED(
      "return { models = { m = { targets = {\n 'q/a',\n 'a', {\n weight = -1 }, 5 } },\n"
      " n = { targets = {} },\n o = {} }, providers = {\n"
      " q2 = { adapter = 'x', base_url = 'http://h' } } }",
      "2: models.m.targets[1]: no provider is called \"q\" (did you mean \"q2\"?); add it to "
      "providers or correct the "
      "name",
      "3: models.m.targets[2]: \"a\" is no target; write \"provider/upstream-model\"",
      "3: models.m.targets[3]: has no target; write target = \"provider/upstream-model\"",
      "4: models.m.targets[3].weight: expects a whole number, got -1",
      "4: models.m.targets[4]: expects text, got 5; put it in quotes",
      "5: models.n.targets: is empty; name at least one target",
      "6: models.o: has no targets; write targets = { \"provider/upstream-model\" } or an alias");
  REFUSED("return { models = { m = { targets = { 'opnai/x' } } }, providers = {\n"
          " openai = { adapter = 'openai', base_url = 'http://h' } } }",
          "1: models.m.targets[1]: no provider is called \"opnai\" (did you mean \"openai\"?); add "
          "it to "
          "providers or correct the name");
  REFUSED(
      "return { models = { m = { strategy = 'weighted',\n"
      " targets = { { target = 'p/a', weight = 0 }, { target = 'p/b', weight = 0 } } },\n"
      " n = { strategy = 'no name',\n targets = { { target = 'p/a', weigth = 1 } } } },\n" PROVIDER
      "}",
      "2: models.m.targets: all weights are 0, so nothing could be drawn; give one target a weight",
      "3: models.n.strategy: is no name of a policy; use letters, digits, - and _",
      "4: models.n.targets[1].weigth: unknown key; did you mean \"weight\"?");
}

/* Thousands of problems are found in linear time, each one told. */
static void test_many(void) {
  static const char text[] = "local models = {}\nfor i = 1, 20000 do models['model-' .. i] = { "
                             "alias = 'mode-' .. i } end\n"
                             "return { models = models }";
  struct config_problems p;
  CHECK(load_bytes(text, strlen(text), &p) == NULL && p.count == 20000);
  config_problems_fini(&p);
}

static void test_aliases(void) {
  REFUSED(
      "return { models = {\n a = { alias = 'b' },\n b = { alias = 'c' },\n c = { alias = 'a' },\n"
      " d = { alias = 'a' },\n e = { alias = 'e' } } }",
      "4: models.c.alias: aliases form a circle; let one of them name a model",
      "6: models.e.alias: aliases form a circle; let one of them name a model");
  REFUSED(
      "return { models = {\n smart = { alias = 'gpt-4' },\n"
      " ['gpt-4o'] = { targets = 'p/x' },\n"
      " z = { alias = 'gpt-4o', price = {} } },\n" PROVIDER "}",
      "2: models.smart.alias: no model is called \"gpt-4\" (did you mean \"gpt-4o\"?); correct the "
      "name",
      "4: models.z.price: stands beside alias, which takes everything from its model; remove it");
}

static void test_prices(void) {
  REFUSED(
      "return { models = { m = { targets = 'p/m', price = {\n input = -1,\n output = 0/0,\n"
      " cache_read = 1e-10,\n image = 1e308,\n request = 1/0,\n reasoning = 2e9,\n"
      " audio_input = '2.50 USD',\n cache_write = 1, cache_write_5m = 1 } } },\n" PROVIDER "}",
      "2: models.m.price.input: is negative, got -1; use 0 or more",
      "3: models.m.price.output: expects a price per million tokens, got nan; write a number such "
      "as 2.50",
      "4: models.m.price.cache_read: is finer than a billionth of the currency can tell, got "
      "1e-10; use at most 9 decimals",
      "5: models.m.price.image: is too large, got 1e+308; use at most 1000000",
      "6: models.m.price.request: expects a price per piece, got inf; write a number such as 2.50",
      "7: models.m.price.reasoning: 2000000000 is out of range; use 0 to 1000000000",
      "8: models.m.price.audio_input: expects a price per million tokens, got \"2.50 USD\"; write "
      "a "
      "number such as 2.50",
      "9: models.m.price.cache_write: is the same as cache_write_5m; keep one of them");
  REFUSED("return { models = { m = { targets = 'p/m', price = {\n output = 1 } },\n"
          " n = { targets = 'p/m', price = {} } },\n" PROVIDER "}",
          "1: models.m.price: has no input price; write input = 0 if it costs nothing",
          "3: models.n.price: has no input price; write input = 0 if it costs nothing",
          "3: models.n.price: has no output price; write output = 0 if it costs nothing");
  REFUSED(
      "return { unpriced = 'block', models = {\n m = { targets = 'p/m' } },\n" PROVIDER "}",
      "2: models.m: has no price, and unpriced = \"block\"; give it one, or allow unknown costs");
}

int main(void) {
  kit_init();
  setenv("GATEYES_EMPTY", "", 1);
  setenv("GATEYES_SECRET", "hunter2-hunter2", 1);
  setenv("GATEYES_PIN", "4711", 1);
  test_names_and_types();
  test_bounds();
  test_secrets();
  test_missing();
  test_secrets_stay();
  test_twice();
  test_targets();
  test_aliases();
  test_many();
  test_prices();
  return kit_end();
}
