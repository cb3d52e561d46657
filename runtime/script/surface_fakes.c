/* While specs run, the outside is what they say it is. */
#include <math.h>
#include <stdlib.h>

#include "script/sandbox.h"
#include "script/surface_private.h"

/* Pushes a field of the fakes; false (nothing pushed) when there is none. */
static bool push_fake(const struct surface *s, lua_State *L, const char *name) {
  if (s->fakes == LUA_NOREF) return false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->fakes);
  sandbox_push_field(L, -1, name);
  lua_remove(L, -2);
  if (!lua_isnil(L, -1)) return true;
  lua_pop(L, 1);
  return false;
}

bool surface_fake_secret(lua_State *L, struct surface *s, struct slice name, struct bytes *out) {
  if (!push_fake(s, L, "secrets")) return false;
  bool found = false;
  if (lua_istable(L, -1)) {
    surface_push_text(L, name);
    lua_rawget(L, -2);
    found = lua_type(L, -1) == LUA_TSTRING;
    bytes_append_slice(out, state_text(L, -1));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return found;
}

bool surface_fake_now(const struct surface *s, lua_State *L, uint64_t *now_ms) {
  if (!push_fake(s, L, "now")) return false;
  double seconds = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
  lua_pop(L, 1);
  *now_ms = seconds > 0 && seconds < 1e12 ? (uint64_t)llround(seconds * 1000) : 0;
  return true;
}

/* Sleeping takes no time: it moves the clock. */
bool surface_fake_sleep(struct surface *s, lua_State *L, double ms) {
  uint64_t now_ms;
  if (s->fakes == LUA_NOREF) return false;
  if (!surface_fake_now(s, L, &now_ms)) return true;
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->fakes);
  lua_pushliteral(L, "now");
  lua_pushnumber(L, ((double)now_ms + ms) / 1000);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  return true;
}

/* A reply is a table with what is missing filled in; anything else is given back as it is. */
static void complete_reply(lua_State *L, int index) {
  static const char *const names[] = {"status", "headers", "body"};
  if (!lua_istable(L, index)) return;
  for (int i = 0; i < 3; i++) {
    sandbox_push_field(L, index, names[i]);
    bool missing = lua_isnil(L, -1);
    lua_pop(L, 1);
    if (!missing) continue;
    lua_pushstring(L, names[i]);
    if (i == 0) lua_pushinteger(L, 200);
    if (i == 1) lua_newtable(L);
    if (i == 2) lua_pushliteral(L, "");
    lua_rawset(L, index);
  }
}

int surface_fake_fetch(lua_State *L, struct surface *s) {
  if (s->fakes == LUA_NOREF) return 0;
  if (!push_fake(s, L, "fetch"))
    return luaL_error(L, "no reply is prepared for gateyes.fetch; say kit.fetch(function(request) "
                         "return { status = 200, body = \"…\" } end)");
  lua_pushvalue(L, 1);
  int before = lua_gettop(L) - 2;
  lua_call(L, 1, 3);
  complete_reply(L, before + 1);
  return 3;
}
