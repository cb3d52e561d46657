/* A sandbox whose `require` looks through a bundle: the tenant's files, the operator's, what ships.
 */
#pragma once
#include "script/bundle.h"
#include "script/sandbox.h"

enum { TENANT_LOAD_CPU_MS = 2000 }; /* to load everything; hooks get what the tenant's limits say */

/* config: of the tenant. The bundle outlives the sandbox. Entries have TENANT_LOAD_CPU_MS until
 * sandbox_set_cpu_ms says otherwise. */
struct sandbox *tenant_sandbox_new(const struct config *config, struct bundle *bundle);
/* "@policies/a.lua": what a chunk of that file is called, for messages that name it; files of lower
 * layers carry their folder. */
void tenant_chunk_name(const struct bundle *bundle, const struct bundle_file *file,
                       struct bytes *out);
/* For sandbox_settings.find, with a bundle for context. */
bool tenant_module_find(void *bundle, const struct sandbox_wanted *wanted,
                        struct sandbox_module *module);
