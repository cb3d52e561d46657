/* The steps of a request, in the order they run. */
#include "auth/directory_memory.h"
#include "base/clock.h"
#include "exchange/admit.h"
#include "exchange/background.h"
#include "exchange/clamp.h"
#include "exchange/follow.h"
#include "exchange/permit.h"
#include "exchange/policy.h"
#include "exchange/service.h"
#include "exchange/tokens.h"

/* Stored responses belong to a tenant's project; a key without a tenant keeps its own. Lengths keep
 * names apart whatever they hold. Nothing else is owned: other requests need no name for it. */
static void set_owner(struct exchange *x) {
  const struct principal *p = x->principal;
  if (x->route.dialect != DIALECT_RESPONSES) return;
  struct slice within = p->tenant.len ? p->project : p->name;
  if (x->service) { /* no other service's, no other caller's, and none of /v1 */
    x->owner = service_owner(x);
    return;
  }
  x->owner = slice_of(arena_printf(&x->arena, "%zu:%.*s/%.*s", p->tenant.len, (int)p->tenant.len,
                                   p->tenant.data, (int)within.len, within.data));
}

/* A key, or a token of an identity provider. */
static bool find_principal(struct exchange *x) {
  struct slice secret = credential_find(x->headers);
  enum jwt_result why;
  x->principal = directory_recall(x->host->seen_secrets, x->directory, secret, x->started_ms);
  if (x->principal) return true;
  x->session = sessions_find(x->host->sessions, x->directory, secret, x->started_ms, &why);
  if (x->session) x->principal = session_principal(x->session);
  if (x->principal) return true;
  if (secret.len && directory_is_partial(x->directory))
    exchange_fail(x, FAILURE_KEYS_UNAVAILABLE,
                  "keys could not be read since the gateway started, as its store is away; try "
                  "again in a while");
  else if (why != JWT_MALFORMED)
    exchange_fail(x, FAILURE_UNAUTHENTICATED, "the token %s", jwt_result_text(why));
  else if (secret.len)
    exchange_fail(x, FAILURE_UNAUTHENTICATED,
                  "the API key is not known here; check the key, and that it is neither revoked, "
                  "blocked nor expired");
  else
    exchange_fail(x, FAILURE_UNAUTHENTICATED,
                  "no API key was sent; send it as \"Authorization: Bearer KEY\" or \"x-api-key: "
                  "KEY\"");
  return false;
}

/* Paths and methods are settled before the key, so that a stranger learns nothing about models but
 * a mistyped path reads as what it is. */
static enum step_result step_auth(struct exchange *x) {
  enum route_result result = route_find(x->config, x->method, x->path, &x->arena, &x->route);
  if (result != ROUTE_FOUND && reply_is_preflight(x)) return reply_preflight(x);
  if (result == ROUTE_FOUND && x->route.endpoint == ENDPOINT_MODELS && x->anthropic_version.len)
    x->route.dialect = DIALECT_MESSAGES;
  if (result != ROUTE_FOUND && route_is_anthropic(x->path)) x->route.dialect = DIALECT_MESSAGES;
  if (result == ROUTE_UNKNOWN)
    return exchange_fail(x, FAILURE_NOT_FOUND,
                         "no such endpoint: %.*s %.*s; check base_url, which ends in /v1 for "
                         "OpenAI clients and without it for Anthropic's",
                         (int)x->method.len, x->method.data, (int)x->path.len, x->path.data);
  if (result == ROUTE_METHOD) {
    return exchange_fail(x, FAILURE_METHOD_NOT_ALLOWED, "this endpoint takes %s", x->route.allow);
  }
  if (!find_principal(x)) return STEP_FAIL;
  if (x->route.service.len && service_find(x) == STEP_FAIL) return STEP_FAIL;
  set_owner(x);
  if (permit_peer(x) == STEP_FAIL || policies_pick(x) == STEP_FAIL) return STEP_FAIL;
  return x->service ? service_policies(x) : STEP_NEXT;
}

static size_t body_limit(const struct exchange *x) {
  const struct limits *limits = &x->config->limits;
  for (size_t i = 0; i < limits->route_count; i++)
    if (slice_equal(limits->routes[i].path, x->route.twin)) return limits->routes[i].body_bytes;
  return limits->body_bytes;
}

static enum step_result step_body(struct exchange *x) {
  if (!x->body_complete) {
    size_t limit = body_limit(x);
    if (x->stream) stream_set_body_limit(x->stream, limit);
    if (x->body_bytes <= limit) bytes_reserve(&x->body, (size_t)x->body_bytes);
    return STEP_PARK;
  }
  if (x->started_turn != clock_turn_number()) x->body_done_ns = clock_mono_ns();
  switch (x->route.endpoint) {
  case ENDPOINT_GENERATE:
  case ENDPOINT_COUNT_TOKENS:
  case ENDPOINT_TOKENIZE:
    if (x->service && service_apply(x) == STEP_FAIL) return STEP_FAIL;
    return body_read_fields(x);
  default: return STEP_NEXT;
  }
}

