/* Options that every libcurl handle of the gateway carries, and what its errors mean here. */
#pragma once
#include <curl/curl.h>

#include "config/config.h"
#include "model/failure.h"
#include "upstream/multi.h"

struct connect_options {
  struct slice scheme, host; /* host as in a Host header */
  const char *proxy;         /* NULL: none, whatever the environment says */
  struct provider_tls tls;
  uint16_t port;
  uint32_t dns_ms, connect_ms, tls_ms;    /* see dial.h; 0: no end */
  const struct address_policy *addresses; /* NULL: any. Not together with a proxy. */
};

struct connect_options connect_options_of(const struct provider *p);
/* Looks at every address that libcurl is about to connect to, and refuses what the policy does. */
struct connect_guard {
  const struct address_policy *policy;
  struct slice host; /* that the policy judges the address by */
  const char *kind;  /* of the last address refused; NULL: none was */
  char address[ADDRESS_TEXT_BYTES];
};

bool connect_guard_allows(struct connect_guard *g, const struct sockaddr *address);
/* g lives as long as easy connects. */
void connect_guard_set(CURL *easy, struct connect_guard *g);
/* An easy handle: peer verified, TLS 1.2 or newer, no redirects, no netrc, no environment. The
 * caller adds the URL and what the transfer needs. */
CURL *connect_easy_new(const struct connect_options *o);
/* The same, made only to connect (CURLOPT_CONNECT_ONLY) for HTTP/1.1 spoken by ourselves. */
CURL *connect_only_new(const struct connect_options *o);
enum failure_kind connect_failure(CURLcode result);
/* "connect to gpu1:8000 failed: Connection refused". h as libcurl left it. */
void connect_sentence(struct slice host, CURLcode result, const struct multi_handle *h, char *out,
                      size_t out_bytes);
