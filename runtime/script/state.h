/* A Lua state for the scripts that ship with Gateyes: trusted, no io, no os, no ffi. The compiler
 * stays off (its library, which would start it, is not opened): the LuaJIT of Debian 12, of March
 * 2022, compiles a loop over `next` so that a pointer loses its upper half now and then, and the
 * process dies. Without it a translated request costs a fifth more, a translated stream nothing.
 * `require` finds modules in the folder `lua` of the configuration, else in the binary. */
#pragma once
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "base/arena.h"

struct responses;
struct sandbox;

/* lua_path: folder that replaces the embedded files, or empty. site_path: folder whose files go
 * before those, or empty. responses outlives the state. Never
 * NULL. */
lua_State *state_new(struct slice lua_path, struct slice site_path, struct responses *responses);
void state_free(lua_State *L);
/* What translations need beside the sandbox's own library: gateyes.json, gateyes.responses for
 * owners of that tenant, and gateyes_id. */
void state_open_sandboxed(struct sandbox *sandbox, struct slice tenant,
                          struct responses *responses);
/* Calls the function below `args` arguments; on error false, the stack is as before the function
 * and *error holds message and traceback. */
bool state_call(lua_State *L, int args, int results, struct bytes *error);
struct slice state_text(lua_State *L, int index); /* not converted: empty unless a string */
/* Fields are read raw: tables may come from scripts that are not trusted, and no metamethod of
 * theirs may run outside of a protected call. What is no table has no fields. */
void state_push_field(lua_State *L, int index, const char *name);
struct slice state_field_text(lua_State *L, int index, const char *name,
                              struct arena *arena); /* copied */
uint64_t state_field_u64(lua_State *L, int index,
                         const char *name); /* 0 unless a number in 0 … 2^53 */
bool state_field_bool(lua_State *L, int index, const char *name);
void state_set_text(lua_State *L, const char *name, struct slice value); /* into the table on top */
