/* What clients' libraries read about limits. OpenAI's names and durations ("1s", "6m0s", "20ms"):
 * its rate limit guide; Anthropic's names and RFC 3339 times: its rate limit reference; Retry-After
 * in whole seconds, rounded up (RFC 9110, 10.2.3), with retry-after-ms beside it, as both official
 * libraries read it. */
#pragma once
#include "account/limit.h"
#include "model/dialect.h"
#include "model/header.h"

/* Whole lines are appended, each with its end. For a reply: the tightest limits, and
 * x-gateyes-budget-{limit,remaining,reset} and x-gateyes-limit-warning where they apply. */
void limit_headers(const struct limit_standing *standing, enum dialect dialect, int64_t now_wall_ms,
                   struct bytes *lines);
/* For a refusal: those, retry-after and retry-after-ms where waiting helps, x-should-retry: false
 * where it does not, and x-gateyes-limit with the limit's id. */
void limit_refusal_headers(const struct limit_refusal *refusal, enum dialect dialect,
                           int64_t now_wall_ms, struct bytes *lines);
