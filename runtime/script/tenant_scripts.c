#include "script/tenant_scripts.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/value_json.h"
#include "observe/log.h"
#include "observe/metric.h"
#include "script/policy.h"
#include "script/strategies.h"
#include "script/tenant_sandbox.h"
#include "script/tenant_standing.h"

enum { SERVICE_SETTINGS_DEPTH = 16 };

struct service_chain { /* one list of a service's policies, behind the tenant's */
  struct service_chain *next;
  struct slice policies, problem;
  struct sandbox *sandbox;
  struct policy_chain *chain; /* NULL: problem says why */
};

struct tenant_scripts {
  unsigned refs;
  uint64_t number, retired_ns;
  struct arena arena;
  struct slice tenant, refusal;
  struct bundle *bundle;
  struct config *config;
  struct sandbox *sandbox;
  struct policy_chain *policies;
  const struct policy_host *host;
  struct service_chain *services;
  struct generation *translation, *adapters;
  struct strategies *strategies;
  struct tenant_standing *standing;
};

static struct tenant_scripts *create(struct slice tenant, uint64_t number) {
  struct tenant_scripts *s = must_calloc(1, sizeof *s);
  s->refs = 1;
  s->number = number;
  arena_init_small(&s->arena);
  s->tenant = arena_slice(&s->arena, tenant);
  return s;
}

