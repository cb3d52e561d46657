/* The Lua module gateyes.text: text.def lists its functions. */
#pragma once
#include <lua.h>

#include "base/bytes.h"

/* Pushes the module. The state must be a sandbox's. */
void text_api_push(lua_State *L);
void text_push_lower(lua_State *L, struct slice text); /* as text.lower gives it */
