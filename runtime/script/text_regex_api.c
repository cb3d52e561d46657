#include "script/text_regex_api.h"

#include "script/sandbox.h"
#include "script/text_regex.h"
#include "script/text_replace.h"

/* Upvalues of every function here: the metatable of expressions, and those compiled last. */
enum { UP_META = 1, UP_CACHE, UP_COUNT, UPVALUES = 3, CACHED = 64 };

static struct slice check_slice(lua_State *L, int index) {
  struct slice text;
  text.data = luaL_checklstring(L, index, &text.len);
  return text;
}

static struct text_regex *check_regex(lua_State *L, int index) {
  bool is_regex = lua_type(L, index) == LUA_TUSERDATA && lua_getmetatable(L, index);
  if (is_regex) {
    is_regex = lua_rawequal(L, -1, lua_upvalueindex(UP_META));
    lua_pop(L, 1);
  }
  if (!is_regex) luaL_argerror(L, index, "a regular expression of text.regex expected");
  return lua_touserdata(L, index);
}

static void forget_all(lua_State *L) {
  lua_newtable(L);
  lua_replace(L, lua_upvalueindex(UP_CACHE));
  lua_pushinteger(L, 0);
  lua_replace(L, lua_upvalueindex(UP_COUNT));
}

/* Pushes the compiled form of the text at index. */
static struct text_regex *push_regex(lua_State *L, int index) {
  char error[128];
  struct slice source = check_slice(L, index);
  lua_pushvalue(L, index);
  lua_rawget(L, lua_upvalueindex(UP_CACHE));
  if (!lua_isnil(L, -1)) return lua_touserdata(L, -1);
  lua_pop(L, 1);
  struct text_regex *r = text_regex_new(L, source, error);
  if (!r) luaL_error(L, "regular expression: %s", error);
  lua_pushvalue(L, lua_upvalueindex(UP_META));
  lua_setmetatable(L, -2);
  lua_Integer count = lua_tointeger(L, lua_upvalueindex(UP_COUNT));
  if (count >= CACHED) forget_all(L);
  lua_pushinteger(L, count >= CACHED ? 1 : count + 1);
  lua_replace(L, lua_upvalueindex(UP_COUNT));
  lua_pushvalue(L, index);
  lua_pushvalue(L, -2);
  lua_rawset(L, lua_upvalueindex(UP_CACHE));
  return r;
}

static int text_regex(lua_State *L) {
  push_regex(L, 1);
  return 1;
}

static int text_matches(lua_State *L) {
  struct slice text = check_slice(L, 1);
  lua_pushboolean(L, text_regex_match(push_regex(L, 2), L, text, 0, NULL));
  return 1;
}

static int regex_test(lua_State *L) {
  struct text_regex *r = check_regex(L, 1);
  lua_pushboolean(L, text_regex_match(r, L, check_slice(L, 2), 0, NULL));
  return 1;
}

struct hit {
  size_t slots[TEXT_SLOTS];
  struct text_capture captures[TEXT_GROUPS];
  struct text_found found;
};

static bool search(lua_State *L, struct text_regex *r, struct slice text, size_t from,
                   struct hit *hit) {
  if (from > text.len || !text_regex_match(r, L, text, from, hit->slots)) return false;
  int groups = (int)text_regex_groups(r);
  const size_t *slot = hit->slots;
  hit->found = (struct text_found){
      text.data, {text.data + slot[0], slot[1] - slot[0]}, hit->captures, groups};
  for (int i = 0; i < groups; i++) {
    slot += 2;
    bool is_absent = slot[0] == TEXT_NO_MATCH || slot[1] == TEXT_NO_MATCH;
    hit->captures[i].at = is_absent ? NULL : text.data + slot[0];
    hit->captures[i].len = is_absent ? TEXT_ABSENT : (ptrdiff_t)(slot[1] - slot[0]);
  }
  return true;
}

/* From 0, as string.find has it; beyond the end stays there. */
static size_t check_start(lua_State *L, int index, size_t len) {
  lua_Number start = luaL_optnumber(L, index, 1);
  if (start < 0) start += (lua_Number)len + 1;
  if (!(start >= 1)) return 0;
  return start > (lua_Number)len + 1 ? len + 1 : (size_t)start - 1;
}

