/* What a client is told of an attempt that failed on its way. Addresses, and what the network said
 * of them, are for the log: to a stranger they are a map of the operator's network. */
#include "exchange/state.h"

static const char *const words[FAILURE_COUNT] = {
    [FAILURE_UPSTREAM_CONNECT] = "could not be reached; try again in a moment",
    [FAILURE_UPSTREAM_DNS] = "could not be reached: its host name was not found; the operator of "
                             "the gateway must check its base_url",
    [FAILURE_UPSTREAM_ADDRESS] = "is at an address that the gateway may not connect to; the "
                                 "operator of the gateway must allow it or correct its base_url",
    [FAILURE_UPSTREAM_TLS] = "could not be reached: no trusted TLS connection to it; the operator "
                             "of the gateway must check its certificates",
    [FAILURE_UPSTREAM_PROTOCOL] = "answered with something that is no valid HTTP; try again, and "
                                  "tell the operator of the gateway if it stays so",
    [FAILURE_UPSTREAM_DNS_TIMEOUT] = "could not be reached: its host name was not found in time; "
                                     "try again in a moment",
    [FAILURE_UPSTREAM_CONNECT_TIMEOUT] = "did not take a connection in time; try again in a moment",
    [FAILURE_UPSTREAM_TLS_TIMEOUT] = "did not finish a TLS handshake in time; try again in a "
                                     "moment",
    [FAILURE_UPSTREAM_HEAD_TIMEOUT] = "did not begin to answer in time; try again, or ask for a "
                                      "stream",
    [FAILURE_UPSTREAM_FIRST_TOKEN_TIMEOUT] = "sent no first token in time; try again",
    [FAILURE_UPSTREAM_IDLE_TIMEOUT] = "went silent for too long; try again",
    [FAILURE_UPSTREAM_TOTAL_TIMEOUT] = "did not finish its answer in time; try again with a "
                                       "smaller max_tokens, or ask for a stream",
};

const char *attempt_told(struct exchange *x, const struct attempt_record *record,
                         const char *sentence) {
  struct slice name = record->target->provider->name;
  const char *what = words[record->failure];
  if (record->failure == FAILURE_UPSTREAM_CUT)
    what = record->status ? "closed the connection in the middle of its answer; try again"
                          : "closed the connection before it answered; try again";
  if (!what) return sentence;
  return arena_printf(&x->arena, "the provider %.*s %s", (int)name.len, name.data, what);
}
