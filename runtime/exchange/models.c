/* GET /v1/models and /v1/models/{id}: what this key may use, in OpenAI's shape, or Anthropic's when
 * the client sent anthropic-version. Sources: OpenAI API reference, Models; Anthropic API
 * reference, Models. */
#include "base/clock.h"
#include "exchange/state.h"

struct listing {
  struct exchange *x;
  struct bytes out;
  size_t count;
  struct slice first, last;
};

static void append_count(struct bytes *out, const char *name, uint64_t count) {
  if (count)
    bytes_printf(out, ",\"%s\":%llu", name, (unsigned long long)count);
  else
    bytes_printf(out, ",\"%s\":null", name);
}

static void write_anthropic(struct bytes *out, struct slice name, const struct model *model) {
  char created[25];
  clock_format(model->created * 1000, created);
  bytes_append_text(out, "{\"type\":\"model\",\"id\":");
  json_quote(out, name);
  bytes_append_text(out, ",\"display_name\":");
  json_quote(out, name);
  bytes_printf(out,
               ",\"created_at\":\"%.19sZ\",\"lifecycle\":\"active\",\"deprecated_at\":null,"
               "\"retires_at\":null,\"line\":null,\"capabilities\":null",
               created);
  append_count(out, "max_input_tokens", model->context_tokens);
  append_count(out, "max_tokens", model->max_output_tokens);
  bytes_append_byte(out, '}');
}

static void write_openai(struct bytes *out, struct slice name, const struct model *model) {
  bytes_append_text(out, "{\"id\":");
  json_quote(out, name);
  bytes_printf(out,
               ",\"object\":\"model\",\"created\":%lld,\"owned_by\":", (long long)model->created);
  json_quote(out, model->owned_by);
  bytes_append_byte(out, '}');
}

static void add(struct listing *l, struct slice name, const struct model *model) {
  if (!principal_may_use(l->x->principal, name)) return;
  if (l->count++)
    bytes_append_byte(&l->out, ',');
  else
    l->first = name;
  l->last = name;
  if (l->x->anthropic_version.len)
    write_anthropic(&l->out, name, model);
  else
    write_openai(&l->out, name, model);
}

static void answer(struct exchange *x, struct bytes *body) {
  x->answer =
      (struct answer){200, SLICE("application/json"), arena_slice(&x->arena, bytes_slice(body))};
  bytes_fini(body);
}

static enum step_result answer_list(struct exchange *x) {
  struct listing list = {.x = x};
  for (size_t i = 0; i < x->config->model_count; i++)
    add(&list, x->config->models[i].name, &x->config->models[i]);
  for (size_t i = 0; i < x->config->alias_count; i++)
    add(&list, x->config->aliases[i].name, x->config->aliases[i].model);
  struct bytes body;
  bytes_init(&body);
  bytes_append_text(&body,
                    x->anthropic_version.len ? "{\"data\":[" : "{\"object\":\"list\",\"data\":[");
  bytes_append_slice(&body, bytes_slice(&list.out));
  bytes_append_byte(&body, ']');
  if (x->anthropic_version.len) {
    bytes_append_text(&body, ",\"has_more\":false,\"first_id\":");
    if (list.count)
      json_quote(&body, list.first);
    else
      bytes_append_text(&body, "null");
    bytes_append_text(&body, ",\"last_id\":");
    if (list.count)
      json_quote(&body, list.last);
    else
      bytes_append_text(&body, "null");
  }
  bytes_append_byte(&body, '}');
  bytes_fini(&list.out);
  answer(x, &body);
  return STEP_NEXT;
}

enum step_result models_answer(struct exchange *x) {
  if (x->route.endpoint == ENDPOINT_MODELS) return answer_list(x);
  const struct model *model = config_model_find(x->config, x->route.model);
  if (!model || !principal_may_use(x->principal, x->route.model)) {
    if (x->anthropic_version.len) x->route.dialect = DIALECT_MESSAGES;
    struct error_detail detail = {.param = SLICE("model")};
    detail.message =
        slice_of(arena_printf(&x->arena, "the model %.*s does not exist or this key may not use it",
                              (int)x->route.model.len, x->route.model.data));
    return exchange_fail_with(x, FAILURE_MODEL_NOT_FOUND, &detail);
  }
  struct bytes body;
  bytes_init(&body);
  if (x->anthropic_version.len)
    write_anthropic(&body, x->route.model, model);
  else
    write_openai(&body, x->route.model, model);
  answer(x, &body);
  return STEP_NEXT;
}
