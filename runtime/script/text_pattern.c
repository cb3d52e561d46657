#include "script/text_pattern.h"

#include <lauxlib.h>
#include <string.h>

#include "script/sandbox.h"

enum kind {
  KIND_END,
  KIND_CHAR, /* a */
  KIND_SET,
  KIND_OPEN, /* capture a */
  KIND_CLOSE,
  KIND_PLACE,
  KIND_BALANCE, /* %bab */
  KIND_FRONTIER,
  KIND_BACK, /* capture a */
  KIND_LAST  /* $ */
};

enum {
  MOST_DEPTH = 200, /* repetitions in a pattern, as in stock Lua */
  CHECK_STEPS = 4096,
  FREE_STEPS = 1024, /* and this many for each byte of text, until failures are remembered */
  STEPS_PER_BYTE = 8,
  BACK_REFERENCE_STEPS = 2000000,
};

struct compiler {
  const char *at, *end;
  struct text_pattern *out;
  const char *error;
  uint8_t open[TEXT_CAPTURES]; /* captures not closed yet */
  unsigned open_count;
  bool is_closed[TEXT_CAPTURES];
};

static void set_add(uint32_t *set, unsigned char c) {
  set[c >> 5] |= 1u << (c & 31);
}

static bool set_has(const uint32_t *set, unsigned char c) {
  return set[c >> 5] >> (c & 31) & 1;
}

static bool is_between(unsigned c, unsigned low, unsigned high) {
  return c >= low && c <= high;
}

/* The classes of the C locale. */
static bool class_has(char class, unsigned c) {
  bool lower = is_between(c, 'a', 'z'), upper = is_between(c, 'A', 'Z');
  bool digit = is_between(c, '0', '9');
  switch (class) {
  case 'a': return lower || upper;
  case 'c': return c < 32 || c == 127;
  case 'd': return digit;
  case 'g': return is_between(c, 33, 126);
  case 'l': return lower;
  case 'p': return is_between(c, 33, 126) && !lower && !upper && !digit;
  case 's': return c == ' ' || is_between(c, 9, 13);
  case 'u': return upper;
  case 'w': return lower || upper || digit;
  case 'x': return digit || is_between(c, 'a', 'f') || is_between(c, 'A', 'F');
  default: return c == 0; /* z */
  }
}

/* %a and the like; false: c is no class but stands for itself. */
static bool add_class(uint32_t *set, char class) {
  char small = (char)(class | 0x20);
  if (!class || !is_between((unsigned char)small, 'a', 'z') || !strchr("acdglpsuwxz", small))
    return false;
  for (unsigned c = 0; c < 256; c++)
    if (class_has(small, c) == (class == small)) set_add(set, (unsigned char)c);
  return true;
}

static void add_escaped(uint32_t *set, char c) {
  if (!add_class(set, c)) set_add(set, (unsigned char)c);
}

static bool fail(struct compiler *c, const char *error) {
  c->error = error;
  return false;
}

/* The closing bracket of a set; one in first place is a character. NULL: there is none. */
static const char *set_end(const struct compiler *c, const char *at) {
  do {
    if (at >= c->end) return NULL;
    if (*at++ == '%' && at++ >= c->end) return NULL;
  } while (at >= c->end || *at != ']');
  return at;
}

/* After the opening bracket. */
static bool compile_set(struct compiler *c, uint32_t *set) {
  bool is_negated = c->at < c->end && *c->at == '^';
  const char *at = c->at + is_negated, *end = set_end(c, at);
  if (!end) return fail(c, "malformed pattern (missing ']')");
  for (; at < end; at++) {
    if (*at == '%') {
      add_escaped(set, *++at);
    } else if (end - at > 2 && at[1] == '-') {
      for (unsigned i = (unsigned char)at[0]; i <= (unsigned char)at[2]; i++)
        set_add(set, (unsigned char)i);
      at += 2;
    } else {
      set_add(set, (unsigned char)*at);
    }
  }
  for (int i = 0; is_negated && i < 8; i++)
    set[i] = ~set[i];
  c->at = end + 1;
  return true;
}

static struct text_item *add_item(struct compiler *c, enum kind kind) {
  struct text_item *item = &c->out->items[c->out->count++];
  *item = (struct text_item){.kind = (uint8_t)kind};
  return item;
}

