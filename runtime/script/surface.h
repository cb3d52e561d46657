/* What a tenant's script can call, as one table (surface.def) from which the functions are
 * registered, so that none can be missing from it, and from which the reference and the editor's
 * annotations are written. One surface for each sandbox. */
#pragma once
#include <lauxlib.h>
#include <lua.h>

#include "script/policy.h"

struct surface;

enum {
  PHASE_LOAD = 1 << POLICY_HOOK_COUNT, /* the body of a module, before any request */
  PHASE_ON_REQUEST = 1 << POLICY_ON_REQUEST,
  PHASE_ROUTE = 1 << POLICY_ROUTE,
  PHASE_ON_DELTA = 1 << POLICY_ON_DELTA,
  PHASE_ON_REPLY = 1 << POLICY_ON_REPLY,
  PHASE_ON_FINISH = 1 << POLICY_ON_FINISH,
  PHASE_OUTPUT = PHASE_ON_DELTA | PHASE_ON_REPLY,
  PHASE_HOOKS = PHASE_LOAD - 1,
  PHASE_WAITING = PHASE_HOOKS & ~PHASE_ON_FINISH, /* of calls that may wait */
  PHASE_ANY = PHASE_HOOKS | PHASE_LOAD
};

struct surface_function {
  const char *owner, *name; /* owner: "gateyes", "gateyes.store", "request", … */
  lua_CFunction call;       /* NULL: registered by a module of its own */
  unsigned phases;
  const char *arguments, *returns; /* as LuaLS writes types: "name: string, ttl_s?: number" */
  const char *errors;              /* what a wrong call raises or returns; may be empty */
  const char *sentence;
};

struct surface_field {
  const char *owner, *name;
  void (*push)(lua_State *L, struct surface *s); /* the object is at index 1 */
  const char *type, *sentence;
};

const struct surface_function *surface_functions(size_t *count);
const struct surface_field *surface_fields(size_t *count);

/* Puts `gateyes` and its modules where `require` finds them. Once for each state, inside a
 * protected call. settings->host outlives the state. */
struct surface *surface_open(lua_State *L, const struct policy_settings *settings);
struct surface *surface_find(lua_State *L); /* NULL: not opened */

/* Markdown of docs/lua.md; annotations for LuaLS: of what is called, of the tables it takes. */
void surface_reference(struct bytes *out);
void surface_annotations(struct bytes *out);
void surface_table_annotations(struct bytes *out);
