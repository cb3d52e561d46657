/* One attempt after another, until a target has answered or none is left. The client has seen
 * nothing yet: a failure moves on to the next candidate, within the retry budget. */
#include "base/clock.h"
#include "exchange/admit.h"
#include "exchange/background.h"
#include "exchange/permit.h"
#include "exchange/policy.h"
#include "exchange/tokens.h"

enum {
  HOUR_MS = 3600 * 1000,
  MAX_ERROR_BODY = 256 << 10,
  MAX_REPLY_BODY = 64 << 20,
  CLIENT_HEADER_MAX = 32
};

static struct attempt_record *record_of(struct exchange *x) {
  return &x->records[x->record_count - 1];
}

/* What the client may see of the provider's head: what SDKs act on or show. Not whose account it is
 * (openai-organization, openai-project, anthropic-organization-id): that is the operator's, and the
 * callers may be anybody's; nor cookies, or what stands in front of the provider. */
static bool is_shown(const struct exchange *x, struct slice name) {
  static const struct slice always[] = {SLICE("retry-after"), SLICE("retry-after-ms"),
                                        SLICE("x-should-retry"), SLICE("openai-processing-ms")};
  static const struct slice native[] = {SLICE("x-ratelimit-"), SLICE("anthropic-ratelimit-"),
                                        SLICE("openai-version"), SLICE("openai-model"),
                                        SLICE("request-id")};
  for (size_t i = 0; i < sizeof always / sizeof *always; i++)
    if (slice_equal_nocase(name, always[i])) return true;
  for (size_t i = 0; x->is_native && i < sizeof native / sizeof *native; i++) {
    size_t len = native[i].len;
    if (name.len >= len && slice_equal_nocase((struct slice){name.data, len}, native[i]))
      return true;
  }
  return false;
}

static void keep_headers(struct exchange *x, struct headers headers) {
  x->reply_headers = arena_alloc(&x->arena, CLIENT_HEADER_MAX * sizeof *x->reply_headers);
  x->reply_header_count = 0;
  for (size_t i = 0; i < headers.count && x->reply_header_count < CLIENT_HEADER_MAX; i++) {
    if (!is_shown(x, headers.items[i].name)) continue;
    x->reply_headers[x->reply_header_count++] =
        (struct header){arena_slice(&x->arena, headers.items[i].name),
                        arena_slice(&x->arena, headers.items[i].value)};
  }
  struct slice id = header_find(headers, "x-request-id");
  if (!id.data) id = header_find(headers, "request-id");
  x->upstream_request_id = id.data ? arena_slice(&x->arena, id) : (struct slice){"", 0};
}

static bool has_type(struct headers headers, const char *type) {
  struct slice wanted = slice_of(type), value = header_find(headers, "content-type");
  return value.len >= wanted.len &&
         slice_equal_nocase((struct slice){value.data, wanted.len}, wanted);
}

static void on_head(struct attempt *a, int status, struct headers headers, void *user) {
  (void)a;
  struct exchange *x = user;
  x->upstream_status = record_of(x)->status = status;
  x->is_event_stream = x->is_stream && status < 300 && has_type(headers, "text/event-stream");
  x->is_json = has_type(headers, "application/json");
  keep_headers(x, headers);
  target_note_head(x, headers);
  if (x->is_event_stream) relay_begin(x);
}

static void on_data(struct attempt *a, struct slice data, void *user) {
  struct exchange *x = user;
  if (x->is_event_stream) {
    relay_data(x, data);
    return;
  }
  size_t limit = x->upstream_status < 300 ? MAX_REPLY_BODY : MAX_ERROR_BODY;
  if (!x->reply.len) attempt_first_token(a);
  if (data.len <= limit - x->reply.len) {
    bytes_append_slice(&x->reply, data);
    return;
  }
  if (x->upstream_status >= 300) return; /* an error's first part says enough */
  send_abandon(x, FAILURE_UPSTREAM_PROTOCOL, "the provider's reply is larger than 64 MiB");
}

static void keep_timing(struct exchange *x, const struct attempt *a) {
  struct attempt_timing *timing = &record_of(x)->timing;
  *timing = attempt_timing(a);
  if (!timing->ended) timing->ended = clock_mono_ns(); /* it ends by our own word */
  x->upstream_ns += timing->ended - timing->started;
}

static void on_read_end(struct attempt *a, void *user) {
  (void)a;
  relay_read_end(user);
}

static void attempt_over(struct exchange *x, struct attempt *a, enum attempt_state state) {
  keep_timing(x, a);
  x->attempt = NULL;
  x->attempt_state = state;
  exchange_wake(x);
}

