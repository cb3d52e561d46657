#include "upstream/dial.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/url.h"

enum { GRACE_MS = 5, UNLIMITED_MS = 3600 * 1000, CURL_SLACK_MS = 1000 };

static void on_due(struct deadline *d);

static void arm(struct dial *d, uint64_t due_ms) {
  d->had_grace = false;
  deadline_arm(&d->upstream->deadlines, &d->deadline, due_ms);
}

static uint64_t now_of(const struct dial *d) {
  return uv_now(d->upstream->loop);
}

static void forget_names(struct dial *d) {
  for (size_t i = 0; i < DIAL_NAMES; i++) {
    if (d->names[i].is_waiting) resolver_cancel(&d->names[i].wait);
    d->names[i].is_waiting = false;
  }
}

void dial_settle(struct dial *d) {
  d->phase = DIAL_OVER;
  forget_names(d);
  deadline_disarm(&d->deadline);
  later_cancel(&d->refuse);
  for (size_t i = 0; i < DIAL_NAMES; i++) {
    free(d->names[i].host);
    d->names[i].host = NULL;
  }
  free(d->host);
  free(d->sentence);
  d->host = d->sentence = NULL;
}

void dial_end(struct dial *d) {
  dial_settle(d);
  if (d->handle.group)
    multi_remove(&d->handle);
  else if (d->handle.easy)
    curl_easy_cleanup(d->handle.easy);
  d->handle.easy = NULL;
  curl_slist_free_all(d->addresses);
  d->addresses = NULL;
}

static void finish(struct dial *d, CURLcode result) {
  d->phase = DIAL_OVER;
  forget_names(d);
  deadline_disarm(&d->deadline);
  later_cancel(&d->refuse);
  d->on_done(d, result);
}

static void on_refuse(struct later *l) {
  finish(list_entry(l, struct dial, refuse), CURLE_COULDNT_CONNECT);
}

/* Told in a later tick: the caller may still be starting. */
static void refuse(struct dial *d, enum failure_kind kind, const char *format, ...) PRINTF(3, 4);

static void refuse(struct dial *d, enum failure_kind kind, const char *format, ...) {
  va_list list;
  struct bytes text;
  size_t length;
  d->kind = kind;
  bytes_init(&text);
  va_start(list, format);
  bytes_vprintf(&text, format, list);
  va_end(list);
  bytes_append_byte(&text, 0);
  free(d->sentence);
  d->sentence = bytes_take(&text, &length);
  forget_names(d);
  deadline_disarm(&d->deadline);
  if (d->phase != DIAL_OVER) later_add(d->upstream, &d->refuse);
}

static void append_address(struct bytes *line, const struct resolved_address *a) {
  char text[ADDRESS_TEXT_BYTES];
  address_text(&a->any, text);
  bytes_printf(line, "%s[%s]", line->data[line->len - 1] == ':' ? "" : ",", text);
}

static void set_port(struct resolved_address *a, uint16_t port) {
  if (a->any.sa_family == AF_INET)
    a->v4.sin_port = htons(port);
  else
    a->v6.sin6_port = htons(port);
}

/* "+name:port:[address],[address]": for this dial, and soon forgotten. False: none is allowed. */
static bool give_addresses(struct dial *d, const struct dial_name *n,
                           const struct resolved *found) {
  struct bytes line;
  size_t given = 0;
  bytes_init(&line);
  bytes_printf(&line, "+%s:%u:", n->host, n->port);
  for (size_t i = 0; i < found->count; i++) {
    struct resolved_address a = found->items[i];
    set_port(&a, n->port);
    if (d->has_guard && !connect_guard_allows(&d->guard, &a.any)) continue;
    append_address(&line, &a);
    given++;
  }
  if (given) {
    struct curl_slist *list = curl_slist_append(d->addresses, bytes_text(&line));
    must(list);
    d->addresses = list;
  }
  bytes_fini(&line);
  return given > 0;
}

static void refuse_address(struct dial *d) {
  refuse(d, FAILURE_UPSTREAM_ADDRESS,
         "%s has the %s address %s, which requests from here may not reach; only the operator can "
         "allow it",
         d->host, d->guard.kind, d->guard.address);
}

/* libcurl knows these by itself (RFC 6761, 6.3), whatever the name server says. */
static bool is_localhost(const char *host) {
  struct slice name = slice_of(host), local = SLICE("localhost");
  if (name.len && name.data[name.len - 1] == '.') name.len--;
  if (name.len < local.len) return false;
  if (name.len > local.len && name.data[name.len - local.len - 1] != '.') return false;
  return slice_equal_nocase(slice_skip(name, name.len - local.len), local);
}

static void take_answer(struct dial *d, struct dial_name *n, const struct resolved *found,
                        const char *why) {
  if (found->count == 0 && is_localhost(n->host)) return;
  if (found->count == 0)
    refuse(d, FAILURE_UPSTREAM_DNS, "%s could not be resolved: %s", n->host, why);
  else if (!give_addresses(d, n, found))
    refuse_address(d);
}

