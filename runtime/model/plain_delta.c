#include "model/plain_delta.h"

enum rule {
  RULE_UNSET,     /* null */
  RULE_USAGE,     /* null; its place is kept */
  RULE_NOTHING,   /* null or an empty list */
  RULE_CONTENT,   /* null, or text; an empty text counts as none */
  RULE_REASONING, /* null, or text that is not empty */
  RULE_INDEX,     /* a small whole number */
  RULE_OBJECT,    /* an object of the shape `inside` */
  RULE_ONLY,      /* a list of one such object */
  RULE_WORD,      /* the string `word` */
  RULE_KIND       /* what kind of delta an event of Messages carries */
};

struct shape;
struct member {
  struct slice key;
  enum rule rule;
  const struct shape *inside;
  struct slice word;
};

/* An object. Members that are not listed may be there and hold anything. */
struct shape {
  const struct member *members;
  unsigned count, needed; /* the first of the members must all be there */
};

struct reader {
  struct json_cursor cursor;
  struct plain_delta *out;
  bool has_kind;
  enum plain_kind kind;
};

enum { DEPTH = JSON_DEPTH_DEFAULT - 8 }; /* of what is passed over, well inside what others allow */

static bool read_object(struct reader *r, const struct shape *shape);

static bool is_at(const struct reader *r, char byte) {
  return r->cursor.at < r->cursor.end && *r->cursor.at == byte;
}

static bool take_byte(struct reader *r, char byte) {
  if (!is_at(r, byte)) return false;
  r->cursor.at++;
  json_skip_space(&r->cursor);
  return true;
}

static bool read_null(struct reader *r) {
  return is_at(r, 'n') && json_scan_literal(&r->cursor);
}

static bool read_nothing(struct reader *r) {
  if (!is_at(r, '[')) return read_null(r);
  r->cursor.at++;
  json_skip_space(&r->cursor);
  if (!is_at(r, ']')) return false;
  r->cursor.at++;
  return true;
}

static bool read_text(struct reader *r, enum plain_kind kind) {
  struct slice text;
  bool escaped;
  if (!is_at(r, '"')) return read_null(r);
  if (!json_scan_string(&r->cursor, &text, &escaped)) return false;
  if (text.len == 0) return kind == PLAIN_TEXT;
  if (r->out->text.len) return false;
  r->out->text = text;
  r->out->escaped = escaped;
  r->out->kind = kind;
  return true;
}

static bool read_index(struct reader *r) {
  enum { DIGITS = 6 };
  const char *start = r->cursor.at;
  if (!is_at(r, '0') && !(r->cursor.at < r->cursor.end && *start >= '1' && *start <= '9'))
    return false;
  if (!json_scan_number(&r->cursor)) return false;
  struct slice digits = {start, (size_t)(r->cursor.at - start)};
  return digits.len <= DIGITS && slice_to_u64(digits, &r->out->index);
}

static bool read_word(struct reader *r, struct slice *word) {
  bool escaped;
  return is_at(r, '"') && json_scan_string(&r->cursor, word, &escaped) && !escaped;
}

static bool read_kind(struct reader *r) {
  struct slice word;
  if (!read_word(r, &word)) return false;
  r->has_kind = true;
  r->kind = slice_equal(word, SLICE("text_delta")) ? PLAIN_TEXT : PLAIN_REASONING;
  return r->kind == PLAIN_TEXT || slice_equal(word, SLICE("thinking_delta"));
}

static bool read_value(struct reader *r, const struct member *member) {
  struct slice word;
  switch (member->rule) {
  case RULE_UNSET:
  case RULE_USAGE: return read_null(r);
  case RULE_NOTHING: return read_nothing(r);
  case RULE_CONTENT: return read_text(r, PLAIN_TEXT);
  case RULE_REASONING: return read_text(r, PLAIN_REASONING);
  case RULE_INDEX: return read_index(r);
  case RULE_OBJECT: return read_object(r, member->inside);
  case RULE_ONLY:
    if (!take_byte(r, '[') || !read_object(r, member->inside)) return false;
    json_skip_space(&r->cursor);
    if (!is_at(r, ']')) return false;
    r->cursor.at++;
    return true;
  case RULE_WORD: return read_word(r, &word) && slice_equal(word, member->word);
  case RULE_KIND: return read_kind(r);
  }
  return false;
}

static void keep_usage(struct reader *r, struct slice key) {
  const char *start = key.data - 1;
  r->out->unset_usage = (struct slice){start, (size_t)(r->cursor.at - start)};
}

