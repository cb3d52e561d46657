/* What limits and budgets have used before this process began: from the ledger. */
#pragma once
#include "account/limit.h"
#include "store/bookkeeper.h"

struct seed_settings {
  struct limiter *limiter; /* has the definitions, and has counted nothing of them */
  struct bookkeeper *bookkeeper;
  const struct limit_definition *definitions;
  size_t count;
  uint64_t requests_ms; /* records are kept that long, after it only their sums by day; 0: always */
};

/* Waits; before anyone is served. With a result other than STORE_FINE the counters know only what
 * has not reached the store yet. */
enum store_result server_seed_limits(const struct seed_settings *settings);
/* The same for one that is made while the gateway runs; definitions and count are not looked at. */
enum store_result server_seed_limit(const struct seed_settings *settings,
                                    struct limit_seeding *seeding,
                                    const struct limit_definition *definition);
