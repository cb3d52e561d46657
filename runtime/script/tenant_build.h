/* Everything that has to hold before a tenant's bundle may serve: it is read, checked, loaded once
 * for each worker, and its specs pass. Blocks; any thread that may run scripts. */
#pragma once
#include "script/tenant_scripts.h"

struct tenant_build {
  struct slice tenant;
  uint64_t number;
  struct bundle *bundle;
  struct config *base;
  const struct policy_host *const
      *hosts; /* one for each worker; NULL: one, that nothing waits in */
  size_t worker_count;
  struct responses *responses; /* of the process, or NULL */
  /* A shadow gets each worker's quiet host: it must not wait, fetch or store. */
  enum { BUILD_EFFECTIVE, BUILD_SHADOW, BUILD_AS_TENANT_SAYS } effect;
  bool skips_specs;             /* they have passed before */
  const struct slice *services; /* lists of policies that versions of its services bring */
  size_t service_count;
};

struct tenant_built {
  struct config *config;           /* NULL when refused */
  struct tenant_scripts **scripts; /* worker_count of them */
  struct tenant_standing *standing;
  size_t count;
};

/* False: problems say why, and nothing is left over. */
bool tenant_build(const struct tenant_build *build, struct tenant_built *out,
                  struct config_problems *problems);
void tenant_built_fini(struct tenant_built *built); /* gives back what was not taken out */
