/* Lua module "gateyes.responses": the response store for the runtime's own Lua.
 *   put(owner, id, response, items [, input_index [, output_index]]) -> true | false (too large)
 *   get(owner, id) -> response, items | nil
 *   item(owner, item_id) -> text | nil
 *   delete(owner, id) -> boolean
 * An index is a list of { item_id, first, last }: 1-based positions of items inside `items`
 * (input_index) or `response` (output_index). A position outside its text raises an error.
 * Owners are named by the caller: scripts of a tenant get a module that knows that tenant's alone.
 */
#pragma once
#include <lua.h>

#include "store/responses.h"

/* Puts the module in package.preload; the store must outlive the state. */
void api_responses_open(lua_State *L, struct responses *store);
/* Pushes the module for scripts of one tenant: any other owner raises an error. */
void api_responses_push(lua_State *L, struct responses *store, struct slice tenant);