static bool compile_open(struct compiler *c) {
  bool is_place = c->at < c->end && *c->at == ')';
  if (c->out->captures == TEXT_CAPTURES) return fail(c, "too many captures");
  uint8_t number = c->out->captures++;
  add_item(c, is_place ? KIND_PLACE : KIND_OPEN)->a = number;
  if (is_place) {
    c->at++;
    c->is_closed[number] = true;
  } else {
    c->open[c->open_count++] = number;
  }
  return true;
}

static bool compile_close(struct compiler *c) {
  if (c->open_count == 0) return fail(c, "invalid pattern capture");
  uint8_t number = c->open[--c->open_count];
  c->is_closed[number] = true;
  add_item(c, KIND_CLOSE)->a = number;
  return true;
}

static bool compile_balance(struct compiler *c) {
  if (c->end - c->at < 2) return fail(c, "malformed pattern (missing arguments to '%b')");
  struct text_item *item = add_item(c, KIND_BALANCE);
  item->a = (uint8_t)*c->at++;
  item->b = (uint8_t)*c->at++;
  item->row = c->out->balances++;
  return true;
}

static bool compile_frontier(struct compiler *c) {
  if (c->at >= c->end || *c->at != '[') return fail(c, "missing '[' after '%f' in pattern");
  c->at++;
  return compile_set(c, add_item(c, KIND_FRONTIER)->set);
}

static bool compile_back(struct compiler *c, char digit) {
  int number = digit - '1';
  if (number < 0 || number >= c->out->captures || !c->is_closed[number])
    return fail(c, "invalid capture index");
  add_item(c, KIND_BACK)->a = (uint8_t)number;
  c->out->has_back_reference = true;
  return true;
}

static void take_quantifier(struct compiler *c, struct text_item *item) {
  if (c->at >= c->end || !*c->at || !strchr("*+-?", *c->at)) return;
  item->quantifier = (uint8_t)*c->at++;
  item->row = c->out->rows++;
}

static bool compile_single(struct compiler *c, char first) {
  struct text_item *item = add_item(c, KIND_SET);
  if (first == '[') {
    if (!compile_set(c, item->set)) return false;
  } else if (first == '.') {
    memset(item->set, 0xff, sizeof item->set);
  } else if (first != '%' || !add_class(item->set, *c->at++)) {
    item->kind = KIND_CHAR;
    item->a = (uint8_t)(first == '%' ? c->at[-1] : first);
    set_add(item->set, item->a);
  }
  take_quantifier(c, item);
  return true;
}

static bool compile_item(struct compiler *c) {
  char first = *c->at++;
  if (first == '(') return compile_open(c);
  if (first == ')') return compile_close(c);
  if (first == '$' && c->at == c->end) return add_item(c, KIND_LAST) != NULL;
  if (first != '%') return compile_single(c, first);
  if (c->at == c->end) return fail(c, "malformed pattern (ends with '%')");
  char second = *c->at;
  if (second != 'b' && second != 'f' && !is_between((unsigned char)second, '0', '9'))
    return compile_single(c, first);
  c->at++;
  if (second == 'b') return compile_balance(c);
  return second == 'f' ? compile_frontier(c) : compile_back(c, second);
}

const char *text_pattern_compile(struct slice source, bool can_anchor, struct text_item *items,
                                 struct text_pattern *out) {
  *out = (struct text_pattern){.items = items};
  struct compiler c = {.at = source.data, .end = source.data + source.len, .out = out};
  if (can_anchor && source.len && *c.at == '^') {
    out->is_anchored = true;
    c.at++;
  }
  if (source.len > UINT16_MAX) return "pattern too long";
  while (c.at < c.end)
    if (!compile_item(&c)) return c.error;
  if (c.open_count) return "unfinished capture";
  add_item(&c, KIND_END);
  return NULL;
}

void text_matcher_init(struct text_matcher *m, lua_State *L, const struct text_pattern *pattern,
                       struct slice text) {
  m->L = L;
  m->pattern = pattern;
  m->text = text;
  m->failed = NULL;
  m->closes = NULL;
  m->steps = 0;
  m->next_check = CHECK_STEPS;
  m->remember_after = FREE_STEPS + STEPS_PER_BYTE * (uint64_t)text.len;
  m->depth = 0;
}

