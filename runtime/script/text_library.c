#include "script/text_library.h"

#include <lauxlib.h>
#include <string.h>

#include "script/sandbox.h"
#include "script/text_pattern.h"

/* A pattern at work: room for short ones, so that most calls allocate nothing. */
struct search {
  struct text_pattern pattern;
  struct text_matcher matcher;
  struct text_item items[TEXT_ITEMS_ON_STACK];
};

static struct slice check_slice(lua_State *L, int index) {
  struct slice text;
  text.data = luaL_checklstring(L, index, &text.len);
  return text;
}

/* Pushes three values that belong to the search: two for its memory, one for a long pattern. */
static void search_init(struct search *s, lua_State *L, bool can_anchor) {
  struct slice text = check_slice(L, 1), source = check_slice(L, 2);
  struct text_item *items = s->items;
  luaL_checkstack(L, 3, "pattern");
  lua_pushnil(L);
  lua_pushnil(L);
  int slots = lua_gettop(L);
  if (source.len < TEXT_ITEMS_ON_STACK)
    lua_pushnil(L);
  else
    items = lua_newuserdata(L, (source.len + 1) * sizeof *items);
  const char *error = text_pattern_compile(source, can_anchor, items, &s->pattern);
  if (error) luaL_error(L, "%s", error);
  text_matcher_init(&s->matcher, L, &s->pattern, text);
  s->matcher.slots = slots;
}

static void push_capture(lua_State *L, const struct text_matcher *m, int number) {
  const struct text_capture *c = &m->captures[number];
  if (c->len == TEXT_POSITION)
    lua_pushinteger(L, c->at - m->text.data + 1);
  else
    lua_pushlstring(L, c->at, (size_t)c->len);
}

/* The captures, or the whole match when there are none. */
static int push_captures(lua_State *L, const struct text_matcher *m, struct slice whole) {
  int count = m->pattern->captures;
  luaL_checkstack(L, count + 1, "captures");
  for (int i = 0; i < count; i++)
    push_capture(L, m, i);
  if (count) return count;
  lua_pushlstring(L, whole.data, whole.len);
  return 1;
}

/* Where to begin, from 0: negative counts from the end, and all is brought into the text. */
static size_t check_start(lua_State *L, int index, size_t len) {
  lua_Number start = luaL_optnumber(L, index, 1);
  if (start < 0) start += (lua_Number)len + 1;
  if (!(start >= 1)) return 0;
  return start > (lua_Number)len ? len : (size_t)start - 1;
}

static bool is_plain(struct slice source) {
  for (size_t i = 0; i < source.len; i++)
    if (memchr("^$*+?.([%-", source.data[i], 10)) return false;
  return true;
}

static int find_plain(lua_State *L, struct slice text, struct slice wanted, size_t start) {
  const char *found = memmem(text.data + start, text.len - start, wanted.data, wanted.len);
  if (!found) return 0;
  lua_pushinteger(L, found - text.data + 1);
  lua_pushinteger(L, found - text.data + (lua_Integer)wanted.len);
  return 2;
}

static int find_or_match(lua_State *L, bool is_find) {
  struct slice text = check_slice(L, 1), source = check_slice(L, 2);
  size_t start = check_start(L, 3, text.len);
  if (is_find && (lua_toboolean(L, 4) || is_plain(source))) {
    if (find_plain(L, text, source, start)) return 2;
    lua_pushnil(L);
    return 1;
  }
  struct search s;
  const char *end;
  search_init(&s, L, true);
  const char *found = text_match_from(&s.matcher, text.data + start, &end);
  if (!found) {
    lua_pushnil(L);
    return 1;
  }
  struct slice whole = {found, (size_t)(end - found)};
  if (!is_find) return push_captures(L, &s.matcher, whole);
  lua_pushinteger(L, found - text.data + 1);
  lua_pushinteger(L, end - text.data);
  return s.pattern.captures ? 2 + push_captures(L, &s.matcher, whole) : 2;
}

static int find(lua_State *L) {
  return find_or_match(L, true);
}

static int match(lua_State *L) {
  return find_or_match(L, false);
}

enum { UP_TEXT = 1, UP_SOURCE, UP_AT, UP_SEARCH, UP_MEMORY, UP_CLOSES, UP_ITEMS };

static int next_match(lua_State *L) {
  struct search *s = lua_touserdata(L, lua_upvalueindex(UP_SEARCH));
  struct text_matcher *m = &s->matcher;
  size_t at = (size_t)lua_tointeger(L, lua_upvalueindex(UP_AT));
  const char *end;
  if (at > m->text.len) return 0;
  m->L = L; /* it may be called from another coroutine */
  const char *found = text_match_from(m, m->text.data + at, &end);
  lua_Integer next = found ? end - m->text.data + (end == found) : (lua_Integer)m->text.len + 1;
  lua_pushinteger(L, next);
  lua_replace(L, lua_upvalueindex(UP_AT));
  return found ? push_captures(L, m, (struct slice){found, (size_t)(end - found)}) : 0;
}

