/* Heads for the client, and the end of every answer. */
#include "auth/service.h"
#include "exchange/admit.h"
#include "exchange/background.h"

enum { REPLY_HEADERS_MAX = 64 };

struct reply_head {
  struct exchange *x;
  struct header *items;
  size_t count;
};

/* Everything that comes here is clean: our own words, names that the configuration's check let
 * through, and values that a reader of heads let through. http/ checks once more before it writes.
 */
static void add(struct reply_head *h, struct slice name, struct slice value) {
  if (h->count < REPLY_HEADERS_MAX && name.len && value.len)
    h->items[h->count++] = (struct header){name, value};
}

static void add_text(struct reply_head *h, const char *name, const char *value) {
  add(h, slice_of(name), slice_of(value));
}

/* value / 10^decimals, in the arena. */
static struct slice fixed(struct exchange *x, uint64_t value, unsigned decimals) {
  struct bytes *scratch = &x->host->scratch;
  bytes_clear(scratch);
  bytes_append_fixed(scratch, value, decimals);
  return arena_slice(&x->arena, bytes_slice(scratch));
}

static struct slice count_text(struct exchange *x, uint64_t value) {
  struct bytes *scratch = &x->host->scratch;
  bytes_clear(scratch);
  bytes_append_u64(scratch, value);
  return arena_slice(&x->arena, bytes_slice(scratch));
}

/* Only for those who ask: a trace says which rule saw what. */
static struct slice trace(struct exchange *x) {
  struct bytes *scratch = &x->host->scratch;
  bytes_clear(scratch);
  if (x->strategy) policy_trace_header(x->strategy, scratch);
  if (scratch->len && x->run && policy_trace_count(x->run)) bytes_append_text(scratch, "; ");
  if (x->run) policy_trace_header(x->run, scratch);
  return arena_slice(&x->arena, bytes_slice(scratch));
}

static void add_litellm(struct reply_head *h, struct slice cost, struct slice overhead) {
  struct exchange *x = h->x;
  if (!x->config->litellm_headers) return;
  add_text(h, "x-litellm-call-id", x->id);
  add(h, SLICE("x-litellm-overhead-duration-ms"), overhead);
  add(h, SLICE("x-litellm-response-cost"), cost);
  if (x->model) add(h, SLICE("x-litellm-model-group"), x->model->name);
  if (x->record_count)
    add(h, SLICE("x-litellm-model-id"), x->records[x->record_count - 1].target->model);
}

static void add_gateyes(struct reply_head *h) {
  struct exchange *x = h->x;
  struct slice overhead = fixed(x, overhead_ns(x) / 1000u, 3), cost = {"", 0};
  if (x->settled_ns && x->cost_known) cost = fixed(x, x->cost_nanousd, 9);
  if (x->model) add(h, SLICE("x-gateyes-model"), x->model->name);
  if (x->version)
    add(h, SLICE("x-gateyes-service"),
        arena_join(&x->arena,
                   (struct slice[]){x->service->name, SLICE("/"), x->version->number_text}, 3));
  if (x->record_count) {
    add(h, SLICE("x-gateyes-provider"), x->records[x->record_count - 1].target->provider->name);
    add(h, SLICE("x-gateyes-attempts"), count_text(x, x->record_count));
  }
  add(h, SLICE("x-gateyes-overhead-ms"), overhead);
  add(h, SLICE("x-gateyes-cost"), cost);
  add(h, SLICE("x-gateyes-dropped"), x->dropped);
  add(h, SLICE("x-gateyes-clamped"), x->clamped);
  if (x->scripts && tenant_scripts_number(x->scripts))
    add(h, SLICE("x-gateyes-generation"), count_text(x, tenant_scripts_number(x->scripts)));
  if (x->wants_trace) add(h, SLICE("x-gateyes-trace"), trace(x));
  add(h, SLICE("x-gateyes-upstream-request-id"), x->upstream_request_id);
  add_litellm(h, cost, overhead);
}

static bool origin_is_allowed(const struct exchange *x) {
  for (size_t i = 0; i < x->config->cors_origin_count; i++) {
    struct slice origin = x->config->cors_origins[i];
    if (slice_equal(origin, SLICE("*")) || slice_equal(origin, x->origin)) return x->origin.len > 0;
  }
  return false;
}

static void add_cors(struct reply_head *h) {
  if (!origin_is_allowed(h->x)) return;
  add(h, SLICE("access-control-allow-origin"), h->x->origin);
  add_text(h, "vary", "origin");
  add_text(h, "access-control-expose-headers",
           "x-request-id, request-id, retry-after, x-gateyes-model, x-gateyes-provider, "
           "x-gateyes-service, "
           "x-gateyes-attempts, x-gateyes-overhead-ms, "
           "x-gateyes-cost, x-gateyes-dropped, x-gateyes-clamped");
}

