#include "load.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account/limit_scope.h"
#include "auth/role.h"
#include "config/names.h"
#include "http/conn.h"
#include "observe/log.h"
#include "script/config_adapters.h"
#include "script/config_file.h"
#include "script/role_files.h"
#include "store/bookkeeper.h"
#include "store/responses.h"
#include "tokenizer/registry.h"

struct generation *load_generation(const struct config *config, struct responses *responses,
                                   struct config_problems *problems) {
  struct bytes error;
  bytes_init(&error);
  struct generation *generation = generation_new(config, responses, &error);
  if (!generation) config_problem(problems, "%s", bytes_text(&error));
  bytes_fini(&error);
  return generation;
}

struct responses *load_responses(const struct config *config) {
  struct responses_limits limits = {config->responses.entries, config->responses.bytes,
                                    config->responses.ttl_s * 1000ull};
  return responses_new(&limits);
}

struct role_reading {
  struct roles *roles;
  struct slice tenant;
  struct config_problems *problems;
};

static void on_role(void *context, const struct role_found *found) {
  struct role_reading *r = context;
  struct role_file file = {found->name, r->tenant, found->file, found->root, found->text};
  (void)roles_add(r->roles, &file, r->problems); /* told in problems */
}

static void read_roles(const struct bundle *bundle, struct slice folder, struct role_reading *r) {
  struct role_sink sink = {on_role, r};
  role_files_read(bundle, folder, &sink, r->problems);
}

static bool has_roles(const struct bundle *bundle) {
  size_t count;
  const struct bundle_file *files = bundle_files(bundle, &count);
  for (size_t i = 0; i < count; i++)
    if (slice_starts(files[i].path, SLICE("rbac/"))) return true;
  return false;
}

/* A folder that replaces the built-in scripts need not hold roles. */
static void read_shipped_roles(const struct config *config, struct role_reading *r) {
  struct bundle *base = bundle_new_base(config->lua_path, r->problems);
  if (base && !has_roles(base)) {
    bundle_unref(base);
    base = bundle_new_base((struct slice){"", 0}, r->problems);
  }
  if (base) read_roles(base, SLICE("rbac/"), r);
  bundle_unref(base);
}

static void read_role_folder(struct slice folder, struct role_reading *r) {
  struct bytes path;
  bytes_init(&path);
  bytes_append_slice(&path, folder);
  bytes_append_text(&path, "/rbac");
  if (access(bytes_text(&path), F_OK) == 0) {
    struct bundle *bundle = bundle_read(bytes_slice(&path), NULL, r->problems);
    if (bundle) read_roles(bundle, (struct slice){"", 0}, r);
    bundle_unref(bundle);
  }
  bytes_fini(&path);
}

static void each_tenant(const struct config *config,
                        void (*on_tenant)(void *context, const char *name, struct slice folder),
                        void *context) {
  struct dirent **names = NULL;
  if (!config->tenants_path.len) return;
  char *root = strndup(config->tenants_path.data, config->tenants_path.len);
  must(root != NULL);
  int count = scandir(root, &names, NULL, alphasort);
  for (int i = 0; i < count; i++) {
    struct bytes folder;
    bytes_init(&folder);
    bytes_printf(&folder, "%s/%s", root, names[i]->d_name);
    if (names[i]->d_name[0] != '.') on_tenant(context, names[i]->d_name, bytes_slice(&folder));
    bytes_fini(&folder);
    free(names[i]);
  }
  free(names);
  free(root);
}

static void on_tenant_roles(void *context, const char *name, struct slice folder) {
  struct role_reading *r = context;
  r->tenant = slice_of(name);
  read_role_folder(folder, r);
}

struct roles *load_roles(const struct config *config, struct config_problems *problems,
                         struct config_problems *tenant_problems) {
  struct role_reading r = {roles_new(), {"", 0}, problems};
  size_t before = problems->count;
  struct config_problems own;
  config_problems_init(&own);
  read_shipped_roles(config, &r);
  if (config->site_path.len) read_role_folder(config->site_path, &r);
  r.problems = tenant_problems ? tenant_problems : &own;
  each_tenant(config, on_tenant_roles, &r);
  config_problems_fini(&own);
  if (problems->count == before) return r.roles;
  roles_unref(r.roles);
  return NULL;
}

