/* Lists of words in Lua: text.words, and the method of what it returns. */
#pragma once
#include <lua.h>

/* Into the table on top of the stack. The state must be a sandbox's. */
void text_words_add(lua_State *L);
