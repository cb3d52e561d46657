#include "script/body_texts.h"

#include <stdlib.h>

#include "base/json_scan.h"

struct scan {
  struct body_texts *texts;
  enum dialect dialect;
  uint32_t turn, depth;
};

/* Each level of structure reads what is inside it once more; below this many, and where no rule
 * applies, one flat pass takes every string, so that the whole stays linear. */
enum { STRUCTURE_DEPTH = 10 };

/* Shorter numbers tell nothing of anybody, and there may be a great many. */
enum { NUMBER_BYTES_MIN = 4 };

static void scan_value(struct scan *s, struct slice value, enum text_where where);

const char *text_where_name(enum text_where where) {
  static const char *const names[TEXT_WHERE_COUNT] = {
      [TEXT_SYSTEM] = "system",
      [TEXT_USER] = "user",
      [TEXT_ASSISTANT] = "assistant",
      [TEXT_REASONING] = "reasoning",
      [TEXT_TOOL_ARGUMENTS] = "tool_arguments",
      [TEXT_TOOL_RESULT] = "tool_result",
      [TEXT_TOOL_SCHEMA] = "tool_schema",
      [TEXT_FILE] = "file",
      [TEXT_METADATA] = "metadata",
      [TEXT_OTHER] = "other",
  };
  return names[where];
}

static void add_raw(struct scan *s, struct slice raw, enum text_where where, bool is_number) {
  struct body_texts *t = s->texts;
  if (t->count == t->room) {
    t->room = t->room ? 2 * t->room : 16;
    t->items = must_realloc(t->items, t->room * sizeof *t->items);
  }
  t->items[t->count++] = (struct body_text){where, s->turn, is_number, raw};
}

static void add(struct scan *s, struct slice value, enum text_where where) {
  struct slice raw = json_string_raw(value);
  if (raw.len) add_raw(s, raw, where, false);
}

static bool is_one_of(struct slice key, const char *const *names) {
  for (; *names; names++)
    if (json_key_equal(key, slice_of(*names))) return true;
  return false;
}