struct role_survey {
  struct bytes digests;
};

static void survey_folder(void *context, const char *name, struct slice folder) {
  struct role_survey *s = context;
  struct bytes path;
  struct bundle_survey survey = {.on_folder = NULL};
  bytes_init(&path);
  bytes_append_slice(&path, folder);
  bytes_append_text(&path, "/rbac");
  if (access(bytes_text(&path), F_OK) == 0 && bundle_survey(bytes_slice(&path), &survey)) {
    bytes_append_text(&s->digests, name);
    bytes_append(&s->digests, survey.digest, sizeof survey.digest);
  }
  bytes_fini(&path);
}

void load_roles_survey(const struct config *config, uint8_t digest[SHA256_BYTES]) {
  struct role_survey s;
  bytes_init(&s.digests);
  if (config->site_path.len) survey_folder(&s, "", config->site_path);
  each_tenant(config, survey_folder, &s);
  digest_sha256(bytes_slice(&s.digests), digest);
  bytes_fini(&s.digests);
}

/* Every script is loaded once, to see that it can be. */
static bool check_scripts(const struct config *config, struct config_problems *problems) {
  struct responses *responses = load_responses(config);
  struct generation *generation = load_generation(config, responses, problems);
  generation_unref(generation);
  responses_free(responses);
  return generation != NULL;
}

static void check_tls(const struct config *config, struct config_problems *problems) {
  char error[256];
  bool is_whole = config->tls.certificate && config->tls.key;
  if (is_whole && !http_tls_check(config, error, sizeof error))
    config_problem(problems, "%s: %s", config->file, error);
}

static struct slice nearest_role(const struct roles *roles, struct slice tenant,
                                 struct slice wanted) {
  struct nearest nearest;
  nearest_init(&nearest, wanted);
  for (size_t i = 0; i < roles_count(roles); i++) {
    const struct role *role = roles_at(roles, i);
    if (!role->tenant.len || slice_equal(role->tenant, tenant)) nearest_offer(&nearest, role->name);
  }
  return nearest.best;
}

static void check_key_roles(const struct config *config, size_t index, const struct roles *roles,
                            struct config_problems *problems) {
  const struct static_key *key = &config->keys[index];
  for (size_t i = 0; i < key->role_count; i++) {
    struct slice name = key->roles[i], near = nearest_role(roles, key->tenant, name);
    if (roles_find(roles, key->tenant, name)) continue;
    if (key->roles_are_secret) {
      name = SLICE("(a secret value)");
      near.len = 0;
    }
    config_problem_at(problems, config->file, key->roles_line,
                      "keys[%zu].roles: no role is called \"%.*s\"%s%.*s%s; correct the name, or "
                      "write the role as a file in rbac/",
                      index + 1, (int)name.len, name.data, near.len ? " (did you mean \"" : "",
                      (int)near.len, near.data, near.len ? "\"?)" : "");
  }
}

static void check_roles(const struct config *config, struct config_problems *problems) {
  struct config_problems own; /* of other files: they go behind those of this one */
  config_problems_init(&own);
  struct roles *roles = load_roles(config, &own, NULL);
  for (size_t i = 0; roles && i < config->key_count; i++)
    check_key_roles(config, i, roles, problems);
  for (size_t i = 0; i < own.count; i++)
    config_problem(problems, "%s", own.items[i]);
  roles_unref(roles);
  config_problems_fini(&own);
}

/* Told together with what is wrong in the file itself. */
static void check_rest(const struct config *config, struct config_problems *problems) {
  config_adapters_check(config, problems);
  check_tls(config, problems);
  check_roles(config, problems);
}

