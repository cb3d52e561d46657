/* What is kept of one settled request, for the bill and for whoever asks later. Texts are borrowed;
 * an empty one means that it is not known. Fields: ledger.def. */
#pragma once
#include "base/bytes.h"
#include "model/usage.h"

struct ledger_record {
  struct slice request_id; /* unique: a record is stored once, however often it is handed over */
  uint64_t time_ms;        /* when the request began, since 1970 */
  struct slice tenant, project, user, key_id;
  struct slice customer; /* the end customer that the caller named */
  struct slice requested_model, model, provider, upstream_model, residency, dialect;
  uint32_t status; /* as the client saw it; 499 when it left */
  struct slice failure, finish_reason;
  bool is_stream;
  enum usage_source usage_source;
  struct usage usage;
  uint64_t cost_nanousd; /* of no meaning unless cost_known */
  bool cost_known;
  struct slice price_version, currency;
  uint64_t duration_us, first_token_us, overhead_us; /* first_token_us 0: there was none */
  uint32_t attempt_count;
  uint64_t generation, config_version;
  struct slice attempts;     /* JSON array, one object an attempt */
  struct slice tags;         /* JSON object or array */
  struct slice service_tier; /* as the provider said that it answered; empty: nothing was billed */
  struct slice trace;        /* JSON: steps, policies, candidates with reasons */
};
