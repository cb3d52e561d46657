/* What a request costs, in integers of 10^-9 of the currency: the one function behind estimates,
 * reservations, bills and reports. Sums and factors are exact; the result is rounded once, half up.
 * Nothing wraps: what does not fit is refused. */
#pragma once
#include "config/config.h"
#include "model/usage.h"

enum price_status {
  PRICE_KNOWN,
  PRICE_UNKNOWN,  /* the model has no price: a state to show, not a cost of zero */
  PRICE_OVERFLOW, /* above INT64_MAX: no real request, so price or usage is wrong */
};

struct price_query {
  const struct usage *usage;
  int64_t at_ms;   /* wall time of the request's start: version and hours go by it */
  uint32_t markup; /* factor for this tenant, in PRICE_PARTS: see price_markup */
};

struct bill {
  uint64_t cost_nanousd; /* what the tenant owes */
  uint64_t list_nanousd; /* the same without markup: what the provider asks */
  uint64_t tier_tokens;  /* above that many prompt tokens; 0: the base price */
  struct slice version;  /* of the price table; borrowed from the configuration */
};

/* *out is zeroed unless PRICE_KNOWN is returned. Reasoning and audio tokens cost their own price
 * where there is one, else that of the input or output they are part of. */
enum price_status price_bill(const struct price *price, const struct price_query *query,
                             struct bill *out) MUST_CHECK;
/* The price that held at that time. */
const struct price *price_at(const struct model *model, int64_t at_ms);
/* The same for one of its targets; target may be NULL. */
const struct price *price_of(const struct model *model, const struct model_target *target,
                             int64_t at_ms);
/* The tenant's factor: config.markups, then that of "*", then PRICE_PARTS. */
uint32_t price_markup(const struct config *config, struct slice tenant);
/* For reservations: how many tokens the answer may have. asked is what the request sets, 0 when it
 * sets nothing: then the tenant's default holds; never above what the model can. choices is `n`. */
uint64_t price_output_tokens(const struct config *config, const struct model *model,
                             struct slice tenant, uint64_t asked, uint64_t choices);
enum price_part { PRICE_AUDIO = 1, PRICE_CACHE_WRITE = 2 };
struct price_allows { /* of a request */
  unsigned parts;     /* which of them its body mentions */
  enum service_tier service;
};
/* Which of them make a difference with this price: the others need not be looked for. */
unsigned price_asks(const struct price *price);
/* Usage of the worst case, to be billed for a reservation: every token at the dearest rate that the
 * request allows. */
struct usage price_worst_usage(const struct price *price, uint64_t input_tokens,
                               uint64_t output_tokens, const struct price_allows *request);
const char *price_status_name(enum price_status status); /* "known", "unknown", "overflow" */
