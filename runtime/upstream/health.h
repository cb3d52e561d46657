/* What the process knows about its targets, a target being a provider and one of its models. All
 * loops share it, without locks on the request path; it survives reloads. Times are monotonic
 * milliseconds.
 *
 * A target is set aside for two reasons. Cooling: the provider said when to come back. Ejected:
 * EJECT_AFTER failures in a row that trip the breaker; 30 s the first time, 30 s longer each time a
 * probe fails, at most 300 s. When the ejection is over one request is let through as the probe:
 * its success frees the target, its failure ejects it again. A success at any time frees it.
 *
 * Where no target of a model is usable the caller tries them all the same (panic): fewer targets
 * than none is no help. */
#pragma once
#include "config/config.h"
#include "model/failure.h"
#include "upstream/load.h"

enum { EJECT_AFTER = 5, EJECT_STEP_MS = 30 * 1000, EJECT_MAX_MS = 300 * 1000 };

struct health;
struct health_target;

struct health *health_new(void);
void health_free(struct health *h);
void health_reload(struct health *h, const struct config *config); /* limits of the retry budget */

/* Made on first use; valid as long as h, so callers may keep the pointer. Any thread. */
struct health_target *health_target_get(struct health *h, struct slice provider,
                                        struct slice model);

/* The load of all its models; the same rules. */
struct provider_load *health_load_get(struct health *h, struct slice provider);
struct provider_load *health_load_of(const struct health_target *t);

/* Would health_enter let a request in now? */
bool health_usable(const struct health_target *t, uint64_t now_ms);

struct health_visit { /* one attempt at a target, from enter to leave */
  struct health_target *target;
  bool is_probe;
};

/* False: the target is set aside, or its probe is under way; v is then untouched. In a panic always
 * true. */
bool health_enter(struct health_visit *v, struct health_target *t, uint64_t now_ms, bool is_panic);
/* kind: FAILURE_NONE for a success. Failures that do not trip the breaker (a 400 of the client, a
 * 429) count neither way; nor does CLIENT_GONE. */
void health_leave(struct health_visit *v, uint64_t now_ms, enum failure_kind kind);
/* The first content has come: proof enough that the target is back, long before a stream ends. A
 * probe thereby frees its target at once. */
void health_alive(struct health_visit *v);
/* Sets the target aside for that long (see retry_after.h); never shortens an earlier wish. */
void health_cool(struct health_target *t, uint64_t now_ms, uint64_t wait_ms);
/* Feeds the averages. */
void health_first_token(struct health_target *t, uint64_t now_ms, uint64_t after_us);

struct health_view { /* for routing, metrics and the operator */
  struct slice provider, model;
  uint32_t in_flight;
  uint32_t first_token_us; /* moving average; 0: none yet */
  uint32_t peak_token_us;  /* the same, but a slower one counts in full at once; without news it
                            * halves every 5 seconds */
  uint32_t error_permille; /* moving average over the last attempts */
  uint32_t failures_in_row, ejections;
  uint64_t cooling_ms, ejected_ms; /* left; 0: not */
  bool is_probing;
};

struct health_view health_view(const struct health_target *t, uint64_t now_ms);
void health_each(struct health *h, uint64_t now_ms,
                 void (*on_target)(const struct health_view *view, void *context), void *context);

/* Retry budget of the process: retries in flight are at most retry_percent of the requests in
 * flight, and retry_min are always allowed. Each request is counted once, however many attempts. */
void health_request_begin(struct health *h);
void health_request_end(struct health *h);
bool health_retry_begin(struct health *h); /* false: the budget is spent */
void health_retry_end(struct health *h);