/* Paths are relative to the configuration. */
static struct slice tokenizer_wanted(struct config *config, const struct model *model) {
  struct slice name = model->tokenizer;
  if (!name.len) name = tokenizer_default(model->targets[0].model);
  if (!name.len) name = tokenizer_default(model->name);
  bool is_plain = !name.len || tokenizer_is_built_in(name) || *name.data == '/';
  const char *slash = config->file ? strrchr(config->file, '/') : NULL;
  if (is_plain || !slash) return name;
  return slice_of(arena_printf(&config->arena, "%.*s/%.*s", (int)(slash - config->file),
                               config->file, (int)name.len, name.data));
}

/* A gateway without the files of the built-in encodings still serves: it estimates, and says so. */
static bool load_tokenizers(struct config *config, struct config_problems *problems) {
  struct bytes error;
  bytes_init(&error);
  size_t before = problems->count;
  for (size_t i = 0; i < config->model_count; i++) {
    struct model *model = &config->models[i];
    struct slice wanted = tokenizer_wanted(config, model);
    bytes_clear(&error);
    bool is_open = wanted.len && tokenizer_registry_open(wanted, &error);
    if (wanted.len && !is_open && !tokenizer_is_built_in(wanted))
      config_problem(problems,
                     "%s: models[\"%.*s\"].tokenizer: %s; name o200k_base, cl100k_base or a "
                     "tokenizer.json",
                     config->file, (int)model->name.len, model->name.data, bytes_text(&error));
    else if (wanted.len && !is_open && model->tokenizer.len)
      log_process(LOG_WARN, "%s; tokens of the model %.*s are estimated", bytes_text(&error),
                  (int)model->name.len, model->name.data);
    model->tokenizer = is_open ? wanted : (struct slice){"", 0};
  }
  bytes_fini(&error);
  return problems->count == before;
}

/* Keys and tenants may lie in a store; without one, what is not in the file is nowhere. */
static bool check_quotas(const struct config *config, struct config_problems *problems) {
  size_t before = problems->count;
  if (slice_equal_text(config->store, "none")) limit_scope_check(NULL, config, problems);
  return problems->count == before;
}

struct config *load_config_tree(const struct config_tree *tree, const char *path,
                                struct config_problems *problems) {
  struct config *config = config_tree_build(tree, path, check_rest, problems);
  if (!config) return NULL;
  bool scripts = check_scripts(config, problems), tokenizers = load_tokenizers(config, problems);
  if (check_quotas(config, problems) && scripts && tokenizers) return config;
  config_unref(config);
  return NULL;
}

struct config *load_config(const char *path, struct config_problems *problems) {
  struct config_tree tree;
  config_tree_init(&tree, path, problems);
  struct config *config = load_config_tree(&tree, path, problems);
  config_tree_fini(&tree);
  return config;
}

static void say(void *context, bool is_error, const char *sentence) {
  (void)context;
  log_process(is_error ? LOG_ERROR : LOG_INFO, "%s", sentence);
}

/* Names in the file are relative to it, as everywhere. */
static void store_url(const struct config *config, struct bytes *url) {
  struct slice scheme = SLICE("sqlite:"), file = config->store;
  if (!slice_starts(file, scheme)) {
    bytes_append_slice(url, file);
    return;
  }
  file = slice_skip(file, scheme.len);
  const char *end = strrchr(config->file, '/');
  bytes_append_slice(url, scheme);
  if (end && file.data[0] != '/') bytes_append(url, config->file, (size_t)(end - config->file) + 1);
  bytes_append_slice(url, file);
}

void load_store_file(const struct config *config, struct bytes *path) {
  struct slice scheme = SLICE("sqlite:");
  if (!slice_starts(config->store, scheme)) return;
  store_url(config, path);
  bytes_drop_front(path, scheme.len);
}

