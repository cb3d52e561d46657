/* string.find, match, gmatch and gsub for sandboxes: Lua's, on top of script/text_pattern.h. */
#pragma once
#include <lua.h>

/* Into the table on top of the stack. The state must be a sandbox's. */
void text_library_add(lua_State *L);
