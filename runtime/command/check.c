/* `gateyes check`: everything that would stop the gateway from starting, all at once. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/json.h"
#include "command/commands.h"
#include "command/tenants.h"
#include "load.h"
#include "script/strategies.h"
#include "script/tenant_build.h"
#include "server/certificate.h"
#include "server/server.h"

static void print_json(const struct config_problems *problems) {
  struct bytes out;
  bytes_init(&out);
  bytes_printf(&out, "{\"ok\":%s,\"problems\":[", problems->count ? "false" : "true");
  for (size_t i = 0; i < problems->count; i++) {
    if (i) bytes_append_byte(&out, ',');
    json_quote(&out, slice_of(problems->items[i]));
  }
  printf("%s]}\n", bytes_text(&out));
  bytes_fini(&out);
}

struct checking {
  struct config *config;
  struct bundle *site;
  struct config_problems *problems;
  size_t tenants;
};

/* As the gateway does it before a generation serves; one worker stands for all. */
static void build_tenant(struct checking *c, const char *folder, const char *name,
                         struct config_problems *problems) {
  struct bundle *bundle = bundle_read(slice_of(folder), c->site, problems);
  struct tenant_built built = {0};
  if (!bundle) return;
  struct tenant_build build = {.tenant = slice_of(name),
                               .number = 1,
                               .bundle = bundle,
                               .base = c->config,
                               .worker_count = 1};
  if (tenant_build(&build, &built, problems)) tenant_built_fini(&built);
  bundle_unref(bundle);
}

/* Specs and scripts have the same names in every tenant's folder, so a problem that does not begin
 * with its whole path says whose it is. */
static void check_tenant(void *context, const char *folder) {
  struct checking *c = context;
  const char *slash = strrchr(folder, '/'), *name = slash ? slash + 1 : folder;
  struct config_problems own;
  config_problems_init(&own);
  c->tenants++;
  build_tenant(c, folder, name, &own);
  for (size_t i = 0; i < own.count; i++) {
    const char *problem = own.items[i];
    if (strncmp(problem, folder, strlen(folder)) == 0)
      config_problem(c->problems, "%s", problem);
    else
      config_problem(c->problems, "tenant %s: %s", name, problem);
  }
  config_problems_fini(&own);
}

static void check_tenants(struct checking *c, const char *given) {
  struct slice site = c->config->site_path, tenants = c->config->tenants_path;
  const char *root = given ? given : tenants.len ? tenants.data : NULL;
  struct bundle *base = bundle_new_base(c->config->lua_path, c->problems);
  c->site = base && site.len ? bundle_read(site, base, c->problems) : base;
  if (base && site.len) bundle_unref(base);
  if (root && c->site && !tenants_is_folder(root))
    config_problem(c->problems, "%s: is no folder of tenants", root);
  else if (root && c->site && tenants_is_one(root))
    check_tenant(c, root);
  else if (root && c->site)
    tenants_each(root, check_tenant, c);
  bundle_unref(c->site);
}

static void check_strategies(struct checking *c) {
  struct strategies *strategies;
  if (load_strategies(c->config, NULL, 1, &strategies, c->problems)) strategies_unref(strategies);
}

struct words {
  const char *path, *config_path;
  bool is_asked; /* for this configuration; otherwise there need not be one */
  bool json;
};

static bool read_words(struct words *w, int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--json") == 0)
      w->json = true;
    else if (strncmp(argv[i], "--config=", 9) == 0)
      w->config_path = argv[i] + 9;
    else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
      w->config_path = argv[++i];
    else if (argv[i][0] != '-' && !w->path)
      w->path = argv[i];
    else
      return false;
  }
  return true;
}

/* Tenants mostly lie beside their configuration. */
static const char *find_config_above(struct arena *arena, const char *folder) {
  static const char *const steps[] = {"..", "../.."};
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    const char *path = arena_printf(arena, "%s/%s/gateyes.lua", folder, steps[i]);
    if (access(path, R_OK) == 0) return path;
  }
  return NULL;
}

