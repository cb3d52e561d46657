/* tenant.lua: models, providers, policies and limits of one tenant, over the operator's. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "config/build.h"
#include "model/address_policy.h"
#include "model/url.h"

const struct address_policy *build_hosts(struct build *b, const struct place *at,
                                         struct slice **texts, size_t *count) {
  struct arena *arena = &b->config->arena;
  if (!at->value) return NULL;
  walk_texts(b, at, texts, count);
  struct address_rule *rules = arena_alloc(arena, (*count + 1) * sizeof *rules);
  struct address_policy *policy = arena_alloc(arena, sizeof *policy);
  for (size_t i = 0; i < *count; i++) {
    const char *why = address_rule_parse((*texts)[i], &rules[i]);
    if (why) problem(b, at, "%s %s", shown(b, at->value, (*texts)[i]), why);
  }
  struct address_rule *networks = arena_alloc(arena, (*count + 1) * sizeof *networks);
  size_t network_count = 0;
  for (size_t i = 0; i < *count; i++)
    if (rules[i].type == RULE_NETWORK) networks[network_count++] = rules[i];
  policy->hosts = (struct address_rules){rules, *count};
  policy->internal = (struct address_rules){networks, network_count};
  return policy;
}

void build_tenant_hosts(struct build *b, const struct place *root) {
  struct config *c = b->config;
  struct place hosts = place_find(root, "tenant_hosts");
  c->tenant_addresses = build_hosts(b, &hosts, &c->tenant_hosts, &c->tenant_host_count);
}

static void refuse_key(struct build *b, const struct place *at, const char *key) {
  struct place found = place_find(at, key);
  if (found.value) problem(b, &found, "is the operator's to set; remove it");
}

/* Before anything is read: a file name in a problem would tell what the gateway's disk holds. */
bool tenant_may_provide(struct build *b, const struct place *at) {
  size_t before = b->problems->count;
  if (at->value->type != VALUE_MAP) return true; /* build_provider says so */
  struct place tls = place_find(at, "tls");
  refuse_key(b, at, "proxy");
  refuse_key(b, at, "load");
  if (tls.value && tls.value->type == VALUE_MAP) {
    refuse_key(b, &tls, "ca");
    refuse_key(b, &tls, "certificate");
    refuse_key(b, &tls, "key");
  }
  return b->problems->count == before;
}

/* Health and metrics are kept by name: a tenant's bad key must not take the operator's provider of
 * the same name out of rotation. */
void tenant_own_provider(struct build *b, const struct place *at, struct provider *p) {
  static const struct address_policy nothing;
  const struct slice parts[] = {b->config->tenant->name, SLICE("/"), p->name};
  const struct address_policy *allowed = b->base->tenant_addresses;
  p->name = arena_join(&b->config->arena, parts, 3);
  p->index = PROVIDER_UNLISTED;
  p->addresses = allowed ? allowed : &nothing;
  struct place url = place_find(at, "base_url");
  if (!url.value || p->host.len == 0) return;
  struct slice host = url_bare_host(p->host);
  const char *why = allowed && allowed->hosts.count
                        ? address_policy_refuses_host(allowed, host, p->port)
                        : "is at no host that tenants may name";
  if (why) problem(b, &url, "%s; ask the operator to add the host to tenant_hosts", why);
}

static bool policy_name_is_fine(struct slice name) {
  if (name.len == 0 || name.len > 100) return false;
  for (size_t i = 0; i < name.len; i++) {
    char c = name.data[i];
    bool is_word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                   c == '_' || c == '-';
    if (!is_word) return false;
  }
  return true;
}

/* Everything of the entry but what is ours; the texts stay where they are. */
static const struct value *settings_of(struct build *b, const struct value *entry) {
  struct value *map = arena_alloc(&b->config->arena, sizeof *map);
  *map = *entry;
  map->count = 0;
  map->items = arena_alloc(&b->config->arena, (entry->count + 1) * sizeof *map->items);
  for (size_t i = 0; i < entry->count; i++) {
    struct slice key = entry->items[i].key;
    if (!slice_equal_text(key, "name") && !slice_equal_text(key, "on_error"))
      map->items[map->count++] = entry->items[i];
  }
  return map;
}