static void on_curl_done(struct multi_handle *h, CURLcode result) {
  finish(list_entry(h, struct dial, handle), result);
}

/* The port of a socket is known as soon as TCP is up; what libcurl calls the time of connecting
 * includes the proxy's part. */
static void on_wait(struct multi_handle *h) {
  struct dial *d = list_entry(h, struct dial, handle);
  long port = 0;
  if (d->phase != DIAL_TCP || d->connected_ms) return;
  curl_easy_getinfo(h->easy, CURLINFO_LOCAL_PORT, &port);
  if (!port) return;
  d->connected_ms = now_of(d);
  if (d->connect_ms) arm(d, d->connected_ms);
}

/* Of several addresses libcurl gives each but the last half of the time that is left: so it is told
 * the time of this phase. What comes after it is kept here. */
static void connect_now(struct dial *d) {
  CURL *easy = d->handle.easy;
  long limit_ms = d->connect_ms ? (long)d->connect_ms + CURL_SLACK_MS : UNLIMITED_MS;
  if (d->addresses) curl_easy_setopt(easy, CURLOPT_RESOLVE, d->addresses);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, limit_ms);
  deadline_disarm(&d->deadline);
  d->phase = DIAL_TCP;
  if (d->connect_ms) arm(d, now_of(d) + d->connect_ms);
  d->handle.on_wait = on_wait;
  d->handle.on_done = on_curl_done;
  multi_add(&d->upstream->multis, &d->handle);
}

static bool is_waiting(const struct dial *d) {
  for (size_t i = 0; i < DIAL_NAMES; i++)
    if (d->names[i].is_waiting) return true;
  return false;
}

static void on_resolved(struct resolve_wait *w, const struct resolved *found, const char *why) {
  struct dial_name *n = list_entry(w, struct dial_name, wait);
  struct dial *d = n->dial;
  n->is_waiting = false;
  take_answer(d, n, found, why);
  if (!d->kind && !is_waiting(d)) connect_now(d);
}

static void look_up(struct dial *d) {
  const char *why;
  for (size_t i = 0; i < DIAL_NAMES; i++) {
    struct dial_name *n = &d->names[i];
    n->dial = d;
    n->wait.on_resolved = on_resolved;
    if (!n->host || d->kind) continue;
    const struct resolved *found =
        resolver_find(&d->upstream->resolver, slice_of(n->host), &n->wait, &why);
    n->is_waiting = !found;
    if (found) take_answer(d, n, found, why);
  }
  if (d->kind) return;
  if (!is_waiting(d))
    connect_now(d);
  else if (d->dns_ms)
    arm(d, now_of(d) + d->dns_ms);
}

static void give_up_names(struct dial *d) {
  for (size_t i = 0; i < DIAL_NAMES && !d->kind; i++) {
    struct dial_name *n = &d->names[i];
    if (!n->is_waiting) continue;
    const struct resolved *old = resolver_give_up(&d->upstream->resolver, &n->wait);
    n->is_waiting = false;
    if (old)
      take_answer(d, n, old, "");
    else
      refuse(d, FAILURE_UPSTREAM_DNS_TIMEOUT,
             "%s was not resolved within %g s (upstream.dns); check the gateway's name server, or "
             "raise the time",
             n->host, d->dns_ms / 1000.0);
  }
  if (!d->kind) connect_now(d);
}

static void fail_tcp(struct dial *d) {
  refuse(d, FAILURE_UPSTREAM_CONNECT_TIMEOUT,
         "%s%s did not accept a connection within %g s (upstream.connect); check that it runs and "
         "can be reached from here, or raise the time",
         d->has_proxy ? "the proxy of " : "", d->host, d->connect_ms / 1000.0);
}

static void fail_tls(struct dial *d) {
  long answer = 0;
  curl_easy_getinfo(d->handle.easy, CURLINFO_HTTP_CONNECTCODE, &answer);
  bool is_tunnel = d->has_proxy && (!d->is_tls || (d->is_http_proxy && answer == 0));
  if (is_tunnel)
    refuse(d, FAILURE_UPSTREAM_TLS_TIMEOUT,
           "the proxy of %s opened no tunnel within %g s (upstream.tls); check the proxy, or raise "
           "the time",
           d->host, d->tls_ms / 1000.0);
  else
    refuse(d, FAILURE_UPSTREAM_TLS_TIMEOUT,
           "%s did not finish the TLS handshake within %g s (upstream.tls); check that it speaks "
           "TLS on this port, or raise the time",
           d->host, d->tls_ms / 1000.0);
}