static void *remember(struct text_matcher *m, int slot, size_t bytes) {
  luaL_checkstack(m->L, 1, "pattern");
  void *memory = lua_newuserdata(m->L, bytes);
  memset(memory, 0, bytes);
  lua_replace(m->L, slot);
  return memory;
}

/* Every so many steps: the time limit, and whether to remember failures from now on. */
static void check(struct text_matcher *m) {
  m->next_check = m->steps + CHECK_STEPS;
  sandbox_check(m->L);
  const struct text_pattern *p = m->pattern;
  if (m->steps < m->remember_after) return;
  if (p->has_back_reference && m->steps > BACK_REFERENCE_STEPS + m->remember_after)
    luaL_error(m->L, "pattern with a back reference takes too long on this text");
  if (!p->has_back_reference && p->rows && !m->failed)
    m->failed = remember(m, m->slots, ((size_t)p->rows * (m->text.len + 1) + 7) / 8);
}

static inline void step(struct text_matcher *m) {
  if (++m->steps >= m->next_check) check(m);
}

static inline size_t memory_bit(const struct text_matcher *m, const struct text_item *p,
                                const char *at) {
  return p->row * (m->text.len + 1) + (size_t)(at - m->text.data);
}

static inline bool has_failed(const struct text_matcher *m, const struct text_item *p,
                              const char *at) {
  if (!m->failed) return false;
  size_t bit = memory_bit(m, p, at);
  return m->failed[bit >> 3] >> (bit & 7) & 1;
}

static inline void set_failed(struct text_matcher *m, const struct text_item *p, const char *at) {
  if (!m->failed) return;
  size_t bit = memory_bit(m, p, at);
  m->failed[bit >> 3] |= (uint8_t)(1u << (bit & 7));
}

static inline bool fits(const struct text_item *p, char c) {
  return set_has(p->set, (unsigned char)c);
}

static const char *match(struct text_matcher *m, const struct text_item *p, const char *at);

/* The longest run first. What lies beyond a place that failed before need not be looked at. */
static const char *match_longest(struct text_matcher *m, const struct text_item *p,
                                 const char *at) {
  const char *end = m->text.data + m->text.len, *i = at;
  while (i < end && fits(p, *i) && !has_failed(m, p, i)) {
    i++;
    step(m);
  }
  if (has_failed(m, p, i)) i--;
  for (; i >= at; i--) {
    const char *found = match(m, p + 1, i);
    if (found) return found;
    set_failed(m, p, i);
  }
  return NULL;
}

static const char *match_shortest(struct text_matcher *m, const struct text_item *p,
                                  const char *at) {
  const char *end = m->text.data + m->text.len, *i = at;
  for (; !has_failed(m, p, i); i++) {
    const char *found = match(m, p + 1, i);
    if (found) return found;
    if (i == end || !fits(p, *i)) {
      set_failed(m, p, i);
      break;
    }
    step(m);
  }
  while (i > at)
    set_failed(m, p, --i);
  return NULL;
}

static const char *match_repeated(struct text_matcher *m, const struct text_item *p,
                                  const char *at) {
  const char *end = m->text.data + m->text.len, *found = NULL;
  bool is_fit = at < end && fits(p, *at);
  if (p->quantifier == '+') {
    if (!is_fit) return NULL;
    at++;
  }
  if (has_failed(m, p, at)) return NULL;
  if (++m->depth > MOST_DEPTH) luaL_error(m->L, "pattern too complex");
  if (p->quantifier == '?') {
    if (is_fit) found = match(m, p + 1, at + 1);
    if (!found) found = match(m, p + 1, at);
    if (!found) set_failed(m, p, at);
  } else if (p->quantifier == '-') {
    found = match_shortest(m, p, at);
  } else {
    found = match_longest(m, p, at);
  }
  m->depth--;
  return found;
}

/* For each place of an opening bracket, where its partner ends; a stack that lies in the table
 * itself: the entries of open brackets lead to the bracket before. */
static void find_closes(struct text_matcher *m, const struct text_item *p) {
  uint32_t *closes = m->closes + (size_t)p->row * m->text.len;
  uint32_t open = UINT32_MAX; /* the innermost */
  for (size_t i = 0; i < m->text.len; i++) {
    unsigned char c = (unsigned char)m->text.data[i];
    if (c == p->b && open != UINT32_MAX) {
      uint32_t outer = closes[open];
      closes[open] = (uint32_t)i + 1;
      open = outer;
    }
    if (c == p->a) {
      closes[i] = open;
      open = (uint32_t)i;
    }
  }
  while (open != UINT32_MAX) {
    uint32_t outer = closes[open];
    closes[open] = 0;
    open = outer;
  }
}

