/* Reads a regular expression and writes its program as it goes. */
#include <stdio.h>

#include "base/utf8.h"
#include "script/text_program.h"

enum { MOST_DEPTH = 100, MOST_REPEAT = 1000, MOST_POINTS = 50000, NO_LIMIT = -1 };

enum flag { FLAG_NO_CASE = 1, FLAG_LINES = 2, FLAG_DOT_ALL = 4 };

struct parser {
  const char *start, *at, *end;
  struct text_program *program;
  const char *error;
  unsigned flags, depth;
  size_t points; /* ranges of characters sorted so far: what takes time in here */
};

static void fail(struct parser *p, const char *error) {
  if (!p->error) p->error = error;
}

static bool has(const struct parser *p, char c) {
  return p->at < p->end && *p->at == c;
}

static bool take(struct parser *p, const char *text) {
  size_t len = strlen(text);
  if ((size_t)(p->end - p->at) < len || memcmp(p->at, text, len) != 0) return false;
  p->at += len;
  return true;
}

static uint32_t take_point(struct parser *p) {
  uint32_t point = 0;
  size_t len = utf8_decode(p->at, p->end, &point);
  if (len == 0) {
    fail(p, "the expression is not UTF-8");
    len = 1;
  }
  p->at += len;
  return point;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* After \x or \u: that many digits, or any number in braces. */
static uint32_t take_hex(struct parser *p, int digits) {
  bool is_braced = take(p, "{");
  uint32_t point = 0;
  int count = 0;
  for (; p->at < p->end && hex_digit(*p->at) >= 0 && count < (is_braced ? 6 : digits); count++)
    point = point * 16 + (uint32_t)hex_digit(*p->at++);
  if (is_braced ? !take(p, "}") || count == 0 : count != digits) fail(p, "bad hexadecimal number");
  if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) fail(p, "no such character");
  return p->error ? 0 : point;
}

/* After a backslash: one character. */
static uint32_t take_escape(struct parser *p) {
  char c = *p->at++;
  switch (c) {
  case 't': return '\t';
  case 'n': return '\n';
  case 'r': return '\r';
  case 'f': return '\f';
  case 'v': return '\v';
  case 'x': return take_hex(p, 2);
  case 'u': return take_hex(p, 4);
  default: break;
  }
  bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  bool is_digit = c >= '0' && c <= '9';
  if (is_digit) fail(p, "back references are not offered");
  if (is_letter) fail(p, "unknown escape");
  if (!is_letter && !is_digit) {
    p->at--;
    return take_point(p);
  }
  return 0;
}

static void add_class(struct text_points *points, char class) {
  struct text_points own = {0};
  char small = (char)(class | 0x20);
  if (small == 'd' || small == 'w') text_points_add(&own, '0', '9');
  if (small == 'w') {
    text_points_add(&own, 'a', 'z');
    text_points_add(&own, 'A', 'Z');
    text_points_add(&own, '_', '_');
  }
  if (small == 's') {
    text_points_add(&own, '\t', '\r');
    text_points_add(&own, ' ', ' ');
  }
  if (small != class) text_points_negate(&own);
  for (size_t i = 0; i < own.count; i++)
    text_points_add(points, own.items[i].low, own.items[i].high);
  text_points_fini(&own);
}

static bool take_class(struct parser *p, struct text_points *points) {
  if (p->end - p->at < 2 || *p->at != '\\' || !p->at[1] || !strchr("dwsDWS", p->at[1]))
    return false;
  add_class(points, p->at[1]);
  p->at += 2;
  return true;
}

/* [:alpha:] inside of a set. */
static bool take_named(struct parser *p, struct text_points *points) {
  static const struct {
    const char *name, *pairs;
  } names[] = {{"[:alpha:]", "azAZ"},     {"[:digit:]", "09"},      {"[:alnum:]", "azAZ09"},
               {"[:upper:]", "AZ"},       {"[:lower:]", "az"},      {"[:space:]", "\t\r  "},
               {"[:punct:]", "!/:@[`{~"}, {"[:xdigit:]", "09afAF"}, {"[:word:]", "azAZ09__"}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (!take(p, names[i].name)) continue;
    for (const char *pair = names[i].pairs; *pair; pair += 2)
      text_points_add(points, (unsigned char)pair[0], (unsigned char)pair[1]);
    return true;
  }
  return false;
}

