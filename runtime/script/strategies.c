#include "script/strategies.h"

#include <stdlib.h>

#include "script/tenant_sandbox.h"

struct strategies {
  unsigned refs;
  struct config *config;
  struct bundle *bundle;
  struct sandbox *sandbox;
  struct strategy {
    const struct tenant_policy *policy;
    struct policy_chain *chain;
  } * items;
  size_t count;
};

bool strategies_are_wanted(const struct config *config) {
  for (size_t i = 0; i < config->model_count; i++)
    if (config->models[i].routing) return true;
  return false;
}

/* Without settings one chain serves all models that name the policy. */
static bool is_same(const struct tenant_policy *a, const struct tenant_policy *b) {
  return a == b || (slice_equal(a->name, b->name) && !a->settings->count && !b->settings->count);
}

static struct strategy *find(const struct strategies *s, const struct tenant_policy *policy) {
  for (size_t i = 0; i < s->count; i++)
    if (is_same(s->items[i].policy, policy)) return &s->items[i];
  return NULL;
}

/* A fault in a strategy must not cost the request: the order stays what it was. */
static bool add(struct strategies *s, const struct tenant_policy *policy,
                const struct policy_host *host, struct bytes *error) {
  struct policy_entry entry = {.module = policy->name,
                               .settings = policy->settings,
                               .file = slice_of(s->config->file),
                               .line = policy->line,
                               .on_error = POLICY_ERROR_PASSES};
  struct policy_entries entries = {&entry, 1};
  struct policy_settings settings = {.tenant = SLICE(""), .host = host};
  struct policy_chain *chain = policy_chain_new(s->sandbox, &entries, &settings, error);
  if (!chain) return false;
  if (policy_chain_hooks(chain) != 1u << POLICY_ROUTE) {
    bytes_printf(error,
                 "%s:%d: policies.%.*s: a model's strategy has the hook route and no other\n",
                 s->config->file, policy->line, (int)policy->name.len, policy->name.data);
    policy_chain_free(chain);
    return false;
  }
  s->items[s->count++] = (struct strategy){policy, chain};
  return true;
}

static struct sandbox *sandbox_open(const struct config *config, struct bundle *bundle) {
  struct sandbox_settings settings = {.name = SLICE("strategies"),
                                      .memory_bytes = config->scripts.memory_bytes,
                                      .cpu_ms = TENANT_LOAD_CPU_MS,
                                      .find = tenant_module_find,
                                      .context = bundle};
  return sandbox_new(&settings);
}

struct strategies *strategies_new(struct config *config, struct bundle *bundle,
                                  const struct policy_host *host, struct bytes *error) {
  struct strategies *s = must_calloc(1, sizeof *s);
  s->refs = 1;
  s->config = config_ref(config);
  if (!strategies_are_wanted(config)) return s;
  must(bundle != NULL);
  s->bundle = bundle_ref(bundle);
  s->sandbox = sandbox_open(config, bundle);
  s->items = must_calloc(config->model_count, sizeof *s->items);
  bool fine = true;
  for (size_t i = 0; i < config->model_count; i++) {
    const struct tenant_policy *policy = config->models[i].routing;
    if (policy && !find(s, policy)) fine &= add(s, policy, host, error);
  }
  sandbox_set_cpu_ms(s->sandbox, config->scripts.cpu_ms);
  if (fine) return s;
  strategies_unref(s);
  return NULL;
}

struct strategies *strategies_ref(struct strategies *s) {
  s->refs++;
  return s;
}

void strategies_unref(struct strategies *s) {
  if (!s || --s->refs) return;
  for (size_t i = 0; i < s->count; i++)
    policy_chain_free(s->items[i].chain);
  if (s->sandbox) sandbox_free(s->sandbox);
  bundle_unref(s->bundle);
  config_unref(s->config);
  free(s->items);
  free(s);
}

struct policy_chain *strategies_find(const struct strategies *s, const struct model *model) {
  const struct strategy *found = model->routing ? find(s, model->routing) : NULL;
  return found ? found->chain : NULL;
}
