/* The Lua module gateyes.text: text.def lists its functions. */
#pragma once
#include <lua.h>

/* Pushes the module. The state must be a sandbox's. */
void text_api_push(lua_State *L);
