/* The host's half of a sandbox's library: what cannot be said in Lua without raw access. */
#include <stdio.h>
#include <stdlib.h>

#include "script/api_json.h"
#include "script/sandbox_private.h"
#include "script/text_library.h"
#include "script/watchdog.h"

enum { STACK_BYTES = 256 << 10 };

void sandbox_check(lua_State *L) {
  const struct sandbox *s = sandbox_find(L); /* NULL: a configuration, with limits of its own */
  const char *base = s ? s->stack_base : NULL, *here = __builtin_frame_address(0);
  if (base && llabs((long long)(base - here)) > STACK_BYTES)
    luaL_error(L, "calls are nested too deeply");
  if (watchdog_is_over()) luaL_error(L, "stopped: the processor time is used up");
}

static int check(lua_State *L) {
  sandbox_check(L);
  return 0;
}

void sandbox_push_field(lua_State *L, int index, const char *name) {
  if (index < 0 && index > LUA_REGISTRYINDEX) index += lua_gettop(L) + 1;
  if (!lua_istable(L, index)) {
    lua_pushnil(L);
    return;
  }
  lua_pushstring(L, name);
  lua_rawget(L, index);
}

/* Tells values apart without giving an address away: splitmix64's finalizer over pointer + secret.
 */
static uint64_t hide(const struct sandbox *s, const void *pointer) {
  uint64_t x = (uint64_t)(uintptr_t)pointer + s->secret;
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return (x ^ (x >> 31)) ^ s->secret >> 7;
}

static void push_hidden(lua_State *L, int index) {
  char text[64];
  uint64_t name = hide(sandbox_of(L), lua_topointer(L, index)) & 0xffffffffffff;
  if (lua_touserdata(L, index) == NULL && lua_islightuserdata(L, index))
    snprintf(text, sizeof text, "null");
  else
    snprintf(text, sizeof text, "%s: 0x%012llx", luaL_typename(L, index), (unsigned long long)name);
  lua_pushstring(L, text);
}

/* Pushes the text of the value at index, as Lua's tostring does. */
static void push_text(lua_State *L, int index) {
  switch (lua_type(L, index)) {
  case LUA_TNUMBER:
  case LUA_TSTRING:
    lua_pushvalue(L, index);
    lua_tostring(L, -1);
    return;
  case LUA_TBOOLEAN: lua_pushstring(L, lua_toboolean(L, index) ? "true" : "false"); return;
  case LUA_TNIL: lua_pushliteral(L, "nil"); return;
  default: break;
  }
  if (!luaL_getmetafield(L, index, "__tostring")) {
    push_hidden(L, index);
    return;
  }
  sandbox_check(L);
  lua_pushvalue(L, index);
  lua_call(L, 1, 1);
  if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "'__tostring' must return a string");
}

static int to_string(lua_State *L) {
  luaL_checkany(L, 1);
  push_text(L, 1);
  return 1;
}

/* string.format with texts made here: the stock one would print addresses. Its upvalue is the
 * stock function. */
static int format(lua_State *L) {
  size_t len;
  const char *at = luaL_checklstring(L, 1, &len), *end = at + len;
  int arg = 1, top = lua_gettop(L);
  while (at < end) {
    if (*at++ != '%') continue;
    if (at < end && *at == '%') {
      at++;
      continue;
    }
    while (at < end && strchr("-+ #0123456789.", *at) && *at)
      at++;
    arg++;
    if (at == end || arg > top) break;
    if (*at == 'p') return luaL_argerror(L, 1, "%p is not offered to scripts");
    if (*at != 's' || lua_type(L, arg) == LUA_TSTRING) continue;
    push_text(L, arg);
    lua_replace(L, arg);
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, top, 1);
  return 1;
}

/* A quarter of the memory is about as much text as is read or written in the usual budget. */
void sandbox_push_json(lua_State *L) {
  struct json_guard guard = {sandbox_check, sandbox_of(L)->memory_bytes / 4};
  api_json_push_guarded(L, &guard);
}

static void push_stock(lua_State *L, const char *library, const char *name) {
  lua_getglobal(L, library);
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
}

static void push_strings(lua_State *L) {
  lua_newtable(L);
  push_stock(L, LUA_STRLIBNAME, "format");
  lua_pushcclosure(L, format, 1);
  lua_setfield(L, -2, "format");
  text_library_add(L);
}

void sandbox_library_push(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"check", check},
      {"tostring", to_string},
      {NULL, NULL},
  };
  struct sandbox *s = sandbox_of(L);
  lua_newtable(L);
  for (const luaL_Reg *f = functions; f->name; f++) {
    lua_pushcfunction(L, f->func);
    lua_setfield(L, -2, f->name);
  }
  sandbox_push_require(L, SANDBOX_TENANT, false);
  lua_setfield(L, -2, "require");
  push_strings(L);
  lua_setfield(L, -2, "string");
  lua_pushlightuserdata(L, s);
  lua_setfield(L, -2, "await_mark");
  lua_pushnumber(L, (lua_Number)(s->secret * UINT64_C(0x9e3779b97f4a7c15) >> 11));
  lua_setfield(L, -2, "seed");
}