/* Where Gateyes counts, the provider's figures are those of somebody else's account. */
static bool is_rate_limit(struct slice name) {
  return slice_starts(name, SLICE("x-ratelimit-")) ||
         slice_starts(name, SLICE("anthropic-ratelimit-"));
}

/* 503 of the gateway's own, except where a script is broken: that does not mend itself. */
static bool is_worth_waiting(const struct exchange *x) {
  return x->failure == FAILURE_OVERLOADED || x->failure == FAILURE_DRAINING ||
         x->failure == FAILURE_NO_TARGET || x->failure == FAILURE_LEDGER_UNAVAILABLE ||
         x->failure == FAILURE_KEYS_UNAVAILABLE;
}

struct headers reply_headers(struct exchange *x, struct slice content_type) {
  struct header items[REPLY_HEADERS_MAX];
  struct reply_head h = {x, items, 0};
  add(&h, SLICE("content-type"), content_type);
  if (x->opened) {
    add_text(&h, "cache-control", "no-cache");
    add_text(&h, "x-accel-buffering", "no"); /* a buffering proxy in front would hold events back */
  }
  add_text(&h, "x-request-id", x->id);
  bool has_request_id = false;
  struct slice limits = admit_headers(x);
  if (limits.len) items[h.count++] = (struct header){{"", 0}, limits};
  for (size_t i = 0; i < x->reply_header_count; i++) {
    if (limits.len && is_rate_limit(x->reply_headers[i].name)) continue;
    has_request_id =
        has_request_id || slice_equal_nocase(x->reply_headers[i].name, SLICE("request-id"));
    add(&h, x->reply_headers[i].name, x->reply_headers[i].value);
  }
  if (x->route.dialect == DIALECT_MESSAGES && !has_request_id) add_text(&h, "request-id", x->id);
  if (is_worth_waiting(x)) add_text(&h, "retry-after", "1");
  if (x->failure == FAILURE_UNAUTHENTICATED) add_text(&h, "www-authenticate", "Bearer");
  if (x->failure == FAILURE_METHOD_NOT_ALLOWED) add_text(&h, "allow", x->route.allow);
  add_gateyes(&h);
  add_cors(&h);
  struct slice used = {(const char *)items, h.count * sizeof *items};
  return (struct headers){(const struct header *)arena_slice(&x->arena, used).data, h.count};
}

bool reply_is_preflight(const struct exchange *x) {
  return slice_equal(x->method, SLICE("OPTIONS")) && origin_is_allowed(x);
}

enum step_result reply_preflight(struct exchange *x) {
  struct header *items = arena_alloc(&x->arena, 5 * sizeof *items);
  struct slice wanted = header_find(x->headers, "access-control-request-headers");
  size_t count = 0;
  items[count++] = (struct header){SLICE("access-control-allow-origin"), x->origin};
  items[count++] = (struct header){SLICE("vary"), SLICE("origin")};
  items[count++] =
      (struct header){SLICE("access-control-allow-methods"), SLICE("GET, POST, DELETE")};
  if (wanted.len)
    items[count++] =
        (struct header){SLICE("access-control-allow-headers"), arena_slice(&x->arena, wanted)};
  items[count++] = (struct header){SLICE("access-control-max-age"), SLICE("86400")};
  stream_respond(x->stream, 204, (struct headers){items, count}, (struct slice){"", 0});
  x->step = STEP_DONE;
  return STEP_JUMP;
}

static void end_stream(struct exchange *x) {
  if (x->failure == FAILURE_NONE) {
    stream_end(x->stream);
    return;
  }
  bytes_clear(&x->out);
  relay_release(x);
  if (!x->error_relayed) error_frames(x, &x->out);
  stream_write(x->stream, bytes_slice(&x->out));
  stream_end(x->stream);
}

static void answer_failure(struct exchange *x) {
  struct bytes body;
  bytes_init(&body);
  struct slice text = x->answer.body;
  if (!text.len) {
    error_write(x->route.dialect, &x->detail, x->id, &body);
    text = bytes_slice(&body);
  }
  stream_respond(x->stream, x->detail.status, reply_headers(x, SLICE("application/json")), text);
  bytes_fini(&body);
}

enum step_result finish_step(struct exchange *x) {
  background_finish(x);
  if (!x->stream || x->is_answered) return STEP_NEXT;
  if (x->opened)
    end_stream(x);
  else if (x->failure != FAILURE_NONE)
    answer_failure(x);
  else
    stream_respond(x->stream, x->answer.status, reply_headers(x, x->answer.content_type),
                   x->answer.body);
  return STEP_NEXT;
}
