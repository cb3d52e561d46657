/* `require`, and the realms of a sandbox: whose code gets which globals and which modules. */
#include "script/sandbox_private.h"

enum { MAX_MODULE_BYTES = 200 };

static void push_globals(lua_State *L, struct sandbox *s, enum sandbox_realm realm) {
  must(s->realms[realm].globals != LUA_NOREF);
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->realms[realm].globals);
}

/* The tenant's globals with a `require` that finds more. */
static void push_internal(lua_State *L, struct sandbox *s) {
  if (s->internal == LUA_NOREF) {
    lua_createtable(L, 0, 1);
    sandbox_push_require(L, SANDBOX_TENANT, true);
    lua_setfield(L, -2, "require");
    lua_createtable(L, 0, 2);
    push_globals(L, s, SANDBOX_TENANT);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__index");
    lua_setfield(L, -2, "__newindex");
    lua_setmetatable(L, -2);
    s->internal = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->internal);
}

static int fail_module(lua_State *L, const char *name, const char *why) {
  return luaL_error(L, "module '%s' %s", name, why);
}

static void load_module(lua_State *L, struct sandbox *s, const struct sandbox_wanted *wanted) {
  struct sandbox_module found = {.why = NULL};
  const char *name = lua_tostring(L, 1);
  if (!s->find || !s->find(s->context, wanted, &found))
    fail_module(L, name,
                found.why ? found.why
                          : "is not there; see which files the tenant and the gateway offer");
  lua_pushlstring(L, found.chunk_name.data, found.chunk_name.len);
  int status = sandbox_load_chunk(L, found.text, lua_tostring(L, -1));
  lua_remove(L, -2);
  if (status != 0) lua_error(L);
  if (wanted->realm == SANDBOX_TENANT && !found.is_own)
    push_internal(L, s);
  else
    push_globals(L, s, wanted->realm);
  lua_setfenv(L, -2);
}

/* Upvalues: realm, is_internal. The sentinel of a module that is being loaded is the sandbox. */
static int require(lua_State *L) {
  struct sandbox *s = sandbox_of(L);
  size_t len;
  const char *name = luaL_checklstring(L, 1, &len);
  struct sandbox_wanted wanted = {{name, len},
                                  (enum sandbox_realm)lua_tointeger(L, lua_upvalueindex(1)),
                                  lua_toboolean(L, lua_upvalueindex(2))};
  luaL_argcheck(L, len <= MAX_MODULE_BYTES && strlen(name) == len, 1, "no name of a module");
  lua_settop(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->realms[wanted.realm].loaded);
  lua_getfield(L, 2, name);
  if (lua_islightuserdata(L, 3) && lua_touserdata(L, 3) == s)
    return fail_module(L, name, "requires itself, or failed to load before");
  if (!lua_isnil(L, 3)) return 1;
  sandbox_check(L);
  load_module(L, s, &wanted);
  lua_pushlightuserdata(L, s);
  lua_setfield(L, 2, name);
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_pushboolean(L, true);
  }
  lua_pushvalue(L, -1);
  lua_setfield(L, 2, name);
  return 1;
}

void sandbox_push_require(lua_State *L, enum sandbox_realm realm, bool is_internal) {
  lua_pushinteger(L, realm);
  lua_pushboolean(L, is_internal);
  lua_pushcclosure(L, require, 2);
}

void sandbox_preload(struct sandbox *s, const char *name) {
  must(s->realms[SANDBOX_HOUSE].globals == LUA_NOREF);
  lua_rawgeti(s->L, LUA_REGISTRYINDEX, s->realms[SANDBOX_TENANT].loaded);
  lua_insert(s->L, -2);
  lua_setfield(s->L, -2, name);
  lua_pop(s->L, 1);
}

/* Replaces the value on top, if it is a table, by a copy that shares no table with it. copies:
 * index of a table, original -> copy. What is copied is the library, which is not deep. */
static void copy_tables(lua_State *L, int copies) {
  int original = lua_gettop(L);
  if (!lua_istable(L, original)) return;
  luaL_checkstack(L, 10, "library");
  lua_pushvalue(L, original);
  lua_rawget(L, copies);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    must(!lua_getmetatable(L, original));
    lua_newtable(L);
    lua_pushvalue(L, original);
    lua_pushvalue(L, -2);
    lua_rawset(L, copies);
    for (lua_pushnil(L); lua_next(L, original);) {
      copy_tables(L, copies);
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_rawset(L, -4);
    }
  }
  lua_replace(L, original);
}

/* Stack: the copied globals, which stay. */
static void set_own_functions(lua_State *L, struct sandbox *s) {
  int globals = lua_gettop(L);
  sandbox_push_require(L, SANDBOX_HOUSE, true);
  lua_setfield(L, globals, "require");
  lua_getfield(L, globals, LUA_MATHLIBNAME);
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->house_random);
  for (lua_pushnil(L); lua_next(L, -2);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -5);
  }
  lua_settop(L, globals);
}

void sandbox_open_house(struct sandbox *s) {
  lua_State *L = s->L;
  if (s->realms[SANDBOX_HOUSE].globals != LUA_NOREF) return;
  must(!s->has_run);
  lua_newtable(L);
  int copies = lua_gettop(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->realms[SANDBOX_TENANT].loaded);
  copy_tables(L, copies);
  s->realms[SANDBOX_HOUSE].loaded = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushvalue(L, LUA_GLOBALSINDEX);
  copy_tables(L, copies);
  set_own_functions(L, s);
  s->realms[SANDBOX_HOUSE].globals = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_settop(L, copies - 1);
}

enum sandbox_realm sandbox_realm_of(struct sandbox *s, struct slice module) {
  struct sandbox_wanted wanted = {module, SANDBOX_TENANT, true};
  struct sandbox_module found = {.why = NULL};
  bool is_there = s->find && s->find(s->context, &wanted, &found);
  return is_there && !found.is_own ? SANDBOX_HOUSE : SANDBOX_TENANT;
}

enum sandbox_result sandbox_require(struct sandbox *s, enum sandbox_realm realm, struct slice name,
                                    struct bytes *error) {
  sandbox_push_require(s->L, realm, true);
  lua_pushlstring(s->L, name.data, name.len);
  return sandbox_call(s, 1, 1, error);
}