static uint32_t take_member(struct parser *p) {
  if (p->end - p->at >= 2 && *p->at == '\\') {
    p->at++;
    return take_escape(p);
  }
  return take_point(p);
}

static void emit_points(struct parser *p, struct text_points *points, bool is_negated) {
  if (p->flags & FLAG_NO_CASE) text_points_fold(points);
  p->points += points->count;
  if (p->points > MOST_POINTS) fail(p, "the expression is too large");
  if (is_negated) text_points_negate(points);
  if (!p->error) text_points_emit(points, p->program);
  text_points_fini(points);
}

/* After the opening bracket; a closing one in first place is a character. */
static void parse_set(struct parser *p) {
  struct text_points points = {0};
  bool is_negated = take(p, "^");
  for (bool is_first = true; !p->error && (is_first || !has(p, ']')); is_first = false) {
    if (p->at == p->end) {
      fail(p, "missing ]");
      break;
    }
    if (take_class(p, &points) || take_named(p, &points)) continue;
    uint32_t low = take_member(p), high = low;
    if (p->end - p->at >= 2 && p->at[0] == '-' && p->at[1] != ']') {
      p->at++;
      high = take_member(p);
      if (high < low) fail(p, "a range of a set is the wrong way round");
    }
    text_points_add(&points, low, high);
  }
  if (!p->error) p->at++;
  emit_points(p, &points, is_negated);
}

static void emit_assertion(struct parser *p, enum text_assertion kind) {
  text_program_add(p->program, (struct text_instruction){.op = TEXT_OP_ASSERT, .x = (int32_t)kind});
}

static void emit_save(struct parser *p, uint32_t slot) {
  text_program_add(p->program, (struct text_instruction){.op = TEXT_OP_SAVE, .x = (int32_t)slot});
}

static void emit_point(struct parser *p, uint32_t point) {
  struct text_points points = {0};
  text_points_add(&points, point, point);
  emit_points(p, &points, false);
}

static void emit_dot(struct parser *p) {
  struct text_points points = {0};
  if (!(p->flags & FLAG_DOT_ALL)) text_points_add(&points, '\n', '\n');
  text_points_negate(&points);
  text_points_emit(&points, p->program);
  text_points_fini(&points);
}

static bool parse_edge(struct parser *p) {
  if (take(p, "\\b"))
    emit_assertion(p, TEXT_AT_WORD_EDGE);
  else if (take(p, "\\B"))
    emit_assertion(p, TEXT_NOT_AT_WORD_EDGE);
  else if (take(p, "\\A"))
    emit_assertion(p, TEXT_AT_START);
  else if (take(p, "\\z"))
    emit_assertion(p, TEXT_AT_END);
  else if (take(p, "^"))
    emit_assertion(p, p->flags & FLAG_LINES ? TEXT_AT_LINE_START : TEXT_AT_START);
  else if (take(p, "$"))
    emit_assertion(p, p->flags & FLAG_LINES ? TEXT_AT_LINE_END : TEXT_AT_END);
  else
    return false;
  return true;
}

static void parse_alternatives(struct parser *p);

static bool is_repeat(const struct parser *p) {
  return has(p, '*') || has(p, '+') || has(p, '?');
}

/* (?i) and the like, up to the colon or the bracket; true: flags for the rest of the group. */
static bool parse_flags(struct parser *p) {
  bool is_set = true;
  for (; p->at < p->end && *p->at != ':' && *p->at != ')'; p->at++) {
    unsigned flag = *p->at == 'i'   ? FLAG_NO_CASE
                    : *p->at == 'm' ? FLAG_LINES
                    : *p->at == 's' ? FLAG_DOT_ALL
                                    : 0;
    if (*p->at == '-')
      is_set = false;
    else if (flag)
      p->flags = is_set ? p->flags | flag : p->flags & ~flag;
    else
      fail(p, "this kind of group is not offered");
    if (p->error) return true;
  }
  if (take(p, ")")) return true;
  if (!take(p, ":")) fail(p, "missing )");
  return false;
}

