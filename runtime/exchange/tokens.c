#include "exchange/tokens.h"

#include <stdlib.h>

#include "account/estimate.h"
#include "account/image.h"
#include "tokenizer/registry.h"

struct counting {
  const struct tokenizer *tokenizer;
  struct encoder *encoder;
  struct bytes text;
  uint64_t tokens;
};

void tokens_open(struct exchange_host *host) {
  host->encoder = must_alloc(sizeof *host->encoder);
  encoder_init(host->encoder);
}

void tokens_close(struct exchange_host *host) {
  encoder_fini(host->encoder);
  free(host->encoder);
}

static void find_tokenizer(struct exchange *x) {
  if (!x->tokenizer && x->model) x->tokenizer = tokenizer_registry_find(x->model->tokenizer);
}

/* ---- prompts ---- */

static void count_text(struct counting *c, struct slice text) {
  c->tokens += tokenizer_encode(c->tokenizer, c->encoder, text, TOKENIZE_TEXT, NULL);
}

/* raw stands between the quotes of a string. */
static void count_raw(struct counting *c, struct slice raw) {
  if (!memchr(raw.data, '\\', raw.len)) {
    count_text(c, raw);
    return;
  }
  bytes_clear(&c->text);
  json_unescape(raw, &c->text);
  count_text(c, bytes_slice(&c->text));
}

static void on_string(const struct estimate_string *string, void *user) {
  struct counting *c = user;
  bool names_kind = slice_equal_text(string->key, "type");
  if (!string->is_key && !string->is_media && !names_kind) count_raw(c, string->text);
}

/* A string, a list of strings or parts, or tokens that the client has made itself. */
static void count_value(struct counting *c, struct slice value) {
  struct json_walk w = json_walk_of(value);
  bool is_list = json_type(value) == JSON_ARRAY && json_walk_next(&w);
  enum json_type first = is_list ? json_type(w.value) : JSON_NONE;
  if (first == JSON_NUMBER) {
    do
      c->tokens++;
    while (json_walk_next(&w));
  } else if (first == JSON_ARRAY) {
    do
      count_value(c, w.value);
    while (json_walk_next(&w));
  } else {
    estimate_strings(value, on_string, c);
  }
}

static void count_messages(struct counting *c, struct slice value, bool is_first) {
  struct chat_format format = tokenizer_chat_format(c->tokenizer);
  if (is_first) c->tokens += format.start + format.reply;
  if (json_type(value) == JSON_STRING) c->tokens += format.message + 1; /* the role */
  if (json_type(value) == JSON_ARRAY)
    for (struct json_walk w = json_walk_of(value); json_walk_next(&w);)
      c->tokens += format.message;
  count_value(c, value);
}

static void count_body(struct counting *c, struct slice body) {
  enum { MESSAGES, INPUT, SYSTEM, INSTRUCTIONS, PROMPT, TOOLS, FUNCTIONS, FORMAT, TEXT, COUNT };
  struct json_member m[COUNT] = {
      [MESSAGES].key = SLICE("messages"),   [INPUT].key = SLICE("input"),
      [SYSTEM].key = SLICE("system"),       [INSTRUCTIONS].key = SLICE("instructions"),
      [PROMPT].key = SLICE("prompt"),       [TOOLS].key = SLICE("tools"),
      [FUNCTIONS].key = SLICE("functions"), [FORMAT].key = SLICE("response_format"),
      [TEXT].key = SLICE("text"),
  };
  if (!json_members(body, m, COUNT, JSON_DEPTH_MAX, NULL)) return;
  bool is_chat = m[MESSAGES].type != JSON_NONE;
  if (is_chat) count_messages(c, m[MESSAGES].value, true);
  if (m[SYSTEM].type != JSON_NONE) count_messages(c, m[SYSTEM].value, !is_chat);
  if (m[INSTRUCTIONS].type != JSON_NONE) count_messages(c, m[INSTRUCTIONS].value, false);
  if (m[PROMPT].type != JSON_NONE) count_value(c, m[PROMPT].value);
  for (size_t i = TOOLS; i <= TEXT; i++)
    if (m[i].type == JSON_ARRAY || m[i].type == JSON_OBJECT) count_text(c, m[i].value);
}

