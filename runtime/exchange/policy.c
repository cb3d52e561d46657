#include "exchange/policy.h"

#include "account/price.h"
#include "base/clock.h"
#include "exchange/guard.h"
#include "exchange/shadow.h"
#include "exchange/story.h"

static struct slice copy_to(char **at, struct slice text) {
  struct slice copy = {*at, text.len};
  if (text.len) *at = (char *)memcpy(*at, text.data, text.len) + text.len;
  return copy;
}

/* The run outlives the connection whose headers these are. */
static struct headers kept_headers(struct exchange *x) {
  size_t count = x->headers.count, bytes = 1;
  const struct header *sent = x->headers.items;
  for (size_t i = 0; i < count; i++)
    bytes += sent[i].name.len + sent[i].value.len;
  struct header *items = arena_alloc(&x->arena, (count + 1) * sizeof *items);
  char *at = arena_alloc(&x->arena, bytes);
  for (size_t i = 0; i < count; i++)
    items[i] = (struct header){copy_to(&at, sent[i].name), copy_to(&at, sent[i].value)};
  return (struct headers){items, count};
}

static void on_done(void *context) {
  struct exchange *x = context;
  if (x->guard)
    relay_guard_answered(x);
  else
    exchange_wake(x);
}

static const struct policy_callbacks callbacks = {on_done};

static unsigned hooks_of(const struct exchange *x) {
  return x->chain ? policy_chain_hooks(x->chain) : 0;
}

const struct policy_request *policies_request(struct exchange *x) {
  struct policy_principal *principal = arena_alloc(&x->arena, sizeof *principal);
  const struct principal *p = x->principal;
  *principal = (struct policy_principal){p->tenant, p->project, p->user,       p->name,
                                         p->roles,  p->tags,    p->role_count, p->tag_count};
  struct policy_request *request = arena_alloc(&x->arena, sizeof *request);
  *request = (struct policy_request){.id = slice_of(x->id),
                                     .method = x->method,
                                     .path = x->path,
                                     .dialect = x->route.dialect,
                                     .headers = kept_headers(x),
                                     .model = x->public_model,
                                     .body = x->forward_body.data ? x->forward_body
                                                                  : bytes_slice(&x->body),
                                     .index = &x->host->body_index,
                                     .is_stream = x->is_stream,
                                     .principal = principal};
  return request;
}

/* What an earlier response said is part of this request: policies see it in the place of its id. */
static enum step_result open_run(struct exchange *x) {
  if (native_expand(x) == STEP_FAIL) return STEP_FAIL;
  x->run = policy_run_new(x->chain, policies_request(x), &callbacks, x);
  return STEP_NEXT;
}

static void on_ignored(void *context) {
  (void)context;
}

static const struct policy_callbacks ignoring = {on_ignored};

/* A tenant's models and providers are laid over the operator's, its adapters take their place. */
enum step_result policies_pick(struct exchange *x) {
  const struct principal *p = x->principal;
  struct tenant_pick pick = {p->tenant, p->name, slice_hash(slice_of(x->id))};
  struct tenant_scripts *scripts = tenant_set_pick(x->host->tenants, &pick);
  if (!scripts) return STEP_NEXT;
  x->scripts = tenant_scripts_ref(scripts);
  struct slice refusal = tenant_scripts_refusal(scripts);
  if (refusal.len)
    return exchange_fail(x, FAILURE_POLICY_ERROR, "%.*s", (int)refusal.len, refusal.data);
  struct config *before = x->config;
  x->config = config_ref(tenant_scripts_config(scripts));
  config_unref(before);
  strategies_unref(x->strategies);
  x->strategies = strategies_ref(tenant_scripts_strategies(scripts));
  x->chain = tenant_scripts_policies(scripts);
  struct generation *own = tenant_scripts_translation(scripts), *shipped = x->generation;
  if (!own) return STEP_NEXT;
  x->generation = generation_ref(own);
  generation_unref(shipped);
  return STEP_NEXT;
}

