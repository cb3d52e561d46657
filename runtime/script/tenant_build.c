#include "script/tenant_build.h"

#include <stdlib.h>

#include "model/template.h"
#include "script/policy.h"
#include "script/spec_run.h"
#include "script/tenant_file.h"
#include "script/tenant_standing.h"

void tenant_built_fini(struct tenant_built *built) {
  for (size_t i = 0; i < built->count; i++)
    tenant_scripts_unref(built->scripts[i]);
  free(built->scripts);
  tenant_standing_unref(built->standing);
  config_unref(built->config);
  *built = (struct tenant_built){0};
}

/* Each line of error is a problem of its own. */
static void add_lines(struct slice error, struct config_problems *problems) {
  while (error.len) {
    struct slice line = slice_cut(error, '\n', &error);
    if (line.len) config_problem(problems, "%.*s", (int)line.len, line.data);
  }
}

static const struct policy_host *host_of(const struct tenant_build *build, size_t worker,
                                         bool is_shadow) {
  const struct policy_host *host = build->hosts ? build->hosts[worker] : NULL;
  return host && is_shadow ? host->quiet : host;
}

static bool ends_with(struct slice text, struct slice end) {
  return text.len >= end.len && slice_equal(slice_skip(text, text.len - end.len), end);
}

/* Which variables there are, the version of a service says that names the file. */
static bool check_templates(const struct tenant_build *build, struct config_problems *problems) {
  size_t count, before = problems->count;
  const struct bundle_file *files = bundle_files(build->bundle, &count);
  for (size_t i = 0; i < count; i++) {
    struct template_problem wrong = {0};
    bool is_prompt = slice_starts(files[i].path, SLICE("templates/")) &&
                     ends_with(files[i].path, SLICE(".prompt"));
    if (!is_prompt) continue;
    bytes_init(&wrong.sentence);
    if (!template_check(files[i].text, NULL, &wrong))
      config_problem(problems, "%.*s:%d: %s", (int)files[i].name.len, files[i].name.data,
                     wrong.line, bytes_text(&wrong.sentence));
    bytes_fini(&wrong.sentence);
  }
  return problems->count == before;
}

static bool load_all(const struct tenant_build *build, struct tenant_built *out,
                     struct config_problems *problems) {
  struct bytes error;
  bytes_init(&error);
  bool is_shadow = build->effect == BUILD_SHADOW ||
                   (build->effect == BUILD_AS_TENANT_SAYS && out->config->tenant->is_shadow);
  bool fine = true;
  for (size_t i = 0; fine && i < build->worker_count; i++) {
    struct tenant_source source = {build->tenant,
                                   build->number,
                                   build->bundle,
                                   out->config,
                                   host_of(build, i, is_shadow),
                                   build->responses,
                                   out->standing,
                                   build->services,
                                   build->service_count};
    out->scripts[i] = tenant_scripts_new(&source, &error);
    fine = out->scripts[i] != NULL;
    out->count += fine;
  }
  if (!fine) add_lines(bytes_slice(&error), problems);
  bytes_fini(&error);
  return fine;
}

static bool run_specs(const struct tenant_build *build, const struct tenant_built *built,
                      struct config_problems *problems) {
  struct spec_report report;
  if (build->skips_specs) return true;
  spec_report_init(&report);
  spec_run_all(built->config, build->bundle, &report);
  bool fine = spec_report_judge(&report, problems);
  spec_report_fini(&report);
  return fine;
}

bool tenant_build(const struct tenant_build *build, struct tenant_built *out,
                  struct config_problems *problems) {
  size_t before = problems->count;
  *out = (struct tenant_built){0};
  out->config = tenant_config_load(build->base, build->tenant, build->bundle, problems);
  out->standing = tenant_standing_new();
  out->scripts = must_calloc(build->worker_count + 1, sizeof *out->scripts);
  /* One after the other, whatever is wrong: all of it is to be said at once. */
  bool fine = bundle_check_texts(build->bundle, problems) && out->config;
  fine = check_templates(build, problems) && fine;
  fine = (!out->config || load_all(build, out, problems)) && fine;
  fine = (!out->config || run_specs(build, out, problems)) && fine;
  if (fine && problems->count == before) return true;
  tenant_built_fini(out);
  return false;
}
