#include "upstream/fetch.h"

#include <stdlib.h>

#include "base/clock.h"
#include "model/url.h"
#include "upstream/upstream.h"

enum { POOL_IDLE_MS = 30 * 1000, POOL_LIFETIME_MS = 300 * 1000, TRIES_MAX = 2 };

struct fetch {
  struct list link;
  struct upstream *upstream;
  struct attempt *attempt;
  struct provider provider; /* what the URL says, in the words of the configuration */
  struct bytes text;        /* url, method and headers, one after the other */
  struct bytes path_text;   /* where the URL has a query and no path */
  struct slice method, path, body;
  struct bytes body_copy;
  struct header *lines;
  size_t line_count;
  bool is_repeatable;
  int tries;
  struct deadline deadline;
  struct later start;
  uint64_t started_ns;
  uint32_t timeout_ms;
  size_t answer_limit;
  struct bytes answer;
  int status;
  struct headers answer_headers;
  enum failure_kind fault; /* of the request itself */
  struct bytes fault_sentence;
  void (*on_done)(const struct fetch_answer *answer, void *user);
  void *user;
};

static void fetch_free(struct fetch *f) {
  list_remove(&f->link);
  f->upstream->fetch_count--;
  deadline_disarm(&f->deadline);
  later_cancel(&f->start);
  if (f->attempt) attempt_cancel(f->attempt);
  bytes_fini(&f->text);
  bytes_fini(&f->path_text);
  bytes_fini(&f->body_copy);
  bytes_fini(&f->answer);
  bytes_fini(&f->fault_sentence);
  free(f->lines);
  free(f);
}

static void report(struct fetch *f, struct fetch_answer answer) {
  answer.duration_ms = (uint32_t)((clock_mono_ns() - f->started_ns) / 1000000);
  list_remove(&f->link); /* on_done may close the upstream side */
  f->on_done(&answer, f->user);
  fetch_free(f);
}

static void fail(struct fetch *f, enum failure_kind kind, const char *sentence) {
  report(f, (struct fetch_answer){.failure = kind, .sentence = sentence});
}

static void on_head(struct attempt *a, int status, struct headers headers, void *user) {
  (void)a;
  struct fetch *f = user;
  f->status = status;
  f->answer_headers = headers;
}

static void on_data(struct attempt *a, struct slice data, void *user) {
  struct fetch *f = user;
  if (data.len <= f->answer_limit - f->answer.len) {
    bytes_append_slice(&f->answer, data);
    return;
  }
  char sentence[400];
  snprintf(sentence, sizeof sentence, "%.*s: the answer is longer than %zu bytes",
           (int)f->provider.host.len, f->provider.host.data, f->answer_limit);
  attempt_cancel(a);
  f->attempt = NULL;
  fail(f, FAILURE_UPSTREAM_PROTOCOL, sentence);
}

static void on_end(struct attempt *a, void *user) {
  (void)a;
  struct fetch *f = user;
  f->attempt = NULL;
  report(f, (struct fetch_answer){.sentence = "",
                                  .status = f->status,
                                  .headers = f->answer_headers,
                                  .body = bytes_slice(&f->answer)});
}

static void on_failure(struct attempt *a, enum failure_kind kind, const char *sentence,
                       void *user) {
  struct fetch *f = user;
  f->attempt = NULL;
  if (attempt_is_stale(a) && f->is_repeatable && f->tries < TRIES_MAX)
    later_add(f->upstream, &f->start);
  else
    fail(f, kind, sentence);
}

static const struct attempt_events events = {on_head, on_data, NULL, on_end, on_failure};

static void on_due(struct deadline *d) {
  struct fetch *f = list_entry(d, struct fetch, deadline);
  char sentence[400];
  snprintf(sentence, sizeof sentence, "%.*s did not finish its answer within %g s",
           (int)f->provider.host.len, f->provider.host.data, f->timeout_ms / 1000.0);
  if (f->attempt) attempt_cancel(f->attempt);
  f->attempt = NULL;
  fail(f, FAILURE_UPSTREAM_TOTAL_TIMEOUT, sentence);
}

