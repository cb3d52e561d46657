/* Whole transfers done by libcurl, for what is rare: health checks, token exchange. The same rules
 * as for attempts: peer verified, TLS 1.2 or newer, no redirects, no proxy but a configured one. */
#pragma once
#include "upstream/attempt.h"
#include "upstream/connect.h"

struct transfer;

struct transfer_request {
  struct connect_options connect; /* scheme, host and times; dns_ms 0: that of the transfer */
  struct slice method;            /* "GET", "POST", … */
  struct slice path;              /* begins with a slash, query included */
  struct headers headers;         /* must be clean; borrowed for the call */
  struct slice body;              /* copied; empty: none */
  uint32_t timeout_ms;            /* of the whole transfer once the host is resolved; required */
  size_t answer_bytes;            /* a longer answer is a failure */
};

struct transfer_answer {
  enum failure_kind
      failure;          /* FAILURE_NONE: status and body hold; any status counts as an answer */
  const char *sentence; /* "" unless it failed; no secret in it */
  int status;
  struct slice body;
};

/* on_done runs once, never before the call returns, unless cancelled; answer is valid for the call.
 * The transfer is freed after it. */
struct transfer *transfer_start(struct upstream *u, const struct transfer_request *request,
                                void (*on_done)(const struct transfer_answer *answer, void *user),
                                void *user);
void transfer_cancel(struct transfer *t);
