#include "script/config_tokens.h"

#include <ctype.h>
#include <string.h>

static bool has(const struct tokens *t, size_t count) {
  return (size_t)(t->end - t->at) >= count;
}

static char peek(const struct tokens *t, size_t ahead) {
  return has(t, ahead + 1) ? t->at[ahead] : 0;
}

/* A line break is \n, \r, or the two together in any order. */
static void skip_break(struct tokens *t) {
  char first = *t->at++;
  if (has(t, 1) && (*t->at == '\n' || *t->at == '\r') && *t->at != first) t->at++;
  t->line++;
}

static bool is_break(char c) {
  return c == '\n' || c == '\r';
}

/* The level of a long bracket at t->at, -1 when there is none. */
static int long_level(const struct tokens *t) {
  size_t ahead = 1;
  while (peek(t, ahead) == '=')
    ahead++;
  return peek(t, ahead) == '[' ? (int)ahead - 1 : -1;
}

static bool closes(const struct tokens *t, int level) {
  if (*t->at != ']' || !has(t, (size_t)level + 2)) return false;
  for (int i = 1; i <= level; i++)
    if (t->at[i] != '=') return false;
  return t->at[level + 1] == ']';
}

static struct slice take_long(struct tokens *t, int level) {
  t->at += level + 2;
  if (has(t, 1) && is_break(*t->at)) skip_break(t);
  const char *start = t->at;
  while (has(t, 1) && !closes(t, level)) {
    if (is_break(*t->at))
      skip_break(t);
    else
      t->at++;
  }
  struct slice text = {start, (size_t)(t->at - start)};
  if (has(t, 1)) t->at += level + 2;
  return text;
}

static void skip_blank(struct tokens *t) {
  while (has(t, 1)) {
    if (is_break(*t->at)) {
      skip_break(t);
    } else if (isspace((unsigned char)*t->at)) {
      t->at++;
    } else if (*t->at == '-' && peek(t, 1) == '-') {
      t->at += 2;
      int level = peek(t, 0) == '[' ? long_level(t) : -1;
      if (level >= 0) {
        take_long(t, level);
        continue;
      }
      while (has(t, 1) && !is_break(*t->at))
        t->at++;
    } else {
      return;
    }
  }
}

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return (c | 32) - 'a' + 10;
}

static void append_utf8(struct bytes *out, uint32_t point) {
  if (point < 0x80) {
    bytes_append_byte(out, (char)point);
  } else if (point < 0x800) {
    bytes_append_byte(out, (char)(0xc0 | point >> 6));
    bytes_append_byte(out, (char)(0x80 | (point & 63)));
  } else if (point < 0x10000) {
    bytes_append_byte(out, (char)(0xe0 | point >> 12));
    bytes_append_byte(out, (char)(0x80 | (point >> 6 & 63)));
    bytes_append_byte(out, (char)(0x80 | (point & 63)));
  } else {
    bytes_append_byte(out, (char)(0xf0 | (point >> 18 & 7)));
    bytes_append_byte(out, (char)(0x80 | (point >> 12 & 63)));
    bytes_append_byte(out, (char)(0x80 | (point >> 6 & 63)));
    bytes_append_byte(out, (char)(0x80 | (point & 63)));
  }
}

static void take_unicode(struct tokens *t, struct bytes *out) { /* after \u */
  uint32_t point = 0;
  if (peek(t, 0) != '{') return;
  t->at++;
  while (isxdigit((unsigned char)peek(t, 0)))
    point = point << 4 | (uint32_t)hex_value(*t->at++);
  if (peek(t, 0) == '}') t->at++;
  append_utf8(out, point);
}

static void take_decimal(struct tokens *t, struct bytes *out) {
  int value = 0;
  for (int i = 0; i < 3 && isdigit((unsigned char)peek(t, 0)); i++)
    value = value * 10 + (*t->at++ - '0');
  bytes_append_byte(out, (char)value);
}

