/* How many counters of a definition each tenant has: whoever chooses names (customers, users of
 * tokens) may fill the table for themselves, and not for others. */
#pragma once
#include <uv.h>

#include "base/bytes.h"

struct limit_family;
struct limit_share;

struct limit_shares {
  uv_mutex_t lock;
  struct limit_share **buckets;
};

void limit_shares_init(struct limit_shares *s);
void limit_shares_fini(struct limit_shares *s); /* all are dropped */

/* That tenant's share of that family, with one counter more; it has at most `most` then. NULL: it
 * has as many. Any thread. */
struct limit_share *limit_share_take(struct limit_shares *s, const struct limit_family *family,
                                     struct slice tenant, uint32_t most);
void limit_share_drop(struct limit_shares *s, struct limit_share *share); /* one counter less */
