#include "script/tenant_shelf.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/list.h"
#include "model/template.h"
#include "script/tenant_file.h"
#include "script/tenant_scripts.h"

struct shelved {
  struct list link;
  struct arena arena; /* of the name */
  struct slice tenant;
  struct config *config;
  struct bundle *bundle;
};

struct tenant_shelf {
  pthread_mutex_t lock;
  struct list tenants;
  struct config *config;
  struct bundle *site;
};

struct tenant_shelf *tenant_shelf_new(void) {
  struct tenant_shelf *s = must_calloc(1, sizeof *s);
  must(pthread_mutex_init(&s->lock, NULL) == 0);
  list_init(&s->tenants);
  return s;
}

static void shelved_free(struct shelved *one) {
  list_remove(&one->link);
  config_unref(one->config);
  bundle_unref(one->bundle);
  arena_fini(&one->arena);
  free(one);
}

void tenant_shelf_free(struct tenant_shelf *s) {
  list_each_safe(node, &s->tenants) shelved_free(list_entry(node, struct shelved, link));
  config_unref(s->config);
  bundle_unref(s->site);
  pthread_mutex_destroy(&s->lock);
  free(s);
}

void tenant_shelf_set_base(struct tenant_shelf *s, struct config *config, struct bundle *site) {
  pthread_mutex_lock(&s->lock);
  struct config *before = s->config;
  struct bundle *below = s->site;
  s->config = config_ref(config);
  s->site = bundle_ref(site);
  pthread_mutex_unlock(&s->lock);
  config_unref(before);
  bundle_unref(below);
}

static struct shelved *find(struct tenant_shelf *s, struct slice tenant) {
  list_each(node, &s->tenants) {
    struct shelved *one = list_entry(node, struct shelved, link);
    if (slice_equal(one->tenant, tenant)) return one;
  }
  return NULL;
}

void tenant_shelf_put(struct tenant_shelf *s, struct slice tenant, struct config *config,
                      struct bundle *bundle) {
  struct shelved *one = NULL;
  if (config) {
    one = must_calloc(1, sizeof *one);
    arena_init_small(&one->arena);
    one->tenant = arena_slice(&one->arena, tenant);
    one->config = config_ref(config);
    one->bundle = bundle_ref(bundle);
  }
  pthread_mutex_lock(&s->lock);
  struct shelved *before = find(s, tenant);
  if (before) shelved_free(before);
  if (one) list_append(&s->tenants, &one->link);
  pthread_mutex_unlock(&s->lock);
}

/* References; both NULL, and a problem, for a tenant without scripts whose configuration is wrong.
 */
static void take(struct tenant_shelf *s, struct slice tenant, struct tenant_source *out,
                 struct bytes *problem) {
  pthread_mutex_lock(&s->lock);
  struct shelved *one = find(s, tenant);
  struct config *config = config_ref(one ? one->config : s->config);
  struct bundle *bundle = one ? bundle_ref(one->bundle) : bundle_new(tenant, s->site);
  pthread_mutex_unlock(&s->lock);
  if (!one) bundle_seal(bundle);
  *out = (struct tenant_source){.tenant = tenant, .config = config, .bundle = bundle};
  if (one) return;
  struct config_problems problems;
  config_problems_init(&problems);
  out->config = tenant_config_load(config, tenant, bundle, &problems);
  if (!out->config) bytes_append_text(problem, problems.count ? problems.items[0] : "no scripts");
  config_problems_fini(&problems);
  config_unref(config);
}

static bool check_model(const struct tenant_source *source, const struct tenant_wants *wants,
                        struct bytes *problem) {
  if (config_model_find(source->config, wants->model)) return true;
  bytes_printf(problem, "model: there is no model %.*s; GET /v1/models lists those there are",
               (int)wants->model.len, wants->model.data);
  return false;
}

static bool check_template(const struct tenant_source *source, const struct tenant_wants *wants,
                           struct bytes *problem) {
  struct template_problem wrong = {0};
  struct bytes path;
  if (!wants->template_name.len) return true;
  bytes_init(&path);
  bytes_printf(&path, "templates/%.*s.prompt", (int)wants->template_name.len,
               wants->template_name.data);
  const struct bundle_file *file = bundle_find(source->bundle, bytes_slice(&path));
  bytes_init(&wrong.sentence);
  bool fine = file && template_check(file->text, wants->variables, &wrong);
  if (!file)
    bytes_printf(problem,
                 "template: %s is not among the tenant's scripts; add the file, or write the text "
                 "as prompt",
                 bytes_text(&path));
  else if (!fine)
    bytes_printf(problem, "template: %s:%d: %s", bytes_text(&path), wrong.line,
                 bytes_text(&wrong.sentence));
  bytes_fini(&wrong.sentence);
  bytes_fini(&path);
  return fine;
}

/* The name that an item gives; empty for what is no policy. */
static struct slice name_of(struct slice item) {
  return json_string_raw(json_type(item) == JSON_OBJECT ? json_find(item, "name") : item);
}

static bool check_names(const struct tenant_source *source, struct slice policies,
                        struct bytes *problem) {
  struct bytes path;
  bytes_init(&path);
  for (struct json_walk w = json_walk_of(policies); json_walk_next(&w);) {
    struct slice name = name_of(w.value);
    bytes_clear(&path);
    bytes_printf(&path, "policies/%.*s.lua", (int)name.len, name.data);
    if (bundle_find(source->bundle, bytes_slice(&path))) continue;
    bytes_printf(problem,
                 "policies: there is no policy %.*s; add %s to the tenant's scripts, or name one "
                 "that ships",
                 (int)name.len, name.data, bytes_text(&path));
    break;
  }
  bytes_fini(&path);
  return problem->len == 0;
}

static bool check_policies(struct tenant_source *source, const struct tenant_wants *wants,
                           struct bytes *problem) {
  struct slice why = {"", 0};
  if (!wants->policies.len) return true;
  if (!check_names(source, wants->policies, problem)) return false;
  source->services = &wants->policies;
  source->service_count = 1;
  struct tenant_scripts *scripts = tenant_scripts_new(source, problem);
  bool fine = scripts && tenant_scripts_chain(scripts, wants->policies, &why);
  bytes_append_slice(problem, why);
  tenant_scripts_unref(scripts);
  return fine;
}

bool tenant_shelf_check(struct tenant_shelf *s, struct slice tenant,
                        const struct tenant_wants *wants, const char **field,
                        struct bytes *problem) {
  struct tenant_source source;
  take(s, tenant, &source, problem);
  *field = "model";
  bool fine = source.config && check_model(&source, wants, problem);
  if (fine) *field = "template";
  fine = fine && check_template(&source, wants, problem);
  if (fine) *field = "policies";
  fine = fine && check_policies(&source, wants, problem);
  config_unref(source.config);
  bundle_unref(source.bundle);
  return fine;
}
