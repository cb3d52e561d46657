/* The Lua module "gateyes.json": JSON that survives the way in and out of Lua. Built into the
 * binary, and as a loadable module for specs that run under plain luajit. */
#pragma once
#include <lua.h>
#include <stddef.h>

int luaopen_gateyes_json(lua_State *L);

struct json_guard {
  void (*check)(lua_State *L); /* called often during long work; may raise. NULL: none */
  size_t most_bytes;           /* of text, in or out */
};

/* The module for scripts that are not trusted: bounded, and its metatables are out of reach. */
void api_json_push_guarded(lua_State *L, const struct json_guard *guard);
