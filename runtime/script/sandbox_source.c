/* Numbers such as 1LL and 2i make LuaJIT's parser load its foreign function library, of which
 * scripts shall have nothing: sources with one are refused. Numbers are told from what only looks
 * like one by the rules of Lua's reference manual, 2.1. */
#include <string.h>

#include "script/sandbox_private.h"

struct scan {
  const char *at, *end;
  int line;
};

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_name(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         (unsigned char)c >= 0x80;
}

static char peek(const struct scan *s, size_t ahead) {
  return (size_t)(s->end - s->at) > ahead ? s->at[ahead] : 0;
}

static void skip(struct scan *s) {
  s->line += *s->at == '\n';
  s->at++;
}

/* [[ … ]] or [==[ … ]==]: false when none begins here. */
static bool skip_long(struct scan *s) {
  size_t level = 0;
  if (peek(s, 0) != '[') return false;
  while (peek(s, level + 1) == '=')
    level++;
  if (peek(s, level + 1) != '[') return false;
  s->at += level + 2;
  for (; s->at < s->end; skip(s)) {
    if (*s->at != ']') continue;
    size_t count = 0;
    while (peek(s, count + 1) == '=' && count <= level)
      count++;
    if (count != level || peek(s, level + 1) != ']') continue;
    s->at += level + 2;
    break;
  }
  return true;
}

static void skip_comment(struct scan *s) {
  s->at += 2;
  if (skip_long(s)) return;
  while (s->at < s->end && *s->at != '\n' && *s->at != '\r')
    s->at++;
}

/* A mark of UTF-8 and a line that begins with #: the parser overlooks both. */
static void skip_header(struct scan *s) {
  if (s->end - s->at >= 3 && memcmp(s->at, "\xef\xbb\xbf", 3) == 0) s->at += 3;
  if (peek(s, 0) != '#') return;
  while (s->at < s->end && *s->at != '\n' && *s->at != '\r')
    s->at++;
}

static void skip_text(struct scan *s) {
  char quote = *s->at++;
  while (s->at < s->end && *s->at != quote) {
    if (*s->at == '\\' && s->at + 1 < s->end) skip(s);
    skip(s);
  }
  if (s->at < s->end) s->at++;
}

/* A number with all that the parser would take for a part of it; false: of a refused kind. */
static bool skip_number(struct scan *s) {
  bool is_hex = *s->at == '0' && (peek(s, 1) | 0x20) == 'x';
  char power = is_hex ? 'p' : 'e';
  for (const char *start = s->at; s->at < s->end;) {
    bool is_sign = *s->at == '+' || *s->at == '-';
    bool is_power = is_sign && s->at > start && (s->at[-1] | 0x20) == power;
    if (!is_name(*s->at) && *s->at != '.' && !is_power) break;
    s->at++;
  }
  char last = s->at[-1];
  return last != 'i' && last != 'I' && last != 'l' && last != 'L';
}

static bool next_token(struct scan *s) {
  char c = *s->at;
  if (c == '-' && peek(s, 1) == '-') {
    skip_comment(s);
  } else if (c == '"' || c == '\'') {
    skip_text(s);
  } else if (is_digit(c) || (c == '.' && is_digit(peek(s, 1)))) {
    return skip_number(s);
  } else if (is_name(c)) {
    while (s->at < s->end && is_name(*s->at))
      s->at++;
  } else if (!skip_long(s)) {
    skip(s);
  }
  return true;
}

int sandbox_foreign_line(struct slice text) {
  struct scan s = {text.data, text.data + text.len, 1};
  skip_header(&s);
  while (s.at < s.end)
    if (!next_token(&s)) return s.line;
  return 0;
}
