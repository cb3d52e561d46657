/* Values between scripts and C. */
#include <stdlib.h>

#include "config/names.h"
#include "script/sandbox.h"
#include "script/surface_private.h"

struct slice surface_text(lua_State *L, int index) {
  luaL_checktype(L, index, LUA_TSTRING);
  return state_text(L, index);
}

void surface_push_text(lua_State *L, struct slice text) {
  lua_pushlstring(L, text.data ? text.data : "", text.len);
}

void surface_push_raw(struct surface *s, lua_State *L, struct slice raw) {
  if (!raw.len || !memchr(raw.data, '\\', raw.len)) {
    surface_push_text(L, raw);
    return;
  }
  bytes_clear(&s->scratch);
  json_unescape(raw, &s->scratch);
  surface_push_text(L, bytes_slice(&s->scratch));
}

/* Keys that come with text are read raw: a metamethod of the script has no say in it. */
static int field_type(lua_State *L, int index, const char *name) {
  lua_pushstring(L, name);
  lua_rawget(L, index);
  return lua_type(L, -1);
}

bool surface_text_field(lua_State *L, int index, const char *name, struct slice *out) {
  int type = field_type(L, index, name);
  if (type != LUA_TSTRING && type != LUA_TNIL)
    luaL_error(L, "%s is text, not a %s", name, lua_typename(L, type));
  if (type == LUA_TSTRING) *out = state_text(L, -1);
  lua_pop(L, 1); /* the table keeps it */
  return type == LUA_TSTRING;
}

bool surface_number_field(lua_State *L, int index, const char *name, double *out) {
  int type = field_type(L, index, name);
  if (type != LUA_TNUMBER && type != LUA_TNIL)
    luaL_error(L, "%s is a number, not a %s", name, lua_typename(L, type));
  if (type == LUA_TNUMBER) *out = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return type == LUA_TNUMBER;
}

static bool is_known(struct slice key, const char *const *names) {
  for (; *names; names++)
    if (slice_equal_text(key, *names)) return true;
  return false;
}

void surface_check_keys(lua_State *L, int index, const char *const *names) {
  lua_pushnil(L);
  while (lua_next(L, index)) {
    struct slice key = state_text(L, -2);
    if (lua_type(L, -2) != LUA_TSTRING) luaL_error(L, "a table of names is expected here");
    if (!is_known(key, names)) {
      struct nearest nearest;
      nearest_init(&nearest, key);
      for (const char *const *name = names; *name; name++)
        nearest_offer(&nearest, slice_of(*name));
      lua_pushlstring(L, nearest.best.data ? nearest.best.data : "", nearest.best.len);
      luaL_error(L,
                 nearest.best.len ? "%s is not known here; the nearest is %s"
                                  : "%s is not known here%s",
                 lua_tostring(L, -3), lua_tostring(L, -1));
    }
    lua_pop(L, 1);
  }
}

struct slice surface_encode(struct surface *s, lua_State *L, int index) {
  lua_pushvalue(L, index);
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->json_encode);
  lua_insert(L, -2);
  lua_call(L, 1, 1);
  return state_text(L, -1);
}

void surface_decode(struct surface *s, lua_State *L, struct slice json) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->json_decode);
  surface_push_text(L, json);
  lua_call(L, 1, 1);
}
