#include "script/tenant_sandbox.h"

void tenant_chunk_name(const struct bundle *bundle, const struct bundle_file *file,
                       struct bytes *out) {
  bool is_own = bundle_own_find(bundle, file->path) == file;
  bytes_append_byte(out, '@');
  bytes_append_slice(out, is_own ? file->path : file->name);
}

bool tenant_module_find(void *bundle, struct slice module, struct slice *text,
                        struct slice *chunk_name) {
  static _Thread_local char name[BUNDLE_PATH_BYTES + 300];
  const struct bundle_file *file = bundle_module_find(bundle, module);
  if (!file) return false;
  struct bytes full;
  bytes_init(&full);
  tenant_chunk_name(bundle, file, &full);
  if (full.len > sizeof name) full.len = sizeof name;
  memcpy(name, full.data, full.len);
  *chunk_name = (struct slice){name, full.len};
  *text = file->text;
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