static void on_end(struct attempt *a, void *user) {
  attempt_over(user, a, ATTEMPT_ENDED);
}

static bool note_failure(struct exchange *x, struct attempt *a, enum failure_kind kind) {
  if (x->relay_ended) { /* after the mark of a complete stream nothing is missing */
    attempt_over(x, a, ATTEMPT_ENDED);
    return false;
  }
  record_of(x)->failure = kind;
  attempt_over(x, a, ATTEMPT_FAILED);
  return true;
}

static void on_failure(struct attempt *a, enum failure_kind kind, const char *sentence,
                       void *user) {
  struct exchange *x = user;
  if (!note_failure(x, a, kind)) return;
  struct attempt_record *record = record_of(x);
  record->sentence = arena_text(&x->arena, slice_of(sentence));
  record->told = attempt_told(x, record, record->sentence);
}

void send_abandon(struct exchange *x, enum failure_kind kind, const char *sentence) {
  if (!x->attempt) return;
  struct attempt *a = x->attempt;
  if (note_failure(x, a, kind)) record_of(x)->sentence = sentence;
  attempt_cancel(a);
}

void send_cancel(struct exchange *x) {
  if (!x->attempt) return;
  keep_timing(x, x->attempt);
  record_of(x)->failure = x->failure;
  attempt_cancel(x->attempt);
  x->attempt = NULL;
  target_end(x, x->failure);
}

/* A reply that is no stream sends its head when it is complete: minutes later with a slow model. */
static uint32_t head_limit_ms(const struct exchange *x, const struct provider *provider) {
  const struct upstream_timers *timers = &provider->timers;
  if (x->is_stream || timers->head_is_set) return timers->head_ms;
  return timers->total_ms ? timers->total_ms : HOUR_MS;
}

/* What an earlier attempt said is no part of this one's answer. */
static void forget_reply(struct exchange *x) {
  bytes_clear(&x->reply);
  meter_fini(&x->meter);
  meter_init(&x->meter, x->route.dialect);
  tokens_meter(x);
  x->upstream_status = 0;
  x->is_event_stream = x->is_json = x->relay_ended = x->has_content = false;
  x->first_content_ns = 0;
  x->finish = x->upstream_request_id = (struct slice){"", 0};
  x->reply_header_count = 0;
}

static void start(struct exchange *x) {
  static const struct attempt_events events = {on_head, on_data, on_read_end, on_end, on_failure};
  const struct model_target *target = x->candidates[x->candidate];
  must(policies_allow(x, target) &&
       permit_allows(x, target)); /* the last look: nothing leaves for a place it may not go */
  forget_reply(x);
  x->attempt_state = ATTEMPT_RUNNING;
  x->records[x->record_count++] = (struct attempt_record){.target = target};
  target_begin(x, target);
  struct attempt_request request = {.provider = target->provider,
                                    .method = SLICE("POST"),
                                    .path = x->upstream_path,
                                    .headers = x->upstream_request_headers,
                                    .body = x->pieces,
                                    .body_count = x->piece_count,
                                    .is_stream = x->is_stream,
                                    .head_ms = head_limit_ms(x, target->provider),
                                    .first_token_ms = x->model->first_token_ms};
  x->attempt = attempt_start(x->host->upstream, &request, &events, x);
}

/* Which kind of failure a provider's status is. 401, 402 and 403 concern the operator's account
 * there. */
static enum failure_kind kind_of_status(int status) {
  if (status == 401 || status == 402 || status == 403) return FAILURE_UPSTREAM_AUTH;
  if (status == 429) return FAILURE_UPSTREAM_LIMITED;
  if (status >= 500 || status == 408) return FAILURE_UPSTREAM_ERROR;
  return FAILURE_UPSTREAM_CLIENT;
}

/* Some servers repeat what they were sent. */
static bool repeats_credential(struct exchange *x, struct slice text) {
  enum { SHORT_BYTES = 8 }; /* what is shorter may stand in any text */
  struct slice secret = record_of(x)->target->provider->credential;
  return secret.len >= SHORT_BYTES && memmem(text.data, text.len, secret.data, secret.len) != NULL;
}

static struct slice status_told(struct exchange *x, int status) {
  return slice_of(arena_printf(&x->arena, "The provider answered with status %d", status));
}

static struct error_detail account_refused(struct exchange *x, int status) {
  const char *name = record_of(x)->target->provider->name.data;
  return (struct error_detail){.status = 502,
                               .message = slice_of(arena_printf(
                                   &x->arena,
                                   "the provider %s refused the gateway's credentials (status %d); "
                                   "the operator of the gateway must mend them",
                                   name, status))};
}

