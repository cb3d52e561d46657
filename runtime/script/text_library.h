/* string.find, match, gmatch and gsub for scripts and configurations: Lua's, on top of
 * script/text_pattern.h. */
#pragma once
#include <lua.h>

/* Into the table on top of the stack. */
void text_library_add(lua_State *L);
