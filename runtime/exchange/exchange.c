/* Driver and lifetime of a request. The steps are in exchange/steps.c, in the order they run. */
#include "exchange/exchange.h"

#include <stdlib.h>

#include "base/clock.h"
#include "exchange/background.h"
#include "exchange/follow.h"
#include "exchange/policy.h"
#include "exchange/shadow.h"
#include "exchange/tokens.h"

static void request_id_new(struct exchange *x) {
  memcpy(x->id, "req_", 4);
  digest_ordered_id((uint64_t)x->started_ms, x->id + 4, 24);
}

/* Requests come and go at the same rate, so that what one leaves behind serves the next. Not under
 * a sanitizer, which sees only freed memory that is used again. */
enum { SPARE_BYTES = 4096 };
#ifdef __SANITIZE_ADDRESS__
enum { SPARE_MAX = 0 };
#else
enum { SPARE_MAX = 64 };
#endif

static struct exchange *take_spare(struct exchange_host *host) {
  struct exchange *x = list_entry(host->spare.next, struct exchange, link);
  list_remove(&x->link);
  host->spare_count--;
  struct arena arena = x->arena;
  struct bytes body = x->body, reply = x->reply;
  *x = (struct exchange){.arena = arena, .body = body, .reply = reply};
  return x;
}

static void put_away(struct exchange *x) {
  struct exchange_host *host = x->host;
  if (host->spare_count >= SPARE_MAX) {
    bytes_fini(&x->body);
    bytes_fini(&x->reply);
    arena_fini(&x->arena);
    free(x);
    return;
  }
  bytes_recycle(&x->body, SPARE_BYTES);
  bytes_recycle(&x->reply, SPARE_BYTES);
  arena_reset(&x->arena);
  list_prepend(&host->spare, &x->link);
  host->spare_count++;
}

static struct exchange *exchange_new(struct exchange_host *host, struct http_stream *stream) {
  struct exchange *x =
      host->spare_count ? take_spare(host) : must_calloc(1, sizeof(struct exchange));
  x->host = host;
  x->config = config_ref(host->config);
  x->generation = generation_ref(host->generation);
  x->strategies = strategies_ref(host->strategies);
  x->directory = directory_ref(host->directory);
  x->stream = stream;
  x->started_ns = clock_mono_ns();
  x->started_ms = clock_turn_wall_ms();
  x->started_turn = clock_turn_number();
  request_id_new(x);
  list_init(&x->ready_link);
  list_append(&host->exchanges, &x->link);
  host->open++;
  metric_add(metric_get(METRIC_ACTIVE, NULL), 1);
  return x;
}

static void exchange_free(struct exchange *x) {
  list_remove(&x->link);
  list_remove(&x->ready_link);
  body_index_drop(x);
  x->host->open--;
  metric_subtract(metric_get(METRIC_ACTIVE, NULL), 1);
  target_forget(x);
  follow_free(x);
  policies_forget(x);
  translation_free(x->translation);
  if (x->has_sse) sse_fini(&x->sse);
  bytes_fini(&x->sent_body);
  bytes_fini(&x->out);
  bytes_fini(&x->last_response);
  bytes_fini(&x->transcript);
  meter_fini(&x->meter);
  tokens_forget(x);
  generation_unref(x->generation);
  session_unref(x->session);
  directory_unref(x->directory);
  config_unref(x->config);
  put_away(x);
}

/* A finished request waits for its connection to have sent the answer, and for the upstream to
 * finish its framing, so that the connection there can be used again. */
static void free_if_over(struct exchange *x) {
  if (x->step == STEP_DONE && !x->stream && !x->attempt) exchange_free(x);
}

static void drive(struct exchange *x) {
  x->running = true;
  while (x->step != STEP_DONE) {
    enum step_result result = exchange_step(x->step)(x);
    if (result == STEP_PARK) break;
    if (result == STEP_NEXT) x->step++;
    if (result == STEP_FAIL) {
      must(x->failure != FAILURE_NONE);
      x->step = x->step < STEP_SETTLE ? STEP_SETTLE : x->step + 1;
    }
  }
  x->running = false;
  free_if_over(x);
}