static struct counting counting_of(struct exchange_host *host, const struct tokenizer *t) {
  struct counting c = {.tokenizer = t, .encoder = host->encoder};
  bytes_init(&c.text);
  return c;
}

/* By the first target: another one of the model may count images otherwise. */
static uint64_t count_images(const struct exchange *x, struct slice body) {
  const struct model_target *target = x->model && x->model->target_count ? x->model->targets : NULL;
  struct image_rule rule =
      image_rule_of(target ? target->model : x->public_model,
                    target && slice_equal_text(target->provider->adapter, "anthropic"));
  return image_tokens_of_request(&rule, body);
}

static uint64_t guess_prompt(const struct exchange *x, struct slice body) {
  struct estimate prompt = {0};
  bool has_images = estimate_json(&prompt, body);
  return estimate_tokens(&prompt) + (has_images ? count_images(x, body) : 0);
}

static uint64_t count_prompt(struct exchange *x, struct slice body) {
  struct counting c = counting_of(x->host, x->tokenizer);
  struct slice input = json_find(body, "input");
  if (x->route.dialect == DIALECT_RESPONSES && input.data) count_messages(&c, input, true);
  if (x->route.dialect != DIALECT_RESPONSES && input.data) count_value(&c, input);
  count_body(&c, body);
  bytes_fini(&c.text);
  return c.tokens + count_images(x, body);
}

uint64_t tokens_prompt(struct exchange *x) {
  find_tokenizer(x);
  struct slice body = bytes_slice(&x->body);
  if (!x->has_prompt_tokens)
    x->prompt_tokens = x->tokenizer ? count_prompt(x, body) : guess_prompt(x, body);
  x->has_prompt_tokens = true;
  return x->prompt_tokens;
}

/* ---- answers ---- */

static void on_text(struct slice text, void *user) {
  token_counter_feed(user, text);
}

void tokens_forget(struct exchange *x) {
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
  if (!t) return estimate_text(text);
  return tokenizer_encode(t, host->encoder, text, TOKENIZE_TEXT, NULL);
}

enum step_result count_tokens_answer(struct exchange *x) {
  x->answer = (struct answer){200, SLICE("application/json"),
                              slice_of(arena_printf(&x->arena, "{\"input_tokens\":%llu}",
                                                    (unsigned long long)tokens_prompt(x)))};
  return STEP_NEXT;
}

static void write_ids(struct exchange *x, struct slice value, struct bytes *out) {
  struct bytes text, ids;
  bytes_init(&text);
  bytes_init(&ids);
  json_string(value, &text);
  uint64_t count =
      tokenizer_encode(x->tokenizer, x->host->encoder, bytes_slice(&text), TOKENIZE_SPECIAL, &ids);
  bytes_printf(out, ",\"count\":%llu,\"tokens\":[", (unsigned long long)count);
  for (uint64_t i = 0; i < count; i++) {
    uint32_t token;
    memcpy(&token, ids.data + i * sizeof token, sizeof token);
    if (i) bytes_append_byte(out, ',');
    bytes_append_u64(out, token);
  }
  bytes_append_byte(out, ']');
  bytes_fini(&text);
  bytes_fini(&ids);
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
  struct bytes out;
  bytes_init(&out);
  find_tokenizer(x);
  bytes_append_text(&out, "{\"model\":");
  json_quote(&out, x->public_model);
  bytes_append_text(&out, ",\"tokenizer\":");
  json_quote(&out, x->tokenizer ? tokenizer_name(x->tokenizer) : SLICE("estimate"));
  if (given->type == JSON_STRING && x->tokenizer)
    write_ids(x, given->value, &out);
  else
    bytes_printf(&out, ",\"count\":%llu",
                 (unsigned long long)(given->type == JSON_STRING ? estimate_value(given->value)
                                                                 : tokens_prompt(x)));
  if (x->model->context_tokens)
    bytes_printf(&out, ",\"max_model_len\":%llu", (unsigned long long)x->model->context_tokens);
  bytes_append_byte(&out, '}');
  x->answer =
      (struct answer){200, SLICE("application/json"), arena_slice(&x->arena, bytes_slice(&out))};
  bytes_fini(&out);
  return STEP_NEXT;
}