struct generation *policies_generation(const struct exchange *x,
                                       const struct model_target *target) {
  struct generation *own = x->scripts ? tenant_scripts_adapters(x->scripts) : NULL;
  bool is_tenants = target->provider->index == PROVIDER_UNLISTED;
  return own && is_tenants ? own : x->generation;
}

/* A script that failed is no rule that said no. */
static enum failure_kind kind_of(const struct verdict *verdict) {
  bool has_failed = slice_equal(verdict->code, SLICE("policy_error"));
  return has_failed ? FAILURE_POLICY_ERROR : FAILURE_POLICY;
}

bool policies_denied(const struct exchange *x) {
  return x->failure == FAILURE_POLICY || x->failure == FAILURE_POLICY_ERROR;
}

static struct error_detail denial(struct exchange *x, const struct verdict *verdict) {
  return (struct error_detail){.status = verdict->status,
                               .code = arena_slice(&x->arena, verdict->code),
                               .message = arena_slice(&x->arena, verdict->message),
                               .param = arena_slice(&x->arena, verdict->param)};
}

static enum step_result answer_text(struct exchange *x, struct slice text) {
  if (exchange_open_translation(x, x->generation) == STEP_FAIL) return STEP_FAIL;
  struct slice out = translation_answer(x->translation, text);
  if (!out.len)
    return exchange_fail(x, FAILURE_TRANSLATION,
                         "the answer of a policy could not be put into this protocol");
  bool is_stream = x->is_stream;
  x->answer = (struct answer){
      200, is_stream ? SLICE("text/event-stream; charset=utf-8") : SLICE("application/json"),
      arena_slice(&x->arena, out)};
  return STEP_NEXT;
}

static enum step_result answer(struct exchange *x, const struct verdict *verdict) {
  int status = verdict->status ? verdict->status : 200;
  if (verdict->body.len)
    x->answer =
        (struct answer){status, SLICE("application/json"), arena_slice(&x->arena, verdict->body)};
  else if (answer_text(x, verdict->text) == STEP_FAIL)
    return STEP_FAIL;
  x->ended_at = x->step + 1u;
  x->step = STEP_SETTLE;
  return STEP_JUMP;
}

/* The run still reads what the client sent, and the reply names the response that it goes on from.
 */
static enum step_result take_edited_body(struct exchange *x, struct slice edited) {
  struct json_member previous = x->fields.previous_response_id;
  x->sent_body = x->body;
  bytes_init(&x->body);
  bytes_append_slice(&x->body, edited);
  x->forward_body = (struct slice){NULL, 0};
  if (body_read_fields(x) == STEP_FAIL) return STEP_FAIL;
  if (previous.type == JSON_STRING) x->fields.previous_response_id = previous;
  return STEP_NEXT;
}

static enum step_result take_edits(struct exchange *x, const struct verdict *verdict) {
  if (verdict->is_edited && take_edited_body(x, verdict->edited_body) == STEP_FAIL)
    return STEP_FAIL;
  if (verdict->model.len) x->public_model = arena_slice(&x->arena, verdict->model);
  return STEP_NEXT;
}

static enum step_result take_verdict(struct exchange *x) {
  shadow_request(x);
  const struct verdict *verdict = policy_verdict(x->run);
  switch (verdict->kind) {
  case VERDICT_DENY: {
    struct error_detail detail = denial(x, verdict);
    return exchange_fail_with(x, kind_of(verdict), &detail);
  }
  case VERDICT_ANSWER: return answer(x, verdict);
  case VERDICT_PASS: break;
  }
  return take_edits(x, verdict);
}

enum step_result policies_step(struct exchange *x) {
  bool is_asked =
      x->route.endpoint == ENDPOINT_GENERATE || x->route.endpoint == ENDPOINT_COUNT_TOKENS;
  if (x->run) return take_verdict(x); /* a hook has waited */
  if (!is_asked) return STEP_NEXT;
  if (!hooks_of(x)) {
    shadow_request(x);
    return STEP_NEXT;
  }
  if (open_run(x) == STEP_FAIL) return STEP_FAIL;
  return policy_on_request(x->run) == POLICY_WAITING ? STEP_PARK : take_verdict(x);
}

