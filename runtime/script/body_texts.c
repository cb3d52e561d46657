#include "script/body_texts.h"

#include <stdlib.h>

#include "base/json_scan.h"
#include "script/body_keys.h"

struct scan {
  struct body_texts *texts;
  const struct json_index *index;
  enum dialect dialect;
  uint32_t turn, depth;
};

/* Below this many levels of structure, and where no rule applies, one flat pass takes every string.
 */
enum { STRUCTURE_DEPTH = 10 };

/* Shorter numbers tell nothing of anybody, and there may be a great many. */
enum { NUMBER_BYTES_MIN = 4 };

static void scan_value(struct scan *s, uint32_t node, enum text_where where);

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
      [TEXT_IDENTIFIER] = "identifier",
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

enum { OTHER_CHAR, WORD_CHAR, DIGIT_CHAR };

static const uint8_t chars[256] = {['0' ... '9'] = DIGIT_CHAR, ['a' ... 'z'] = WORD_CHAR,
                                   ['A' ... 'Z'] = WORD_CHAR,  ['_'] = WORD_CHAR,
                                   ['-'] = WORD_CHAR,          ['.'] = WORD_CHAR,
                                   [':'] = WORD_CHAR,          ['/'] = WORD_CHAR,
                                   ['+'] = WORD_CHAR,          ['='] = WORD_CHAR};

/* Letters, digits and marks of identifiers and base64: no sentence, no address of a person. */
static bool is_word(struct slice raw) {
  for (size_t i = 0; i < raw.len; i++)
    if (chars[(unsigned char)raw.data[i]] == OTHER_CHAR) return false;
  return true;
}

/* What is no text although a string: encoded media. Addresses are text, they carry parameters, and
 * so is what is too short for a picture. */
static bool is_opaque(struct slice raw) {
  enum { MEDIA_BYTES_MIN = 128 };
  static const char *const texts[] = {
      "data:text/", "data:,", "data:;", "data:application/json", "data:application/xml", NULL};
  for (const char *const *text = texts; *text; text++)
    if (slice_starts(raw, slice_of(*text))) return false;
  struct slice data = raw;
  if (slice_starts(raw, SLICE("data:"))) (void)slice_cut(raw, ',', &data);
  struct slice scheme = {raw.data, raw.len < 16 ? raw.len : 16};
  return data.len >= MEDIA_BYTES_MIN && !memmem(scheme.data, scheme.len, "://", 3) && is_word(data);
}

/* What the protocols' own words look like: nobody's name, number or key. */
static bool is_vocabulary(struct slice raw) {
  enum { WORD_BYTES = 40, DIGITS = 8 };
  size_t digits = 0;
  if (raw.len > WORD_BYTES) return false;
  for (size_t i = 0; i < raw.len; i++) {
    char c = raw.data[i];
    bool is_digit = c >= '0' && c <= '9';
    digits += is_digit;
    if (!is_digit && !(c >= 'a' && c <= 'z') && !memchr("_-./:", c, 5)) return false;
  }
  return digits <= DIGITS;
}

/* Words of the protocols. What stands in their place and is no such word is text. */
static bool is_protocol_word(uint32_t meaning, struct slice raw) {
  if (!(meaning & BODY_KEY_PROTOCOL)) return false;
  return meaning & BODY_KEY_SEAL ? is_word(raw) : is_vocabulary(raw);
}

/* Names of a schema's properties and the like: mostly in camel case. */
static bool is_plain_key(struct slice key) {
  enum { KEY_BYTES = 30, SHORT_BYTES = 15, DIGITS = 4 };
  size_t digits = 0;
  if (key.len > KEY_BYTES) return false;
  for (size_t i = 0; i < key.len; i++) {
    uint8_t kind = chars[(unsigned char)key.data[i]];
    if (kind == OTHER_CHAR) return false;
    digits += kind == DIGIT_CHAR;
  }
  return digits == 0 || (digits <= DIGITS && key.len <= SHORT_BYTES);
}

