/* tenant.lua over gateyes.lua: what a tenant may say, and what it may not reach. */
#include "script/tenant_file.h"

#include "config_kit.h"

static struct config *base;

static struct config *tenant(const char *source, struct config_problems *p) {
  struct bundle *layer = bundle_new(SLICE("site"), NULL);
  struct bundle *b = bundle_new(SLICE("tenants/acme"), layer);
  bundle_add(layer, SLICE("adapters/openai.lua"), SLICE("return {}"));
  bundle_add(layer, SLICE("policies/pii.lua"), SLICE("return {}"));
  bundle_add(b, SLICE("policies/residency.lua"), SLICE("return {}"));
  if (source) bundle_add(b, SLICE("tenant.lua"), slice_of(source));
  bundle_seal(layer);
  bundle_seal(b);
  struct config *c = tenant_config_load(base, SLICE("acme"), b, p);
  bundle_unref(layer);
  bundle_unref(b);
  return c;
}

static struct config *fine(const char *source) {
  struct config_problems p;
  config_problems_init(&p);
  struct config *c = tenant(source, &p);
  print_problems(&p);
  CHECK(c != NULL);
  config_problems_fini(&p);
  return c;
}

static void wrong(const char *source, const char *sentence) {
  struct config_problems p;
  config_problems_init(&p);
  struct config *c = tenant(source, &p);
  CHECK(p.count > 0);
  bool found = false;
  for (size_t i = 0; i < p.count; i++)
    found = found || strstr(p.items[i], sentence);
  if (!found) print_problems(&p);
  if (!found) fprintf(stderr, "missing: %s\n", sentence);
  CHECK(found);
  config_unref(c);
  config_problems_fini(&p);
}

static const struct model *model_of(const struct config *c, const char *name) {
  const struct model *m = config_model_find(c, slice_of(name));
  must(m != NULL);
  return m;
}

static void test_overlay(void) {
  struct config *none = fine(NULL);
  CHECK(none->tenant->policy_count == 0 && none->model_count == base->model_count);
  CHECK(model_of(none, "smart") == model_of(none, "gpt"));
  CHECK(model_of(none, "gpt")->targets[0].provider == model_of(base, "gpt")->targets[0].provider);
  config_unref(none);
  setenv("GATEYES_TENANT_ACME__KEY", "sk-tenant", 1);
  struct config *c =
      fine("return {\n"
           "  providers = { mine = { adapter = 'openai',\n"
           "    base_url = 'https://api.openai.com/v1', credential = env 'KEY' } },\n"
           "  models = { gpt = { targets = { 'mine/own', 'o/shared' } },\n"
           "    best = { alias = 'gpt' }, fast = { alias = 'cheap' } },\n"
           "  policies = { 'residency', { name = 'pii', on_error = 'pass',\n"
           "    mode = 'mask' } },\n"
           "  scripts = { cpu = '5ms' }, canary = { percent = 5, keys = { 'ci' } },\n"
           "}");
  const struct model *own = model_of(c, "gpt");
  CHECK_TEXT(own->targets[0].provider->name, "acme/mine");
  CHECK_TEXT(own->targets[0].provider->credential, "sk-tenant");
  CHECK(own->targets[0].provider->index == PROVIDER_UNLISTED);
  CHECK(own->targets[0].provider->addresses != NULL);
  CHECK(own->targets[1].provider == &base->providers[0]);
  CHECK(model_of(c, "best") == own && model_of(c, "smart") == own);
  CHECK(model_of(c, "fast") == model_of(c, "cheap"));
  CHECK(c->model_count == 2);
  CHECK(c->tenant->policy_count == 2 && c->tenant->policies[1].passes_on_error);
  CHECK_TEXT(c->tenant->policies[0].name, "residency");
  CHECK(c->tenant->policies[1].line == 6);
  CHECK(c->tenant->policies[1].settings->count == 1);
  CHECK_TEXT(value_find(c->tenant->policies[1].settings, "mode")->text, "mask");
  CHECK(c->tenant->scripts.cpu_ms == 5 && c->tenant->scripts.wall_ms == 100);
  CHECK(c->tenant->has_canary && c->tenant->canary_percent == 5);
  CHECK(c->tenant->canary_key_count == 1);
  config_unref(c);
}

