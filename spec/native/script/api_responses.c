/* The Lua face of the response store. */
#include "script/api_responses.h"

#include <lauxlib.h>
#include <lualib.h>

#include "check.h"

static const char script[] =
    "local store = require 'gateyes.responses'\n"
    "local items = '[{\"id\":\"msg_1\"},{}]'\n"
    "local response = '{\"output\":[{\"id\":\"fc_1\"}]}'\n"
    "assert(store.put('o', 'resp_1', response, items, { { 'msg_1', 2, 15 } }, { { 'fc_1', 12, 24 } "
    "}))\n"
    "local a, b = store.get('o', 'resp_1')\n"
    "assert(a == response and b == items)\n"
    "assert(store.item('o', 'msg_1') == '{\"id\":\"msg_1\"}')\n"
    "assert(store.item('o', 'fc_1') == '{\"id\":\"fc_1\"}')\n"
    "assert(store.item('p', 'fc_1') == nil and store.get('p', 'resp_1') == nil)\n"
    "assert(not pcall(store.put, 'o', 'r', '{}', '[]', { { 'x', 1, 3 } }))\n"
    "assert(not pcall(store.put, 'o', 'r', '{}', '[]', { { 'x', 0, 1 } }))\n"
    "assert(not pcall(store.put, 'o', 'r', '{}', '[]', { { 1, 1, 1 } }))\n"
    "assert(not pcall(store.put, 'o', 'r', '{}', '[]', { 'x' }))\n"
    "assert(not pcall(store.put, 'o', 'r'))\n"
    "assert(store.delete('o', 'resp_1') and not store.delete('o', 'resp_1'))\n"
    "assert(store.put('o', 'big', ('x'):rep(5000), '[]') == false)\n"
    "assert(store.item('o', 'msg_1') == nil)\n";

int main(void) {
  struct responses *store = responses_new(&(struct responses_limits){10, 4096, 0});
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  api_responses_open(L, store);
  if (luaL_dostring(L, script) != 0) fprintf(stderr, "%s\n", lua_tostring(L, -1));
  CHECK(lua_gettop(L) == 0);
  lua_close(L);
  CHECK(responses_count(store) == 0);
  responses_free(store);
  return checks_end();
}