/* True when there is nothing left to wait for: the transfer goes on by itself. */
static bool has_connected(const struct dial *d) {
  curl_off_t us = 0;
  curl_easy_getinfo(d->handle.easy, CURLINFO_PRETRANSFER_TIME_T, &us);
  return us > 0;
}

/* A time is over only if the loop has looked at its sockets once more after it: it may have stood
 * still while the other side answered. */
static bool give_grace(struct dial *d) {
  if (d->had_grace) return false;
  d->had_grace = true;
  deadline_arm(&d->upstream->deadlines, &d->deadline, now_of(d) + GRACE_MS);
  return true;
}

static void end_tcp(struct dial *d) {
  d->phase = DIAL_TLS;
  curl_easy_setopt(d->handle.easy, CURLOPT_CONNECTTIMEOUT_MS, (long)UNLIMITED_MS);
  if (d->tls_ms)
    arm(d, d->connected_ms + d->tls_ms);
  else
    deadline_disarm(&d->deadline);
}

static void on_due(struct deadline *deadline) {
  struct dial *d = list_entry(deadline, struct dial, deadline);
  if (d->phase >= DIAL_TCP && has_connected(d)) return;
  if (d->phase == DIAL_TCP && d->connected_ms)
    end_tcp(d);
  else if (give_grace(d))
    return;
  else if (d->phase == DIAL_DNS)
    give_up_names(d);
  else if (d->phase == DIAL_TCP)
    fail_tcp(d);
  else
    fail_tls(d);
}

static char *copy_text(struct slice text) {
  char *copy = must_alloc(text.len + 1);
  memcpy(copy, text.data, text.len);
  copy[text.len] = 0;
  return copy;
}

/* Numeric hosts need no lookup. */
static void add_name(struct dial_name *n, struct slice host, uint16_t port) {
  struct slice bare = url_bare_host(host);
  if (url_is_numeric(bare)) return;
  n->host = copy_text(bare);
  n->port = port;
}

/* "http://user:secret@proxy.lan:3128/" */
static void add_proxy(struct dial *d, const char *proxy, bool is_https) {
  const char *scheme_end = strstr(proxy, "://");
  struct slice after, authority = slice_of(scheme_end ? scheme_end + 3 : proxy);
  size_t start = 0;
  for (size_t i = 0; i < authority.len; i++)
    if (authority.data[i] == '@') start = i + 1;
  authority = slice_cut(slice_skip(authority, start), '/', &after);
  struct slice host = url_bare_host(authority);
  struct slice port_text = slice_skip(authority, (size_t)(host.data - authority.data) + host.len);
  while (port_text.len && (port_text.data[0] == ']' || port_text.data[0] == ':'))
    port_text = slice_skip(port_text, 1);
  uint64_t port = is_https ? 443 : 1080; /* libcurl's defaults */
  if (port_text.len && (!slice_to_u64(port_text, &port) || port > 65535)) return;
  add_name(&d->names[1], authority, (uint16_t)port);
}

/* Behind a proxy only SOCKS 5 without h leaves the host's name to us. */
static void add_names(struct dial *d, const struct connect_options *o) {
  struct slice scheme, rest;
  scheme = slice_cut(slice_of(o->proxy), ':', &rest);
  d->is_http_proxy = slice_starts(scheme, SLICE("http"));
  if (!o->proxy || slice_equal_text(scheme, "socks5")) add_name(&d->names[0], o->host, o->port);
  if (o->proxy) add_proxy(d, o->proxy, slice_equal_text(scheme, "https"));
}

void dial_start(struct dial *d, struct upstream *u, const struct connect_options *o, CURL *easy) {
  void (*on_done)(struct dial *, CURLcode) = d->on_done;
  *d = (struct dial){.upstream = u, .on_done = on_done};
  d->handle.easy = easy;
  d->host = copy_text(o->host);
  d->dns_ms = o->dns_ms;
  d->connect_ms = o->connect_ms;
  d->tls_ms = o->tls_ms;
  d->is_tls = slice_equal_text(o->scheme, "https");
  d->has_proxy = o->proxy != NULL;
  d->has_guard = o->addresses != NULL;
  must(!(d->has_guard && d->has_proxy));
  deadline_init(&d->deadline, on_due);
  later_init(&d->refuse, on_refuse);
  if (d->has_guard) {
    d->guard.policy = o->addresses;
    d->guard.host = url_bare_host(slice_of(d->host));
    connect_guard_set(easy, &d->guard);
  }
  add_names(d, o);
  look_up(d);
}

enum failure_kind dial_failure(struct dial *d, CURLcode result, char *out, size_t out_bytes) {
  if (!d->kind && d->has_guard && d->guard.kind && result != CURLE_OK) refuse_address(d);
  if (d->kind) {
    snprintf(out, out_bytes, "%s", d->sentence);
    return d->kind;
  }
  connect_sentence(slice_of(d->host), result, &d->handle, out, out_bytes);
  return connect_failure(result);
}