static void read_on_error(struct build *b, const struct place *at, struct tenant_policy *p) {
  struct slice text;
  if (!at->value || !walk_text(b, at, &text)) return;
  p->passes_on_error = slice_equal_text(text, "pass");
  if (!p->passes_on_error && !slice_equal_text(text, "deny"))
    problem(b, at, "%s is none of deny|pass; use one of them", got(b, at->value) + 4);
}

void build_policy_entry(struct build *b, const struct place *at, struct tenant_policy *p) {
  static const struct value none = {.type = VALUE_MAP};
  struct place name = *at;
  p->line = at->line;
  p->settings = &none;
  if (at->value->type == VALUE_MAP) {
    struct place on_error = place_find(at, "on_error");
    name = place_find(at, "name");
    read_on_error(b, &on_error, p);
    p->settings = settings_of(b, at->value);
  }
  if (!name.value)
    problem(b, at, "has no name; write { name = \"residency\", … }");
  else if (walk_text(b, &name, &p->name) && !policy_name_is_fine(p->name))
    problem(b, &name, "is no name of a policy; use letters, digits, - and _");
}

static void build_policies(struct build *b, const struct place *root, struct tenant_settings *t) {
  struct place all = place_find(root, "policies");
  if (!all.value || !walk_is_list(b, &all, "a list of policies")) return;
  t->policies = arena_alloc(&b->config->arena, (all.value->count + 1) * sizeof *t->policies);
  for (size_t i = 0; i < all.value->count; i++) {
    struct place item = place_item(&all, i);
    build_policy_entry(b, &item, &t->policies[t->policy_count++]);
  }
}

static void check_limits(struct build *b, const struct place *root, struct tenant_settings *t) {
  const struct script_limits *most = &b->base->scripts, *own = &t->scripts;
  struct place scripts = place_find(root, "scripts");
  static const char sentence[] = "is above what the operator allows; use less";
  struct place cpu = place_find(&scripts, "cpu"), wall = place_find(&scripts, "wall");
  struct place memory = place_find(&scripts, "memory");
  if (own->cpu_ms > most->cpu_ms) problem(b, &cpu, "%s", sentence);
  if (own->wall_ms > most->wall_ms) problem(b, &wall, "%s", sentence);
  if (own->memory_bytes > most->memory_bytes) problem(b, &memory, "%s", sentence);
}

static void build_settings(struct build *b, const struct place *root, struct tenant_settings *t) {
  struct place canary = place_find(root, "canary"), keys = place_find(&canary, "keys");
  t->scripts = b->base->scripts;
  walk_defaults(b, "@tenant", t);
  walk_table(b, root, "@tenant", t);
  t->has_canary = canary.value != NULL;
  if (keys.value) walk_texts(b, &keys, &t->canary_keys, &t->canary_key_count);
  if (t->has_canary && t->is_shadow)
    problem(b, &canary, "stands beside shadow = true; keep one of them");
  check_limits(b, root, t);
  build_policies(b, root, t);
}

/* A copy of the operator's, whose own parts are then made anew. */
static struct config *lay_over(struct config *base, const char *file) {
  struct config *c = must_alloc(sizeof *c);
  size_t counted = offsetof(struct config, arena); /* base's count changes meanwhile */
  memcpy((char *)c + counted, (const char *)base + counted, sizeof *c - counted);
  ref_init(&c->refs);
  c->serial = config_serial_next();
  arena_init_small(&c->arena);
  c->base = config_ref(base);
  c->file = arena_text(&c->arena, slice_of(file));
  c->providers = NULL;
  c->models = NULL;
  c->aliases = NULL;
  c->provider_count = c->model_count = c->alias_count = 0;
  return c;
}

struct config *config_build_tenant(struct config *base, const struct tenant_file *file,
                                   struct arena *arena, struct config_problems *problems) {
  size_t before = problems->count;
  struct config *c = lay_over(base, file->file);
  struct build b = {.config = c, .base = base, .problems = problems, .root = file->root};
  struct place root = place_root(&b);
  struct tenant_settings *t = arena_alloc(&c->arena, sizeof *t);
  t->name = arena_slice(&c->arena, file->tenant);
  c->tenant = t;
  build_settings(&b, &root, t);
  build_providers(&b, &root);
  build_models(&b, &root);
  if (problems->count > before) {
    config_unref(c);
    return NULL;
  }
  arena_adopt(&c->arena, arena);
  return c;
}