static void destroy(struct tenant_scripts *s) {
  for (struct service_chain *c = s->services; c; c = c->next) {
    policy_chain_free(c->chain);
    if (c->sandbox) sandbox_free(c->sandbox);
  }
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

static struct policy_entry entry_of(const struct tenant_scripts *s, const struct tenant_policy *p) {
  return (struct policy_entry){.module = p->name,
                               .settings = p->settings,
                               .file = slice_of(s->config->file),
                               .line = p->line,
                               .on_error =
                                   p->passes_on_error ? POLICY_ERROR_PASSES : POLICY_ERROR_DENIES};
}

/* Of one that is missing has been said so, and the others are looked at. */
static bool has_policy(struct tenant_scripts *s, struct slice name) {
  struct slice parts[] = {SLICE("policies/"), name, SLICE(".lua")};
  return bundle_find(s->bundle, arena_join(&s->arena, parts, 3)) != NULL;
}

/* The tenant's own come first; room is for those behind them. */
static struct policy_entries entries_of(struct tenant_scripts *s, size_t room,
                                        struct policy_entry **behind) {
  const struct tenant_settings *t = s->config->tenant;
  struct policy_entry *items = arena_alloc(&s->arena, (t->policy_count + room + 1) * sizeof *items);
  size_t count = 0;
  for (size_t i = 0; i < t->policy_count; i++)
    if (has_policy(s, t->policies[i].name)) items[count++] = entry_of(s, &t->policies[i]);
  if (behind) *behind = items + count;
  return (struct policy_entries){items, count};
}

static struct policy_chain *open_chain(struct tenant_scripts *s, struct sandbox *sandbox,
                                       const struct policy_entries *entries, struct bytes *error) {
  const struct tenant_settings *t = s->config->tenant;
  struct slice secrets = s->config->base ? s->config->base->tenant_secrets_path : SLICE("");
  struct slice parts[] = {secrets, SLICE("/"), s->tenant};
  struct policy_settings settings = {.tenant = s->tenant,
                                     .secrets_path =
                                         secrets.len ? arena_join(&s->arena, parts, 3) : SLICE(""),
                                     .wall_ms = t->scripts.wall_ms,
                                     .host = s->host};
  struct policy_chain *chain = policy_chain_new(sandbox, entries, &settings, error);
  sandbox_set_cpu_ms(sandbox, t->scripts.cpu_ms);
  return chain;
}

/* A tenant without policies has no state, which would cost memory in each worker. */
static bool load_policies(struct tenant_scripts *s, const struct policy_host *host,
                          struct bytes *error) {
  s->host = host;
  if (s->config->tenant->policy_count == 0) return true;
  struct policy_entries entries = entries_of(s, 0, NULL);
  s->sandbox = tenant_sandbox_new(s->config, s->bundle);
  sandbox_on_disabled(s->sandbox, on_disabled, s);
  s->policies = open_chain(s, s->sandbox, &entries, error);
  return s->policies != NULL;
}

static struct slice text_of(const struct value *map, const char *key) {
  const struct value *v = map->type == VALUE_MAP ? value_find(map, key) : NULL;
  return v && v->type == VALUE_TEXT ? v->text : (struct slice){"", 0};
}

/* Everything of the entry but what is ours. */
static const struct value *settings_of(struct tenant_scripts *s, const struct value *entry) {
  struct value *map = arena_alloc(&s->arena, sizeof *map);
  *map = (struct value){.type = VALUE_MAP};
  if (entry->type != VALUE_MAP) return map;
  map->items = arena_alloc(&s->arena, (entry->count + 1) * sizeof *map->items);
  for (size_t i = 0; i < entry->count; i++) {
    struct slice key = entry->items[i].key;
    if (!slice_equal_text(key, "name") && !slice_equal_text(key, "on_error"))
      map->items[map->count++] = entry->items[i];
  }
  return map;
}

/* In a sandbox of its own: what goes wrong there closes this service alone. */
static struct policy_chain *load_chain(struct tenant_scripts *s, struct service_chain *c,
                                       struct bytes *error) {
  struct value list;
  struct policy_entry *behind;
  value_of_json(&s->arena, c->policies, SERVICE_SETTINGS_DEPTH, &list);
  struct policy_entries entries = entries_of(s, list.count, &behind);
  for (size_t i = 0; i < list.count; i++) {
    const struct value *one = &list.items[i].value;
    bool passes = slice_equal_text(text_of(one, "on_error"), "pass");
    *behind++ =
        (struct policy_entry){.module = one->type == VALUE_TEXT ? one->text : text_of(one, "name"),
                              .settings = settings_of(s, one),
                              .file = SLICE("the service's version"),
                              .on_error = passes ? POLICY_ERROR_PASSES : POLICY_ERROR_DENIES};
    entries.count++;
  }
  c->sandbox = tenant_sandbox_new(s->config, s->bundle);
  return open_chain(s, c->sandbox, &entries, error);
}

static struct service_chain *chain_find(const struct tenant_scripts *s, struct slice policies) {
  struct service_chain *c = s->services;
  while (c && !slice_equal(c->policies, policies))
    c = c->next;
  return c;
}

static void load_services(struct tenant_scripts *s, const struct tenant_source *source) {
  size_t loaded = 0;
  for (size_t i = 0; i < source->service_count; i++) {
    if (chain_find(s, source->services[i])) continue;
    struct bytes error;
    bytes_init(&error);
    struct service_chain *c = arena_alloc(&s->arena, sizeof *c);
    *c = (struct service_chain){s->services, arena_slice(&s->arena, source->services[i]),
                                .problem = {"", 0}};
    if (loaded++ < SERVICE_CHAINS_MAX)
      c->chain = load_chain(s, c, &error);
    else
      bytes_printf(&error,
                   "services of this tenant bring more than %d lists of policies; remove "
                   "services that nobody uses",
                   SERVICE_CHAINS_MAX);
    c->problem = arena_slice(&s->arena, bytes_slice(&error));
    bytes_fini(&error);
    s->services = c;
  }
}

struct policy_chain *tenant_scripts_chain(const struct tenant_scripts *s, struct slice policies,
                                          struct slice *problem) {
  const struct service_chain *c = chain_find(s, policies);
  *problem = c ? c->problem : SLICE("they are being loaded; try again");
  return c ? c->chain : NULL;
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
      load_policies(s, source->host, error)) {
    load_services(s, source);
    return s;
  }
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
