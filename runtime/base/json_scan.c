#include "base/json_fast.h"
#include "base/utf8.h"

bool json_fail(struct json_cursor *c, const char *error) {
  c->error = error;
  return false;
}

const char *json_plain_end(const char *at, const char *end) {
  return plain_end(at, end);
}

static bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Not one of two bytes. */
static bool scan_escape(struct json_cursor *c) {
  if (c->end - c->at < 2) return json_fail(c, "string without an end");
  if (c->at[1] != 'u') return json_fail(c, "unknown escape");
  if (c->end - c->at < 6) return json_fail(c, "string without an end");
  for (int i = 2; i < 6; i++)
    if (!is_hex(c->at[i])) return json_fail(c, "\\u needs four hexadecimal digits");
  c->at += 6;
  return true;
}

/* An escape of two bytes, as most are. */
static inline bool is_short_escape(const char *at, const char *end) {
  static const bool known[256] = {['"'] = true, ['\\'] = true, ['/'] = true, ['b'] = true,
                                  ['f'] = true, ['n'] = true,  ['r'] = true, ['t'] = true};
  return *at == '\\' && end - at >= 2 && known[(unsigned char)at[1]];
}

bool json_scan_string(struct json_cursor *c, struct slice *content, bool *escaped) {
  const char *start = ++c->at, *at = start, *end = c->end;
  *escaped = false;
  for (;;) {
    at = plain_end(at, end);
    while (at < end && is_short_escape(at, end)) {
      *escaped = true;
      at = plain_end(at + 2, end);
    }
    c->at = at;
    if (at == end) return json_fail(c, "string without an end");
    unsigned char byte = (unsigned char)*at;
    if (byte == '"') {
      *content = (struct slice){start, (size_t)(at - start)};
      c->at++;
      return true;
    }
    if (byte == '\\') {
      *escaped = true;
      if (!scan_escape(c)) return false;
      at = c->at;
    } else if (byte < 0x20) {
      return json_fail(c, "control byte in a string");
    }
    while (at < end && (unsigned char)*at >= 0x80) {
      uint32_t point;
      size_t len = utf8_decode(at, end, &point);
      c->at = at;
      if (len == 0) return json_fail(c, "string is not valid UTF-8");
      at += len;
    }
  }
}

static bool scan_digits(struct json_cursor *c) {
  const char *start = c->at;
  while (c->at < c->end && is_digit(*c->at))
    c->at++;
  return c->at > start || json_fail(c, "a digit is missing");
}

bool json_scan_number(struct json_cursor *c) {
  if (c->at < c->end && *c->at == '-') c->at++;
  if (c->at < c->end && *c->at == '0') {
    c->at++;
    if (c->at < c->end && *c->at >= '0' && *c->at <= '9')
      return json_fail(c, "number with a leading zero");
  } else if (!scan_digits(c)) {
    return false;
  }
  if (c->at < c->end && *c->at == '.') {
    c->at++;
    if (!scan_digits(c)) return false;
  }
  if (c->at < c->end && (*c->at == 'e' || *c->at == 'E')) {
    c->at++;
    if (c->at < c->end && (*c->at == '+' || *c->at == '-')) c->at++;
    if (!scan_digits(c)) return false;
  }
  return true;
}

bool json_scan_literal(struct json_cursor *c) {
  struct slice rest = {c->at, (size_t)(c->end - c->at)};
  static const struct slice words[] = {{"true", 4}, {"false", 5}, {"null", 4}};
  for (size_t i = 0; i < 3; i++)
    if (slice_starts(rest, words[i])) {
      c->at += words[i].len;
      return true;
    }
  return json_fail(c, "a value is expected here");
}

