/* The module "gateyes.kit" of specs: runs a policy's hooks on a request that the spec describes,
 * with the functions that serve; what lies outside of Lua is what the spec says. */
#pragma once
#include <lua.h>

/* Makes the module known to `require`, and fakes the outside from now on. The state is a sandbox's,
 * its surface is open. */
void spec_kit_open(lua_State *L);
