/* The Lua module "gateyes.json": JSON that survives the way in and out of Lua. Built into the
 * binary, and as a loadable module for specs that run under plain luajit. */
#pragma once
#include <lua.h>

int luaopen_gateyes_json(lua_State *L);
