#include "script/api_json.h"

#include "script/api_json_state.h"

static const struct json_guard *guard_of(lua_State *L) {
  const struct json_state *s = lua_touserdata(L, lua_upvalueindex(UPVALUE_STATE));
  return &s->guard;
}

static void check_length(lua_State *L, struct slice text) {
  if (text.len > guard_of(L)->most_bytes) luaL_error(L, "the JSON text is too long");
}

static struct slice check_text(lua_State *L, int index) {
  struct slice text;
  if (!json_raw_text_at(L, index, &text)) text.data = luaL_checklstring(L, index, &text.len);
  check_length(L, text);
  return text;
}

static int push_error(lua_State *L, const char *message, size_t offset) {
  lua_pushnil(L);
  lua_pushstring(L, message);
  lua_pushinteger(L, (lua_Integer)offset + 1);
  return 3;
}

/* json.array(t): marks t as a list, so that it stays one when it is empty. */
static int mark_array(lua_State *L) {
  if (lua_gettop(L) == 0) lua_newtable(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  if (!json_has_meta(L, 1, UPVALUE_ARRAY) && luaL_getmetafield(L, 1, "__metatable"))
    return luaL_argerror(L, 1, "its metatable is protected");
  lua_pushvalue(L, lua_upvalueindex(UPVALUE_ARRAY));
  lua_setmetatable(L, 1);
  return 1;
}

static int is_array(lua_State *L) {
  lua_pushboolean(L, lua_istable(L, 1) && json_has_meta(L, 1, UPVALUE_ARRAY));
  return 1;
}

/* json.raw(text[, trusted]): a value that is written as text stands. */
static int make_raw(lua_State *L) {
  struct slice text = check_text(L, 1);
  struct json_error error;
  bool trusted = lua_toboolean(L, 2);
  if (!trusted && !json_validate(text, JSON_DEPTH_DEFAULT, &error))
    return push_error(L, error.message, error.offset);
  json_push_raw(L, text);
  return 1;
}

static int is_raw(lua_State *L) {
  struct slice text;
  lua_pushboolean(L, lua_istable(L, 1) && json_raw_text_at(L, 1, &text));
  return 1;
}

static int raw_text(lua_State *L) {
  struct slice text;
  if (!json_raw_text_at(L, 1, &text)) return luaL_argerror(L, 1, "a raw value expected");
  lua_pushlstring(L, text.data, text.len);
  return 1;
}

static int valid(lua_State *L) {
  struct json_error error;
  bool ok = json_validate(check_text(L, 1), JSON_DEPTH_DEFAULT, &error);
  lua_pushboolean(L, ok);
  if (!ok) lua_pushstring(L, error.message);
  return ok ? 1 : 2;
}

static int quote(lua_State *L) {
  struct slice text;
  text.data = luaL_checklstring(L, 1, &text.len);
  check_length(L, text);
  struct bytes *out = &json_state_of(L)->scratch;
  json_quote(out, text);
  lua_pushlstring(L, out->data, out->len);
  return 1;
}

static void push_member(lua_State *L, const struct json_walk *w, struct bytes *scratch) {
  lua_createtable(L, 2, 0);
  bytes_clear(scratch);
  json_unescape(w->key, scratch);
  struct slice key = bytes_slice(scratch);
  lua_pushlstring(L, key.data, key.len);
  lua_rawseti(L, -2, 1);
  lua_pushlstring(L, w->value.data, w->value.len);
  lua_rawseti(L, -2, 2);
}

static int push_parts(lua_State *L, enum json_type container) {
  struct slice text = check_text(L, 1);
  struct bytes *scratch = &json_state_of(L)->scratch;
  struct json_error error;
  if (!json_validate(text, JSON_DEPTH_DEFAULT, &error))
    return push_error(L, error.message, error.offset);
  if (json_type(text) != container)
    return push_error(L, container == JSON_OBJECT ? "not an object" : "not a list", 0);
  int count = 0;
  const struct json_guard *guard = guard_of(L);
  lua_newtable(L);
  for (struct json_walk w = json_walk_of(text); json_walk_next(&w);) {
    if (container == JSON_OBJECT)
      push_member(L, &w, scratch);
    else
      lua_pushlstring(L, w.value.data, w.value.len);
    lua_rawseti(L, -2, ++count);
    if (count % 256 == 0) json_check(L, guard);
  }
  return 1;
}

static int members(lua_State *L) {
  return push_parts(L, JSON_OBJECT);
}

static int elements(lua_State *L) {
  return push_parts(L, JSON_ARRAY);
}

static int on_collect(lua_State *L) {
  struct json_state *s = lua_touserdata(L, 1);
  bytes_fini(&s->scratch);
  return 0;
}

static void push_state(lua_State *L, const struct json_guard *guard) {
  struct json_state *s = lua_newuserdata(L, sizeof *s);
  bytes_init(&s->scratch);
  s->guard = *guard;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, on_collect);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
}

static void push_meta(lua_State *L, const char *name, bool is_hidden) {
  lua_createtable(L, 0, 1);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  if (!is_hidden) return;
  lua_pushboolean(L, false);
  lua_setfield(L, -2, "__metatable");
}

static const luaL_Reg functions[] = {
    {"decode", json_lua_decode},
    {"encode", json_lua_encode},
    {"array", mark_array},
    {"is_array", is_array},
    {"raw", make_raw},
    {"is_raw", is_raw},
    {"raw_text", raw_text},
    {"valid", valid},
    {"quote", quote},
    {"members", members},
    {"elements", elements},
    {NULL, NULL},
};

/* Stack: module, state, both metatables, which stay on top. */
static void push_module(lua_State *L, const struct json_guard *guard, bool is_hidden) {
  lua_newtable(L);
  int module = lua_gettop(L);
  push_state(L, guard);
  push_meta(L, "json.array", is_hidden);
  push_meta(L, "json.raw", is_hidden);
  for (const luaL_Reg *f = functions; f->name; f++) {
    for (int i = 1; i <= 3; i++)
      lua_pushvalue(L, module + i);
    lua_pushcclosure(L, f->func, 3);
    lua_setfield(L, module, f->name);
  }
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, module, "null");
}

int luaopen_gateyes_json(lua_State *L) {
  enum { MOST_BYTES = 64 * 1024 * 1024 }; /* one table may occur many times in a value */
  int top = lua_gettop(L);
  push_module(L, &(struct json_guard){NULL, MOST_BYTES}, false);
  lua_setfield(L, top + 1, "raw_mt");
  lua_setfield(L, top + 1, "array_mt");
  lua_settop(L, top + 1);
  return 1;
}

void api_json_push_guarded(lua_State *L, const struct json_guard *guard) {
  int top = lua_gettop(L);
  push_module(L, guard, true);
  lua_settop(L, top + 1);
}
