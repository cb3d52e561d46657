/* A service's own text before the client's, where each protocol keeps it. Sources: OpenAI API
 * reference, Chat, Responses (instructions), Completions (prompt); Anthropic API reference,
 * Messages (system). */
#include "auth/service.h"
#include "exchange/service.h"

static enum step_result invalid(struct exchange *x, struct slice param, const char *message) {
  struct error_detail detail = {
      .param = param, .message = slice_of(message), .code = SLICE("invalid_value")};
  return exchange_fail_with(x, FAILURE_BAD_REQUEST, &detail);
}

static bool is_empty(struct slice container) {
  struct json_walk w = json_walk_of(container);
  return !json_walk_next(&w);
}

/* {"type":"text","text":…} or {"role":"system","content":…}: before gets the quoted text after it.
 */
static void append_object(struct bytes *out, const char *before, struct slice text) {
  bytes_append_text(out, before);
  json_quote(out, text);
  bytes_append_byte(out, '}');
}

/* list with one more item at its front. */
static void append_front(struct bytes *out, struct slice list, const char *before,
                         struct slice text) {
  bytes_append_byte(out, '[');
  append_object(out, before, text);
  if (!is_empty(list)) bytes_append_byte(out, ',');
  bytes_append_slice(out, slice_skip(list, 1));
}

/* "text\n\n" and then the string as it is written. */
static void append_before(struct bytes *out, struct slice text, struct slice string) {
  struct slice raw = json_string_raw(string);
  json_quote(out, text);
  out->len--; /* its closing quote */
  if (raw.len) bytes_append_text(out, "\\n\\n");
  bytes_append_slice(out, raw);
  bytes_append_byte(out, '"');
}

/* A prompt is a text, or several; or numbers of tokens, before which no text can be put. */
static bool append_prompts(struct bytes *out, struct slice text, struct slice prompts) {
  bytes_append_byte(out, '[');
  for (struct json_walk w = json_walk_of(prompts); json_walk_next(&w);) {
    if (json_type(w.value) != JSON_STRING) return false;
    if (out->len > 1) bytes_append_byte(out, ',');
    append_before(out, text, w.value);
  }
  bytes_append_byte(out, ']');
  return true;
}

static const char *key_of(enum dialect dialect) {
  switch (dialect) {
  case DIALECT_CHAT: return "messages";
  case DIALECT_MESSAGES: return "system";
  case DIALECT_RESPONSES: return "instructions";
  case DIALECT_COMPLETIONS: return "prompt";
  default: return NULL;
  }
}

/* The member's new value; nothing: the client's is of a type that its own protocol refuses. */
static bool write_value(enum dialect dialect, struct slice text, const struct json_member *m,
                        struct bytes *out) {
  bool is_text = m->type == JSON_STRING, is_list = m->type == JSON_ARRAY;
  switch (dialect) {
  case DIALECT_CHAT:
    if (is_list) append_front(out, m->value, "{\"role\":\"system\",\"content\":", text);
    return true;
  case DIALECT_MESSAGES:
    if (is_list) append_front(out, m->value, "{\"type\":\"text\",\"text\":", text);
    break;
  case DIALECT_COMPLETIONS:
    if (is_list && !append_prompts(out, text, m->value)) return false;
    break;
  default: break;
  }
  if (is_text) append_before(out, text, m->value);
  if (m->type == JSON_NONE || m->type == JSON_NULL) json_quote(out, text);
  return true;
}

static void put_value(struct exchange *x, const struct json_member *m, struct slice value) {
  struct bytes body;
  struct slice text = bytes_slice(&x->body), old = m->value;
  bytes_init(&body);
  bytes_reserve(&body, text.len + value.len + m->key.len + 8);
  if (m->type == JSON_NONE) {
    size_t brace = (size_t)((const char *)memchr(text.data, '{', text.len) - text.data) + 1;
    bytes_append(&body, text.data, brace);
    bytes_printf(&body, "\"%.*s\":", (int)m->key.len, m->key.data);
    bytes_append_slice(&body, value);
    if (!is_empty(text)) bytes_append_byte(&body, ',');
    bytes_append_slice(&body, slice_skip(text, brace));
  } else {
    size_t at = (size_t)(old.data - text.data);
    bytes_append(&body, text.data, at);
    bytes_append_slice(&body, value);
    bytes_append_slice(&body, slice_skip(text, at + old.len));
  }
  body_replace(x, &body);
}

enum step_result service_put_system(struct exchange *x, const struct service_version *v) {
  const char *key = key_of(x->route.dialect);
  if (!key) return STEP_NEXT;
  struct json_member member = {.key = slice_of(key)};
  if (!json_members(bytes_slice(&x->body), &member, 1, x->config->limits.json_depth, NULL))
    return STEP_NEXT;
  if (member.twice)
    return invalid(x, member.key, "this field stands twice in the body; send it once");
  struct bytes value;
  bytes_init(&value);
  bool fine = write_value(x->route.dialect, v->system, &member, &value);
  if (fine && value.len) put_value(x, &member, bytes_slice(&value));
  bytes_fini(&value);
  if (fine) return STEP_NEXT;
  return invalid(
      x, member.key,
      "this service puts a text before each prompt, so a prompt must be text, not tokens");
}