static void add_key(struct scan *s, struct slice raw) {
  if (!is_plain_key(raw)) add_raw(s, raw, TEXT_IDENTIFIER, false);
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

static enum text_where where_of_word(uint32_t meaning, struct slice raw, enum text_where where) {
  bool is_identifier = meaning & (BODY_KEY_ID | BODY_KEY_PROTOCOL) && is_word(raw);
  return is_identifier ? TEXT_IDENTIFIER : where;
}

/* Every string value of a valid text, in one pass. Data of tools counts whatever its key is called,
 * and there keys and numbers may be data, too: other dialects show them inside of a string. */
static void scan_flat(struct scan *s, struct slice value, enum text_where where) {
  struct json_cursor c = json_cursor_of(value);
  bool skips = where != TEXT_TOOL_ARGUMENTS && where != TEXT_METADATA;
  uint32_t key = 0;
  while (c.at < c.end) {
    if (*c.at == '}' || *c.at == ']') key = 0;
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
    if (is_key) {
      key = skips ? body_key_meaning(content) : 0;
      if (where == TEXT_TOOL_ARGUMENTS)
        add(s, quoted, where);
      else
        add_key(s, content);
    } else if (!skips || !is_protocol_word(key, content)) {
      add(s, quoted, where_of_word(key, content, where));
    }
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
    struct slice quoted = {start, (size_t)(c.at - start)};
    json_skip_space(&c);
    if (c.at < c.end && *c.at == ':')
      add_key(s, content);
    else if (!is_opaque(content) && !is_vocabulary(content))
      add(s, quoted, is_word(content) ? TEXT_IDENTIFIER : TEXT_OTHER);
  }
}

static struct slice find_raw(const struct scan *s, uint32_t object, const char *key) {
  uint32_t found = json_index_find(s->index, object, slice_of(key));
  return found ? json_index_raw(s->index, found) : (struct slice){"", 0};
}

/* {"type":"base64"|"url"|"file","data":…}: media; {"type":"text","data":…}: a file's text. */
static void scan_source(struct scan *s, uint32_t source) {
  struct slice type = find_raw(s, source, "type");
  if (slice_equal_text(type, "text") || slice_equal_text(type, "content"))
    scan_value(s, source, TEXT_FILE);
  else
    scan_media(s, json_index_value(s->index, source));
}

static enum text_where where_of_key(uint32_t meaning, enum text_where where) {
  if (meaning & BODY_KEY_ARGUMENTS) return TEXT_TOOL_ARGUMENTS;
  if (meaning & BODY_KEY_RESULT) return TEXT_TOOL_RESULT;
  return meaning & BODY_KEY_REASONING ? TEXT_REASONING : where;
}

struct part { /* what an object's own type says about its strings */
  enum text_where where;
  bool is_call, is_document;
};

static struct part part_of(struct slice type, enum text_where where) {
  struct part p = {where, false, slice_equal_text(type, "document")};
  p.is_call = slice_equal_text(type, "tool_use") || slice_equal_text(type, "server_tool_use") ||
              slice_equal_text(type, "custom_tool_call");
  if (slice_equal_text(type, "tool_result")) p.where = TEXT_TOOL_RESULT;
  if (slice_equal_text(type, "reasoning")) p.where = TEXT_REASONING;
  if (p.is_document) p.where = TEXT_FILE;
  return p;
}

static void scan_member(struct scan *s, uint32_t node, const struct part *part) {
  uint32_t meaning = body_key_meaning(json_index_key(s->index, node));
  char type = json_index_type(s->index, node);
  if (!meaning) add_key(s, json_index_key(s->index, node));
  struct slice raw = json_index_raw(s->index, node);
  if (type == '"' && is_protocol_word(meaning, raw)) return;
  if (type == '"' && meaning & (BODY_KEY_ID | BODY_KEY_PROTOCOL))
    add(s, json_index_value(s->index, node), where_of_word(meaning, raw, part->where));
  else if (meaning & BODY_KEY_MEDIA)
    scan_media(s, json_index_value(s->index, node));
  else if (meaning & BODY_KEY_SOURCE && type == '{')
    scan_source(s, node);
  else if (part->is_call && meaning & BODY_KEY_INPUT)
    scan_value(s, node, TEXT_TOOL_ARGUMENTS);
  else
    scan_value(s, node, where_of_key(meaning, part->where));
}

static void scan_inside(struct scan *s, uint32_t container, enum text_where where) {
  const struct json_node *nodes = s->index->nodes;
  bool is_object = json_index_type(s->index, container) == '{';
  struct part part = {where, false, false};
  if (is_object) part = part_of(find_raw(s, container, "type"), where);
  for (uint32_t at = container + 1; at < nodes[container].next; at = nodes[at].next)
    if (is_object)
      scan_member(s, at, &part);
    else
      scan_value(s, at, where);
}

static bool is_flat(const struct scan *s, enum text_where where) {
  return s->depth >= STRUCTURE_DEPTH || where == TEXT_TOOL_ARGUMENTS || where == TEXT_METADATA ||
         where == TEXT_TOOL_SCHEMA;
}

static void scan_value(struct scan *s, uint32_t node, enum text_where where) {
  char type = json_index_type(s->index, node);
  if (type == '"') {
    add(s, json_index_value(s->index, node), where);
  } else if (type == '{' || type == '[') {
    if (is_flat(s, where)) {
      scan_flat(s, json_index_value(s->index, node), where);
      return;
    }
    s->depth++;
    scan_inside(s, node, where);
    s->depth--;
  }
}

static enum text_where where_of_role(struct slice role) {
  if (slice_equal_text(role, "user")) return TEXT_USER;
  if (slice_equal_text(role, "assistant")) return TEXT_ASSISTANT;
  if (slice_equal_text(role, "system") || slice_equal_text(role, "developer")) return TEXT_SYSTEM;
  if (slice_equal_text(role, "tool") || slice_equal_text(role, "function")) return TEXT_TOOL_RESULT;
  return TEXT_OTHER;
}

/* A message of chat or messages, or an item of responses. */
static void scan_turn(struct scan *s, uint32_t item) {
  bool is_text = json_index_type(s->index, item) == '"';
  enum text_where where = is_text ? TEXT_USER : where_of_role(find_raw(s, item, "role"));
  size_t before = s->texts->count;
  scan_value(s, item, where);
  /* In the messages protocol a tool's result comes in the user's name. */
  if (where != TEXT_USER) return;
  for (size_t i = before; i < s->texts->count; i++)
    if (s->texts->items[i].where == TEXT_USER) s->texts->last_user = s->turn;
}

static void scan_turns(struct scan *s, uint32_t node) {
  const struct json_node *nodes = s->index->nodes;
  char type = json_index_type(s->index, node);
  if (type == '"') {
    s->turn = 1;
    s->texts->last_user = 1;
    add(s, json_index_value(s->index, node), TEXT_USER);
  } else if (type == '[') {
    for (uint32_t at = node + 1; at < nodes[node].next; at = nodes[at].next) {
      s->turn = nodes[at].key + 1;
      scan_turn(s, at);
    }
  } else {
    for (uint32_t at = node + 1; at < nodes[node].next; at = nodes[at].next) {
      s->turn++;
      scan_turn(s, at);
    }
  }
  s->turn = 0;
}

static bool is_turns(enum dialect dialect, uint32_t meaning) {
  switch (dialect) {
  case DIALECT_CHAT:
  case DIALECT_MESSAGES: return meaning & BODY_KEY_MESSAGES;
  case DIALECT_COMPLETIONS: return meaning & BODY_KEY_PROMPT;
  default: return meaning & BODY_KEY_INPUT;
  }
}

static enum text_where where_of_member(uint32_t meaning) {
  if (meaning & BODY_KEY_SYSTEM) return TEXT_SYSTEM;
  if (meaning & BODY_KEY_SCHEMA) return TEXT_TOOL_SCHEMA;
  if (meaning & BODY_KEY_METADATA) return TEXT_METADATA;
  if (meaning & (BODY_KEY_SUFFIX | BODY_KEY_PROMPT)) return TEXT_USER;
  return meaning & BODY_KEY_PREDICTION ? TEXT_ASSISTANT : TEXT_OTHER;
}

void body_texts_init(struct body_texts *texts, enum dialect dialect,
                     const struct json_index *index) {
  *texts = (struct body_texts){0};
  body_texts_read(texts, dialect, index);
}

void body_texts_read(struct body_texts *texts, enum dialect dialect,
                     const struct json_index *index) {
  *texts = (struct body_texts){.items = texts->items, .room = texts->room};
  struct scan s = {.texts = texts, .index = index, .dialect = dialect};
  const struct json_node *nodes = index->nodes;
  if (index->count == 0 || json_index_type(index, 0) != '{') return;
  for (uint32_t at = 1; at < nodes[0].next; at = nodes[at].next) {
    uint32_t meaning = body_key_meaning(json_index_key(index, at));
    if (slice_equal_text(json_index_key(index, at), "model")) continue; /* the route knows it */
    struct slice raw = json_index_raw(index, at);
    enum text_where where = where_of_member(meaning);
    if (raw.len) where = where_of_word(meaning, raw, where);
    if (!meaning) add_key(&s, json_index_key(index, at));
    if (is_turns(dialect, meaning))
      scan_turns(&s, at);
    else if (!raw.len || !is_protocol_word(meaning, raw))
      scan_value(&s, at, where);
  }
}

void body_texts_fini(struct body_texts *texts) {
  free(texts->items);
  *texts = (struct body_texts){0};
}
