/* What limits and budgets have used before this process began: from the ledger. */
#pragma once
#include "account/limit.h"
#include "store/store.h"

/* Sets the counters of every definition. Waits; before anyone is served. With a result other than
 * STORE_FINE some counters begin at zero. */
enum store_result server_seed_limits(struct limiter *limiter, struct store *store,
                                     const struct limit_definition *definitions, size_t count);