static struct policy_candidate candidate_of(struct exchange *x, const struct model_target *target) {
  const struct provider *provider = target->provider;
  const struct price *price = price_of(x->model, target, x->started_ms);
  struct target_load load = target_load(x, target);
  struct slice parts[] = {provider->name, SLICE("/"), target->model};
  return (struct policy_candidate){.name = arena_join(&x->arena, parts, 3),
                                   .provider = provider->name,
                                   .model = target->model,
                                   .residency = provider->residency,
                                   .input_price_nanousd = price->rates.input,
                                   .output_price_nanousd = price->rates.output,
                                   .price_known = price->known,
                                   .weight = target->weight,
                                   .inflight = load.in_flight,
                                   .queue = load.queue,
                                   .kv_usage = load.kv_usage,
                                   .ewma_ttft_ms = load.first_token_ms,
                                   .error_rate = load.error_rate,
                                   .context_tokens = x->model->context_tokens,
                                   .capabilities = x->model->capabilities,
                                   .capability_count = x->model->capability_count};
}

bool policies_allow(const struct exchange *x, const struct model_target *target) {
  if (!x->run) return true;
  struct policy_candidate candidate = {.provider = target->provider->name,
                                       .residency = target->provider->residency,
                                       .context_tokens = x->model->context_tokens,
                                       .capabilities = x->model->capabilities,
                                       .capability_count = x->model->capability_count};
  return policy_requirements_met(&policy_verdict(x->run)->requirements, &candidate);
}

bool policies_bind(const struct exchange *x) {
  if (!x->run || !x->model) return false;
  for (size_t i = 0; i < x->model->target_count; i++)
    if (!policies_allow(x, &x->model->targets[i])) return true;
  return false;
}

static enum step_result none_left(struct exchange *x) {
  struct slice residency = policy_verdict(x->run)->requirements.residency;
  if (residency.len)
    return exchange_fail(
        x, FAILURE_NO_TARGET,
        "a policy keeps this request within residency %.*s, and no target of the model %.*s there "
        "is available",
        (int)residency.len, residency.data, (int)x->public_model.len, x->public_model.data);
  return exchange_fail(x, FAILURE_NO_TARGET,
                       "the policies leave no target of the model %.*s for this request; see its "
                       "trace in the gateway's log",
                       (int)x->public_model.len, x->public_model.data);
}

/* Before health is looked at: a target that is down must not let others in that may not see this.
 */
enum step_result policies_require(struct exchange *x) {
  if (!x->run) return STEP_NEXT;
  size_t kept = 0;
  for (size_t i = 0; i < x->candidate_count; i++)
    if (policies_allow(x, x->candidates[i]))
      x->candidates[kept++] = x->candidates[i];
    else
      story_leave_out(x, x->candidates[i], LEFT_OUT_REQUIREMENT);
  x->candidate_count = kept;
  return kept ? STEP_NEXT : none_left(x);
}

static void note_left(struct exchange *x, struct policy_order order, enum left_out why) {
  bool *is_there = arena_alloc(&x->arena, x->candidate_count + 1);
  for (size_t i = 0; i < order.count; i++)
    is_there[order.indexes[i]] = true;
  for (size_t i = 0; i < x->candidate_count; i++)
    if (!is_there[i])
      story_leave_out(x, x->candidates[i], why);
    else if (!policies_allow(x, x->candidates[i]))
      story_leave_out(x, x->candidates[i], LEFT_OUT_REQUIREMENT);
}

static void keep_order(struct exchange *x, struct policy_order order, enum left_out why) {
  const struct model_target **ordered = arena_alloc(&x->arena, (order.count + 1) * sizeof *ordered);
  size_t kept = 0;
  for (size_t i = 0; i < order.count; i++)
    if (policies_allow(x, x->candidates[order.indexes[i]]))
      ordered[kept++] = x->candidates[order.indexes[i]];
  if (kept < x->candidate_count) note_left(x, order, why);
  x->candidates = ordered;
  x->candidate_count = kept;
}