static struct journals *load_journals(const struct config *config, const char *store,
                                      struct bytes *error) {
  struct bytes folder;
  bytes_init(&folder);
  bytes_append_slice(&folder, config->ledger.folder);
  if (!folder.len) bytes_printf(&folder, "%s.journal", store);
  struct journal_settings settings = {
      .folder = bytes_text(&folder),
      .writers = config->workers,
      .segment_bytes = config->ledger.segment_bytes,
      .spill_bytes = config->ledger.memory_bytes,
      .disk_bytes = config->ledger.disk_bytes,
      .fsync_ms = config->ledger.fsync_ms,
      .spills = slice_equal_text(config->ledger.on_error, "spill"),
      .say = say,
  };
  struct journals *journals = journals_open(&settings, error);
  bytes_fini(&folder);
  return journals;
}

struct retention load_retention(const struct config *config) {
  return (struct retention){.requests_ms = config->retention.requests_s * 1000ull,
                            .rollups_ms = config->retention.usage_s * 1000ull,
                            .texts_ms = config->retention.content_s * 1000ull,
                            .responses_ms = config->responses.ttl_s * 1000ull,
                            .audit_ms = config->retention.audit_s * 1000ull};
}

struct store *load_store(const struct config *config, struct bytes *error) {
  struct bytes url;
  bytes_init(&url);
  store_url(config, &url);
  struct store *store = store_new(bytes_slice(&url), error);
  bytes_fini(&url);
  return store;
}

static struct bookkeeper *join(const struct config *config, uv_loop_t *loop, struct store *store,
                               struct journals *journals) {
  struct bookkeeper_settings settings = {.loop = loop,
                                         .store = store,
                                         .journals = journals,
                                         .ages = load_retention(config),
                                         .has_text_key = config->content.has_key,
                                         .text_bytes = config->content.memory_bytes,
                                         .say = say};
  memcpy(settings.text_key.bytes, config->content.key, sizeof settings.text_key.bytes);
  return bookkeeper_new(&settings);
}

bool load_bookkeeper(const struct config *config, uv_loop_t *loop, struct bookkeeper **bookkeeper,
                     struct journals **journals, struct config_problems *problems) {
  *bookkeeper = NULL;
  *journals = NULL;
  if (slice_equal_text(config->store, "none")) return true;
  struct bytes url, error;
  bytes_init(&url);
  bytes_init(&error);
  store_url(config, &url);
  struct store *store = store_new(bytes_slice(&url), &error);
  if (store) *journals = load_journals(config, bytes_text(&url) + strlen("sqlite:"), &error);
  if (*journals)
    *bookkeeper = join(config, loop, store, *journals);
  else
    store_free(store);
  if (!*bookkeeper)
    config_problem(problems,
                   "%s: store: %s; name a file in a folder that can be written, or set "
                   "store = \"none\" to keep no ledger",
                   config->file, bytes_text(&error));
  bytes_fini(&url);
  bytes_fini(&error);
  return *bookkeeper != NULL;
}

struct config *load_config_or_none(const char *path, bool is_asked,
                                   struct config_problems *problems) {
  struct value nothing = {.type = VALUE_MAP};
  bool is_there = is_asked || access(path, F_OK) == 0;
  return is_there ? load_config(path, problems) : config_build(&nothing, path, NULL, problems);
}

void load_print_problems(const struct config_problems *problems) {
  for (size_t i = 0; i < problems->count; i++)
    fprintf(stderr, "%s\n", problems->items[i]);
}

static const char *path_of_environment(void) {
  const char *path = getenv("GATEYES_CONFIG");
  return path && *path ? path : NULL;
}

const char *load_path(const char *given) {
  const char *set = given ? given : path_of_environment();
  return set ? set : "gateyes.lua";
}

bool load_path_is_asked(const char *given) {
  return given || path_of_environment();
}

const char *load_path_argument(int argc, char **argv) {
  const char *path = load_path(NULL);
  for (int i = 1; i < argc; i++) {
    if (strncmp(argv[i], "--config=", 9) == 0)
      path = argv[i] + 9;
    else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
      path = argv[++i];
    else {
      fprintf(stderr, "gateyes %s: unknown option %s; it takes --config PATH\n", argv[0], argv[i]);
      return NULL;
    }
  }
  return path;
}
