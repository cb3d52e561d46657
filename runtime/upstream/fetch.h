/* One HTTP request and its whole answer: for scripts (gateyes.fetch), webhooks, key sets,
 * moderation; on any loop that has a struct upstream. It takes the way of the attempts, so the same
 * rules hold: HTTP/1.1, TLS 1.2 or newer with the peer verified, pooled connections, no redirect
 * followed, no proxy and nothing else taken from the environment. It takes no slot of
 * limits.upstreams. */
#pragma once
#include "model/address_policy.h"
#include "upstream/attempt.h"

struct fetch;

enum { FETCH_URL_BYTES_MAX = 8192, FETCHES_MAX = 1024 /* of one loop; more fail at once */ };

struct fetch_request { /* borrowed for the call of fetch_start only, unless said otherwise */
  struct slice method; /* "GET", "POST", …; empty: GET, or POST when there is a body */
  struct slice url;    /* http or https; see model/url.h */
  /* Without Host, Content-Length, Connection, Transfer-Encoding, Accept-Encoding and the like,
   * which are set here. */
  struct headers headers;
  struct slice body;   /* copied */
  uint32_t timeout_ms; /* of all of it, names and connecting included; at least 1 */
  size_t answer_bytes; /* a longer body is a failure */
  const struct address_policy *addresses; /* until the end; NULL: any address, for URLs that the
                                             operator wrote */
  const struct provider_tls *tls;         /* until the end; NULL: the system's authorities */
  const char *proxy; /* until the end; NULL: none. Not together with addresses. */
  /* May be sent twice where a pooled connection turns out to be dead. GET, HEAD, OPTIONS, PUT,
   * DELETE and whatever carries an Idempotency-Key always may (RFC 9110, 9.2.2). */
  bool is_repeatable;
};

struct fetch_answer {
  enum failure_kind failure; /* FAILURE_NONE: status, headers and body hold; every status counts */
  const char *sentence;      /* "" unless it failed; what went wrong, without a secret */
  int status;
  struct headers headers;
  struct slice body;
  uint32_t duration_ms;
};

/* Never fails at once: what is wrong with the request arrives as FAILURE_BAD_REQUEST, an address
 * or host that the policy refuses as FAILURE_UPSTREAM_ADDRESS. on_done runs once, never before
 * the call returns, unless cancelled; answer is valid for that call, and the fetch is freed after
 * it. */
struct fetch *fetch_start(struct upstream *u, const struct fetch_request *request,
                          void (*on_done)(const struct fetch_answer *answer, void *user),
                          void *user);
/* No further callback; the connection is closed at once. Not inside on_done. */
void fetch_cancel(struct fetch *f);