static bool read_member(struct reader *r, const struct shape *shape, unsigned *seen) {
  struct slice key;
  bool escaped;
  if (!json_scan_key(&r->cursor, &key, &escaped) || escaped) return false;
  for (unsigned i = 0; i < shape->count; i++) {
    if (!slice_equal(key, shape->members[i].key)) continue;
    if (*seen >> i & 1) return false;
    *seen |= 1u << i;
    if (!read_value(r, &shape->members[i])) return false;
    if (shape->members[i].rule == RULE_USAGE) keep_usage(r, key);
    return true;
  }
  return json_scan_value(&r->cursor, DEPTH);
}

static bool read_object(struct reader *r, const struct shape *shape) {
  unsigned seen = 0, needed = (1u << shape->needed) - 1;
  if (!take_byte(r, '{')) return false;
  do {
    if (!read_member(r, shape, &seen)) return false;
    json_skip_space(&r->cursor);
  } while (take_byte(r, ','));
  if (!is_at(r, '}')) return false;
  r->cursor.at++;
  return (seen & needed) == needed;
}

#define COUNT(list) (sizeof(list) / sizeof *(list))

static const struct shape *chat_shape(void) {
  static const struct member delta[] = {{.key = SLICE("content"), .rule = RULE_CONTENT},
                                        {.key = SLICE("reasoning_content"), .rule = RULE_REASONING},
                                        {.key = SLICE("reasoning"), .rule = RULE_REASONING},
                                        {.key = SLICE("reasoning_details"), .rule = RULE_UNSET},
                                        {.key = SLICE("refusal"), .rule = RULE_UNSET},
                                        {.key = SLICE("tool_calls"), .rule = RULE_NOTHING},
                                        {.key = SLICE("function_call"), .rule = RULE_UNSET},
                                        {.key = SLICE("audio"), .rule = RULE_UNSET},
                                        {.key = SLICE("annotations"), .rule = RULE_UNSET}};
  static const struct shape delta_shape = {delta, COUNT(delta), 0};
  static const struct member choice[] = {
      {.key = SLICE("delta"), .rule = RULE_OBJECT, .inside = &delta_shape},
      {.key = SLICE("index"), .rule = RULE_INDEX},
      {.key = SLICE("logprobs"), .rule = RULE_UNSET},
      {.key = SLICE("finish_reason"), .rule = RULE_UNSET},
      {.key = SLICE("text"), .rule = RULE_UNSET}};
  static const struct shape choice_shape = {choice, COUNT(choice), 1};
  static const struct member top[] = {
      {.key = SLICE("choices"), .rule = RULE_ONLY, .inside = &choice_shape},
      {.key = SLICE("object"), .rule = RULE_WORD, .word = SLICE("chat.completion.chunk")},
      {.key = SLICE("error"), .rule = RULE_UNSET},
      {.key = SLICE("usage"), .rule = RULE_USAGE},
      {.key = SLICE("x_groq"), .rule = RULE_UNSET}};
  static const struct shape shape = {top, COUNT(top), 1};
  return &shape;
}

static const struct shape *messages_shape(void) {
  static const struct member delta[] = {{.key = SLICE("type"), .rule = RULE_KIND},
                                        {.key = SLICE("text"), .rule = RULE_CONTENT},
                                        {.key = SLICE("thinking"), .rule = RULE_REASONING},
                                        {.key = SLICE("partial_json"), .rule = RULE_UNSET}};
  static const struct shape delta_shape = {delta, COUNT(delta), 1};
  static const struct member top[] = {
      {.key = SLICE("type"), .rule = RULE_WORD, .word = SLICE("content_block_delta")},
      {.key = SLICE("delta"), .rule = RULE_OBJECT, .inside = &delta_shape},
      {.key = SLICE("index"), .rule = RULE_INDEX}};
  static const struct shape shape = {top, COUNT(top), 3};
  return &shape;
}

bool plain_delta_read(enum dialect format, struct slice data, struct plain_delta *out) {
  if (format != DIALECT_CHAT && format != DIALECT_MESSAGES) return false;
  struct reader r = {.cursor = json_cursor_of(data), .out = out};
  *out = (struct plain_delta){0};
  json_skip_space(&r.cursor);
  if (!read_object(&r, format == DIALECT_CHAT ? chat_shape() : messages_shape())) return false;
  if (!json_scan_end(&r.cursor) || out->text.len == 0) return false;
  return !r.has_kind || r.kind == out->kind;
}
