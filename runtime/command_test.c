/* `gateyes test [path]`: the specs of tenants, as the gateway runs them before it takes a
 * generation. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "command_tenants.h"
#include "commands.h"
#include "load.h"
#include "script/spec_run.h"
#include "script/tenant_file.h"
#include "server.h"

enum output { OUTPUT_PLAIN, OUTPUT_JSON, OUTPUT_TAP };

struct testing {
  struct config *config;
  struct config_problems problems;
  struct spec_report report;
  struct bundle *site;
  enum output output;
  uint64_t started_ns;
};

static const char *const status_names[] = {"success", "failure", "error", "pending"};

static void print_plain(const struct testing *t, double seconds) {
  static const char *const marks[] = {"●", "◼", "✱", "◌"};
  static const char *const titles[] = {"", "Failure", "Error", "Pending"};
  const struct spec_report *r = &t->report;
  for (size_t i = 0; i < r->count; i++)
    fputs(marks[r->outcomes[i].status], stdout);
  const size_t *n = r->totals;
  printf("\n%zu success%s / %zu failure%s / %zu error%s / %zu pending : %.6f seconds\n",
         n[SPEC_SUCCESS], n[SPEC_SUCCESS] == 1 ? "" : "es", n[SPEC_FAILURE],
         n[SPEC_FAILURE] == 1 ? "" : "s", n[SPEC_ERROR], n[SPEC_ERROR] == 1 ? "" : "s",
         n[SPEC_PENDING], seconds);
  for (size_t i = 0; i < r->count; i++) {
    const struct spec_outcome *o = &r->outcomes[i];
    if (o->status == SPEC_SUCCESS) continue;
    printf("\n%s → %.*s @ %u\n%.*s\n", titles[o->status], (int)o->file.len, o->file.data, o->line,
           (int)o->name.len, o->name.data);
    if (o->message.len) printf("%.*s\n", (int)o->message.len, o->message.data);
  }
}

static void print_tap(const struct testing *t) {
  const struct spec_report *r = &t->report;
  printf("1..%zu\n", r->count);
  for (size_t i = 0; i < r->count; i++) {
    const struct spec_outcome *o = &r->outcomes[i];
    bool fine = o->status == SPEC_SUCCESS || o->status == SPEC_PENDING;
    printf("%s %zu - %.*s%s\n", fine ? "ok" : "not ok", i + 1, (int)o->name.len, o->name.data,
           o->status == SPEC_PENDING ? " # SKIP" : "");
    struct slice rest = o->message;
    while (rest.len) {
      struct slice line = slice_cut(rest, '\n', &rest);
      printf("# %.*s\n", (int)line.len, line.data);
    }
  }
}

static void print_json(const struct testing *t, double seconds) {
  const struct spec_report *r = &t->report;
  struct bytes out;
  bytes_init(&out);
  bytes_printf(&out, "{\"seconds\":%.6f", seconds);
  for (int i = 0; i < SPEC_STATUS_COUNT; i++)
    bytes_printf(&out, ",\"%s\":%zu", status_names[i], r->totals[i]);
  bytes_append_text(&out, ",\"specs\":[");
  for (size_t i = 0; i < r->count; i++) {
    const struct spec_outcome *o = &r->outcomes[i];
    bytes_printf(&out, "%s{\"status\":\"%s\",\"line\":%u,\"file\":", i ? "," : "",
                 status_names[o->status], o->line);
    json_quote(&out, o->file);
    bytes_append_text(&out, ",\"name\":");
    json_quote(&out, o->name);
    bytes_append_text(&out, ",\"message\":");
    json_quote(&out, o->message);
    bytes_append_byte(&out, '}');
  }
  printf("%s]}\n", (bytes_append_byte(&out, 0), out.data));
  bytes_fini(&out);
}

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
  if (!tenants_is_folder(path))
    test_file(t, path);
  else if (tenants_is_one(path))
    test_folder(t, path, NULL);
  else
    tenants_each(path, on_tenant, t);
  free(path);
}

static void report(const struct testing *t) {
  double seconds = (double)(clock_mono_ns() - t->started_ns) / 1e9;
  if (t->output == OUTPUT_JSON)
    print_json(t, seconds);
  else if (t->output == OUTPUT_TAP)
    print_tap(t);
  else
    print_plain(t, seconds);
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
  if (t->problems.count == 0) report(t);
  bool fine = t->problems.count == 0 && t->report.totals[SPEC_FAILURE] == 0 &&
              t->report.totals[SPEC_ERROR] == 0;
  bundle_unref(t->site);
  return fine ? 0 : 1;
}

int test_main(int argc, char **argv) {
  struct testing t = {0};
  const char *path = NULL, *config_path = "gateyes.lua";
  bool is_asked = false;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--json") == 0) {
      t.output = OUTPUT_JSON;
    } else if (strcmp(argv[i], "--tap") == 0) {
      t.output = OUTPUT_TAP;
    } else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) {
      config_path = argv[++i];
      is_asked = true;
    } else if (argv[i][0] == '-' || path) {
      fprintf(stderr, "gateyes test: it takes [path] [--config PATH] [--json | --tap]\n");
      return 2;
    } else {
      path = argv[i];
    }
  }
  config_problems_init(&t.problems);
  spec_report_init(&t.report);
  server_watch_begin();
  t.config = load_config_or_none(config_path, is_asked, &t.problems);
  int status = t.config ? run(&t, path) : 1;
  server_watch_end();
  load_print_problems(&t.problems);
  config_unref(t.config);
  spec_report_fini(&t.report);
  config_problems_fini(&t.problems);
  return status;
}