static enum step_result deny_order(struct exchange *x, const struct verdict *verdict) {
  struct error_detail detail = denial(x, verdict);
  return exchange_fail_with(x, kind_of(verdict), &detail);
}

static enum step_result take_order(struct exchange *x) {
  const struct verdict *verdict = policy_verdict(x->run);
  if (verdict->kind == VERDICT_DENY) return deny_order(x, verdict);
  keep_order(x, policy_order(x->run), LEFT_OUT_ROUTE);
  return x->candidate_count ? STEP_NEXT : none_left(x);
}

const struct policy_candidate *policies_candidates(struct exchange *x) {
  struct policy_candidate *candidates =
      arena_alloc(&x->arena, (x->candidate_count + 1) * sizeof *candidates);
  for (size_t i = 0; i < x->candidate_count; i++)
    candidates[i] = candidate_of(x, x->candidates[i]);
  return candidates;
}

/* The model's own strategy comes before the tenant's policies, which have the last word. */
static enum step_result run_strategy(struct exchange *x) {
  struct policy_chain *chain = strategies_find(x->strategies, x->model);
  if (!chain) return STEP_NEXT;
  x->strategy = policy_run_new(chain, policies_request(x), &ignoring, NULL);
  must(policy_route(x->strategy, policies_candidates(x), x->candidate_count) == POLICY_DONE);
  const struct verdict *verdict = policy_verdict(x->strategy);
  if (verdict->kind == VERDICT_DENY) return deny_order(x, verdict);
  keep_order(x, policy_order(x->strategy), LEFT_OUT_STRATEGY);
  if (x->candidate_count) return STEP_NEXT;
  return exchange_fail(x, FAILURE_NO_TARGET,
                       "the strategy %.*s of the model %.*s leaves no target for this request",
                       (int)x->model->strategy.len, x->model->strategy.data,
                       (int)x->public_model.len, x->public_model.data);
}

static enum step_result begin_route(struct exchange *x) {
  if (run_strategy(x) == STEP_FAIL) return STEP_FAIL;
  shadow_route(x);
  if (!x->run || !(hooks_of(x) & 1u << POLICY_ROUTE)) return STEP_NEXT;
  x->is_routing = true;
  enum policy_progress progress = policy_route(x->run, policies_candidates(x), x->candidate_count);
  return progress == POLICY_WAITING ? STEP_PARK : take_order(x);
}

enum step_result policies_route(struct exchange *x) {
  enum step_result result = x->is_routing ? take_order(x) : begin_route(x);
  if (result != STEP_PARK) shadow_routed(x);
  return result;
}

bool policies_guard(const struct exchange *x) {
  unsigned replies = 1u << POLICY_ON_DELTA | 1u << POLICY_ON_REPLY;
  return x->run && hooks_of(x) & replies && x->route.endpoint == ENDPOINT_GENERATE &&
         x->route.dialect != DIALECT_EMBEDDINGS;
}

void policies_deny_reply(struct exchange *x, const struct verdict *verdict) {
  struct error_detail detail = denial(x, verdict);
  exchange_fail_with(x, kind_of(verdict), &detail);
  send_cancel(x);
  exchange_wake(x);
}

/* Replies that are no stream. */

struct reply_texts { /* in the arena of the request */
  struct texts texts;
  struct policy_text *items;
};

static void open_texts(struct exchange *x) {
  struct reply_texts *r = arena_alloc(&x->arena, sizeof *r);
  texts_of_reply(&r->texts, x->route.dialect, x->answer.body);
  r->items = arena_alloc(&x->arena, (r->texts.count + 1) * sizeof *r->items);
  struct bytes text;
  bytes_init(&text);
  for (size_t i = 0; i < r->texts.count; i++) {
    const struct text_piece *piece = &r->texts.pieces[i];
    bytes_clear(&text);
    if (piece->is_raw)
      bytes_append_slice(&text, piece->token);
    else
      (void)!json_string(piece->token, &text);
    r->items[i] = (struct policy_text){.channel = piece->channel,
                                       .text = arena_slice(&x->arena, bytes_slice(&text))};
  }
  bytes_fini(&text);
  x->reply_texts = r;
}