void exchange_wake(struct exchange *x) {
  if (x->woken) return;
  x->woken = true;
  list_append(&x->host->ready, &x->ready_link);
}

void exchange_run_ready(struct exchange_host *host) {
  while (!list_empty(&host->ready)) {
    struct exchange *x = list_entry(host->ready.next, struct exchange, ready_link);
    list_remove(&x->ready_link);
    x->woken = false;
    drive(x);
  }
}

enum step_result exchange_fail_with(struct exchange *x, enum failure_kind kind,
                                    const struct error_detail *detail) {
  if (x->failure != FAILURE_NONE) return STEP_FAIL;
  x->failure = kind;
  x->ended_at = x->step + 1u;
  x->detail = *detail;
  error_fill(&x->detail, kind);
  return STEP_FAIL;
}

enum step_result exchange_fail(struct exchange *x, enum failure_kind kind, const char *format,
                               ...) {
  struct bytes text;
  bytes_init(&text);
  va_list list;
  va_start(list, format);
  bytes_vprintf(&text, format, list);
  va_end(list);
  struct error_detail detail = {.message = arena_slice(&x->arena, bytes_slice(&text))};
  bytes_fini(&text);
  return exchange_fail_with(x, kind, &detail);
}

static struct slice keep(struct exchange *x, const char *name) {
  struct slice value = header_find(x->headers, name);
  return value.data ? arena_slice(&x->arena, value) : (struct slice){"", 0};
}

static void on_request(struct http_stream *stream, const struct http_request *request,
                       void *context) {
  struct exchange *x = exchange_new(context, stream);
  stream_set_user(stream, x);
  x->headers = request->headers;
  x->method = arena_slice(&x->arena, request->method);
  x->path = arena_slice(&x->arena, request->path);
  x->query = arena_slice(&x->arena, request->query);
  x->peer = arena_slice(&x->arena, request->peer);
  x->anthropic_version = keep(x, "anthropic-version");
  x->origin = keep(x, "origin");
  x->idempotency_key = keep(x, "idempotency-key");
  x->wants_trace = header_find(request->headers, "x-gateyes-trace").len > 0;
  x->body_complete = !request->has_body;
  x->body_bytes = request->content_length;
  drive(x);
}

static void on_body(struct http_stream *stream, struct slice data, void *user) {
  (void)stream;
  struct exchange *x = user;
  if (x->step == STEP_BODY) bytes_append_slice(&x->body, data);
}

static void on_body_end(struct http_stream *stream, void *user) {
  (void)stream;
  struct exchange *x = user;
  x->body_complete = true;
  if (x->step == STEP_BODY && !x->running) drive(x);
}

static void on_writable(struct http_stream *stream, void *user) {
  (void)stream;
  struct exchange *x = user;
  if (!x->is_paused) return;
  x->is_paused = false;
  if (x->attempt && !x->guard_paused) attempt_resume(x->attempt);
  if (x->follow) exchange_wake(x);
}

/* http/ has then answered by itself. */
static enum failure_kind kind_of_reason(const char *reason) {
  if (strcmp(reason, "body_timeout") == 0) return FAILURE_BODY_TIMEOUT;
  if (strcmp(reason, "body_too_large") == 0) return FAILURE_BODY_TOO_LARGE;
  if (strcmp(reason, "bad_body") == 0) return FAILURE_BAD_REQUEST;
  return FAILURE_CLIENT_GONE;
}

static void on_closed(struct http_stream *stream, bool complete, const char *reason, void *user) {
  (void)stream;
  struct exchange *x = user;
  x->stream = NULL;
  if (x->background)
    background_detach(x);
  else
    x->headers = (struct headers){0};
  if (!complete && x->step != STEP_DONE && !x->background) {
    exchange_fail(x, kind_of_reason(reason), "the client's connection ended (%s)", reason);
    if (x->step < STEP_SETTLE) x->step = STEP_SETTLE;
    send_cancel(x);
    exchange_wake(x);
    return;
  }
  if (!x->running && !x->woken) free_if_over(x);
}