static void on_start(struct later *l) {
  struct fetch *f = list_entry(l, struct fetch, start);
  if (f->fault) {
    fail(f, f->fault, bytes_text(&f->fault_sentence));
    return;
  }
  struct attempt_request request = {.provider = &f->provider,
                                    .method = f->method,
                                    .path = f->path,
                                    .headers = {f->lines, f->line_count},
                                    .body = &f->body,
                                    .body_count = 1,
                                    .takes_no_slot = true,
                                    .is_fresh = f->tries > 0};
  f->tries++;
  f->attempt = attempt_start(f->upstream, &request, &events, f);
}

static void fault(struct fetch *f, enum failure_kind kind, const char *format, ...) PRINTF(3, 4);

static void fault(struct fetch *f, enum failure_kind kind, const char *format, ...) {
  va_list list;
  f->fault = kind;
  va_start(list, format);
  bytes_vprintf(&f->fault_sentence, format, list);
  va_end(list);
}

static bool is_one_of(struct slice text, const char *const *names) {
  for (; *names; names++)
    if (slice_equal_nocase(text, slice_of(*names))) return true;
  return false;
}

static const char *const ours[] = {"host",
                                   "content-length",
                                   "connection",
                                   "transfer-encoding",
                                   "accept-encoding",
                                   "te",
                                   "trailer",
                                   "upgrade",
                                   "expect",
                                   "keep-alive",
                                   "proxy-authorization",
                                   "proxy-connection",
                                   NULL};