static void test_override(void) {
  struct config *c = fine("return { providers = { o = { adapter = 'openai',\n"
                          "  base_url = 'https://gpu.corp.example/v1', credential = 'own' } } }");
  CHECK_TEXT(model_of(c, "gpt")->targets[0].provider->name, "acme/o");
  CHECK_TEXT(model_of(c, "gpt")->targets[0].provider->credential, "own");
  CHECK_TEXT(model_of(base, "gpt")->targets[0].provider->name, "o");
  config_unref(c);
}

static void test_refused(void) {
  setenv("OPENAI_API_KEY", "sk-platform", 1);
  wrong("return { polices = {} }",
        "tenant.lua:1: polices: unknown key; did you mean \"policies\"?");
  wrong("return {\n  policies = { 'residancy' } }",
        "tenant.lua:2: policies: there is no file policies/residancy.lua (did you mean "
        "\"residency\"?)");
  wrong("return { policies = { { mode = 'x' } } }", "has no name");
  wrong("return { policies = { '../x' } }", "is no name of a policy");
  wrong("return { policies = { { name = 'pii', on_error = 'ignore' } } }", "none of deny|pass");
  wrong("return { scripts = { cpu = '1s' } }", "scripts.cpu: is above what the operator allows");
  wrong("return { workers = 2 }", "workers: unknown key");
  wrong("return { models = { a = { targets = { 'nobody/x' } } } }", "no provider is called");
  wrong("return { models = { gpt = { alias = 'smart' } } }", "circle");
  wrong("return { x = env 'OPENAI_API_KEY' }", "GATEYES_TENANT_ACME__OPENAI_API_KEY is not set");
  wrong("return { x = secret_file '/etc/passwd' }", "takes a plain name");
  wrong("return { x = secret_file 'k' }", "takes a plain name");
  static const char provider[] = "return { providers = { p = { adapter = 'openai', %s } } }";
  static const struct {
    const char *settings, *sentence;
  } cases[] = {
      {"base_url = 'https://evil.example'", "ask the operator to add the host to tenant_hosts"},
      {"base_url = 'http://127.0.0.1:8081'", "ask the operator"},
      {"base_url = 'http://2130706433/'", "base_url"},
      {"base_url = 'https://api.openai.com', proxy = 'http://127.0.0.1'", "is the operator's"},
      {"base_url = 'https://api.openai.com', tls = { ca = '/etc/shadow' }", "is the operator's"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char source[300];
    snprintf(source, sizeof source, provider, cases[i].settings);
    wrong(source, cases[i].sentence);
  }
  wrong("return { providers = { p = { adapter = 'opnai', base_url = 'https://api.openai.com' } } }",
        "adapters/opnai.lua (did you mean \"openai\"?)");
}

/* A host on the list may be named with any port. */
static void test_ports(void) {
  struct config *c =
      fine("return { providers = {\n"
           "  p = { adapter = 'openai', base_url = 'https://api.openai.com:8443/v1' },\n"
           "  q = { adapter = 'openai', base_url = 'http://10.1.2.3:8000' } } }");
  if (c) CHECK(c->provider_count == 2);
  config_unref(c);
}

int main(void) {
  kit_init();
  base = accepted("return { tenant_hosts = { 'api.openai.com', '*.corp.example', '10.0.0.0/8' },\n"
                  "  providers = { o = { adapter = 'openai', base_url = 'http://o' } },\n"
                  "  models = { gpt = { targets = { 'o/gpt' } }, cheap = { targets = { 'o/c' } },\n"
                  "    smart = { alias = 'gpt' } } }");
  test_overlay();
  test_override();
  test_refused();
  test_ports();
  config_unref(base);
  return kit_end();
}
