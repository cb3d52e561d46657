#include "script/tenant_file.h"

#include "config/names.h"
#include "script/config_file.h"
#include "script/config_sandbox.h"

/* What could have been meant: the scripts of all layers in that folder. */
static struct slice nearest_script(const struct bundle *bundle, struct slice folder,
                                   struct slice name) {
  struct nearest nearest;
  struct slice end = SLICE(".lua");
  nearest_init(&nearest, name);
  for (const struct bundle *b = bundle; b; b = bundle_below(b)) {
    size_t count;
    const struct bundle_file *files = bundle_files(b, &count);
    for (size_t i = 0; i < count; i++) {
      struct slice path = files[i].path;
      if (!slice_starts(path, folder) || bundle_is_spec(path)) continue;
      struct slice stem = slice_skip(path, folder.len);
      if (stem.len <= end.len || memchr(stem.data, '/', stem.len)) continue;
      stem.len -= end.len;
      nearest_offer(&nearest, stem);
    }
  }
  return nearest.best;
}

struct wanted {
  const char *key;     /* "policies" */
  struct slice folder; /* "policies/" */
  struct slice name;
  int line;
};

static void require_script(const struct config *c, const struct bundle *bundle,
                           const struct wanted *w, struct config_problems *problems) {
  struct arena *a = &problems->arena;
  struct slice parts[] = {w->folder, w->name, SLICE(".lua")};
  struct slice path = arena_join(a, parts, 3);
  if (bundle_find(bundle, path)) return;
  struct slice near = nearest_script(bundle, w->folder, w->name);
  const char *hint =
      near.len ? arena_printf(a, " (did you mean \"%.*s\"?)", (int)near.len, near.data) : "";
  config_problem_at(problems, c->file, w->line,
                    "%s: there is no file %.*s%s; add it or correct the name", w->key,
                    (int)path.len, path.data, hint);
}

/* Said, rather than left to be found out. A second adapter of a name would make it a riddle which
 * of them a provider gets. */
static void check_translations(const struct bundle *bundle, struct config_problems *problems) {
  size_t count;
  const struct bundle_file *files = bundle_files(bundle, &count);
  for (size_t i = 0; i < count; i++) {
    struct slice path = files[i].path;
    if (bundle_is_spec(path)) continue;
    if (slice_starts(path, SLICE("dialects/")))
      config_problem_at(problems, files[i].name.data, 0,
                        "dialects are the operator's: it goes to the folder site");
    if (slice_starts(path, SLICE("adapters/")) && bundle_find(bundle_below(bundle), path))
      config_problem_at(problems, files[i].name.data, 0,
                        "the operator has an adapter of this name; choose another one");
  }
}

static void check_policies(const struct config *c, const struct bundle *bundle,
                           struct config_problems *problems) {
  for (size_t i = 0; i < c->tenant->policy_count; i++) {
    const struct tenant_policy *p = &c->tenant->policies[i];
    struct wanted wanted = {"policies", SLICE("policies/"), p->name, p->line};
    require_script(c, bundle, &wanted, problems);
  }
}

static void check_adapters(const struct config *c, const struct bundle *bundle,
                           struct config_problems *problems) {
  for (size_t i = 0; i < c->provider_count; i++) {
    const struct provider *p = &c->providers[i];
    struct wanted wanted = {"providers", SLICE("adapters/"), p->adapter, p->line};
    require_script(c, bundle, &wanted, problems);
  }
}

static struct config *build(struct config *base, const struct config_text *text,
                            const struct bundle *bundle, struct config_problems *problems) {
  static const struct value none = {.type = VALUE_MAP, .line = 1};
  struct value root = none;
  struct arena arena;
  struct config *c = NULL;
  arena_init_small(&arena);
  bool is_read = text->source.len == 0 || config_text_tree(text, &arena, &root, problems);
  struct tenant_file file = {text->scope->tenant, text->name, &root};
  if (is_read && problems->count == 0) c = config_build_tenant(base, &file, &arena, problems);
  if (c) check_adapters(c, bundle, problems);
  check_translations(bundle, problems);
  arena_fini(&arena);
  bool can_load = problems->count == 0;
  if (c) check_policies(c, bundle, problems);
  if (can_load) return c;
  config_unref(c);
  return NULL;
}

struct config *tenant_config_load(struct config *base, struct slice tenant,
                                  const struct bundle *bundle, struct config_problems *problems) {
  const struct bundle_file *file = bundle_own_find(bundle, SLICE("tenant.lua"));
  struct config_scope scope = {tenant, base->tenant_secrets_path, bundle};
  struct config_problems own; /* sorted by line for itself */
  config_problems_init(&own);
  const char *name = file ? arena_text(&own.arena, file->name) : "tenant.lua";
  struct slice nothing = {"", 0};
  if (file && !file->text.len) /* as a full disk or an interrupted copy leaves it */
    config_problem_at(&own, name, 0, "is empty; write return {} to have no rules");
  struct config_text text = {name, file ? file->text : nothing, &scope, false};
  struct config *c = build(base, &text, bundle, &own);
  config_problems_sort(&own);
  for (size_t i = 0; i < own.count; i++)
    config_problem(problems, "%s", own.items[i]);
  config_problems_fini(&own);
  return c;
}
