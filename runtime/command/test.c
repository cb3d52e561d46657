/* `gateyes test [path]`: the specs of tenants, as the gateway runs them before it takes a
 * generation. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "command/commands.h"
#include "command/tenants.h"
#include "command/test.h"
#include "load.h"
#include "script/tenant_file.h"
#include "server/server.h"

struct testing {
  struct config *config;
  struct config_problems problems;
  struct spec_report report;
  struct bundle *site;
  enum test_output output;
  uint64_t started_ns;
};

/* The tenant's configuration is the operator's with nothing over it: specs test scripts. */
static struct config *plain_config(struct config *base, const char *tenant) {
  static const struct value nothing = {.type = VALUE_MAP};
  struct config_problems problems;
  struct arena arena;
  arena_init(&arena);
  config_problems_init(&problems);
  struct tenant_file file = {slice_of(tenant), "tenant.lua", &nothing};
  struct config *c = config_build_tenant(base, &file, &arena, &problems);
  must(c != NULL);
  config_problems_fini(&problems);
  return c;
}

static void test_folder(struct testing *t, const char *folder, const char *only) {
  const char *slash = strrchr(folder, '/');
  struct bundle *bundle = bundle_read(slice_of(folder), t->site, &t->problems);
  if (!bundle) return;
  struct config *config = plain_config(t->config, slash ? slash + 1 : folder);
  const struct bundle_file *file = only ? bundle_own_find(bundle, slice_of(only)) : NULL;
  if (file)
    spec_run(config, bundle, file, &t->report);
  else if (only)
    config_problem(&t->problems, "%s/%s: is no file of the tenant", folder, only);
  else
    spec_run_all(config, bundle, &t->report);
  config_unref(config);
  bundle_unref(bundle);
}

static void on_tenant(void *context, const char *folder) {
  test_folder(context, folder, NULL);
}

/* A file's tenant is the folder above it that looks like one, else the folder it lies in. */
static void test_file(struct testing *t, char *path) {
  char *cut = strrchr(path, '/');
  for (char *slash = cut; slash; slash = memrchr(path, '/', (size_t)(slash - path))) {
    *slash = 0;
    bool found = tenants_is_one(path);
    *slash = '/';
    if (!found) continue;
    *slash = 0;
    test_folder(t, path, slash + 1);
    return;
  }
  bool is_here = path[0] != '/' && tenants_is_one(".");
  if (cut && !is_here) *cut = 0;
  test_folder(t, cut && !is_here ? path : ".", cut && !is_here ? cut + 1 : path);
}

static void test_path(struct testing *t, const char *given) {
  char *path = strdup(given);
  size_t len = strlen(path);
  while (len > 1 && path[len - 1] == '/')
    path[--len] = 0;
  if (access(path, F_OK) != 0)
    config_problem(&t->problems, "%s: %s", given, strerror(errno));
  else if (!tenants_is_folder(path))
    test_file(t, path);
  else if (tenants_is_one(path))
    test_folder(t, path, NULL);
  else
    tenants_each(path, on_tenant, t);
  free(path);
}

static int run(struct testing *t, const char *path) {
  t->started_ns = clock_mono_ns();
  struct slice site = t->config->site_path;
  struct bundle *base = bundle_new_base(t->config->lua_path, &t->problems);
  t->site = base && site.len ? bundle_read(site, base, &t->problems) : base;
  if (base && site.len) bundle_unref(base);
  struct slice tenants = t->config->tenants_path;
  if (!path) path = tenants.len ? tenants.data : ".";
  if (t->site) test_path(t, path);
  /* A pipeline whose folder has moved must not stay green. */
  if (t->problems.count == 0 && t->report.count == 0)
    config_problem(&t->problems,
                   "%s: no specs are there; put them into files such as policies/NAME_spec.lua "
                   "in a tenant's folder, and name that folder or the one of all tenants",
                   path);
  double seconds = (double)(clock_mono_ns() - t->started_ns) / 1e9;
  if (t->problems.count == 0) test_print(&t->report, t->output, seconds);
  bool fine = t->problems.count == 0 && t->report.totals[SPEC_FAILURE] == 0 &&
              t->report.totals[SPEC_ERROR] == 0;
  bundle_unref(t->site);
  return fine ? 0 : 1;
}

static const char usage[] =
    "usage: gateyes test [PATH] [--config PATH] [--output plain|json|tap|junit]\n\n"
    "PATH: a tenant's folder, the folder of all tenants, or one spec; by default the tenants of "
    "the\n"
    "configuration. --json, --tap and --junit are short for --output; -o is too. It exits with 0 "
    "when\n"
    "all specs pass, 1 when one does not or none is there, 2 when it was called wrongly.\n";

struct words {
  const char *path, *config_path;
  bool is_asked; /* for this configuration */
  enum test_output output;
};

/* How many words the option takes; 0: it is none. */
static int take_option(struct words *w, const char *option, const char *value) {
  if (strcmp(option, "--config") == 0 && value) {
    w->config_path = value;
    w->is_asked = true;
    return 2;
  }
  bool is_output = strcmp(option, "--output") == 0 || strcmp(option, "-o") == 0;
  const char *name = is_output ? value : strncmp(option, "--", 2) == 0 ? option + 2 : NULL;
  w->output = name ? test_output_find(name) : TEST_OUTPUT_COUNT;
  return w->output == TEST_OUTPUT_COUNT ? 0 : is_output ? 2 : 1;
}

static bool read_words(struct words *w, int argc, char **argv) {
  for (int i = 1; i < argc;) {
    int taken = argv[i][0] == '-' ? take_option(w, argv[i], i + 1 < argc ? argv[i + 1] : NULL) : 0;
    if (taken == 0 && (argv[i][0] == '-' || w->path)) return false;
    if (taken == 0) w->path = argv[i++];
    i += taken;
  }
  return true;
}

int test_main(int argc, char **argv) {
  struct testing t = {0};
  struct words words = {.config_path = load_path(NULL), .is_asked = load_path_is_asked(NULL)};
  if (!read_words(&words, argc, argv)) {
    fputs(usage, stderr);
    return 2;
  }
  t.output = words.output;
  config_problems_init(&t.problems);
  spec_report_init(&t.report);
  server_watch_begin();
  t.config = load_config_or_none(words.config_path, words.is_asked, &t.problems);
  int status = t.config ? run(&t, words.path) : 1;
  server_watch_end();
  load_print_problems(&t.problems);
  config_unref(t.config);
  spec_report_fini(&t.report);
  config_problems_fini(&t.problems);
  return status;
}