static const char *request_id(void *user) {
  const struct exchange *x = user;
  return x->id;
}

const struct http_handler *exchange_handler(void) {
  static const struct http_handler handler = {
      .on_request = on_request,
      .on_body = on_body,
      .on_body_end = on_body_end,
      .on_writable = on_writable,
      .on_closed = on_closed,
      .error_body = error_http_body,
      .request_id = request_id,
  };
  return &handler;
}

void exchange_host_init(struct exchange_host *host, uv_loop_t *loop, unsigned worker) {
  *host = (struct exchange_host){.loop = loop, .worker = worker};
  list_init(&host->exchanges);
  list_init(&host->ready);
  list_init(&host->spare);
}

void exchange_host_fini(struct exchange_host *host) {
  while (host->spare_count) {
    struct exchange *x = take_spare(host);
    bytes_fini(&x->body);
    bytes_fini(&x->reply);
    arena_fini(&x->arena);
    free(x);
  }
}

void exchange_ping_all(struct exchange_host *host) {
  uint64_t now_ns = clock_mono_ns();
  list_each(node, &host->exchanges) {
    relay_ping(list_entry(node, struct exchange, link), now_ns);
  }
}

static void cut(struct exchange *x, const char *sentence) {
  if (x->step < STEP_SETTLE) {
    exchange_fail(x, FAILURE_DRAINING, "%s", sentence);
    x->step = STEP_SETTLE;
  }
  send_cancel(x); /* also of an answered request whose provider has not closed its framing */
  exchange_wake(x);
}

void exchange_cut_all(struct exchange_host *host) {
  list_each_safe(node, &host->exchanges)
      cut(list_entry(node, struct exchange, link),
          "the gateway is shutting down and this request took longer than drain.hard allows");
}

bool exchange_cut_retired(struct exchange_host *host, uint64_t now_ns) {
  uint64_t allowed_ns = host->config->drain_hard_ms * 1000000ull;
  bool more = false;
  list_each_safe(node, &host->exchanges) {
    struct exchange *x = list_entry(node, struct exchange, link);
    shadow_retire(x);
    uint64_t retired_ns = x->scripts ? tenant_scripts_retired_ns(x->scripts) : 0;
    if (!retired_ns) continue;
    if (now_ns - retired_ns < allowed_ns)
      more = true;
    else
      cut(x, "the scripts this request began with were replaced, and it took longer after that "
             "than drain.hard allows");
  }
  return more;
}

static void describe(const struct exchange *x, uint64_t now_ns, struct bytes *out) {
  bytes_printf(out, "{\"id\":\"%s\",\"worker\":%u,\"step\":\"%s\",\"age_ms\":%llu,\"path\":", x->id,
               x->host->worker, exchange_step_name(x->step),
               (unsigned long long)((now_ns - x->started_ns) / 1000000));
  json_quote(out, x->path);
  bytes_append_text(out, ",\"model\":");
  json_quote(out, x->public_model);
  bytes_append_text(out, ",\"key\":");
  json_quote(out, x->principal ? x->principal->name : (struct slice){"", 0});
  bytes_append_text(out, ",\"target\":");
  struct bytes target;
  bytes_init(&target);
  if (x->record_count) {
    const struct model_target *t = x->records[x->record_count - 1].target;
    bytes_printf(&target, "%.*s/%.*s", (int)t->provider->name.len, t->provider->name.data,
                 (int)t->model.len, t->model.data);
  }
  json_quote(out, bytes_slice(&target));
  bytes_fini(&target);
  bytes_printf(out, ",\"attempts\":%zu,\"stream\":%s,\"committed\":%s}", x->record_count,
               x->is_stream ? "true" : "false", x->committed ? "true" : "false");
}

void exchange_describe_all(const struct exchange_host *host, struct bytes *out) {
  uint64_t now_ns = clock_mono_ns();
  bool first = true;
  list_each(node, &host->exchanges) {
    if (!first) bytes_append_byte(out, ',');
    first = false;
    describe(list_entry(node, struct exchange, link), now_ns, out);
  }
}
