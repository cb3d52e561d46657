#include "script/tenant_scripts.h"

#include <stdlib.h>

#include "base/clock.h"
#include "observe/log.h"
#include "observe/metric.h"
#include "script/policy.h"
#include "script/strategies.h"
#include "script/tenant_sandbox.h"
#include "script/tenant_standing.h"

struct tenant_scripts {
  unsigned refs;
  uint64_t number, retired_ns;
  struct arena arena;
  struct slice tenant, refusal;
  struct bundle *bundle;
  struct config *config;
  struct sandbox *sandbox;
  struct policy_chain *policies;
  struct generation *translation, *adapters;
  struct strategies *strategies;
  struct tenant_standing *standing;
};

static struct tenant_scripts *create(struct slice tenant, uint64_t number) {
  struct tenant_scripts *s = must_calloc(1, sizeof *s);
  s->refs = 1;
  s->number = number;
  arena_init(&s->arena);
  s->tenant = arena_slice(&s->arena, tenant);
  return s;
}

static void destroy(struct tenant_scripts *s) {
  policy_chain_free(s->policies);
  if (s->sandbox) sandbox_free(s->sandbox);
  generation_unref(s->translation);
  generation_unref(s->adapters);
  strategies_unref(s->strategies);
  bundle_unref(s->bundle);
  config_unref(s->config);
  tenant_standing_unref(s->standing);
  arena_fini(&s->arena);
  free(s);
}

static void on_disabled(void *context, struct slice reason) {
  struct tenant_scripts *s = context;
  log_process(LOG_ERROR,
              "tenant %.*s: generation %llu does not run any more in one worker, and its requests "
              "get what on_error says: %.*s; new scripts start afresh, and so does gateyes scripts "
              "rollback %.*s --to %llu",
              (int)s->tenant.len, s->tenant.data, (unsigned long long)s->number, (int)reason.len,
              reason.data, (int)s->tenant.len, s->tenant.data, (unsigned long long)s->number);
  metric_add(metric_get(METRIC_SCRIPTS_DISABLED, &s->tenant), 1);
  if (s->standing) tenant_standing_disable(s->standing, reason);
}

/* A tenant without policies has no state, which would cost memory in each worker. */
static bool load_policies(struct tenant_scripts *s, const struct policy_host *host,
                          struct bytes *error) {
  const struct tenant_settings *t = s->config->tenant;
  struct policy_entry *items = arena_alloc(&s->arena, (t->policy_count + 1) * sizeof *items);
  if (t->policy_count == 0) return true;
  for (size_t i = 0; i < t->policy_count; i++)
    items[i] = (struct policy_entry){
        .module = t->policies[i].name,
        .settings = t->policies[i].settings,
        .file = slice_of(s->config->file),
        .line = t->policies[i].line,
        .on_error = t->policies[i].passes_on_error ? POLICY_ERROR_PASSES : POLICY_ERROR_DENIES};
  struct policy_entries entries = {items, t->policy_count};
  struct slice secrets = s->config->base ? s->config->base->tenant_secrets_path : SLICE("");
  struct slice parts[] = {secrets, SLICE("/"), s->tenant};
  struct policy_settings settings = {.tenant = s->tenant,
                                     .secrets_path =
                                         secrets.len ? arena_join(&s->arena, parts, 3) : SLICE(""),
                                     .wall_ms = t->scripts.wall_ms,
                                     .host = host};
  s->sandbox = tenant_sandbox_new(s->config, s->bundle);
  sandbox_on_disabled(s->sandbox, on_disabled, s);
  s->policies = policy_chain_new(s->sandbox, &entries, &settings, error);
  sandbox_set_cpu_ms(s->sandbox, t->scripts.cpu_ms);
  return s->policies != NULL;
}

static bool has_adapters(const struct bundle *bundle) {
  size_t count;
  const struct bundle_file *files = bundle_files(bundle, &count);
  for (size_t i = 0; i < count; i++)
    if (slice_starts(files[i].path, SLICE("adapters/")) && !bundle_is_spec(files[i].path))
      return true;
  return false;
}

static bool load_translations(struct tenant_scripts *s, struct responses *responses,
                              struct bytes *error) {
  if (s->config->provider_count == 0) return true;
  if (has_adapters(s->bundle)) {
    struct sandbox *sandbox = tenant_sandbox_new(s->config, s->bundle);
    sandbox_on_disabled(sandbox, on_disabled, s);
    s->adapters = generation_new_sandboxed(s->config, sandbox, responses, error);
    return s->adapters != NULL;
  }
  s->translation = generation_new(s->config, responses, error);
  return s->translation != NULL;
}

struct tenant_scripts *tenant_scripts_new(const struct tenant_source *source, struct bytes *error) {
  struct tenant_scripts *s = create(source->tenant, source->number);
  s->bundle = bundle_ref(source->bundle);
  s->config = config_ref(source->config);
  if (source->standing) s->standing = tenant_standing_ref(source->standing);
  s->strategies = strategies_new(s->config, s->bundle, source->host, error);
  if (s->strategies && load_translations(s, source->responses, error) &&
      load_policies(s, source->host, error))
    return s;
  destroy(s);
  return NULL;
}

struct tenant_scripts *tenant_scripts_new_refusal(struct slice tenant, struct slice sentence) {
  struct tenant_scripts *s = create(tenant, 0);
  s->refusal = arena_slice(&s->arena, sentence);
  return s;
}

struct tenant_scripts *tenant_scripts_ref(struct tenant_scripts *s) {
  s->refs++;
  return s;
}

void tenant_scripts_unref(struct tenant_scripts *s) {
  if (s && --s->refs == 0) destroy(s);
}

uint64_t tenant_scripts_number(const struct tenant_scripts *s) {
  return s->number;
}

struct slice tenant_scripts_name(const struct tenant_scripts *s) {
  return s->tenant;
}

struct slice tenant_scripts_refusal(const struct tenant_scripts *s) {
  return s->refusal;
}

struct policy_chain *tenant_scripts_policies(const struct tenant_scripts *s) {
  return s->policies;
}

struct generation *tenant_scripts_translation(const struct tenant_scripts *s) {
  return s->translation;
}

struct generation *tenant_scripts_adapters(const struct tenant_scripts *s) {
  return s->adapters;
}

struct strategies *tenant_scripts_strategies(const struct tenant_scripts *s) {
  return s->strategies;
}

struct config *tenant_scripts_config(const struct tenant_scripts *s) {
  return s->config;
}

struct bundle *tenant_scripts_bundle(const struct tenant_scripts *s) {
  return s->bundle;
}

void tenant_scripts_retire(struct tenant_scripts *s) {
  if (!s->retired_ns) s->retired_ns = clock_mono_ns();
}

uint64_t tenant_scripts_retired_ns(const struct tenant_scripts *s) {
  return s->retired_ns;
}