static bool name_folder(struct words *w, struct arena *arena, struct config_problems *problems) {
  const char *within = arena_printf(arena, "%s/gateyes.lua", w->path);
  bool is_folder_of_config = !w->config_path && access(within, R_OK) == 0;
  bool has_tenants = tenants_is_one(w->path) || tenants_is_root(w->path);
  if (is_folder_of_config) {
    w->config_path = within;
    w->is_asked = true;
    w->path = NULL;
  } else if (has_tenants) {
    w->is_asked = load_path_is_asked(w->config_path);
    w->config_path = load_path(w->config_path);
    const char *above = w->is_asked ? NULL : find_config_above(arena, w->path);
    if (above) w->config_path = above;
  } else {
    config_problem(problems,
                   "%s: no gateyes.lua is in it, nor is it a tenant's folder (tenant.lua, "
                   "policies/, adapters/, lib/ or rbac/), nor one of tenants' folders",
                   w->path);
  }
  return is_folder_of_config || has_tenants;
}

static bool name_file(struct words *w, struct config_problems *problems) {
  size_t tenant = tenants_find_above(w->path);
  if (tenant)
    config_problem(problems,
                   "%s: belongs to a tenant. `gateyes check %.*s` checks all of its files, "
                   "`gateyes test` its specs; `gateyes try POLICY.lua --request FILE` shows what a "
                   "policy makes of a request",
                   w->path, (int)tenant, w->path);
  else if (w->config_path)
    config_problem(problems, "%s: is no folder, and --config names the configuration", w->path);
  if (tenant || w->config_path) return false;
  w->config_path = w->path;
  w->path = NULL;
  w->is_asked = true;
  return true;
}

/* From the words to a configuration, and to a folder of tenants or to none; false: a problem. */
static bool name_parts(struct words *w, struct arena *arena, struct config_problems *problems) {
  if (!w->path) {
    w->config_path = load_path(w->config_path);
    w->is_asked = true;
    return true;
  }
  size_t len = strlen(w->path);
  while (len > 1 && w->path[len - 1] == '/')
    len--;
  w->path = arena_printf(arena, "%.*s", (int)len, w->path);
  if (tenants_is_folder(w->path)) return name_folder(w, arena, problems);
  if (access(w->path, R_OK) == 0) return name_file(w, problems);
  config_problem(problems, "%s: %s", w->path, strerror(errno));
  return false;
}

static void print_fine(const struct words *w, const struct checking *c) {
  const struct config *config = c->config;
  bool has_config = access(w->config_path, R_OK) == 0;
  if (w->path)
    printf("%s: fine: %zu tenants, %s%s\n", w->path, c->tenants,
           has_config ? "over " : "without a configuration", has_config ? w->config_path : "");
  else
    printf("%s: fine: %zu providers, %zu models, %zu keys, %zu tenants\n", w->config_path,
           config->provider_count, config->model_count, config->key_count, c->tenants);
}

/* True today, and no reason to refuse the file. */
static void print_remarks(const struct config *config) {
  struct server_certificate certificate = server_certificate_of(config);
  struct bytes remark;
  bytes_init(&remark);
  if (server_certificate_remark(&certificate, clock_wall_ms(), &remark))
    fprintf(stderr, "%s: %s\n", config->file, bytes_text(&remark));
  bytes_fini(&remark);
}

static bool check(struct words *w, struct checking *c) {
  struct arena arena;
  arena_init(&arena);
  server_watch_begin();
  if (name_parts(w, &arena, c->problems))
    c->config = load_config_or_none(w->config_path, w->is_asked, c->problems);
  if (c->config) check_strategies(c);
  if (c->config) check_tenants(c, w->path);
  server_watch_end();
  bool fine = c->config && c->problems->count == 0;
  if (w->json)
    print_json(c->problems);
  else if (fine)
    print_fine(w, c);
  else
    load_print_problems(c->problems);
  if (fine) print_remarks(c->config);
  arena_fini(&arena);
  return fine;
}

int check_main(int argc, char **argv) {
  struct words w = {.path = NULL};
  if (!read_words(&w, argc, argv)) {
    fprintf(stderr, "usage: gateyes check [PATH] [--config PATH] [--json]\n"
                    "  PATH: a configuration, a tenant's folder, or the folder of all tenants\n");
    return 2;
  }
  struct config_problems problems;
  config_problems_init(&problems);
  struct checking c = {.problems = &problems};
  bool fine = check(&w, &c);
  config_unref(c.config);
  config_problems_fini(&problems);
  return fine ? 0 : 1;
}
