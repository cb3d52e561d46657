/* A connection on its way: names are looked up (upstream.dns), addresses judged, then libcurl
 * connects (upstream.connect), goes through the proxy and does TLS (upstream.tls). Each phase has
 * its own time; a time of 0 does not end. With a proxy, its tunnel counts to the last phase. */
#pragma once
#include "upstream/connect.h"
#include "upstream/upstream.h"

struct dial;

enum dial_phase { DIAL_DNS, DIAL_TCP, DIAL_TLS, DIAL_OVER };

struct dial_name { /* one that libcurl will need: the host's, the proxy's */
  struct resolve_wait wait;
  struct dial *dial;
  char *host; /* owned; NULL: not needed */
  uint16_t port;
  bool is_waiting;
};

enum { DIAL_NAMES = 2 };

struct dial {
  struct multi_handle handle;
  struct upstream *upstream;
  struct dial_name names[DIAL_NAMES];
  struct curl_slist *addresses; /* for CURLOPT_RESOLVE; libcurl wants it to stay */
  struct connect_guard guard;
  bool has_guard, is_tls, has_proxy, is_http_proxy, had_grace;
  char *host; /* owned: as in a Host header, for sentences */
  enum dial_phase phase;
  uint32_t dns_ms, connect_ms, tls_ms;
  uint64_t connected_ms; /* when TCP was up */
  struct deadline deadline;
  struct later refuse;
  enum failure_kind kind; /* decided here; FAILURE_NONE: libcurl's result says it */
  char *sentence;         /* owned */
  /* Once, in a later tick: libcurl's whole transfer is over, or the dial failed. */
  void (*on_done)(struct dial *d, CURLcode result);
};

/* Takes easy, whose options are set; on_done is set by the caller. o is borrowed for the call, but
 * o->addresses until the end. */
void dial_start(struct dial *d, struct upstream *u, const struct connect_options *o, CURL *easy);
/* Frees the easy handle and what was under way; also after on_done. */
void dial_end(struct dial *d);
/* The connection leaves libcurl or lives on in it: names and times are over. */
void dial_settle(struct dial *d);
/* Inside on_done, when it did not succeed: the failure of connecting, and a sentence about it. */
enum failure_kind dial_failure(struct dial *d, CURLcode result, char *out, size_t out_bytes);
