#include "upstream/transport_curl.h"

#include <stdio.h>
#include <stdlib.h>

#include "upstream/dial.h"

struct transfer {
  struct dial dial;
  struct list link;
  struct slice host; /* in url */
  struct curl_slist *headers;
  struct bytes url, body, answer;
  size_t answer_limit;
  bool is_too_long;
  void (*on_done)(const struct transfer_answer *answer, void *user);
  void *user;
};

static void transfer_free(struct transfer *t) {
  list_remove(&t->link);
  dial_end(&t->dial);
  curl_slist_free_all(t->headers);
  bytes_fini(&t->url);
  bytes_fini(&t->body);
  bytes_fini(&t->answer);
  free(t);
}

static size_t on_write(char *data, size_t size, size_t count, void *context) {
  struct transfer *t = context;
  size_t len = size * count;
  t->is_too_long = len > t->answer_limit - t->answer.len;
  if (t->is_too_long) return CURL_WRITEFUNC_ERROR;
  bytes_append(&t->answer, data, len);
  return len;
}

/* FAILURE_NONE: the connection did not come about. */
static enum failure_kind failure_after_connect(const struct transfer *t, CURLcode result) {
  curl_off_t connected_us = 0;
  curl_easy_getinfo(t->dial.handle.easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
  if (result == CURLE_OPERATION_TIMEDOUT && connected_us > 0) return FAILURE_UPSTREAM_TOTAL_TIMEOUT;
  if (result == CURLE_WEIRD_SERVER_REPLY || result == CURLE_UNSUPPORTED_PROTOCOL)
    return FAILURE_UPSTREAM_PROTOCOL;
  if (result == CURLE_RECV_ERROR || result == CURLE_SEND_ERROR || result == CURLE_PARTIAL_FILE ||
      result == CURLE_GOT_NOTHING)
    return FAILURE_UPSTREAM_CUT;
  return FAILURE_NONE;
}

static enum failure_kind describe(struct transfer *t, CURLcode result, char *out,
                                  size_t out_bytes) {
  int host_bytes = (int)t->host.len;
  if (t->is_too_long) {
    snprintf(out, out_bytes, "%.*s: the answer is longer than %zu bytes", host_bytes, t->host.data,
             t->answer_limit);
    return FAILURE_UPSTREAM_PROTOCOL;
  }
  enum failure_kind kind = t->dial.kind ? FAILURE_NONE : failure_after_connect(t, result);
  if (!kind) return dial_failure(&t->dial, result, out, out_bytes);
  const char *why = t->dial.handle.reason[0] ? t->dial.handle.reason : curl_easy_strerror(result);
  snprintf(out, out_bytes, "%.*s: %s", host_bytes, t->host.data, why);
  return kind;
}

static void on_done(struct dial *d, CURLcode result) {
  struct transfer *t = list_entry(d, struct transfer, dial);
  struct transfer_answer answer = {.sentence = "", .body = bytes_slice(&t->answer)};
  char sentence[512];
  long status = 0;
  if (result == CURLE_OK) {
    curl_easy_getinfo(d->handle.easy, CURLINFO_RESPONSE_CODE, &status);
    answer.status = (int)status;
  } else {
    answer.failure = describe(t, result, sentence, sizeof sentence);
    answer.body = (struct slice){NULL, 0};
    answer.sentence = sentence;
  }
  list_remove(&t->link); /* on_done may close the upstream side */
  t->on_done(&answer, t->user);
  transfer_free(t);
}

static void add_headers(struct transfer *t, const struct transfer_request *request) {
  for (size_t i = 0; i < request->headers.count; i++) {
    const struct header *h = &request->headers.items[i];
    must(header_is_clean(h->name, h->value));
    struct bytes line;
    bytes_init(&line);
    bytes_append_slice(&line, h->name);
    bytes_append_text(&line, h->value.len ? ": " : ";");
    bytes_append_slice(&line, h->value);
    struct curl_slist *list = curl_slist_append(t->headers, bytes_text(&line));
    must(list);
    t->headers = list;
    bytes_fini(&line);
  }
  struct curl_slist *list = curl_slist_append(t->headers, "Expect:");
  must(list);
  t->headers = list;
}

static void set_options(struct transfer *t, const struct transfer_request *request, CURL *easy) {
  char method[32];
  must(request->method.len > 0 && request->method.len < sizeof method);
  snprintf(method, sizeof method, "%.*s", (int)request->method.len, request->method.data);
  add_headers(t, request);
  curl_easy_setopt(easy, CURLOPT_URL, bytes_text(&t->url));
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
  /* A connection of its own, closed afterwards: no pooled one can die under a request. */
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
  if (t->body.len > 0) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.len);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, t->body.data);
  } else if (slice_equal_text(request->method, "HEAD")) {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  }
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

struct transfer *transfer_start(struct upstream *u, const struct transfer_request *request,
                                void (*on_transfer_done)(const struct transfer_answer *answer,
                                                         void *user),
                                void *user) {
  must(!u->is_closing && request->timeout_ms > 0);
  must(request->path.len > 0 && request->path.data[0] == '/');
  struct transfer *t = must_calloc(1, sizeof *t);
  struct connect_options options = request->connect;
  if (!options.dns_ms) options.dns_ms = request->timeout_ms;
  bytes_append_slice(&t->url, options.scheme);
  bytes_append_text(&t->url, "://");
  bytes_append_slice(&t->url, options.host);
  bytes_append_slice(&t->url, request->path);
  bytes_append_slice(&t->body, request->body);
  bytes_text(&t->url);
  t->host = (struct slice){t->url.data + options.scheme.len + 3, options.host.len};
  t->answer_limit = request->answer_bytes;
  t->on_done = on_transfer_done;
  t->user = user;
  CURL *easy = connect_easy_new(&options);
  if (slice_equal_text(options.scheme, "https") && !options.tls.ca_file)
    trust_give(&u->trusts, easy);
  set_options(t, request, easy);
  list_append(&u->transfers, &t->link);
  t->dial.on_done = on_done;
  dial_start(&t->dial, u, &options, easy);
  return t;
}

void transfer_cancel(struct transfer *t) {
  transfer_free(t);
}

void transfers_cancel_all(struct upstream *u) {
  list_each_safe(node, &u->transfers) transfer_free(list_entry(node, struct transfer, link));
}
