/* Regular expressions in Lua: text.regex, text.matches, and the methods of what regex returns. */
#pragma once
#include <lua.h>

/* Into the table on top of the stack. The state must be a sandbox's. */
void text_regex_add(lua_State *L);