static const char *const repeatable[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", NULL};

/* The text moves while it grows: slices into it are taken when it is whole. */
static void copy_text(struct fetch *f, const struct fetch_request *r) {
  bytes_append_slice(&f->text, r->url);
  bytes_append_slice(&f->text, r->method);
  for (size_t i = 0; i < r->headers.count; i++) {
    bytes_append_slice(&f->text, r->headers.items[i].name);
    bytes_append_slice(&f->text, slice_trim(r->headers.items[i].value));
  }
}

static struct slice next(const char **at, size_t len) {
  struct slice s = {*at, len};
  *at += len;
  return s;
}

static void read_headers(struct fetch *f, const struct fetch_request *r, const char *at) {
  f->lines = must_calloc(r->headers.count + 1, sizeof *f->lines);
  f->line_count = r->headers.count;
  for (size_t i = 0; i < r->headers.count; i++) {
    struct header *h = &f->lines[i];
    h->name = next(&at, r->headers.items[i].name.len);
    h->value = next(&at, slice_trim(r->headers.items[i].value).len);
    if (slice_equal_nocase(h->name, SLICE("idempotency-key"))) f->is_repeatable = true;
    if (f->fault) continue;
    if (!header_is_clean(h->name, h->value))
      fault(f, FAILURE_BAD_REQUEST, "header %zu has a name or value that no head can hold", i + 1);
    else if (is_one_of(h->name, ours))
      fault(f, FAILURE_BAD_REQUEST, "header %.*s is set by the gateway; leave it out",
            (int)h->name.len, h->name.data);
  }
}

static bool is_method(struct slice method) {
  for (size_t i = 0; i < method.len; i++)
    if (method.data[i] < 'A' || method.data[i] > 'Z') return false;
  return method.len < 20 && !slice_equal_text(method, "CONNECT");
}

/* "https://host?x" asks for "/?x". */
static void set_path(struct fetch *f, struct slice path) {
  f->path = path;
  if (path.len && path.data[0] == '/') return;
  bytes_append_byte(&f->path_text, '/');
  bytes_append_slice(&f->path_text, path);
  f->path = bytes_slice(&f->path_text);
}

static void read_url(struct fetch *f, const struct fetch_request *r) {
  struct url url;
  struct provider *p = &f->provider;
  const char *wrong = r->url.len > FETCH_URL_BYTES_MAX
                          ? "is too long"
                          : url_parse((struct slice){f->text.data, r->url.len}, &url);
  if (wrong) {
    fault(f, FAILURE_BAD_REQUEST, "the URL %s; write https://host/path", wrong);
    return;
  }
  p->scheme = url.scheme;
  p->host = url.authority;
  p->port = url.port;
  p->is_tls = url.is_tls;
  set_path(f, url.path);
  const char *refused =
      r->addresses ? address_policy_refuses_host(r->addresses, url.host, url.port) : NULL;
  if (refused)
    fault(f, FAILURE_UPSTREAM_ADDRESS, "%.*s %s", (int)p->host.len, p->host.data, refused);
}

static void set_timers(struct fetch *f) {
  struct upstream_timers *t = &f->provider.timers;
  const struct upstream_timers *usual = &f->upstream->config->upstream;
  *t = (struct upstream_timers){.dns_ms = usual->dns_ms,
                                .connect_ms = usual->connect_ms,
                                .tls_ms = usual->tls_ms,
                                .pool_idle_ms = POOL_IDLE_MS,
                                .pool_lifetime_ms = POOL_LIFETIME_MS,
                                .idle_counts_comments = true};
}

static void read_request(struct fetch *f, const struct fetch_request *r) {
  copy_text(f, r);
  read_url(f, r);
  const char *at = f->text.data + r->url.len;
  f->method = next(&at, r->method.len);
  f->is_repeatable = r->is_repeatable;
  read_headers(f, r, at);
  if (f->method.len == 0) f->method = r->body.len ? SLICE("POST") : SLICE("GET");
  if (!f->fault && !is_method(f->method))
    fault(f, FAILURE_BAD_REQUEST, "the method is none of HTTP's; write it in capitals");
  if (is_one_of(f->method, repeatable)) f->is_repeatable = true;
}

static struct fetch *fetch_new(struct upstream *u, const struct fetch_request *r) {
  struct fetch *f = must_calloc(1, sizeof *f);
  f->upstream = u;
  bytes_init(&f->text);
  bytes_init(&f->path_text);
  bytes_init(&f->body_copy);
  bytes_init(&f->answer);
  bytes_init(&f->fault_sentence);
  bytes_append_slice(&f->body_copy, r->body);
  f->body = bytes_slice(&f->body_copy);
  f->provider.name = SLICE("fetch");
  f->provider.index = PROVIDER_UNLISTED;
  f->provider.addresses = r->addresses;
  f->provider.proxy = r->proxy;
  if (r->tls) f->provider.tls = *r->tls;
  f->timeout_ms = r->timeout_ms;
  f->answer_limit = r->answer_bytes;
  f->started_ns = clock_mono_ns();
  deadline_init(&f->deadline, on_due);
  later_init(&f->start, on_start);
  list_append(&u->fetches, &f->link);
  u->fetch_count++;
  return f;
}

struct fetch *fetch_start(struct upstream *u, const struct fetch_request *request,
                          void (*on_done)(const struct fetch_answer *answer, void *user),
                          void *user) {
  must(!u->is_closing && request->timeout_ms > 0);
  must(!(request->proxy && request->addresses));
  bool is_full = u->fetch_count >= FETCHES_MAX;
  struct fetch *f = fetch_new(u, request);
  f->on_done = on_done;
  f->user = user;
  set_timers(f);
  read_request(f, request);
  if (!f->fault && is_full)
    fault(f, FAILURE_OVERLOADED, "%d requests of scripts and services are under way already",
          FETCHES_MAX);
  deadline_arm(&u->deadlines, &f->deadline, uv_now(u->loop) + request->timeout_ms);
  later_add(u, &f->start);
  return f;
}

void fetch_cancel(struct fetch *f) {
  fetch_free(f);
}

void fetches_cancel_all(struct upstream *u) {
  list_each_safe(node, &u->fetches) fetch_free(list_entry(node, struct fetch, link));
}