static void close_group(struct parser *p) {
  if (!p->error && !take(p, ")")) fail(p, "missing )");
}

static void skip_name(struct parser *p) {
  while (p->at < p->end && *p->at != '>')
    p->at++;
  if (!take(p, ">")) fail(p, "missing > of a group's name");
}

static void parse_capture(struct parser *p) {
  if (p->program->groups == TEXT_GROUPS) {
    fail(p, "too many groups; write (?:…) where nothing is captured");
    return;
  }
  uint32_t number = ++p->program->groups;
  emit_save(p, 2 * number);
  parse_alternatives(p);
  close_group(p);
  emit_save(p, 2 * number + 1);
}

/* After the opening bracket. Flags set inside of a group end with it. */
static void parse_group(struct parser *p) {
  unsigned flags = p->flags;
  if (++p->depth > MOST_DEPTH) fail(p, "nested too deeply");
  if (take(p, "?P<") ||
      (p->end - p->at > 2 && p->at[2] != '=' && p->at[2] != '!' && take(p, "?<"))) {
    skip_name(p);
    parse_capture(p);
  } else if (!take(p, "?")) {
    parse_capture(p);
  } else if (parse_flags(p)) {
    p->depth--;
    return;
  } else {
    parse_alternatives(p);
    close_group(p);
  }
  p->flags = flags;
  p->depth--;
}

static void parse_atom(struct parser *p) {
  struct text_points points = {0};
  if (parse_edge(p)) return;
  if (take_class(p, &points)) {
    emit_points(p, &points, false);
    return;
  }
  if (take(p, "["))
    parse_set(p);
  else if (take(p, "("))
    parse_group(p);
  else if (take(p, "."))
    emit_dot(p);
  else if (is_repeat(p))
    fail(p, "nothing to repeat");
  else if (has(p, '\\') && p->end - p->at < 2)
    fail(p, "ends with a backslash");
  else
    emit_point(p, take_member(p));
}

static int32_t length_from(const struct parser *p, uint32_t start) {
  return (int32_t)(p->program->count - start);
}

static struct text_instruction split(int32_t into, int32_t past, bool is_lazy) {
  return (struct text_instruction){
      .op = TEXT_OP_SPLIT, .x = is_lazy ? past : into, .y = is_lazy ? into : past};
}

static void make_optional(struct parser *p, uint32_t start, bool is_lazy) {
  text_program_insert(p->program, start, split(1, length_from(p, start) + 1, is_lazy));
}

static void make_star(struct parser *p, uint32_t start, bool is_lazy) {
  int32_t length = length_from(p, start);
  text_program_insert(p->program, start, split(1, length + 2, is_lazy));
  text_program_add(p->program, (struct text_instruction){.op = TEXT_OP_JUMP, .x = -length - 1});
}

static void make_plus(struct parser *p, uint32_t start, bool is_lazy) {
  text_program_add(p->program, split(-length_from(p, start), 1, is_lazy));
}

/* The piece from start on, least … most times: copies, the last ones optional. */
static void make_counted(struct parser *p, uint32_t start, const int32_t times[2], bool is_lazy) {
  struct text_program *program = p->program;
  uint32_t length = (uint32_t)length_from(p, start);
  int32_t least = times[0], most = times[1];
  uint64_t total = (uint64_t)(most == NO_LIMIT ? least + 1 : most) * (length + 1);
  if (total + start > TEXT_PROGRAM_MOST) {
    fail(p, "the expression is too large");
    return;
  }
  if (most == 0) {
    program->count = start;
    return;
  }
  for (int32_t i = 1; i < least; i++)
    text_program_copy(program, start, length);
  if (most == NO_LIMIT) {
    uint32_t last = program->count - length;
    if (least == 0)
      make_star(p, start, is_lazy);
    else
      make_plus(p, last, is_lazy);
    return;
  }
  uint32_t piece = start;
  if (least == 0) {
    make_optional(p, start, is_lazy);
    piece = start + 1;
  }
  for (int32_t i = least > 0 ? least : 1; i < most; i++) {
    text_program_add(program, split(1, (int32_t)length + 1, is_lazy));
    text_program_copy(program, piece, length);
  }
}

