#include "script/spec_run.h"

#include <stdlib.h>

#include "base/clock.h"
#include "script/embedded.h"
#include "script/policy.h"
#include "script/sandbox.h"
#include "script/spec_kit.h"
#include "script/surface.h"
#include "script/tenant_sandbox.h"

/* A spec may use more than a hook: it runs many of them, and luassert. */
enum { SPEC_CPU_MS = 2000, SPEC_MEMORY_BYTES = 64 << 20 };

void spec_report_init(struct spec_report *r) {
  *r = (struct spec_report){0};
  arena_init(&r->arena);
}

void spec_report_fini(struct spec_report *r) {
  arena_fini(&r->arena);
  free(r->outcomes);
}

static void add(struct spec_report *r, const struct spec_outcome *outcome) {
  if (r->count == r->room) {
    r->room = r->room ? r->room * 2 : 16;
    r->outcomes = must_realloc(r->outcomes, r->room * sizeof *r->outcomes);
  }
  struct spec_outcome *o = &r->outcomes[r->count++];
  *o = *outcome;
  o->file = arena_slice(&r->arena, outcome->file);
  o->name = arena_slice(&r->arena, outcome->name);
  o->message = arena_slice(&r->arena, outcome->message);
  r->totals[o->status]++;
}

static const struct embedded_file *kit_file(struct slice module) {
  struct bytes path;
  bytes_init(&path);
  bool is_package = slice_equal_text(module, "luassert") || slice_equal_text(module, "say") ||
                    slice_equal_text(module, "luassert.formatters") ||
                    slice_equal_text(module, "luassert.matchers");
  bytes_append_text(&path, "speckit/");
  for (size_t i = 0; i < module.len; i++)
    bytes_append_byte(&path, module.data[i] == '.' ? '/' : module.data[i]);
  bytes_append_text(&path, is_package ? "/init.lua" : ".lua");
  const struct embedded_file *file = embedded_files();
  while (file->name && !slice_equal_text(bytes_slice(&path), file->name))
    file++;
  bytes_fini(&path);
  return file->name ? file : NULL;
}

struct spec_files {
  struct bundle *bundle;
  struct bytes text, name; /* of the kit's module that was asked for last */
};

/* luassert gets, as locals on its first line, what it takes for granted. */
static bool on_find(void *context, const struct sandbox_wanted *wanted,
                    struct sandbox_module *module) {
  static const char prefix[] =
      "local s = require 'gateyes.spec.shims' local debug, io, os, package, rawget, rawset, "
      "rawequal, print, error = s.debug, s.io, s.os, s.package, s.rawget, s.rawset, s.rawequal, "
      "s.print, s.error ";
  struct spec_files *files = context;
  bool is_kit =
      slice_starts(wanted->name, SLICE("luassert")) || slice_equal_text(wanted->name, "say");
  const struct embedded_file *file = is_kit ? kit_file(wanted->name) : NULL;
  if (!file) return tenant_module_find(files->bundle, wanted, module);
  bytes_clear(&files->text);
  bytes_clear(&files->name);
  bytes_append_text(&files->text, prefix);
  bytes_append(&files->text, file->start, (size_t)(file->end - file->start));
  bytes_printf(&files->name, "@%s", file->name);
  module->text = bytes_slice(&files->text);
  module->chunk_name = bytes_slice(&files->name);
  return true;
}

static enum spec_status status_of(struct slice word) {
  static const char *const words[] = {"success", "failure", "error", "pending"};
  for (int i = 0; i < SPEC_STATUS_COUNT; i++)
    if (slice_equal_text(word, words[i])) return (enum spec_status)i;
  return SPEC_ERROR;
}

static struct slice field(lua_State *L, const char *name) {
  sandbox_push_field(L, -1, name);
  struct slice text = state_text(L, -1);
  lua_pop(L, 1); /* the table still holds it */
  return text;
}

/* The runner's list is on top. */
static void read_results(lua_State *L, struct slice file, struct spec_report *report) {
  size_t count = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, -1, (int)i + 1);
    if (lua_istable(L, -1)) {
      struct spec_outcome o = {.status = status_of(field(L, "status")),
                               .file = file,
                               .name = field(L, "name"),
                               .message = field(L, "message")};
      sandbox_push_field(L, -1, "line");
      double line = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
      o.line = line > 0 && line < 1e6 ? (unsigned)line : 0;
      lua_pop(L, 1);
      add(report, &o);
    }
    lua_pop(L, 1);
  }
}

static bool push_runner(struct sandbox *s, struct bytes *error) {
  lua_State *L = sandbox_state(s);
  if (sandbox_require(s, SANDBOX_TENANT, SLICE("gateyes.spec.runner"), error) != SANDBOX_DONE)
    return false;
  sandbox_push_field(L, -1, "run");
  lua_remove(L, -2);
  return true;
}

static bool run_file(struct sandbox *s, const struct bundle *bundle, const struct bundle_file *file,
                     struct bytes *error) {
  struct bytes name;
  bytes_init(&name);
  tenant_chunk_name(bundle, file, &name);
  bool fine = push_runner(s, error) && sandbox_load(s, file->text, bytes_slice(&name), error) &&
              sandbox_call(s, 1, 1, error) == SANDBOX_DONE;
  bytes_fini(&name);
  return fine;
}

void spec_run(const struct config *config, struct bundle *bundle, const struct bundle_file *file,
              struct spec_report *report) {
  static const struct policy_host nothing;
  uint64_t started_ns = clock_mono_ns();
  size_t before = report->count;
  struct spec_files files = {.bundle = bundle};
  struct bytes error;
  bytes_init(&error);
  struct sandbox_settings settings = {.name = config->tenant->name,
                                      .memory_bytes = SPEC_MEMORY_BYTES,
                                      .cpu_ms = SPEC_CPU_MS,
                                      .find = on_find,
                                      .context = &files};
  struct policy_settings policies = {.tenant = config->tenant->name, .host = &nothing};
  struct sandbox *s = sandbox_new(&settings);
  surface_open(sandbox_state(s), &policies);
  spec_kit_open(sandbox_state(s));
  if (run_file(s, bundle, file, &error))
    read_results(sandbox_state(s), file->path, report);
  else
    add(report, &(struct spec_outcome){.status = SPEC_ERROR,
                                       .file = file->path,
                                       .name = file->path,
                                       .message = bytes_slice(&error)});
  for (size_t i = before; i < report->count; i++) {
    report->outcomes[i].tenant = arena_slice(&report->arena, config->tenant->name);
    report->outcomes[i].file_ns = clock_mono_ns() - started_ns;
  }
  sandbox_free(s);
  bytes_fini(&files.text);
  bytes_fini(&files.name);
  bytes_fini(&error);
}

void spec_run_all(const struct config *config, struct bundle *bundle, struct spec_report *report) {
  size_t count;
  const struct bundle_file *files = bundle_files(bundle, &count);
  for (size_t i = 0; i < count; i++)
    if (bundle_is_spec(files[i].path)) spec_run(config, bundle, &files[i], report);
}

bool spec_report_judge(const struct spec_report *r, struct config_problems *problems) {
  for (size_t i = 0; i < r->count; i++) {
    const struct spec_outcome *o = &r->outcomes[i];
    if (o->status == SPEC_SUCCESS || o->status == SPEC_PENDING) continue;
    config_problem(problems, "spec %.*s, line %u, \"%.*s\": %.*s", (int)o->file.len, o->file.data,
                   o->line, (int)o->name.len, o->name.data, (int)o->message.len, o->message.data);
  }
  return r->totals[SPEC_FAILURE] + r->totals[SPEC_ERROR] == 0;
}
