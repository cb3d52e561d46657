#include "script/tenant_sandbox.h"

void tenant_chunk_name(const struct bundle *bundle, const struct bundle_file *file,
                       struct bytes *out) {
  bool is_own = bundle_own_find(bundle, file->path) == file;
  bytes_append_byte(out, '@');
  bytes_append_slice(out, is_own ? file->path : file->name);
}

/* Of what ships, the policies and adapters, and the modules that those are made of: a copy of one
 * works in a tenant's folder. The rest is the gateway's own, and changes without notice. */
#define OFFERED                                                                                    \
  "gateyes gateyes.hash gateyes.json gateyes.store gateyes.text gateyes.tokens "                   \
  "gateyes.anthropic_decode gateyes.anthropic_encode gateyes.anthropic_stream_in "                 \
  "gateyes.complexity_words gateyes.compliance gateyes.guards gateyes.needs "                      \
  "gateyes.openai_errors gateyes.openai_reply gateyes.openai_request gateyes.openai_stream "       \
  "gateyes.responses_body gateyes.responses_events gateyes.responses_reply gateyes.routing "       \
  "gateyes.rule_conditions gateyes.usage"

static bool is_offered(struct slice module) {
  struct slice names = SLICE(OFFERED);
  if (slice_starts(module, SLICE("policies.")) || slice_starts(module, SLICE("adapters.")))
    return true;
  while (names.len)
    if (slice_equal(slice_cut(names, ' ', &names), module)) return true;
  return false;
}

static bool is_shipped(const struct bundle *b, const struct bundle_file *file) {
  while (bundle_below(b))
    b = bundle_below(b);
  return bundle_own_find(b, file->path) == file;
}

/* The house never finds what the tenant has put in the place of a file. */
bool tenant_module_find(void *context, const struct sandbox_wanted *wanted,
                        struct sandbox_module *module) {
  static _Thread_local char name[BUNDLE_PATH_BYTES + 300];
  const struct bundle *bundle = context, *below = bundle_below(bundle);
  bool is_house = wanted->realm == SANDBOX_HOUSE && below;
  const struct bundle_file *file = bundle_module_find(is_house ? below : bundle, wanted->name);
  module->is_own = file && bundle_own_find(bundle, file->path) == file;
  module->why = "is not there; scripts may require the files of their tenant and of the operator "
                "(lib.words is lib/words.lua), policies and adapters that ship, and " OFFERED;
  if (!file) return false;
  bool is_open = wanted->is_internal || module->is_own || !is_shipped(bundle, file);
  if (!is_open && !is_offered(wanted->name)) return false;
  struct bytes full;
  bytes_init(&full);
  tenant_chunk_name(bundle, file, &full);
  if (full.len > sizeof name) full.len = sizeof name;
  memcpy(name, full.data, full.len);
  module->chunk_name = (struct slice){name, full.len};
  module->text = file->text;
  bytes_fini(&full);
  return true;
}

struct sandbox *tenant_sandbox_new(const struct config *config, struct bundle *bundle) {
  const struct tenant_settings *t = config->tenant;
  struct sandbox_settings settings = {.name = t->name,
                                      .memory_bytes = t->scripts.memory_bytes,
                                      .cpu_ms = TENANT_LOAD_CPU_MS,
                                      .find = tenant_module_find,
                                      .context = bundle};
  return sandbox_new(&settings);
}