static bool is_letter(char c) {
  return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

/* Letters, digits and marks of identifiers and base64: no sentence, no address of a person. */
static bool is_word(struct slice raw) {
  for (size_t i = 0; i < raw.len; i++)
    if (!is_letter(raw.data[i]) && !strchr("_-.:/+=", raw.data[i])) return false;
  return true;
}

/* What is no text although a string: encoded media. Addresses are text, they carry parameters. */
static bool is_opaque(struct slice raw) {
  static const char *const texts[] = {
      "data:text/", "data:,", "data:;", "data:application/json", "data:application/xml", NULL};
  for (const char *const *text = texts; *text; text++)
    if (slice_starts(raw, slice_of(*text))) return false;
  if (slice_starts(raw, SLICE("data:"))) return true;
  struct slice scheme = {raw.data, raw.len < 16 ? raw.len : 16};
  return !memmem(scheme.data, scheme.len, "://", 3) && is_word(raw);
}

/* Words of the protocols, which no person wrote. What stands there and is no word is text. */
static bool is_protocol(struct slice key) {
  static const char *const names[] = {"type",
                                      "role",
                                      "model",
                                      "id",
                                      "object",
                                      "status",
                                      "tool_call_id",
                                      "tool_use_id",
                                      "call_id",
                                      "signature",
                                      "encrypted_content",
                                      "media_type",
                                      "cache_control",
                                      "detail",
                                      "tool_choice",
                                      "reasoning_effort",
                                      "effort",
                                      "service_tier",
                                      "encoding_format",
                                      "previous_response_id",
                                      "truncation",
                                      "verbosity",
                                      "modalities",
                                      "include",
                                      "betas",
                                      NULL};
  return is_one_of(key, names);
}

static bool is_media_key(struct slice key) {
  static const char *const names[] = {"image_url", "input_audio", "file_data", "file_id",
                                      "image",     "audio",       "b64_json",  NULL};
  return is_one_of(key, names);
}

static bool is_protocol_word(struct slice key, struct slice raw) {
  enum { WORD_BYTES = 200 };
  bool is_seal = json_key_equal(key, SLICE("signature")) || json_key_equal(key, SLICE("id")) ||
                 json_key_equal(key, SLICE("encrypted_content"));
  return is_protocol(key) && (is_seal || raw.len <= WORD_BYTES) && is_word(raw);
}

static void scan_number(struct scan *s, struct json_cursor *c, enum text_where where) {
  const char *start = c->at;
  if (!json_scan_number(c)) {
    c->at = start + 1;
    return;
  }
  struct slice raw = {start, (size_t)(c->at - start)};
  if (raw.len >= NUMBER_BYTES_MIN) add_raw(s, raw, where, true);
}

/* Every string value of a valid text, in one pass. Data of tools counts whatever its key is called,
 * and there keys and numbers may be data, too: other dialects show them inside of a string. */
static void scan_flat(struct scan *s, struct slice value, enum text_where where) {
  struct json_cursor c = json_cursor_of(value);
  bool skips = where != TEXT_TOOL_ARGUMENTS && where != TEXT_METADATA;
  struct slice key = {"", 0};
  while (c.at < c.end) {
    if (*c.at == '}' || *c.at == ']') key = SLICE("");
    if (!skips && (*c.at == '-' || (*c.at >= '0' && *c.at <= '9'))) {
      scan_number(s, &c, where);
      continue;
    }
    if (*c.at != '"') {
      c.at++;
      continue;
    }
    const char *start = c.at;
    struct slice content;
    bool escaped;
    if (!json_scan_string(&c, &content, &escaped)) return;
    struct slice quoted = {start, (size_t)(c.at - start)};
    json_skip_space(&c);
    bool is_key = c.at < c.end && *c.at == ':';
    if (is_key) key = content;
    bool is_text =
        is_key ? where == TEXT_TOOL_ARGUMENTS : !skips || !is_protocol_word(key, content);
    if (is_text) add(s, quoted, where);
  }
}

/* What a picture or file says about itself, and where it lies; it is counted, not looked into. */
static void scan_media(struct scan *s, struct slice value) {
  struct json_cursor c = json_cursor_of(value);
  s->texts->attachments++;
  while (c.at < c.end) {
    const char *start = c.at;
    struct slice content;
    bool escaped;
    if (*c.at != '"') {
      c.at++;
      continue;
    }
    if (!json_scan_string(&c, &content, &escaped)) return;
    if (!is_opaque(content)) add(s, (struct slice){start, (size_t)(c.at - start)}, TEXT_OTHER);
  }
}

/* {"type":"base64"|"url"|"file","data":…}: media; {"type":"text","data":…}: a file's text. */
static void scan_source(struct scan *s, struct slice source) {
  struct slice type = json_string_raw(json_find(source, "type"));
  if (slice_equal_text(type, "text") || slice_equal_text(type, "content"))
    scan_value(s, source, TEXT_FILE);
  else
    scan_media(s, source);
}

static enum text_where where_of_key(struct slice key, enum text_where where) {
  static const char *const reasoning[] = {"thinking", "reasoning", "reasoning_content", NULL};
  if (json_key_equal(key, SLICE("arguments"))) return TEXT_TOOL_ARGUMENTS;
  if (json_key_equal(key, SLICE("output"))) return TEXT_TOOL_RESULT;
  return is_one_of(key, reasoning) ? TEXT_REASONING : where;
}

struct part { /* what an object's own type says about its strings */
  enum text_where where;
  bool is_call, is_document;
};

static struct part part_of(struct slice object, enum text_where where) {
  struct slice type = json_string_raw(json_find(object, "type"));
  struct part p = {where, false, slice_equal_text(type, "document")};
  p.is_call = slice_equal_text(type, "tool_use") || slice_equal_text(type, "server_tool_use") ||
              slice_equal_text(type, "custom_tool_call");
  if (slice_equal_text(type, "tool_result")) p.where = TEXT_TOOL_RESULT;
  if (slice_equal_text(type, "reasoning")) p.where = TEXT_REASONING;
  if (p.is_document) p.where = TEXT_FILE;
  return p;
}

static void scan_members(struct scan *s, struct slice object, enum text_where where) {
  struct part part = part_of(object, where);
  for (struct json_walk w = json_walk_of(object); json_walk_next(&w);) {
    enum json_type type = json_type(w.value);
    if (type == JSON_STRING && is_protocol_word(w.key, json_string_raw(w.value))) continue;
    if (is_media_key(w.key))
      scan_media(s, w.value);
    else if (json_key_equal(w.key, SLICE("source")) && type == JSON_OBJECT)
      scan_source(s, w.value);
    else if (part.is_call && json_key_equal(w.key, SLICE("input")))
      scan_value(s, w.value, TEXT_TOOL_ARGUMENTS);
    else
      scan_value(s, w.value, where_of_key(w.key, part.where));
  }
}

static bool is_flat(const struct scan *s, enum text_where where) {
  return s->depth >= STRUCTURE_DEPTH || where == TEXT_TOOL_ARGUMENTS || where == TEXT_METADATA ||
         where == TEXT_TOOL_SCHEMA;
}

static void scan_value(struct scan *s, struct slice value, enum text_where where) {
  enum json_type type = json_type(value);
  if (type == JSON_STRING) {
    add(s, value, where);
  } else if (type == JSON_OBJECT || type == JSON_ARRAY) {
    if (is_flat(s, where)) {
      scan_flat(s, value, where);
      return;
    }
    s->depth++;
    if (type == JSON_OBJECT)
      scan_members(s, value, where);
    else
      for (struct json_walk w = json_walk_of(value); json_walk_next(&w);)
        scan_value(s, w.value, where);
    s->depth--;
  }
}

/* A message of chat or messages, or an item of responses. */
static void scan_turn(struct scan *s, struct slice item) {
  struct slice role = json_string_raw(json_find(item, "role"));
  enum text_where where = TEXT_OTHER;
  if (slice_equal_text(role, "user"))
    where = TEXT_USER;
  else if (slice_equal_text(role, "assistant"))
    where = TEXT_ASSISTANT;
  else if (slice_equal_text(role, "system") || slice_equal_text(role, "developer"))
    where = TEXT_SYSTEM;
  else if (slice_equal_text(role, "tool") || slice_equal_text(role, "function"))
    where = TEXT_TOOL_RESULT;
  else if (json_type(item) == JSON_STRING)
    where = TEXT_USER;
  size_t before = s->texts->count;
  scan_value(s, item, where);
  /* In the messages protocol a tool's result comes in the user's name. */
  if (where != TEXT_USER) return;
  for (size_t i = before; i < s->texts->count; i++)
    if (s->texts->items[i].where == TEXT_USER) s->texts->last_user = s->turn;
}

static void scan_turns(struct scan *s, struct slice value) {
  if (json_type(value) == JSON_STRING) {
    s->turn = 1;
    s->texts->last_user = 1;
    add(s, value, TEXT_USER);
  } else {
    for (struct json_walk w = json_walk_of(value); json_walk_next(&w);) {
      s->turn++;
      scan_turn(s, w.value);
    }
  }
  s->turn = 0;
}

static bool is_turns(enum dialect dialect, struct slice key) {
  switch (dialect) {
  case DIALECT_CHAT:
  case DIALECT_MESSAGES: return json_key_equal(key, SLICE("messages"));
  case DIALECT_COMPLETIONS: return json_key_equal(key, SLICE("prompt"));
  default: return json_key_equal(key, SLICE("input"));
  }
}

static enum text_where where_of_member(struct slice key) {
  static const char *const system[] = {"system", "instructions", NULL};
  static const char *const schema[] = {"tools",         "functions",     "response_format",
                                       "output_format", "output_config", NULL};
  static const char *const metadata[] = {"metadata", "user", "safety_identifier", NULL};
  static const char *const user[] = {"suffix", "prompt", NULL};
  if (is_one_of(key, system)) return TEXT_SYSTEM;
  if (is_one_of(key, schema)) return TEXT_TOOL_SCHEMA;
  if (is_one_of(key, metadata)) return TEXT_METADATA;
  if (is_one_of(key, user)) return TEXT_USER;
  if (json_key_equal(key, SLICE("prediction"))) return TEXT_ASSISTANT;
  /* responses: {"format":{"schema":…}} */
  return json_key_equal(key, SLICE("text")) ? TEXT_TOOL_SCHEMA : TEXT_OTHER;
}

void body_texts_init(struct body_texts *texts, enum dialect dialect, struct slice body) {
  *texts = (struct body_texts){0};
  struct scan s = {.texts = texts, .dialect = dialect};
  for (struct json_walk w = json_walk_of(body); json_walk_next(&w);) {
    enum json_type type = json_type(w.value);
    if (is_turns(dialect, w.key))
      scan_turns(&s, w.value);
    else if (type != JSON_STRING || !is_protocol_word(w.key, json_string_raw(w.value)))
      scan_value(&s, w.value, where_of_member(w.key));
  }
}

void body_texts_fini(struct body_texts *texts) {
  free(texts->items);
  *texts = (struct body_texts){0};
}
