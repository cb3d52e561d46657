#include "script/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "script/api_json.h"
#include "script/api_responses.h"
#include "script/embedded.h"
#include "script/heap.h"
#include "script/sandbox.h"

enum { MAX_SCRIPT_BYTES = 4 << 20 };

static int id_new(lua_State *L) {
  size_t len;
  const char *prefix = luaL_checklstring(L, 1, &len);
  char id[25];
  digest_random_id(id, sizeof id - 1);
  lua_pushlstring(L, prefix, len);
  lua_pushstring(L, id);
  lua_concat(L, 2);
  return 1;
}

static bool read_file(const char *path, struct bytes *out) {
  FILE *file = fopen(path, "rb");
  if (!file) return false;
  size_t got;
  do {
    got = fread(bytes_reserve(out, 16384), 1, 16384, file);
    out->len += got;
  } while (got > 0 && out->len < MAX_SCRIPT_BYTES);
  fclose(file);
  return true;
}

/* The module's file name, "gateyes/usage.lua", from "gateyes.usage". */
static void file_name(const char *module, struct bytes *out) {
  for (const char *c = module; *c; c++)
    bytes_append_byte(out, *c == '.' ? '/' : *c);
  bytes_append_text(out, ".lua");
}

static int load_embedded(lua_State *L, const char *name) {
  for (const struct embedded_file *file = embedded_files(); file->name; file++) {
    if (strcmp(file->name, name) != 0) continue;
    lua_pushfstring(L, "@lua/%s", name);
    return luaL_loadbuffer(L, file->start, (size_t)(file->end - file->start), lua_tostring(L, -1));
  }
  lua_pushfstring(L, "no script lua/%s in this binary", name);
  return LUA_ERRFILE;
}

static int load_module(lua_State *L, const char *folder, const char *name) {
  if (!*folder) return load_embedded(L, name);
  struct bytes path, text;
  bytes_init(&path);
  bytes_init(&text);
  bytes_printf(&path, "%s/%s", folder, name);
  int result = LUA_ERRFILE;
  if (read_file(bytes_text(&path), &text)) {
    lua_pushfstring(L, "@%s", bytes_text(&path));
    result = luaL_loadbuffer(L, text.data, text.len, lua_tostring(L, -1));
  } else {
    lua_pushfstring(L, "cannot read %s", bytes_text(&path));
  }
  bytes_fini(&path);
  bytes_fini(&text);
  return result;
}

/* The one loader of `require` beside preloaded modules; the folders are its upvalues. */
static int find_module(lua_State *L) {
  struct bytes name;
  bytes_init(&name);
  file_name(luaL_checkstring(L, 1), &name);
  lua_settop(L, 1);
  lua_pushstring(L, bytes_text(&name));
  bytes_fini(&name);
  const char *site = lua_tostring(L, lua_upvalueindex(2));
  if (*site && load_module(L, site, lua_tostring(L, -1)) != LUA_ERRFILE) {
    if (lua_isfunction(L, -1)) return 1;
    return lua_error(L);
  }
  lua_settop(L, 2);
  if (load_module(L, lua_tostring(L, lua_upvalueindex(1)), lua_tostring(L, 2)) != 0)
    return lua_error(L);
  return 1;
}

static void open_library(lua_State *L, const char *name, lua_CFunction open) {
  lua_pushcfunction(L, open);
  lua_pushstring(L, name);
  lua_call(L, 1, 0);
}

/* package.loaders = { preloaded, ours }: nothing is searched for on disk outside the folder. */
static void set_loaders(lua_State *L, struct slice lua_path, struct slice site_path) {
  lua_getglobal(L, "package");
  lua_createtable(L, 2, 0);
  lua_getfield(L, -2, "loaders");
  lua_rawgeti(L, -1, 1);
  lua_rawseti(L, -3, 1);
  lua_pop(L, 1);
  lua_pushlstring(L, lua_path.data ? lua_path.data : "", lua_path.len);
  lua_pushlstring(L, site_path.data ? site_path.data : "", site_path.len);
  lua_pushcclosure(L, find_module, 2);
  lua_rawseti(L, -2, 2);
  lua_setfield(L, -2, "loaders");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, luaopen_gateyes_json);
  lua_setfield(L, -2, "gateyes.json");
  lua_pop(L, 2);
}