/* What comes in the place of one text; NULL data: it broke the shape of the reply. */
static struct slice written(struct exchange *x, const struct text_piece *piece,
                            const struct policy_text *text) {
  if (piece->is_raw) {
    bool fits = json_type(text->changed) == JSON_OBJECT &&
                json_validate(text->changed, JSON_DEPTH_MAX, NULL);
    return fits ? text->changed : (struct slice){NULL, 0};
  }
  struct bytes quoted;
  bytes_init(&quoted);
  json_quote(&quoted, text->changed);
  struct slice kept = arena_slice(&x->arena, bytes_slice(&quoted));
  bytes_fini(&quoted);
  return kept;
}

static enum step_result take_texts(struct exchange *x) {
  struct reply_texts *r = x->reply_texts;
  const struct verdict *verdict = policy_verdict(x->run);
  if (verdict->kind == VERDICT_DENY) {
    struct error_detail detail = denial(x, verdict);
    x->answer = (struct answer){0};
    return exchange_fail_with(x, kind_of(verdict), &detail);
  }
  struct splice *splices = arena_alloc(&x->arena, (2 * r->texts.count + 1) * sizeof *splices);
  size_t count = 0;
  struct slice logprobs = {"", 0};
  for (size_t i = 0; i < r->texts.count; i++) {
    const struct text_piece *piece = &r->texts.pieces[i];
    if (!r->items[i].is_changed) continue;
    struct slice new = written(x, piece, &r->items[i]);
    if (!new.data)
      return exchange_fail(x, FAILURE_POLICY,
                           "a policy left something that is no JSON in a tool call's arguments");
    splices[count++] = (struct splice){piece->token, new};
    if (!piece->logprobs.len || piece->logprobs.data == logprobs.data) continue;
    logprobs = piece->logprobs;
    splices[count++] = (struct splice){logprobs, SLICE("null")};
  }
  x->answer.body = splice_all(x->answer.body, splices, count, &x->arena);
  return STEP_NEXT;
}

static enum step_result guard_reply(struct exchange *x) {
  if (!policies_guard(x)) return STEP_NEXT;
  if (!x->reply_texts) {
    open_texts(x);
    if (policy_on_reply(x->run, x->reply_texts->items, x->reply_texts->texts.count) ==
        POLICY_WAITING)
      return STEP_PARK;
  }
  return take_texts(x);
}

enum step_result policies_reply(struct exchange *x) {
  if (x->answer.status >= 300) return STEP_NEXT;
  if (!x->reply_texts) shadow_reply(x);
  enum step_result result = guard_reply(x);
  if (result == STEP_NEXT) shadow_replied(x);
  return result;
}

void policies_forget(struct exchange *x) {
  if (x->reply_texts) texts_fini(&x->reply_texts->texts);
  guard_free(x->guard);
  shadow_forget(x);
  policy_run_free(x->run);
  policy_run_free(x->strategy);
  strategies_unref(x->strategies);
  tenant_scripts_unref(x->scripts);
}

void policies_cancel(struct exchange *x) {
  if (x->run) policy_cancel(x->run);
}

void policies_finish(struct exchange *x, int status) {
  if (!x->run) return;
  const struct attempt_record *last = x->record_count ? &x->records[x->record_count - 1] : NULL;
  struct policy_outcome outcome = {
      .status = status,
      .usage = x->usage,
      .usage_known = x->usage_source != USAGE_NONE,
      .cost_known = x->cost_known,
      .cost_nanousd = x->cost_nanousd,
      .duration_us = (x->settled_ns - x->started_ns) / 1000u,
      .first_content_us = x->first_content_ns ? (x->first_content_ns - x->started_ns) / 1000u : 0,
      .attempts = (uint32_t)x->record_count};
  if (x->failure != FAILURE_NONE) outcome.failure = slice_of(failure_info(x->failure)->label);
  if (last) outcome.provider = last->target->provider->name;
  if (last) outcome.model = last->target->model;
  policy_on_finish(x->run, &outcome);
}
