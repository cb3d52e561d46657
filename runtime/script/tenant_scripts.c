#include "script/tenant_scripts.h"

#include <stdlib.h>

struct tenant_scripts {
  unsigned refs;
  uint64_t number;
  struct arena arena;
  struct slice tenant, refusal;
  struct bundle *bundle;
  struct config *config;
  struct sandbox *sandbox;
  struct policy_chain *policies;
  struct generation *translation;
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
  generation_unref(s->translation);
  bundle_unref(s->bundle);
  config_unref(s->config);
  arena_fini(&s->arena);
  free(s);
}

struct tenant_scripts *tenant_scripts_new(const struct tenant_source *source, struct bytes *error) {
  (void)error;
  struct tenant_scripts *s = create(source->tenant, source->number);
  s->bundle = bundle_ref(source->bundle);
  s->config = config_ref(source->config);
  return s;
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

struct config *tenant_scripts_config(const struct tenant_scripts *s) {
  return s->config;
}

struct bundle *tenant_scripts_bundle(const struct tenant_scripts *s) {
  return s->bundle;
}