static void take_escape(struct tokens *t, struct bytes *out) { /* after the backslash */
  static const char from[] = "abfnrtv", to[] = "\a\b\f\n\r\t\v";
  char c = peek(t, 0);
  const char *known = c ? strchr(from, c) : NULL;
  if (isdigit((unsigned char)c)) {
    take_decimal(t, out);
  } else if (is_break(c)) {
    skip_break(t);
    bytes_append_byte(out, '\n');
  } else if (c == 'x' && has(t, 3)) {
    bytes_append_byte(out, (char)(hex_value(t->at[1]) << 4 | hex_value(t->at[2])));
    t->at += 3;
  } else if (c == 'u') {
    t->at++;
    take_unicode(t, out);
  } else if (c == 'z') {
    t->at++;
    while (has(t, 1) && isspace((unsigned char)*t->at)) {
      if (is_break(*t->at))
        skip_break(t);
      else
        t->at++;
    }
  } else if (has(t, 1)) {
    bytes_append_byte(out, known ? to[known - from] : c);
    t->at++;
  }
}

static struct slice take_quoted(struct tokens *t) {
  struct bytes text;
  bytes_init(&text);
  char quote = *t->at++;
  while (has(t, 1) && *t->at != quote) {
    if (*t->at == '\\') {
      t->at++;
      take_escape(t, &text);
    } else {
      bytes_append_byte(&text, *t->at++);
    }
  }
  if (has(t, 1)) t->at++;
  struct slice copy = arena_slice(t->arena, bytes_slice(&text));
  bytes_fini(&text);
  return copy;
}

static bool is_word(char c) { /* LuaJIT takes every byte above 127 in a name */
  return isalnum((unsigned char)c) || c == '_' || (unsigned char)c > 127;
}

static struct slice take_word(struct tokens *t) {
  const char *start = t->at;
  while (has(t, 1) && is_word(*t->at))
    t->at++;
  return (struct slice){start, (size_t)(t->at - start)};
}

static struct slice take_number(struct tokens *t) {
  const char *start = t->at;
  while (has(t, 1) &&
         (is_word(*t->at) || *t->at == '.' ||
          ((*t->at == '+' || *t->at == '-') && strchr("eEpP", t->at[-1]) && t->at > start)))
    t->at++;
  return (struct slice){start, (size_t)(t->at - start)};
}

static struct slice take_symbol(struct tokens *t) {
  static const char *const longer[] = {"...", "..", "==", "~=", "<=", ">=", "::"};
  size_t len = 1;
  for (size_t i = 0; i < sizeof longer / sizeof *longer && len == 1; i++)
    if (has(t, strlen(longer[i])) && memcmp(t->at, longer[i], strlen(longer[i])) == 0)
      len = strlen(longer[i]);
  struct slice text = {t->at, len};
  t->at += len;
  return text;
}

static struct token take(struct tokens *t) {
  skip_blank(t);
  struct token token = {.line = t->line};
  char c = peek(t, 0);
  int level = c == '[' ? long_level(t) : -1;
  if (!has(t, 1)) {
    token.type = TOKEN_END;
    token.text = SLICE("");
  } else if (c == '"' || c == '\'') {
    token.type = TOKEN_STRING;
    token.text = take_quoted(t);
  } else if (level >= 0) {
    token.type = TOKEN_STRING;
    token.text = take_long(t, level);
  } else if (isdigit((unsigned char)c) || (c == '.' && isdigit((unsigned char)peek(t, 1)))) {
    token.type = TOKEN_NUMBER;
    token.text = take_number(t);
  } else if (is_word(c)) {
    token.type = TOKEN_NAME;
    token.text = take_word(t);
  } else {
    token.type = TOKEN_SYMBOL;
    token.text = take_symbol(t);
  }
  return token;
}

void tokens_init(struct tokens *t, struct slice source, struct arena *arena) {
  *t = (struct tokens){source.data, source.data + source.len, 1, arena, {0}, {0}};
  if (slice_starts(source, SLICE("\xef\xbb\xbf"))) t->at += 3;
  if (peek(t, 0) == '#') /* the first line of a script that names its interpreter */
    while (has(t, 1) && !is_break(*t->at))
      t->at++;
  t->now = take(t);
  t->next = take(t);
}

void tokens_advance(struct tokens *t) {
  t->now = t->next;
  if (t->now.type != TOKEN_END) t->next = take(t);
}

bool token_is(const struct token *t, const char *text) {
  return (t->type == TOKEN_NAME || t->type == TOKEN_SYMBOL) && slice_equal_text(t->text, text);
}