bool json_scan_key(struct json_cursor *c, struct slice *key, bool *escaped) {
  if (c->at == c->end || *c->at != '"') return json_fail(c, "a key in quotes is expected here");
  const char *start = c->at + 1, *close = plain_end(start, c->end);
  if (close < c->end && *close == '"') {
    *key = (struct slice){start, (size_t)(close - start)};
    *escaped = false;
    c->at = close + 1;
  } else if (!json_scan_string(c, key, escaped)) {
    return false;
  }
  json_skip_space(c);
  if (c->at == c->end || *c->at != ':') return json_fail(c, "a colon is expected here");
  c->at++;
  json_skip_space(c);
  return true;
}

struct nesting { /* one bit for each open container: set for an object */
  uint64_t objects[JSON_DEPTH_MAX / 64];
  uint32_t level, max;
};

enum next { NEXT_VALUE, NEXT_CLOSED, NEXT_BAD };

static bool is_object(const struct nesting *n) {
  return n->objects[(n->level - 1) / 64] >> ((n->level - 1) % 64) & 1;
}

static enum next scan_key_or_value(struct json_cursor *c, const struct nesting *n) {
  struct slice key;
  bool escaped;
  if (!is_object(n)) return NEXT_VALUE;
  return json_scan_key(c, &key, &escaped) ? NEXT_VALUE : NEXT_BAD;
}

static enum next open_container(struct json_cursor *c, struct nesting *n) {
  if (n->level == n->max) {
    json_fail(c, "nested too deeply");
    return NEXT_BAD;
  }
  bool object = *c->at == '{';
  uint64_t bit = (uint64_t)1 << (n->level % 64);
  uint64_t *word = &n->objects[n->level / 64];
  *word = object ? *word | bit : *word & ~bit;
  n->level++;
  c->at++;
  json_skip_space(c);
  if (c->at < c->end && *c->at == (object ? '}' : ']')) {
    c->at++;
    n->level--;
    return NEXT_CLOSED;
  }
  return scan_key_or_value(c, n);
}

/* After a complete value: closes what closes here, and finds the next value. */
static enum next after_value(struct json_cursor *c, struct nesting *n) {
  while (n->level > 0) {
    json_skip_space(c);
    bool object = is_object(n);
    char byte = c->at < c->end ? *c->at : 0;
    if (byte == ',') {
      c->at++;
      json_skip_space(c);
      return scan_key_or_value(c, n);
    }
    if (byte != (object ? '}' : ']')) {
      json_fail(c, object ? "a comma or a closing brace is expected here"
                          : "a comma or a closing bracket is expected here");
      return NEXT_BAD;
    }
    c->at++;
    n->level--;
  }
  return NEXT_CLOSED;
}

static enum next scan_scalar(struct json_cursor *c) {
  struct slice content;
  bool escaped;
  char byte = *c->at;
  bool ok = byte == '"'                                   ? json_scan_string(c, &content, &escaped)
            : byte == '-' || (byte >= '0' && byte <= '9') ? json_scan_number(c)
                                                          : json_scan_literal(c);
  return ok ? NEXT_CLOSED : NEXT_BAD;
}

/* Says what is wrong, and where: the same grammar, token by token. */
static bool scan_slowly(struct json_cursor *c, uint32_t max_depth) {
  struct nesting n;
  n.level = 0;
  n.max = max_depth < JSON_DEPTH_MAX ? max_depth : JSON_DEPTH_MAX;
  for (;;) {
    if (c->at == c->end) return json_fail(c, "a value is expected here");
    bool container = *c->at == '{' || *c->at == '[';
    enum next next = container ? open_container(c, &n) : scan_scalar(c);
    if (next == NEXT_CLOSED) next = after_value(c, &n);
    if (next == NEXT_BAD) return false;
    if (next == NEXT_CLOSED) return true;
  }
}

bool json_scan_value(struct json_cursor *c, uint32_t max_depth) {
  const char *end = json_behind_value(c->at, c->end, max_depth);
  if (!end) return scan_slowly(c, max_depth);
  c->at = end;
  return true;
}

bool json_scan_end(struct json_cursor *c) {
  json_skip_space(c);
  return c->at == c->end || json_fail(c, "text after the value");
}
