/* What the parts of the json module share. */
#pragma once
#include <lauxlib.h>
#include <lua.h>

#include "base/json.h"
#include "script/api_json.h"

enum { UPVALUE_STATE = 1, UPVALUE_ARRAY, UPVALUE_RAW };

struct json_state {
  struct bytes scratch; /* one for a state: freed by the collector even when Lua raises an error */
  struct json_guard guard;
};

static inline struct json_state *json_state_of(lua_State *L) {
  struct json_state *s = lua_touserdata(L, lua_upvalueindex(UPVALUE_STATE));
  enum { KEPT_BYTES = 256 * 1024 };
  if (s->scratch.cap > KEPT_BYTES) bytes_fini(&s->scratch);
  bytes_clear(&s->scratch);
  return s;
}

/* To be called in every loop whose length a script decides. */
static inline void json_check(lua_State *L, const struct json_guard *guard) {
  if (guard->check) guard->check(L);
}

/* The table at index has that metatable (an upvalue). Raw: runs no metamethod. */
static inline bool json_has_meta(lua_State *L, int index, int upvalue) {
  if (!lua_getmetatable(L, index)) return false;
  bool same = lua_rawequal(L, -1, lua_upvalueindex(upvalue));
  lua_pop(L, 1);
  return same;
}

/* The text of the raw value at index; false when it is none. It lives as long as the value. */
static inline bool json_raw_text_at(lua_State *L, int index, struct slice *text) {
  if (!lua_istable(L, index) || !json_has_meta(L, index, UPVALUE_RAW)) return false;
  lua_rawgeti(L, index, 1);
  bool is_text = lua_type(L, -1) == LUA_TSTRING;
  if (is_text) text->data = lua_tolstring(L, -1, &text->len);
  lua_pop(L, 1);
  return is_text;
}

static inline void json_push_raw(lua_State *L, struct slice text) {
  lua_createtable(L, 1, 0);
  lua_pushlstring(L, text.data, text.len);
  lua_rawseti(L, -2, 1);
  lua_pushvalue(L, lua_upvalueindex(UPVALUE_RAW));
  lua_setmetatable(L, -2);
}

int json_lua_decode(lua_State *L);
int json_lua_encode(lua_State *L);
