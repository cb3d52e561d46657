#include "exchange/tokens.h"

#include <stdlib.h>

#include "account/estimate.h"
#include "exchange/prompt.h"
#include "exchange/token_job.h"
#include "tokenizer/registry.h"

void tokens_open(struct exchange_host *host) {
  host->encoder = must_alloc(sizeof *host->encoder);
  encoder_init(host->encoder);
  host->token_jobs = token_jobs_new(host->loop);
}

void tokens_close(struct exchange_host *host) {
  token_jobs_free(host->token_jobs);
  encoder_fini(host->encoder);
  free(host->encoder);
}

static void find_tokenizer(struct exchange *x) {
  if (!x->tokenizer && x->model) x->tokenizer = tokenizer_registry_find(x->model->tokenizer);
}

/* ---- prompts ---- */

/* By the first target: another one of the model may count images otherwise. */
static struct prompt prompt_of(const struct exchange *x) {
  const struct model_target *target = x->model && x->model->target_count ? x->model->targets : NULL;
  bool is_anthropic = target && slice_equal_text(target->provider->adapter, "anthropic");
  return (struct prompt){x->tokenizer, x->route.dialect,
                         image_rule_of(target ? target->model : x->public_model, is_anthropic),
                         bytes_slice(&x->body)};
}

/* How images count is looked up only where there are any. */
static uint64_t guess(const struct exchange *x) {
  struct estimate estimate = {0};
  bool has_images = estimate_json(&estimate, bytes_slice(&x->body));
  if (!has_images) return estimate_tokens(&estimate);
  struct prompt p = prompt_of(x);
  return estimate_tokens(&estimate) + image_tokens_of_request(&p.images, p.body);
}

static uint64_t count(const struct exchange *x) {
  struct prompt p = prompt_of(x);
  return prompt_count(&p, x->host->encoder);
}

uint64_t tokens_prompt(struct exchange *x) {
  find_tokenizer(x);
  if (x->has_prompt_tokens) return x->prompt_tokens;
  x->prompt_tokens = x->tokenizer ? count(x) : guess(x);
  x->has_prompt_tokens = true;
  return x->prompt_tokens;
}

enum step_result tokens_await_prompt(struct exchange *x) {
  find_tokenizer(x);
  if (x->has_prompt_tokens || !x->tokenizer || x->body.len < TOKENS_APART_BYTES) return STEP_NEXT;
  struct prompt p = prompt_of(x);
  if (!x->token_job) token_job_start(x, &p, (struct slice){NULL, 0});
  return STEP_PARK;
}

/* ---- answers ---- */

static void on_text(struct slice text, void *user) {
  token_counter_feed(user, text);
}

void tokens_forget(struct exchange *x) {
  token_job_leave(x);
  if (x->output_counter) token_counter_fini(x->output_counter);
  x->output_counter = NULL;
}

void tokens_meter(struct exchange *x) {
  tokens_forget(x);
  find_tokenizer(x);
  if (!x->tokenizer) return;
  x->output_counter = arena_alloc(&x->arena, sizeof *x->output_counter);
  token_counter_init(x->output_counter, x->tokenizer, x->host->encoder);
  x->meter.text = (struct meter_text){on_text, x->output_counter};
}

uint64_t tokens_output(const struct exchange *x) {
  return x->output_counter ? token_counter_value(x->output_counter) : 0;
}

/* ---- callers who only want to know ---- */

uint64_t tokens_of_text(struct exchange_host *host, struct slice model, struct slice text) {
  const struct model *m = model.len ? config_model_find(host->config, model) : NULL;
  const struct tokenizer *t = m ? tokenizer_registry_find(m->tokenizer) : NULL;
  if (!t || text.len >= TOKENS_APART_BYTES) return estimate_text(text);
  return tokenizer_encode(t, host->encoder, text, TOKENIZE_TEXT, NULL);
}

enum step_result count_tokens_answer(struct exchange *x) {
  if (tokens_await_prompt(x) == STEP_PARK) return STEP_PARK;
  x->answer = (struct answer){200, SLICE("application/json"),
                              slice_of(arena_printf(&x->arena, "{\"input_tokens\":%llu}",
                                                    (unsigned long long)tokens_prompt(x)))};
  return STEP_NEXT;
}

/* The text's ids and their number; parks while they are made elsewhere. */
static enum step_result take_ids(struct exchange *x, struct slice value) {
  struct prompt p = {.tokenizer = x->tokenizer};
  if (x->token_ids.data) return STEP_NEXT;
  if (value.len >= TOKENS_APART_BYTES) {
    if (!x->token_job) token_job_start(x, &p, value);
    return STEP_PARK;
  }
  struct bytes out;
  bytes_init(&out);
  prompt_write_ids(x->tokenizer, x->host->encoder, value, &out);
  x->token_ids = arena_slice(&x->arena, bytes_slice(&out));
  bytes_fini(&out);
  return STEP_NEXT;
}

static uint64_t estimate_value(struct slice value) {
  struct bytes text;
  bytes_init(&text);
  json_string(value, &text);
  uint64_t tokens = estimate_text(bytes_slice(&text));
  bytes_fini(&text);
  return tokens;
}

enum step_result tokenize_answer(struct exchange *x) {
  struct json_member m[] = {
      {.key = SLICE("input")}, {.key = SLICE("prompt")}, {.key = SLICE("messages")}};
  (void)!json_members(bytes_slice(&x->body), m, 3, JSON_DEPTH_MAX, NULL); /* checked before */
  const struct json_member *given = m[0].type != JSON_NONE ? &m[0] : &m[1];
  if (given->type != JSON_STRING && m[2].type != JSON_ARRAY) {
    struct error_detail detail = {.param = SLICE("input"), .code = SLICE("invalid_value")};
    detail.message = SLICE("send the text as the string input (or prompt), or a list messages");
    return exchange_fail_with(x, FAILURE_BAD_REQUEST, &detail);
  }
  find_tokenizer(x);
  bool wants_ids = given->type == JSON_STRING && x->tokenizer;
  bool is_prompt = given->type != JSON_STRING;
  if (wants_ids && take_ids(x, given->value) == STEP_PARK) return STEP_PARK;
  if (is_prompt && tokens_await_prompt(x) == STEP_PARK) return STEP_PARK;
  struct bytes out;
  bytes_init(&out);
  bytes_append_text(&out, "{\"model\":");
  json_quote(&out, x->public_model);
  bytes_append_text(&out, ",\"tokenizer\":");
  json_quote(&out, x->tokenizer ? tokenizer_name(x->tokenizer) : SLICE("estimate"));
  uint64_t count = wants_ids ? 0 : is_prompt ? tokens_prompt(x) : estimate_value(given->value);
  if (wants_ids)
    bytes_append_slice(&out, x->token_ids);
  else
    bytes_printf(&out, ",\"count\":%llu", (unsigned long long)count);
  if (x->model->context_tokens)
    bytes_printf(&out, ",\"max_model_len\":%llu", (unsigned long long)x->model->context_tokens);
  bytes_append_byte(&out, '}');
  x->answer =
      (struct answer){200, SLICE("application/json"), arena_slice(&x->arena, bytes_slice(&out))};
  bytes_fini(&out);
  return STEP_NEXT;
}
