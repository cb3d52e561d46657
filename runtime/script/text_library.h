/* string.find, match, gmatch and gsub for scripts and configurations: Lua's, on top of
 * script/text_pattern.h. */
#pragma once
#include <lua.h>

#include "base/bytes.h"

/* Into the table on top of the stack. */
void text_library_add(lua_State *L);
/* The first place of wanted in text, NULL: none. Linear; raises when the script's time is over. */
const char *text_search(lua_State *L, struct slice text, struct slice wanted);
