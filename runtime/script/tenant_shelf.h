/* What each tenant runs now, for those who are on no worker: would a version of a service find what
 * it names? Any thread. */
#pragma once
#include "model/variable.h"
#include "script/bundle.h"

struct tenant_shelf;

struct tenant_shelf *tenant_shelf_new(void);
void tenant_shelf_free(struct tenant_shelf *shelf);
/* For tenants without scripts of their own. References are taken. */
void tenant_shelf_set_base(struct tenant_shelf *shelf, struct config *config, struct bundle *site);
/* References are taken; both NULL: the tenant has no scripts any more. */
void tenant_shelf_put(struct tenant_shelf *shelf, struct slice tenant, struct config *config,
                      struct bundle *bundle);

struct tenant_wants { /* of one version; texts may be empty */
  struct slice model;
  struct slice policies; /* JSON list, as tenant_scripts_chain takes it */
  struct slice template_name;
  const struct variables *variables;
};

/* Loads the policies once and throws them away: for a thread that may wait. False: *field names
 * what is wrong, and problem says it, one line each. */
bool tenant_shelf_check(struct tenant_shelf *shelf, struct slice tenant,
                        const struct tenant_wants *wants, const char **field,
                        struct bytes *problem);
