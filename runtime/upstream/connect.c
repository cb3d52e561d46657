#include "upstream/connect.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { HAPPY_EYEBALLS_MS = 200, DNS_CACHE_S = 60, KEEPALIVE_S = 30 };

struct connect_options connect_options_of(const struct provider *p) {
  const struct upstream_timers *t = &p->timers;
  return (struct connect_options){
      .scheme = p->is_tls ? SLICE("https") : SLICE("http"),
      .host = p->host,
      .proxy = p->proxy,
      .tls = p->tls,
      .port = p->port,
      .dns_ms = t->dns_ms,
      .connect_ms = t->connect_ms,
      .tls_ms = t->tls_ms,
      .addresses = p->addresses,
  };
}

static void set_tls(CURL *easy, const struct provider_tls *tls) {
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  /* One file and no folder beside it: see trust.h. */
  curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
  if (tls->ca_file) curl_easy_setopt(easy, CURLOPT_CAINFO, tls->ca_file);
  if (tls->pin) curl_easy_setopt(easy, CURLOPT_PINNEDPUBLICKEY, tls->pin);
  if (tls->certificate) curl_easy_setopt(easy, CURLOPT_SSLCERT, tls->certificate);
  if (tls->key) curl_easy_setopt(easy, CURLOPT_SSLKEY, tls->key);
}

CURL *connect_easy_new(const struct connect_options *o) {
  CURL *easy = curl_easy_init();
  must(easy);
  bool is_tls = slice_equal_text(o->scheme, "https");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  /* Freeing a handle must not wait for a resolver thread that hangs. */
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, is_tls ? "https" : "http");
  curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
  curl_easy_setopt(easy, CURLOPT_PROXY, o->proxy ? o->proxy : "");
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
  curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, o->proxy ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS, (long)HAPPY_EYEBALLS_MS);
  curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, (long)DNS_CACHE_S);
  curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_S);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_S);
  if (is_tls) set_tls(easy, &o->tls);
  return easy;
}

bool connect_guard_allows(struct connect_guard *g, const struct sockaddr *address) {
  const char *kind = address_policy_refuses(g->policy, g->host, address);
  if (!kind) return true;
  g->kind = kind;
  address_text(address, g->address);
  return false;
}

static curl_socket_t on_socket_open(void *context, curlsocktype purpose,
                                    struct curl_sockaddr *address) {
  (void)purpose;
  if (!connect_guard_allows(context, &address->addr)) return CURL_SOCKET_BAD;
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

void connect_guard_set(CURL *easy, struct connect_guard *g) {
  g->kind = NULL;
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket_open);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, g);
}

CURL *connect_only_new(const struct connect_options *o) {
  CURL *easy = connect_easy_new(o);
  char url[512];
  int length = snprintf(url, sizeof url, "%.*s://%.*s/", (int)o->scheme.len, o->scheme.data,
                        (int)o->host.len, o->host.data);
  must(length > 0 && (size_t)length < sizeof url);
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 1024L); /* libcurl reads no body here */
  return easy;
}

enum failure_kind connect_failure(CURLcode result) {
  switch (result) {
  case CURLE_COULDNT_RESOLVE_HOST:
  case CURLE_COULDNT_RESOLVE_PROXY: return FAILURE_UPSTREAM_DNS;
  case CURLE_OPERATION_TIMEDOUT: return FAILURE_UPSTREAM_CONNECT_TIMEOUT;
  case CURLE_SSL_CONNECT_ERROR:
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CACERT_BADFILE:
  case CURLE_SSL_CERTPROBLEM:
  case CURLE_SSL_CIPHER:
  case CURLE_SSL_CRL_BADFILE:
  case CURLE_SSL_ENGINE_INITFAILED:
  case CURLE_SSL_INVALIDCERTSTATUS:
  case CURLE_SSL_ISSUER_ERROR:
  case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
  case CURLE_SSL_CLIENTCERT:
  case CURLE_USE_SSL_FAILED: return FAILURE_UPSTREAM_TLS;
  default: return FAILURE_UPSTREAM_CONNECT;
  }
}

void connect_sentence(struct slice host, CURLcode result, const struct multi_handle *h, char *out,
                      size_t out_bytes) {
  long os_error = 0;
  if (result == CURLE_COULDNT_CONNECT) curl_easy_getinfo(h->easy, CURLINFO_OS_ERRNO, &os_error);
  const char *why = os_error ? strerror((int)os_error) : h->reason;
  if (!why[0]) why = curl_easy_strerror(result);
  const char *what = connect_failure(result) == FAILURE_UPSTREAM_TLS ? "TLS with" : "connect to";
  /* OpenSSL's words for an answer in plain text. */
  if (strstr(why, "wrong version number")) why = "no TLS is spoken there; is it http://?";
  snprintf(out, out_bytes, "%s %.*s failed: %s", what, (int)host.len, host.data, why);
}
