/* `next` and `pairs` that the compiler leaves alone. Compiled by the LuaJIT of Debian 12 (March
 * 2022, x64), a loop over a table crashes now and then: lj_vm_next gives back a pointer and an
 * index, and where the trace wants the two registers the other way round, the pointer arrives
 * without its upper 32 bits. */
#pragma once
#include <lua.h>

/* Replaces both globals; the base library is open. */
void api_next_open(lua_State *L);