enum failure_kind send_event(struct exchange *x, const struct error_detail *event,
                             struct error_detail *told) {
  enum failure_kind kind = kind_of_status(event->status);
  *told = (struct error_detail){.status = event->status,
                                .type = arena_slice(&x->arena, event->type),
                                .code = arena_slice(&x->arena, event->code),
                                .message = arena_slice(&x->arena, event->message),
                                .param = arena_slice(&x->arena, event->param)};
  if (kind == FAILURE_UPSTREAM_AUTH)
    *told = account_refused(x, event->status);
  else if (!told->message.len || repeats_credential(x, told->message))
    told->message = status_told(x, event->status);
  return kind;
}

void send_refuse(struct exchange *x, const struct error_detail *event) {
  struct error_detail told;
  enum failure_kind kind = send_event(x, event, &told);
  /* The log is the operator's: it has the provider's own words. */
  struct slice said =
      event->message.len && !repeats_credential(x, event->message) ? event->message : told.message;
  const char *sentence = arena_printf(
      &x->arena, "the provider reported an error in its stream: %.*s", (int)said.len, said.data);
  if (x->attempt) record_of(x)->event = told;
  send_abandon(x, kind, sentence);
}

/* The provider's own words, in the client's protocol: untouched where both speak the same one. */
static enum step_result fail_with_provider_error(struct exchange *x, enum failure_kind kind) {
  struct error_detail detail = {0};
  struct provider_error reply = {x->adapter->name, bytes_slice(&x->reply), x->upstream_status};
  script_provider_error(policies_generation(x, record_of(x)->target), &reply, &x->arena, &detail);
  detail.status = x->upstream_status;
  if (kind == FAILURE_UPSTREAM_AUTH) {
    detail = account_refused(x, x->upstream_status);
  } else if (repeats_credential(x, bytes_slice(&x->reply))) {
    detail.message = status_told(x, detail.status);
  } else if (x->is_native && x->is_json &&
             json_validate(bytes_slice(&x->reply), JSON_DEPTH_DEFAULT, NULL)) {
    x->answer =
        (struct answer){x->upstream_status, SLICE("application/json"), bytes_slice(&x->reply)};
  }
  return exchange_fail_with(x, kind, &detail);
}

const char *send_failure(struct exchange *x) {
  const struct attempt_record *record = record_of(x);
  if (record->told) return record->told;
  return record->sentence ? record->sentence : failure_info(record->failure)->label;
}

/* Others serve this model, but a policy binds the request to those that failed. */
static enum step_result fail_bound(struct exchange *x) {
  const char *why = send_failure(x);
  struct slice residency = policy_verdict(x->run)->requirements.residency;
  if (residency.len)
    return exchange_fail(x, FAILURE_NO_TARGET,
                         "a policy keeps this request within residency %.*s, and no target of the "
                         "model %.*s there is available: %s",
                         (int)residency.len, residency.data, (int)x->public_model.len,
                         x->public_model.data, why);
  return exchange_fail(x, FAILURE_NO_TARGET,
                       "a policy allows only some targets of the model %.*s for this request, and "
                       "none of them is available: %s",
                       (int)x->public_model.len, x->public_model.data, why);
}

static enum step_result fail_with_attempt(struct exchange *x, enum failure_kind kind) {
  if (failure_info(kind)->trips_breaker && policies_bind(x)) return fail_bound(x);
  if (x->upstream_status >= 300 && record_of(x)->sentence == NULL)
    return fail_with_provider_error(x, kind);
  if (record_of(x)->event.status) return exchange_fail_with(x, kind, &record_of(x)->event);
  return exchange_fail(x, kind, "%s", send_failure(x));
}

static enum step_result next_or_fail(struct exchange *x, enum failure_kind kind) {
  bool more = failure_info(kind)->retryable && x->candidate + 1 < x->candidate_count;
  /* A provider at its limit was not asked, so going on costs no retry. */
  if (!more || (kind != FAILURE_OVERLOADED && !target_may_retry(x)))
    return fail_with_attempt(x, kind);
  x->candidate++;
  x->attempt_state = ATTEMPT_IDLE;
  x->step = STEP_ENCODE;
  return STEP_JUMP;
}

/* The provider has limits of its own here, and they are used up: as if it were down. */
static enum step_result provider_refused(struct exchange *x) {
  struct bytes sentence;
  bytes_init(&sentence);
  limit_refusal_write(x->refusal, x->config->currency, &sentence);
  x->records[x->record_count++] =
      (struct attempt_record){.target = x->candidates[x->candidate],
                              .failure = FAILURE_OVERLOADED,
                              .sentence = arena_text(&x->arena, bytes_slice(&sentence))};
  bytes_fini(&sentence);
  if (x->candidate + 1 < x->candidate_count) return next_or_fail(x, FAILURE_OVERLOADED);
  return exchange_fail(x, x->refusal->failure, "%s", record_of(x)->sentence);
}

