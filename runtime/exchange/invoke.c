/* POST /service/{name}/invoke: variables and the service's prompt become a chat request. */
#include "auth/service.h"
#include "exchange/service.h"
#include "model/template.h"
#include "script/bundle.h"

static enum step_result invalid(struct exchange *x, struct slice param, const char *message) {
  struct error_detail detail = {.param = arena_slice(&x->arena, param),
                                .message = slice_of(arena_text(&x->arena, slice_of(message))),
                                .code = SLICE("invalid_value")};
  return exchange_fail_with(x, FAILURE_BAD_REQUEST, &detail);
}

/* A name, not a path: the folder is flat. */
static const struct bundle_file *file_of(struct exchange *x, struct slice name) {
  struct slice parts[] = {SLICE("templates/"), name, SLICE(".prompt")};
  if (!x->scripts) return NULL;
  return bundle_find(tenant_scripts_bundle(x->scripts), arena_join(&x->arena, parts, 3));
}

static enum step_result find_prompt(struct exchange *x, struct slice *prompt) {
  const struct service_version *v = x->version;
  *prompt = v->prompt;
  if (v->template_name.len) {
    const struct bundle_file *file = file_of(x, v->template_name);
    if (!file)
      return exchange_fail(x, FAILURE_POLICY_ERROR,
                           "the service %.*s uses templates/%.*s.prompt, which this tenant's "
                           "scripts do not have; ask its owner to push it",
                           (int)x->service->name.len, x->service->name.data,
                           (int)v->template_name.len, v->template_name.data);
    *prompt = file->text;
  }
  if (prompt->len) return STEP_NEXT;
  return exchange_fail(x, FAILURE_NOT_FOUND,
                       "version %.*s of the service %.*s has no prompt to invoke; use "
                       "/service/%.*s/chat/completions",
                       (int)v->number_text.len, v->number_text.data, (int)x->service->name.len,
                       x->service->name.data, (int)x->service->name.len, x->service->name.data);
}

static enum step_result refuse_variable(struct exchange *x, struct slice name,
                                        struct bytes *problem) {
  struct slice parts[] = {SLICE("variables."),
                          name.len > 64 ? (struct slice){name.data, 64} : name};
  return invalid(x, arena_join(&x->arena, parts, 2), bytes_text(problem));
}

static enum step_result render(struct exchange *x, struct slice given, struct slice prompt,
                               struct bytes *text) {
  const struct variables *v = &x->version->variables;
  struct slice *values = arena_alloc(&x->arena, (v->count + 1) * sizeof *values);
  struct template_values with = {v, values};
  struct template_problem wrong = {0};
  struct slice name = {"", 0};
  bytes_init(&wrong.sentence);
  enum step_result result = STEP_NEXT;
  if (!variables_take(v, given, values, &name, &wrong.sentence))
    result = refuse_variable(x, name, &wrong.sentence);
  else if (!template_render(prompt, &with, x->config->limits.body_bytes, text, &wrong))
    result = invalid(x, SLICE("variables"), bytes_text(&wrong.sentence));
  bytes_fini(&wrong.sentence);
  return result;
}

static void append_message(struct bytes *out, const char *role, struct slice text) {
  bytes_printf(out, "{\"role\":\"%s\",\"content\":", role);
  json_quote(out, text);
  bytes_append_byte(out, '}');
}

static bool is_shared(struct slice key) {
  return json_key_equal(key, SLICE("temperature")) || json_key_equal(key, SLICE("top_p")) ||
         json_key_equal(key, SLICE("max_tokens"));
}

/* What the version adds to invoke alone; what all protocols have comes later, for all of them. */
static void append_defaults(struct exchange *x, struct slice given, struct bytes *out) {
  struct slice defaults = x->version->defaults;
  if (!defaults.len) return;
  for (struct json_walk w = json_walk_of(defaults); json_walk_next(&w);) {
    char name[65];
    if (is_shared(w.key) || w.key.len >= sizeof name || w.key_escaped) continue;
    memcpy(name, w.key.data, w.key.len);
    name[w.key.len] = 0;
    if (json_find(given, name).data) continue;
    bytes_printf(out, ",\"%s\":", name);
    bytes_append_slice(out, w.value);
  }
}

static void write_request(struct exchange *x, struct slice given, struct slice text,
                          struct bytes *out) {
  bytes_append_text(out, "{\"messages\":[");
  if (x->version->system.len) {
    append_message(out, "system", x->version->system);
    bytes_append_byte(out, ',');
  }
  append_message(out, "user", text);
  bytes_append_byte(out, ']');
  for (struct json_walk w = json_walk_of(given); json_walk_next(&w);) {
    if (json_key_equal(w.key, SLICE("variables"))) continue;
    bytes_append_text(out, ",\"");
    bytes_append_slice(out, w.key);
    bytes_append_text(out, "\":");
    bytes_append_slice(out, w.value);
  }
  append_defaults(x, given, out);
  bytes_append_byte(out, '}');
}

enum step_result invoke_apply(struct exchange *x) {
  struct json_member members[] = {{.key = SLICE("variables")}, {.key = SLICE("messages")}};
  struct slice given = bytes_slice(&x->body), prompt;
  struct bytes text, body;
  if (!json_members(given, members, 2, x->config->limits.json_depth, NULL)) return STEP_NEXT;
  const struct json_member *variables = &members[0];
  bool is_absent = variables->type == JSON_NONE || variables->type == JSON_NULL;
  if (members[1].type != JSON_NONE)
    return invalid(x, SLICE("messages"),
                   "messages: the service's prompt makes them; send variables, or use "
                   "chat/completions");
  if (variables->twice || (!is_absent && variables->type != JSON_OBJECT))
    return invalid(x, SLICE("variables"), "variables: expects one object of names and values");
  if (find_prompt(x, &prompt) == STEP_FAIL) return STEP_FAIL;
  bytes_init(&text);
  enum step_result result =
      render(x, is_absent ? (struct slice){"", 0} : variables->value, prompt, &text);
  if (result == STEP_NEXT) {
    bytes_init(&body);
    write_request(x, given, bytes_slice(&text), &body);
    body_replace(x, &body);
  }
  bytes_fini(&text);
  return result;
}
