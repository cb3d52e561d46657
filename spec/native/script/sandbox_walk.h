/* Walks everything that hangs together with a value: tables, metatables, upvalues, environments,
 * coroutines. Raw, with the C API; scripts themselves can see less. */
#pragma once
#include <stdio.h>

#include "sandbox_kit.h"

struct walk {
  lua_State *L;
  int seen; /* stack index of a table: object -> true */
  void (*on_object)(void *context, const char *path, lua_State *L, int index);
  void *context;
};

static void walk_value(struct walk *w, const char *path, int index);

static inline int walk_compare(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in their order, so that an object with two paths always gets the same. */
static inline void walk_names(struct walk *w, const char *path, int index) {
  enum { MOST = 4096 };
  char name[512], **names = must_calloc(MOST, sizeof *names);
  size_t count = 0;
  for (lua_pushnil(w->L); lua_next(w->L, index); lua_pop(w->L, 1))
    if (lua_type(w->L, -2) == LUA_TSTRING && count < MOST)
      names[count++] = must_strdup(lua_tostring(w->L, -2));
  qsort(names, count, sizeof *names, walk_compare);
  for (size_t i = 0; i < count; i++) {
    lua_pushstring(w->L, names[i]);
    lua_rawget(w->L, index);
    snprintf(name, sizeof name, "%s.%s", path, names[i]);
    walk_value(w, name, lua_gettop(w->L));
    lua_pop(w->L, 1);
    free(names[i]);
  }
  free(names);
}

static inline void walk_table(struct walk *w, const char *path, int index) {
  char name[512];
  walk_names(w, path, index);
  for (lua_pushnil(w->L); lua_next(w->L, index); lua_pop(w->L, 1)) {
    snprintf(name, sizeof name, "%s[%s]", path, luaL_typename(w->L, -2));
    walk_value(w, name, lua_gettop(w->L));
    snprintf(name, sizeof name, "%s[key]", path);
    walk_value(w, name, lua_gettop(w->L) - 1);
  }
}

static inline void walk_function(struct walk *w, const char *path, int index) {
  char name[512];
  const char *upvalue;
  for (int i = 1; (upvalue = lua_getupvalue(w->L, index, i)); i++) {
    snprintf(name, sizeof name, "%s^%s", path, *upvalue ? upvalue : "host");
    walk_value(w, name, lua_gettop(w->L));
    lua_pop(w->L, 1);
  }
}

static inline void walk_value(struct walk *w, const char *path, int index) {
  lua_State *L = w->L;
  int type = lua_type(L, index), top = lua_gettop(L);
  if (type != LUA_TTABLE && type != LUA_TFUNCTION && type != LUA_TUSERDATA && type != LUA_TTHREAD)
    return;
  luaL_checkstack(L, 20, "walk");
  lua_pushvalue(L, index);
  lua_rawget(L, w->seen);
  if (lua_toboolean(L, -1)) {
    lua_settop(L, top);
    return;
  }
  lua_pushvalue(L, index);
  lua_pushboolean(L, true);
  lua_rawset(L, w->seen);
  w->on_object(w->context, path, L, index);
  char name[512];
  if (type == LUA_TTABLE) walk_table(w, path, index);
  if (type == LUA_TFUNCTION) walk_function(w, path, index);
  lua_settop(L, top);
  snprintf(name, sizeof name, "%s(meta)", path);
  if (lua_getmetatable(L, index)) walk_value(w, name, top + 1);
  lua_settop(L, top);
  lua_getfenv(L, index);
  snprintf(name, sizeof name, "%s(env)", path);
  walk_value(w, name, top + 1);
  lua_settop(L, top);
}

/* From the globals, and from the metatable of strings. */
static inline void walk_sandbox(struct sandbox *s, void *context,
                                void (*on_object)(void *, const char *, lua_State *, int)) {
  lua_State *L = sandbox_state(s);
  lua_newtable(L);
  struct walk w = {L, lua_gettop(L), on_object, context};
  lua_pushvalue(L, w.seen); /* the table itself is no find */
  lua_pushboolean(L, true);
  lua_rawset(L, w.seen);
  lua_pushvalue(L, LUA_GLOBALSINDEX);
  walk_value(&w, "_G", lua_gettop(L));
  lua_pushliteral(L, "");
  CHECK(lua_getmetatable(L, -1));
  walk_value(&w, "string(meta)", lua_gettop(L));
  lua_settop(L, w.seen - 1);
}
