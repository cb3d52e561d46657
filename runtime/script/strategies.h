/* The routing policies that models name as their strategy: trusted, one chain for each distinct
 * one, all in one sandbox for each worker. They only order targets, and nothing in them waits.
 * Counted on the worker's thread; made on any thread that may run scripts. */
#pragma once
#include "script/bundle.h"
#include "script/policy.h"

struct strategies;

/* host: of the worker, for the store; NULL: none. bundle may be NULL where no model of the
 * configuration names a policy. NULL: error has one line for each problem. References are taken. */
struct strategies *strategies_new(struct config *config, struct bundle *bundle,
                                  const struct policy_host *host, struct bytes *error);
struct strategies *strategies_ref(struct strategies *s);
void strategies_unref(struct strategies *s); /* NULL is fine */
/* Does any model of the configuration name a policy? */
bool strategies_are_wanted(const struct config *config);
/* NULL: the model's strategy is one that C runs. */
struct policy_chain *strategies_find(const struct strategies *s, const struct model *model);
