/* gateyes.lua from a file on disk to a snapshot, and every way in which that can be refused. */
#include "script/config_file.h"

#include <unistd.h>

#include "check.h"

static char folder[] = "/tmp/gateyes-config-XXXXXX";
static char file[64];

static void write_file(const char *path, const char *text) {
  FILE *f = fopen(path, "w");
  CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static struct config *load(const char *text, struct config_problems *p) {
  write_file(file, text);
  config_problems_init(p);
  return config_file_load(file, p);
}

static void print_problems(const struct config_problems *p) {
  for (size_t i = 0; i < p->count; i++)
    fprintf(stderr, "  %s\n", p->items[i]);
}

/* The file is refused with exactly these problems, each without its "file:"; NULL ends. */
static void refused_(int line, const char *text, const char *const *wanted) {
  struct config_problems p;
  struct config *c = load(text, &p);
  size_t i = 0, name = strlen(file) + 1;
  bool is_same = c == NULL;
  for (; wanted[i] && i < p.count; i++)
    is_same = is_same && strlen(p.items[i]) > name && strcmp(p.items[i] + name, wanted[i]) == 0;
  if (!is_same || wanted[i] || i != p.count) {
    fprintf(stderr, "%s:%d: other problems than wanted:\n", __FILE__, line);
    print_problems(&p);
    checks_failed++;
  }
  config_unref(c);
  config_problems_fini(&p);
}

#define REFUSED(text, ...) refused_(__LINE__, text, (const char *const[]){__VA_ARGS__, NULL})

static struct config *accepted(const char *text) {
  struct config_problems p;
  struct config *c = load(text, &p);
  CHECK(c != NULL);
  print_problems(&p);
  config_problems_fini(&p);
  if (!c) exit(1);
  return c;
}

static void test_example(void) {
  struct config_problems p;
  config_problems_init(&p);
  struct config *c = config_file_load(EXAMPLES "/basic/gateyes.lua", &p);
  print_problems(&p);
  CHECK(c && p.count == 0);
  if (c) {
    CHECK(c->provider_count == 3 && c->model_count == 3 && c->alias_count == 1);
    const struct model *smart = config_model_find(c, SLICE("smart"));
    CHECK(smart && smart->price.output == 15000 && smart->price.cache_write_1h == 6000);
    CHECK_TEXT(c->providers[0].name, "mock-openai"); /* the order of the file */
    CHECK_TEXT(c->providers[0].host, "127.0.0.1:9100");
    CHECK(c->key_count == 1 && !c->has_admin_key);
  }
  config_unref(c);
  config_problems_fini(&p);
}

static void test_documented(void) {
  char path[96];
  snprintf(path, sizeof path, "%s/tenants", folder);
  CHECK(access(path, F_OK) == 0);
  struct config *c = accepted(
      "return {\n"
      "  listen = { '127.0.0.1:8080', '[::]:8443', 'unix:/run/gateyes.sock' },\n"
      "  admin = { listen = { '127.0.0.1:8081' }, key = env 'GATEYES_ADMIN_KEY' },\n"
      "  workers = 2, store = 'sqlite:gateyes.db', shared = nil, tenants = 'tenants/',\n"
      "  providers = {\n"
      "    gpu = { adapter = 'openai', base_url = 'http://gpu1:8000/v1', residency = 'local' },\n"
      "    claude = { adapter = 'anthropic', base_url = 'https://api.anthropic.com',\n"
      "               credential = env 'ANTHROPIC_API_KEY', residency = 'cloud' },\n"
      "  },\n"
      "  models = {\n"
      "    ['llama-3-70b'] = { targets = { 'gpu/meta-llama/Llama-3-70B-Instruct' } },\n"
      "    ['gpt-4o'] = { targets = { 'gpu/gpt-4o', { target = 'claude/c', weight = 1 } },\n"
      "      strategy = 'priority', price = { input = 2.50, cache_read = 1.25, output = 10.00 },\n"
      "      tokenizer = 'o200k_base', context_tokens = 128000, max_output_tokens = 16384 },\n"
      "    smart = { alias = 'gpt-4o' },\n"
      "  },\n"
      "  keys = { { name = 'dev', key = env 'GATEYES_KEY', tenant = 'acme',\n"
      "             roles = { 'developer' } } },\n"
      "}\n");
  CHECK(c->workers == 2 && c->listen.count == 3 && c->listen.items[2].is_unix);
  CHECK(strcmp(c->listen.items[1].host, "::") == 0 && c->listen.items[1].port == 8443);
  const struct model *m = config_model_find(c, SLICE("smart"));
  CHECK(m && m->price.input == 2500 && m->price.cache_read == 1250 && m->price.output == 10000);
  CHECK_TEXT(config_model_find(c, SLICE("llama-3-70b"))->targets[0].model,
             "meta-llama/Llama-3-70B-Instruct");
  CHECK_TEXT(c->providers[1].credential, "sk-ant-secret");
  CHECK_TEXT(c->keys[0].tenant, "acme");
  CHECK(c->has_admin_key && c->providers[0].line == 6 && c->providers[1].line == 7);
  config_unref(c);
}

int main(void) {
  char path[96];
  CHECK(mkdtemp(folder) != NULL);
  snprintf(file, sizeof file, "%s/gateyes.lua", folder);
  snprintf(path, sizeof path, "mkdir %s/tenants", folder);
  CHECK(system(path) == 0);
  setenv("GATEYES_ADMIN_KEY", "admin-secret", 1);
  setenv("ANTHROPIC_API_KEY", "sk-ant-secret", 1);
  setenv("GATEYES_KEY", "gy-dev-key", 1);
  test_example();
  test_documented();
  REFUSED("return { lissten = {} }", "1: lissten: unknown key, did you mean \"listen\"?");
  return checks_end();
}