static void hide_globals(lua_State *L) {
  static const char *const hidden[] = {
      "dofile",         "loadfile", "load",    "loadstring", "newproxy",
      "collectgarbage", "print",    "package", "module",     "jit"};
  for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
    lua_pushnil(L);
    lua_setglobal(L, hidden[i]);
  }
}

static int on_panic(lua_State *L) {
  must_fail(lua_tostring(L, -1) ? lua_tostring(L, -1) : "error outside of a protected call",
            __FILE__, __LINE__);
}

lua_State *state_new(struct slice lua_path, struct slice site_path, struct responses *responses) {
  lua_State *L = lua_newstate(heap_allocate, heap_new());
  must(L != NULL);
  lua_atpanic(L, on_panic);
  open_library(L, "", luaopen_base);
  open_library(L, LUA_TABLIBNAME, luaopen_table);
  open_library(L, LUA_STRLIBNAME, luaopen_string);
  open_library(L, LUA_MATHLIBNAME, luaopen_math);
  open_library(L, LUA_BITLIBNAME, luaopen_bit);
  open_library(L, LUA_LOADLIBNAME, luaopen_package);
  set_loaders(L, lua_path, site_path);
  api_responses_open(L, responses);
  hide_globals(L);
  lua_pushcfunction(L, id_new);
  lua_setglobal(L, "gateyes_id");
  lua_settop(L, 0);
  return L;
}

void state_free(lua_State *L) {
  void *heap;
  lua_getallocf(L, &heap);
  lua_close(L);
  heap_free(heap);
}

void state_open_sandboxed(struct sandbox *sandbox, struct slice tenant,
                          struct responses *responses) {
  lua_State *L = sandbox_state(sandbox);
  sandbox_push_json(L);
  sandbox_preload(sandbox, "gateyes.json");
  api_responses_push(L, responses, tenant);
  sandbox_preload(sandbox, "gateyes.responses");
  lua_pushliteral(L, "gateyes_id");
  lua_pushcfunction(L, id_new);
  lua_rawset(L, LUA_GLOBALSINDEX);
}

static int on_error(lua_State *L) {
  luaL_traceback(L, L, lua_isstring(L, 1) ? lua_tostring(L, 1) : "error without a message", 1);
  return 1;
}

bool state_call(lua_State *L, int args, int results, struct bytes *error) {
  struct sandbox *sandbox = sandbox_find(L);
  if (sandbox) return sandbox_call(sandbox, args, results, error) == SANDBOX_DONE;
  int handler = lua_gettop(L) - args;
  lua_pushcfunction(L, on_error);
  lua_insert(L, handler);
  int status = lua_pcall(L, args, results, handler);
  lua_remove(L, handler);
  if (status == 0) return true;
  struct slice message = state_text(L, -1);
  bytes_append_slice(error, message.len ? message : SLICE("out of memory in a script"));
  lua_pop(L, 1);
  return false;
}

struct slice state_text(lua_State *L, int index) {
  size_t len = 0;
  const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &len) : "";
  return (struct slice){text, len};
}

void state_push_field(lua_State *L, int index, const char *name) {
  if (!lua_istable(L, index)) {
    lua_pushnil(L);
    return;
  }
  if (index < 0) index = lua_gettop(L) + index + 1;
  lua_pushstring(L, name);
  lua_rawget(L, index);
}

struct slice state_field_text(lua_State *L, int index, const char *name, struct arena *arena) {
  state_push_field(L, index, name);
  struct slice copy = arena_slice(arena, state_text(L, -1));
  lua_pop(L, 1);
  return copy;
}

uint64_t state_field_u64(lua_State *L, int index, const char *name) {
  state_push_field(L, index, name);
  double number = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
  lua_pop(L, 1);
  return number > 0 && number <= 9007199254740992.0 ? (uint64_t)number : 0;
}

bool state_field_bool(lua_State *L, int index, const char *name) {
  state_push_field(L, index, name);
  bool result = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return result;
}

void state_set_text(lua_State *L, const char *name, struct slice value) {
  lua_pushlstring(L, value.data ? value.data : "", value.len);
  lua_setfield(L, -2, name);
}