static void remember_closes(struct text_matcher *m) {
  const struct text_pattern *p = m->pattern;
  if (m->text.len >= UINT32_MAX) luaL_error(m->L, "text too long for %%b");
  m->closes = remember(m, m->slots - 1, p->balances * m->text.len * sizeof *m->closes);
  for (size_t i = 0; i < p->count; i++)
    if (p->items[i].kind == KIND_BALANCE && p->items[i].a != p->items[i].b)
      find_closes(m, &p->items[i]);
}

static const char *match_balance(struct text_matcher *m, const struct text_item *p,
                                 const char *at) {
  const char *end = m->text.data + m->text.len;
  if (at == end || (uint8_t)*at != p->a) return NULL;
  if (p->a == p->b) {
    const char *next = memchr(at + 1, p->b, (size_t)(end - at - 1));
    return next ? next + 1 : NULL;
  }
  if (m->steps >= m->remember_after && !m->closes) remember_closes(m);
  if (m->closes) {
    uint32_t close = m->closes[(size_t)p->row * m->text.len + (size_t)(at - m->text.data)];
    return close ? m->text.data + close : NULL;
  }
  size_t open = 1;
  for (at++; at < end; at++) {
    step(m);
    if ((uint8_t)*at == p->b && --open == 0) return at + 1;
    open += (uint8_t)*at == p->a;
  }
  return NULL;
}

static bool is_frontier(const struct text_matcher *m, const struct text_item *p, const char *at) {
  char before = at == m->text.data ? 0 : at[-1];
  char here = at == m->text.data + m->text.len ? 0 : *at;
  return !fits(p, before) && fits(p, here);
}

static const char *match_back(struct text_matcher *m, const struct text_item *p, const char *at) {
  const struct text_capture *c = &m->captures[p->a];
  if (c->len == TEXT_POSITION) luaL_error(m->L, "invalid capture index");
  size_t len = (size_t)c->len;
  m->steps += len / 16;
  if ((size_t)(m->text.data + m->text.len - at) < len || memcmp(c->at, at, len) != 0) return NULL;
  return at + len;
}

static const char *match(struct text_matcher *m, const struct text_item *p, const char *at) {
  const char *end = m->text.data + m->text.len;
  for (;; p++) {
    step(m);
    switch ((enum kind)p->kind) {
    case KIND_END: return at;
    case KIND_CHAR:
    case KIND_SET:
      if (p->quantifier) return match_repeated(m, p, at);
      if (at == end || !fits(p, *at)) return NULL;
      at++;
      break;
    case KIND_OPEN: m->captures[p->a].at = at; break;
    case KIND_CLOSE: m->captures[p->a].len = at - m->captures[p->a].at; break;
    case KIND_PLACE: m->captures[p->a] = (struct text_capture){at, TEXT_POSITION}; break;
    case KIND_BALANCE:
      at = match_balance(m, p, at);
      if (!at) return NULL;
      break;
    case KIND_FRONTIER:
      if (!is_frontier(m, p, at)) return NULL;
      break;
    case KIND_BACK:
      at = match_back(m, p, at);
      if (!at) return NULL;
      break;
    case KIND_LAST: return at == end ? match(m, p + 1, at) : NULL;
    }
  }
}

const char *text_match_at(struct text_matcher *m, const char *at) {
  m->depth = 0;
  return match(m, m->pattern->items, at);
}

const char *text_match_from(struct text_matcher *m, const char *at, const char **end) {
  const char *last = m->text.data + m->text.len;
  const struct text_item *first = m->pattern->items;
  bool is_literal = first->kind == KIND_CHAR && (!first->quantifier || first->quantifier == '+') &&
                    !m->pattern->is_anchored;
  for (; at <= last; at++) {
    if (is_literal && !(at = memchr(at, first->a, (size_t)(last - at)))) return NULL;
    *end = text_match_at(m, at);
    if (*end) return at;
    if (m->pattern->is_anchored) return NULL;
  }
  return NULL;
}
