/* The first key for the admin API: there is no default password. */
#pragma once
#include "config/config.h"

struct store;

/* Without admin.key the first start with a store makes a key with the role super_admin, prints it
 * once on standard error and stores its hash. Waits; before anyone is served. False with a problem.
 */
bool server_bootstrap(const struct config *config, struct store *store,
                      struct config_problems *problems);
