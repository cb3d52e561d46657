/* What a request costs, in integers of 10^-9 of the currency. Nothing rounds and nothing wraps. */
#pragma once
#include "config/config.h"
#include "model/usage.h"

enum price_status {
  PRICE_KNOWN,
  PRICE_UNKNOWN,  /* the model has no price: a state to show, not a cost of zero */
  PRICE_OVERFLOW, /* above INT64_MAX: no real request, so price or usage is wrong */
};

/* *out is 0 unless PRICE_KNOWN is returned. Reasoning and audio tokens cost their own price where
 * there is one, else that of the input or output they are part of. */
enum price_status cost_nanousd(const struct price *price, const struct usage *usage,
                               uint64_t *out) MUST_CHECK;
const char *price_status_name(enum price_status status); /* "known", "unknown", "overflow" */
