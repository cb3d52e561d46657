/* `gateyes check`: everything that would stop the gateway from starting, all at once. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "command_tenants.h"
#include "commands.h"
#include "load.h"
#include "script/strategies.h"
#include "script/tenant_build.h"
#include "server.h"

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

/* Takes --json out of the words, so that the rest is what every command with a file takes. */
static bool take_json(int *argc, char **argv) {
  for (int i = 1; i < *argc; i++) {
    if (strcmp(argv[i], "--json") != 0) continue;
    memmove(&argv[i], &argv[i + 1], (size_t)(*argc - i) * sizeof *argv);
    --*argc;
    return true;
  }
  return false;
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
    config_problem(c->problems, "%s: is no folder; name the folder of a tenant, or of all", root);
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

/* A folder among the words, taken out, without the slash at its end. */
static char *take_folder(int *argc, char **argv) {
  for (int i = 1; i < *argc; i++) {
    if (strcmp(argv[i], "--config") == 0) i++;
    if (i >= *argc || argv[i][0] == '-' || strcmp(argv[i - 1], "--config") == 0) continue;
    char *folder = argv[i];
    for (size_t len = strlen(folder); len > 1 && folder[len - 1] == '/'; len--)
      folder[len - 1] = 0;
    memmove(&argv[i], &argv[i + 1], (size_t)(*argc - i) * sizeof *argv);
    --*argc;
    return folder;
  }
  return NULL;
}

int check_main(int argc, char **argv) {
  bool json = take_json(&argc, argv);
  const char *folder = take_folder(&argc, argv), *path = load_path_argument(argc, argv);
  if (!path) return 2;
  struct config_problems problems;
  config_problems_init(&problems);
  struct checking c = {.problems = &problems};
  server_watch_begin();
  c.config = load_config_or_none(path, !folder || argc > 1, &problems);
  if (c.config) check_strategies(&c);
  if (c.config) check_tenants(&c, folder);
  server_watch_end();
  if (json)
    print_json(&problems);
  else
    load_print_problems(&problems);
  bool fine = c.config && problems.count == 0;
  if (fine && !json)
    printf("%s: fine: %zu providers, %zu models, %zu keys, %zu tenants\n", path,
           c.config->provider_count, c.config->model_count, c.config->key_count, c.tenants);
  config_unref(c.config);
  config_problems_fini(&problems);
  return fine ? 0 : 1;
}