static enum step_result attempt_failed(struct exchange *x, enum failure_kind kind) {
  record_of(x)->failure = kind;
  target_end(x, kind);
  return next_or_fail(x, kind);
}

/* Every endpoint answers with an object; a proxy's page of HTML is no answer. */
static bool is_object(struct slice body) {
  while (body.len && strchr(" \t\r\n", body.data[0]) && body.data[0])
    body = slice_skip(body, 1);
  return body.len && body.data[0] == '{';
}

/* A redirect, or a status that HTTP does not know (RFC 9110, 15): nothing to hand on to a client.
 */
static bool is_no_answer(int status) {
  return (status >= 300 && status < 400) || status > 599;
}

/* Reads the figures of a relayed reply. True for {"error": …} with status 200, as some servers and
 * proxies answer; a Responses object has an error of its own, which is an answer to those who speak
 * Responses. */
static bool is_error_body(struct exchange *x) {
  if (x->route.endpoint != ENDPOINT_GENERATE) return false;
  struct slice reply = bytes_slice(&x->reply);
  if (x->is_native)
    return (meter_body(&x->meter, reply) & METER_ERROR) && x->route.dialect != DIALECT_RESPONSES;
  struct slice error = json_find(reply, "error");
  return error.len && (error.data[0] == '{' || error.data[0] == '"');
}

/* The status that such a body stands for, by its own words. */
static int status_of_body(struct exchange *x) {
  struct error_detail detail = {0};
  struct provider_error reply = {x->adapter->name, bytes_slice(&x->reply), 0};
  script_provider_error(policies_generation(x, record_of(x)->target), &reply, &x->arena, &detail);
  return detail.status < 400 ? 502 : detail.status;
}

/* The client is told the status; the log also what a proxy on the way has to say. Not where it may
 * repeat the credential. */
static void keep_excerpt(struct exchange *x) {
  enum { EXCERPT_BYTES = 200 };
  struct slice body = bytes_slice(&x->reply);
  bool is_private = x->upstream_status == 401 || x->upstream_status == 403;
  if (x->upstream_status < 400 || is_private || !body.len || is_object(body) ||
      repeats_credential(x, body))
    return;
  if (body.len > EXCERPT_BYTES) body.len = EXCERPT_BYTES;
  record_of(x)->excerpt = arena_text(&x->arena, body);
}

static enum step_result attempt_ended(struct exchange *x) {
  if (is_no_answer(x->upstream_status)) {
    record_of(x)->sentence = arena_printf(
        &x->arena, "the provider answered with status %d; check its base_url", x->upstream_status);
    return attempt_failed(x, FAILURE_UPSTREAM_PROTOCOL);
  }
  keep_excerpt(x);
  if (x->upstream_status >= 300) return attempt_failed(x, kind_of_status(x->upstream_status));
  if (x->is_stream && !x->is_event_stream) {
    record_of(x)->sentence =
        "the provider answered a streaming request with something that is no event stream";
    return attempt_failed(x, FAILURE_UPSTREAM_PROTOCOL);
  }
  if (!x->is_stream && !is_object(bytes_slice(&x->reply))) {
    record_of(x)->sentence = "the provider answered with something that is no JSON object";
    return attempt_failed(x, FAILURE_UPSTREAM_PROTOCOL);
  }
  if (!x->is_stream && is_error_body(x)) {
    record_of(x)->status = x->upstream_status = status_of_body(x);
    return attempt_failed(x, kind_of_status(x->upstream_status));
  }
  if (x->is_stream && !x->relay_ended) {
    record_of(x)->sentence = "the provider ended its stream before the first token";
    return attempt_failed(x, FAILURE_UPSTREAM_CUT);
  }
  return STEP_NEXT;
}

enum step_result send_step(struct exchange *x) {
  if (x->failure != FAILURE_NONE) return STEP_FAIL;
  switch (x->attempt_state) {
  case ATTEMPT_IDLE:
    if (x->response_id.len && !x->background && background_begin(x) == STEP_FAIL) return STEP_FAIL;
    if (!admit_attempt(x, x->candidates[x->candidate])) return provider_refused(x);
    start(x);
    return STEP_PARK;
  case ATTEMPT_RUNNING: return STEP_PARK;
  case ATTEMPT_ENDED: return attempt_ended(x);
  case ATTEMPT_FAILED: return attempt_failed(x, record_of(x)->failure);
  }
  return STEP_PARK;
}