static int find_or_match(lua_State *L, bool is_find) {
  struct text_regex *r = check_regex(L, 1);
  struct slice text = check_slice(L, 2);
  struct hit hit;
  if (!search(L, r, text, check_start(L, 3, text.len), &hit)) {
    lua_pushnil(L);
    return 1;
  }
  if (!is_find) return text_push_captures(L, &hit.found);
  lua_pushinteger(L, (lua_Integer)hit.slots[0] + 1);
  lua_pushinteger(L, (lua_Integer)hit.slots[1]);
  return hit.found.count ? 2 + text_push_captures(L, &hit.found) : 2;
}

static int regex_find(lua_State *L) {
  return find_or_match(L, true);
}

static int regex_match(lua_State *L) {
  return find_or_match(L, false);
}

/* Where to look after a match; an empty one is not found again, and no character is cut. */
static size_t next_start(const struct hit *hit, struct slice text) {
  size_t at = hit->slots[1];
  if (at != hit->slots[0]) return at;
  do
    at++;
  while (at < text.len && ((unsigned char)text.data[at] & 0xc0) == 0x80);
  return at;
}

enum { NEXT_REGEX = 1, NEXT_TEXT, NEXT_AT, NEXT_UPVALUES = 3 };

static int next_match(lua_State *L) {
  struct text_regex *r = lua_touserdata(L, lua_upvalueindex(NEXT_REGEX));
  struct slice text = state_text(L, lua_upvalueindex(NEXT_TEXT));
  struct hit hit;
  size_t at = (size_t)lua_tonumber(L, lua_upvalueindex(NEXT_AT));
  bool is_found = search(L, r, text, at, &hit);
  lua_pushnumber(L, (lua_Number)(is_found ? next_start(&hit, text) : text.len + 1));
  lua_replace(L, lua_upvalueindex(NEXT_AT));
  return is_found ? text_push_captures(L, &hit.found) : 0;
}

static int regex_gmatch(lua_State *L) {
  check_regex(L, 1), check_slice(L, 2);
  lua_settop(L, 2);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, next_match, NEXT_UPVALUES);
  return 1;
}

static int regex_gsub(lua_State *L) {
  struct text_regex *r = check_regex(L, 1);
  struct slice text = check_slice(L, 2);
  struct text_replacer replacer;
  struct hit hit;
  size_t from = 0, copied = 0;
  lua_Number count = 0, most = luaL_optnumber(L, 4, (lua_Number)text.len + 1);
  text_check_replacement(L, 3);
  lua_settop(L, 4);
  sandbox_check(L);
  text_replacer_init(&replacer, L, 3);
  while (count < most && search(L, r, text, from, &hit)) {
    count++;
    luaL_addlstring(&replacer.out, text.data + copied, hit.slots[0] - copied);
    text_replacer_add(&replacer, &hit.found);
    copied = hit.slots[1];
    from = next_start(&hit, text);
  }
  luaL_addlstring(&replacer.out, text.data + copied, text.len - copied);
  luaL_pushresult(&replacer.out);
  lua_pushnumber(L, count);
  return 2;
}

static void add(lua_State *L, int into, const luaL_Reg *functions, int upvalues) {
  for (; functions->name; functions++) {
    for (int i = 0; i < UPVALUES; i++)
      lua_pushvalue(L, upvalues + i);
    lua_pushcclosure(L, functions->func, UPVALUES);
    lua_setfield(L, into, functions->name);
  }
}

void text_regex_add(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"regex", text_regex}, {"matches", text_matches}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"test", regex_test},   {"find", regex_find},
                                     {"match", regex_match}, {"gmatch", regex_gmatch},
                                     {"gsub", regex_gsub},   {NULL, NULL}};
  int module = lua_gettop(L);
  lua_newtable(L); /* the metatable */
  lua_newtable(L); /* the cache: regex and matches begin with the same and count for themselves */
  lua_pushinteger(L, 0);
  add(L, module, functions, module + 1);
  lua_newtable(L);
  add(L, module + 4, methods, module + 1);
  lua_setfield(L, module + 1, "__index");
  lua_pushboolean(L, false);
  lua_setfield(L, module + 1, "__metatable");
  lua_settop(L, module);
}
