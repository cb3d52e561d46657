/* What one worker keeps of the limiter from request to request: the definitions, counted once and
 * not for each request; which of them hold for a caller, with the keys of their counters; memory of
 * reservations. One thread's. For account/limit*.c. */
#pragma once
#include "account/limit_state.h"

/* Definitions that reservations of this thread were made under. */
struct limit_held {
  struct limit_set *set;
  unsigned refs;
};

void limit_held_unref(struct limit_held *held);

/* Holds of a request without a provider, in the order of their hashes. */
struct limit_found {
  struct limit_held *held; /* whose rules they are of */
  const struct limit_hold *holds;
  size_t count;
};

/* By the newest definitions. False: too much to be kept. Valid until the next call. */
bool limit_view_find(struct limit_view *view, const struct limit_request *request,
                     struct limit_found *found);
/* Room for LIMIT_VIEW_HOLDS. */
struct reservation *limit_view_take(struct limit_view *view);
void limit_view_give_back(struct limit_view *view, struct reservation *r);

enum { LIMIT_VIEW_HOLDS = 8 };
