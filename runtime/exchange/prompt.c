#include "exchange/prompt.h"

#include "account/estimate.h"
#include "base/json.h"

struct counting {
  const struct tokenizer *tokenizer;
  struct encoder *encoder;
  struct bytes text;
  uint64_t tokens;
};

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

static uint8_t tokens_around(const struct chat_format *format, struct slice role) {
  if (slice_equal_text(role, "assistant")) return format->assistant;
  bool is_system = slice_equal_text(role, "system") || slice_equal_text(role, "developer");
  return is_system ? format->system : format->user;
}

/* What stands around one of a list. Its role is counted with all of its text. */
static void count_message(struct counting *c, const struct chat_format *format,
                          struct slice message) {
  struct slice role = json_string_raw(json_find(message, "role"));
  c->tokens += tokens_around(format, role);
  if (role.len && !format->names_roles)
    c->tokens -= tokenizer_encode(c->tokenizer, c->encoder, role, TOKENIZE_TEXT, NULL);
}

/* A string is a message of that role, and so are all parts of a system prompt. */
static void count_messages(struct counting *c, struct slice value, struct slice role,
                           bool is_first) {
  struct chat_format format = tokenizer_chat_format(c->tokenizer);
  if (is_first) c->tokens += format.start + format.reply;
  bool is_system = slice_equal_text(role, "system");
  if (is_system || json_type(value) == JSON_STRING) {
    c->tokens += tokens_around(&format, role);
    if (format.names_roles) count_text(c, role);
  }
  if (!is_system && json_type(value) == JSON_ARRAY)
    for (struct json_walk w = json_walk_of(value); json_walk_next(&w);)
      count_message(c, &format, w.value);
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
  struct slice user = SLICE("user"), system = SLICE("system");
  if (is_chat) count_messages(c, m[MESSAGES].value, user, true);
  if (m[SYSTEM].type != JSON_NONE) count_messages(c, m[SYSTEM].value, system, !is_chat);
  if (m[INSTRUCTIONS].type != JSON_NONE) count_messages(c, m[INSTRUCTIONS].value, system, false);
  if (m[PROMPT].type != JSON_NONE) count_value(c, m[PROMPT].value);
  for (size_t i = TOOLS; i <= TEXT; i++)
    if (m[i].type == JSON_ARRAY || m[i].type == JSON_OBJECT) count_text(c, m[i].value);
}

uint64_t prompt_count(const struct prompt *p, struct encoder *e) {
  struct counting c = {.tokenizer = p->tokenizer, .encoder = e};
  struct slice input = json_find(p->body, "input");
  bytes_init(&c.text);
  if (p->dialect == DIALECT_RESPONSES && input.data) count_messages(&c, input, SLICE("user"), true);
  if (p->dialect != DIALECT_RESPONSES && input.data) count_value(&c, input);
  count_body(&c, p->body);
  bytes_fini(&c.text);
  return c.tokens + image_tokens_of_request(&p->images, p->body);
}

void prompt_write_ids(const struct tokenizer *t, struct encoder *e, struct slice value,
                      struct bytes *out) {
  struct bytes text, ids;
  bytes_init(&text);
  bytes_init(&ids);
  json_string(value, &text);
  uint64_t count = tokenizer_encode(t, e, bytes_slice(&text), TOKENIZE_SPECIAL, &ids);
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