static int gmatch(lua_State *L) {
  check_slice(L, 1), check_slice(L, 2);
  lua_settop(L, 2);
  lua_pushinteger(L, 0);
  struct search *s = lua_newuserdata(L, sizeof *s);
  search_init(s, L, false);
  s->matcher.slots = lua_upvalueindex(UP_MEMORY);
  lua_pushcclosure(L, next_match, UP_ITEMS);
  return 1;
}

struct replacer {
  lua_State *L;
  struct text_matcher *matcher;
  luaL_Buffer out;
  int type; /* of the third argument */
};

static void add_capture(struct replacer *r, int number, struct slice whole) {
  const struct text_matcher *m = r->matcher;
  if (number == 0 || (number == 1 && m->pattern->captures == 0)) {
    luaL_addlstring(&r->out, whole.data, whole.len);
    return;
  }
  if (number > m->pattern->captures) luaL_error(r->L, "invalid capture index");
  push_capture(r->L, m, number - 1);
  lua_tostring(r->L, -1); /* of a position */
  luaL_addvalue(&r->out);
}

/* Copies the replacement with its %0 to %9. */
static void add_template(struct replacer *r, struct slice whole) {
  struct slice with = check_slice(r->L, 3);
  const char *at = with.data, *end = with.data + with.len;
  while (at < end) {
    const char *mark = memchr(at, '%', (size_t)(end - at));
    luaL_addlstring(&r->out, at, (size_t)((mark ? mark : end) - at));
    if (!mark) return;
    char next = mark + 1 < end ? mark[1] : 0;
    if (next >= '0' && next <= '9')
      add_capture(r, next - '0', whole);
    else
      luaL_addchar(&r->out, next);
    at = mark + 2;
  }
}

static void push_first_capture(struct replacer *r, struct slice whole) {
  if (r->matcher->pattern->captures)
    push_capture(r->L, r->matcher, 0);
  else
    lua_pushlstring(r->L, whole.data, whole.len);
}

static void add_value(struct replacer *r, struct slice whole) {
  lua_State *L = r->L;
  if (r->type == LUA_TTABLE) {
    push_first_capture(r, whole);
    lua_gettable(L, 3);
  } else if (r->type == LUA_TFUNCTION) {
    lua_pushvalue(L, 3);
    lua_call(L, push_captures(L, r->matcher, whole), 1);
  } else {
    add_template(r, whole);
    return;
  }
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    lua_pushlstring(L, whole.data, whole.len);
  } else if (!lua_isstring(L, -1)) {
    luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
  }
  luaL_addvalue(&r->out);
}

static void check_replacement(lua_State *L, int type) {
  if (type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TTABLE && type != LUA_TFUNCTION)
    luaL_argerror(L, 3, "string/function/table expected");
}

static int gsub(lua_State *L) {
  struct slice text = check_slice(L, 1);
  check_slice(L, 2);
  struct search s;
  struct replacer r = {.L = L, .matcher = &s.matcher, .type = lua_type(L, 3)};
  check_replacement(L, r.type);
  lua_Number most = luaL_optnumber(L, 4, (lua_Number)text.len + 1);
  lua_settop(L, 4);
  sandbox_check(L);
  search_init(&s, L, true);
  const char *at = text.data, *last = text.data + text.len, *end;
  lua_Number count = 0;
  luaL_buffinit(L, &r.out);
  while (count < most) {
    const char *found = text_match_from(&s.matcher, at, &end);
    if (!found) break;
    count++;
    luaL_addlstring(&r.out, at, (size_t)(found - at));
    add_value(&r, (struct slice){found, (size_t)(end - found)});
    at = end;
    if (end == found && at < last)
      luaL_addchar(&r.out, *at++);
    else if (end == found)
      break;
    if (s.pattern.is_anchored) break;
  }
  luaL_addlstring(&r.out, at, (size_t)(last - at));
  luaL_pushresult(&r.out);
  lua_pushnumber(L, count);
  return 2;
}

void text_library_add(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"find", find}, {"match", match}, {"gmatch", gmatch}, {"gsub", gsub}, {NULL, NULL}};
  for (const luaL_Reg *f = functions; f->name; f++) {
    lua_pushcfunction(L, f->func);
    lua_setfield(L, -2, f->name);
  }
}