static enum step_result local_answer(struct exchange *x, enum step_result result) {
  if (result != STEP_NEXT) return result;
  x->step = STEP_SETTLE;
  return STEP_JUMP;
}

/* Of a count, which may take its time. */
static enum step_result counted_answer(struct exchange *x, enum step_result result) {
  x->is_counting = result == STEP_PARK;
  return local_answer(x, result);
}

static enum step_result answer_stored(struct exchange *x) {
  bool is_head = slice_equal(x->method, SLICE("HEAD")); /* of a whole answer: nothing to follow */
  struct stored_request request = {x->owner, is_head ? SLICE("GET") : x->method, x->route.twin,
                                   is_head ? (struct slice){"", 0} : x->query};
  struct stored_answer stored = background_answer(x, &request);
  return follow_answer(x, &request, &stored);
}

static enum step_result step_route(struct exchange *x) {
  switch (x->route.endpoint) {
  case ENDPOINT_MODELS:
  case ENDPOINT_MODEL: return local_answer(x, models_answer(x));
  case ENDPOINT_STORED: return local_answer(x, answer_stored(x));
  case ENDPOINT_GENERATE:
  case ENDPOINT_COUNT_TOKENS:
  case ENDPOINT_TOKENIZE: break;
  }
  bool is_begun = x->is_routing || x->is_counting;
  enum step_result result = is_begun ? STEP_NEXT : candidates_find(x);
  if (result == STEP_NEXT && x->route.endpoint == ENDPOINT_TOKENIZE)
    return counted_answer(x, tokenize_answer(x));
  if (result == STEP_NEXT && !x->is_counting) result = policies_route(x);
  if (result != STEP_NEXT) return result;
  if (x->route.endpoint == ENDPOINT_COUNT_TOKENS && !candidates_count_tokens(x))
    return counted_answer(x, count_tokens_answer(x));
  return STEP_NEXT;
}

enum step_result exchange_open_translation(struct exchange *x, struct generation *generation) {
  struct error_detail error = {0};
  if (x->translation && translation_generation(x->translation) == generation) return STEP_NEXT;
  translation_free(x->translation);
  struct translation_settings settings = {.dialect = x->route.dialect,
                                          .body = bytes_slice(&x->body),
                                          .public_model = x->public_model,
                                          .owner = x->owner,
                                          .request_id = slice_of(x->id),
                                          .response_id = x->response_id,
                                          .is_stream = x->is_stream,
                                          .include_usage = x->include_usage};
  x->translation = translation_open(generation, &settings, &x->arena, &error);
  return x->translation ? STEP_NEXT : exchange_fail_with(x, FAILURE_BAD_REQUEST, &error);
}

static enum step_result encode_translated(struct exchange *x, const struct model_target *target) {
  struct error_detail error = {0};
  if (exchange_open_translation(x, policies_generation(x, target)) == STEP_FAIL) return STEP_FAIL;
  struct translation_target wanted = {x->model, target, x->config->strict, clamp_tokens(x, target)};
  if (wanted.most_output) clamp_note(x, SLICE("max_tokens"), wanted.most_output);
  struct encoded encoded;
  if (!translation_encode(x->translation, &wanted, &encoded, &error))
    return exchange_fail_with(x, error.status < 500 ? FAILURE_UNSUPPORTED : FAILURE_TRANSLATION,
                              &error);
  x->upstream_path = native_path(x, encoded.path, target);
  x->dropped = encoded.dropped;
  x->pieces = arena_alloc(&x->arena, sizeof *x->pieces);
  x->pieces[0] = encoded.body;
  x->piece_count = 1;
  native_headers(x, target, encoded.headers);
  return STEP_NEXT;
}

static enum step_result step_encode(struct exchange *x) {
  const struct model_target *target = x->candidates[x->candidate];
  bool count_tokens = x->route.endpoint == ENDPOINT_COUNT_TOKENS;
  x->adapter = generation_adapter(policies_generation(x, target), target->provider->adapter);
  must(x->adapter != NULL);
  x->is_native = count_tokens || x->adapter->native[x->route.dialect].len > 0;
  x->dropped = x->clamped = (struct slice){"", 0};
  if (!x->is_native) return encode_translated(x, target);
  return native_encode(x, target);
}

static const struct {
  const char *name;
  enum step_result (*run)(struct exchange *x);
} steps[STEP_DONE] = {
    [STEP_AUTH] = {"auth", step_auth},       [STEP_BODY] = {"body", step_body},
    [STEP_PERMIT] = {"permit", permit_step}, [STEP_POLICY] = {"policy", policies_step},
    [STEP_ROUTE] = {"route", step_route},    [STEP_ADMIT] = {"admit", admit_step},
    [STEP_ENCODE] = {"encode", step_encode}, [STEP_SEND] = {"send", send_step},
    [STEP_RELAY] = {"relay", relay_step},    [STEP_SETTLE] = {"settle", settle_step},
    [STEP_FINISH] = {"finish", finish_step},
};

enum step_result (*exchange_step(enum step step))(struct exchange *x) {
  return steps[step].run;
}

const char *exchange_step_name(enum step step) {
  return step == STEP_DONE ? "done" : steps[step].name;
}