static int32_t take_number(struct parser *p) {
  int32_t number = -1;
  for (; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++)
    if (number <= MOST_REPEAT) number = (number < 0 ? 0 : number) * 10 + (*p->at - '0');
  if (number > MOST_REPEAT) fail(p, "repeated more than 1000 times");
  return number;
}

/* {n}, {n,} or {n,m}; anything else in braces is text. */
static bool take_counts(struct parser *p, int32_t times[2]) {
  const char *start = p->at;
  if (!take(p, "{")) return false;
  times[0] = times[1] = take_number(p);
  if (times[0] >= 0 && take(p, ",")) times[1] = has(p, '}') ? NO_LIMIT : take_number(p);
  bool is_read = times[0] >= 0 && take(p, "}");
  if (!is_read) p->at = start;
  if (is_read && times[1] != NO_LIMIT && times[1] < times[0])
    fail(p, "counts are the wrong way round");
  return is_read;
}

/* One repetition of the piece before; another on top of it would say nothing new. */
static void parse_repeat(struct parser *p, uint32_t start) {
  int32_t times[2];
  bool is_counted = take_counts(p, times);
  if (p->error || (!is_counted && !is_repeat(p))) return;
  char kind = is_counted ? '{' : *p->at++;
  bool is_lazy = take(p, "?");
  if (kind == '{')
    make_counted(p, start, times, is_lazy);
  else if (kind == '*')
    make_star(p, start, is_lazy);
  else if (kind == '+')
    make_plus(p, start, is_lazy);
  else
    make_optional(p, start, is_lazy);
  if (is_repeat(p) || take_counts(p, times)) fail(p, "nothing to repeat");
}

static void parse_sequence(struct parser *p) {
  while (!p->error && p->at < p->end && *p->at != '|' && *p->at != ')') {
    uint32_t start = p->program->count;
    parse_atom(p);
    if (!p->error) parse_repeat(p, start);
    if (p->program->count > TEXT_PROGRAM_MOST) fail(p, "the expression is too large");
  }
}

/* a|b|c: each but the last becomes SPLIT, code, JUMP to the end. */
static void parse_alternatives(struct parser *p) {
  struct text_program *program = p->program;
  uint32_t first = program->count, start = first;
  parse_sequence(p);
  while (!p->error && take(p, "|")) {
    text_program_insert(program, start, split(1, length_from(p, start) + 2, false));
    text_program_add(
        program, (struct text_instruction){.op = TEXT_OP_JUMP, .high = 1, .y = (int32_t)p->depth});
    start = program->count;
    parse_sequence(p);
    if (program->count > TEXT_PROGRAM_MOST) fail(p, "the expression is too large");
  }
  for (uint32_t i = first; i < start; i++) {
    struct text_instruction *item = &program->items[i];
    if (item->op != TEXT_OP_JUMP || !item->high || item->y != (int32_t)p->depth) continue;
    item->high = 0;
    item->x = (int32_t)(program->count - i);
  }
}

const char *text_program_compile(struct slice source, struct text_program *out, char error[128]) {
  *out = (struct text_program){0};
  struct parser p = {source.data, source.data, source.data + source.len, out, NULL, 0, 0, 0};
  if (source.len > TEXT_EXPRESSION_MOST) fail(&p, "the expression is too long");
  emit_save(&p, 0);
  parse_alternatives(&p);
  if (!p.error && p.at < p.end) fail(&p, "a ) too many");
  emit_save(&p, 1);
  text_program_add(out, (struct text_instruction){.op = TEXT_OP_MATCH});
  if (!p.error) return NULL;
  snprintf(error, 128, "%s at byte %d", p.error, (int)(p.at - p.start) + 1);
  return error;
}
