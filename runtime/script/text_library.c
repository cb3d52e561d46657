#include "script/text_library.h"

#include <lauxlib.h>
#include <string.h>

#include "script/sandbox.h"
#include "script/text_pattern.h"
#include "script/text_replace.h"

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

static struct text_found found_of(const struct search *s, const char *from, const char *end) {
  return (struct text_found){
      s->matcher.text.data, {from, (size_t)(end - from)}, s->matcher.captures, s->pattern.captures};
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

/* In windows that overlap by what a match may need, and are long beside it. */
const char *text_search(lua_State *L, struct slice text, struct slice wanted) {
  enum { WINDOW_BYTES = 256 << 10 };
  size_t window = wanted.len < WINDOW_BYTES / 4 ? WINDOW_BYTES : 4 * wanted.len;
  while (text.len > window) {
    const char *found = memmem(text.data, window, wanted.data, wanted.len);
    if (found) return found;
    text = slice_skip(text, window - wanted.len + 1);
    sandbox_check(L);
  }
  return memmem(text.data, text.len, wanted.data, wanted.len);
}

static int find_plain(lua_State *L, struct slice text, struct slice wanted, size_t start) {
  const char *found = text_search(L, slice_skip(text, start), wanted);
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
  struct text_found all = found_of(&s, found, end);
  if (!is_find) return text_push_captures(L, &all);
  lua_pushinteger(L, found - text.data + 1);
  lua_pushinteger(L, end - text.data);
  return s.pattern.captures ? 2 + text_push_captures(L, &all) : 2;
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
  if (!found) return 0;
  struct text_found all = found_of(s, found, end);
  return text_push_captures(L, &all);
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

static int gsub(lua_State *L) {
  struct slice text = check_slice(L, 1);
  check_slice(L, 2);
  struct search s;
  struct text_replacer r;
  lua_Number count = 0, most = luaL_optnumber(L, 4, (lua_Number)text.len + 1);
  text_check_replacement(L, 3);
  lua_settop(L, 4);
  sandbox_check(L);
  search_init(&s, L, true);
  const char *at = text.data, *last = text.data + text.len, *end;
  text_replacer_init(&r, L, 3);
  while (count < most) {
    const char *found = text_match_from(&s.matcher, at, &end);
    if (!found) break;
    count++;
    luaL_addlstring(&r.out, at, (size_t)(found - at));
    struct text_found all = found_of(&s, found, end);
    text_replacer_add(&r, &all);
    at = end;
    if (end == found && at == last) break;
    if (end == found) luaL_addchar(&r.out, *at++);
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
