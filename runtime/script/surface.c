#include "script/surface.h"

#include <stdlib.h>

#include "config/names.h"
#include "script/sandbox.h"
#include "script/surface_private.h"
#include "script/text_api.h"
#include "store/kv.h"

static const struct surface_function functions[] = {
#define FUNCTION(owner, name, call, phases, ...) {#owner, #name, call, phases, __VA_ARGS__},
#define FOREIGN(owner, name, phases, ...) {#owner, #name, NULL, phases, __VA_ARGS__},
#define FIELD(...)
#include "script/surface.def"
#undef FUNCTION
#undef FOREIGN
#undef FIELD
};

static const struct surface_field fields[] = {
#define FUNCTION(...)
#define FOREIGN(...)
#define FIELD(owner, name, push, ...) {#owner, #name, push, __VA_ARGS__},
#include "script/surface.def"
#undef FUNCTION
#undef FOREIGN
#undef FIELD
};

enum {
  FUNCTION_COUNT = sizeof functions / sizeof *functions,
  FIELD_COUNT = sizeof fields / sizeof *fields
};

const struct surface_function *surface_functions(size_t *count) {
  *count = FUNCTION_COUNT;
  return functions;
}

const struct surface_field *surface_fields(size_t *count) {
  *count = FIELD_COUNT;
  return fields;
}

static const char *const object_names[OBJECT_COUNT] = {
    [OBJECT_REQUEST] = "request",     [OBJECT_CONTEXT] = "context", [OBJECT_TEXT] = "text",
    [OBJECT_CANDIDATE] = "candidate", [OBJECT_DELTA] = "delta",     [OBJECT_REPLY] = "reply",
    [OBJECT_DETECTOR] = "detector",   [OBJECT_OUTCOME] = "outcome", [OBJECT_SECRET] = "secret",
};

struct surface *surface_self(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(2));
}

static char registry_key;

struct surface *surface_find(lua_State *L) {
  lua_pushlightuserdata(L, &registry_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  struct surface *s = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return s;
}

/* "on_request, route" */
static void name_phases(unsigned phases, struct bytes *out) {
  size_t start = out->len;
  for (int i = 0; i < POLICY_HOOK_COUNT; i++) {
    if (!(phases & 1u << i)) continue;
    if (out->len > start) bytes_append_text(out, ", ");
    bytes_append_text(out, policy_hook_name((enum policy_hook)i));
  }
  if (phases & PHASE_LOAD)
    bytes_append_text(out, out->len > start ? " and while a module loads"
                                            : "a module's body, before any hook");
}

static int refuse_phase(lua_State *L, struct surface *s, const struct surface_function *f) {
  struct bytes *text = &s->scratch;
  bytes_clear(text);
  bytes_printf(text, "%s.%s may be called in ", f->owner, f->name);
  name_phases(f->phases, text);
  bytes_append_text(text, "; not ");
  if (s->phase == PHASE_LOAD)
    bytes_append_text(text, "while a module loads");
  else
    name_phases(s->phase, text);
  return luaL_error(L, "%s", bytes_text(text));
}

static int on_call(lua_State *L) {
  const struct surface_function *f = lua_touserdata(L, lua_upvalueindex(1));
  struct surface *s = surface_self(L);
  if (!(f->phases & s->phase)) return refuse_phase(L, s, f);
  return f->call(L);
}

static bool belongs(const char *owner, const char *wanted) {
  return strcmp(owner, wanted) == 0;
}

static int refuse_field(lua_State *L, enum object object) {
  struct nearest nearest;
  nearest_init(&nearest, state_text(L, 2));
  for (size_t i = 0; i < FIELD_COUNT; i++)
    if (belongs(fields[i].owner, object_names[object]))
      nearest_offer(&nearest, slice_of(fields[i].name));
  for (size_t i = 0; i < FUNCTION_COUNT; i++)
    if (belongs(functions[i].owner, object_names[object]))
      nearest_offer(&nearest, slice_of(functions[i].name));
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "of that kind";
  if (!nearest.best.len) return luaL_error(L, "a %s has no field %s", object_names[object], name);
  lua_pushlstring(L, nearest.best.data, nearest.best.len);
  return luaL_error(L, "a %s has no field %s; the nearest is %s", object_names[object], name,
                    lua_tostring(L, -1));
}

/* Upvalues: names of this object's fields and functions; surface; object. */
static int on_index(lua_State *L) {
  struct surface *s = surface_self(L);
  enum object object = (enum object)lua_tointeger(L, lua_upvalueindex(3));
  (void)surface_check(s, L, object);
  lua_settop(L, 2);
  lua_pushvalue(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  if (lua_type(L, 3) == LUA_TFUNCTION) return 1;
  if (lua_type(L, 3) != LUA_TLIGHTUSERDATA) return refuse_field(L, object);
  const struct surface_field *field = lua_touserdata(L, 3);
  lua_settop(L, 1);
  field->push(L, s);
  return 1;
}

static int on_new_index(lua_State *L) {
  enum object object = (enum object)lua_tointeger(L, lua_upvalueindex(1));
  return luaL_error(L, "the fields of a %s cannot be set; use its methods", object_names[object]);
}

static int on_text(lua_State *L) {
  enum object object = (enum object)lua_tointeger(L, lua_upvalueindex(1));
  lua_pushstring(L, object_names[object]);
  return 1;
}

static void push_function(lua_State *L, struct surface *s, const struct surface_function *f) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)f);
  lua_pushlightuserdata(L, s);
  lua_pushcclosure(L, on_call, 2);
}

/* Adds the functions of owner to the table on top. */
static void add_functions(lua_State *L, struct surface *s, const char *owner) {
  for (size_t i = 0; i < FUNCTION_COUNT; i++) {
    if (!belongs(functions[i].owner, owner) || !functions[i].call) continue;
    push_function(L, s, &functions[i]);
    lua_setfield(L, -2, functions[i].name);
  }
}

static void open_object(lua_State *L, struct surface *s, enum object object) {
  luaL_checkstack(L, 8, "objects");
  lua_createtable(L, 0, 5);
  lua_createtable(L, 0, 16);
  add_functions(L, s, object_names[object]);
  for (size_t i = 0; i < FIELD_COUNT; i++) {
    if (!belongs(fields[i].owner, object_names[object])) continue;
    lua_pushlightuserdata(L, (void *)(uintptr_t)&fields[i]);
    lua_setfield(L, -2, fields[i].name);
  }
  lua_pushlightuserdata(L, s);
  lua_pushinteger(L, object);
  lua_pushcclosure(L, on_index, 3);
  lua_setfield(L, -2, "__index");
  lua_pushinteger(L, object);
  lua_pushcclosure(L, on_new_index, 1);
  lua_setfield(L, -2, "__newindex");
  lua_pushinteger(L, object);
  lua_pushcclosure(L, on_text, 1);
  lua_setfield(L, -2, "__tostring");
  lua_pushstring(L, object_names[object]);
  lua_setfield(L, -2, "__metatable");
  if (object == OBJECT_DETECTOR) {
    lua_pushcfunction(L, surface_detector_collect);
    lua_setfield(L, -2, "__gc");
  }
  const void *table = lua_topointer(L, -1);
  s->metatables[object] = luaL_ref(L, LUA_REGISTRYINDEX);
  s->metatable_tables[object] = table;
}

/* Made when the first such object is: most policies never see most of them. */
void surface_push_metatable(struct surface *s, lua_State *L, enum object object) {
  if (!s->metatable_tables[object]) open_object(L, s, object);
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->metatables[object]);
}

struct handle *surface_handle(struct surface *s, lua_State *L, int index, enum object object) {
  if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) return NULL;
  bool same = lua_topointer(L, -1) == s->metatable_tables[object];
  lua_pop(L, 1);
  return same ? lua_touserdata(L, index) : NULL;
}

struct handle *surface_check(struct surface *s, lua_State *L, enum object object) {
  struct handle *h = surface_handle(s, L, 1, object);
  if (!h)
    luaL_error(L, "a %s is expected before the dot or colon, as in %s:name()", object_names[object],
               object_names[object]);
  if (object != OBJECT_SECRET && object != OBJECT_DETECTOR && (!s->run || s->run->id != h->run_id))
    luaL_error(L, "this %s belongs to a request that is not being served now; keep no %s",
               object_names[object], object_names[object]);
  return h;
}

void surface_push_handle(struct surface *s, lua_State *L, enum object object,
                         const struct handle *handle) {
  struct handle *h = lua_newuserdata(L, sizeof *h);
  *h = *handle;
  surface_push_metatable(s, L, object);
  lua_setmetatable(L, -2);
}

static void open_part(lua_State *L, struct surface *s, const char *name) {
  lua_newtable(L);
  add_functions(L, s, name);
  lua_pushvalue(L, -1);
  sandbox_preload(sandbox_of(L), name);
  lua_setfield(L, -2, strrchr(name, '.') + 1);
}

/* `gateyes`, with its parts as fields and as modules of their own. */
static void open_modules(lua_State *L, struct surface *s) {
  static const char *const parts[] = {"gateyes.store", "gateyes.hash", "gateyes.tokens"};
  lua_newtable(L);
  add_functions(L, s, "gateyes");
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    open_part(L, s, parts[i]);
  text_api_push(L);
  lua_pushvalue(L, -1);
  sandbox_preload(sandbox_of(L), "gateyes.text");
  lua_setfield(L, -2, "text");
  sandbox_push_json(L);
  lua_getfield(L, -1, "encode");
  s->json_encode = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_getfield(L, -1, "decode");
  s->json_decode = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushvalue(L, -1);
  sandbox_preload(sandbox_of(L), "gateyes.json");
  lua_setfield(L, -2, "json");
  sandbox_preload(sandbox_of(L), "gateyes");
}

static const struct policy_host nothing;

static int on_collect(lua_State *L) {
  struct surface *s = lua_touserdata(L, 1);
  if (s->own_store) kv_free(s->own_store);
  detect_findings_fini(&s->findings);
  detect_rules_unref(s->shared);
  bytes_fini(&s->scratch);
  arena_fini(&s->arena);
  return 0;
}

/* HMAC(key of the installation, tenant): one tenant's names tell nothing about another's. */
static void set_hash_key(struct surface *s) {
  if (s->settings.host->hash_key.len)
    digest_hmac(s->settings.host->hash_key, s->settings.tenant, s->hash_key);
  else
    digest_random(s->hash_key, sizeof s->hash_key);
}

/* What the house's policies keep, such as where a session stays, is not the tenant's to write. A
 * tenant's name holds no slash. */
static void open_spaces(struct surface *s) {
  struct kv *store = s->settings.host->store;
  if (!store) return;
  struct slice parts[] = {s->settings.tenant, SLICE("/house")};
  s->space = kv_space_get(store, s->settings.tenant);
  s->house_space = kv_space_get(store, arena_join(&s->arena, parts, 2));
}

struct surface *surface_open(lua_State *L, const struct policy_settings *settings) {
  must(surface_find(L) == NULL);
  lua_pushlightuserdata(L, &registry_key);
  struct surface *s = lua_newuserdata(L, sizeof *s);
  *s = (struct surface){.L = L, .settings = *settings, .phase = PHASE_LOAD, .fakes = LUA_NOREF};
  arena_init_small(&s->arena);
  s->settings.tenant = arena_slice(&s->arena, settings->tenant);
  s->settings.secrets_path = arena_slice(&s->arena, settings->secrets_path);
  if (!s->settings.host) s->settings.host = &nothing;
  if (!s->settings.wall_ms) s->settings.wall_ms = POLICY_WALL_MS;
  set_hash_key(s);
  open_spaces(s);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, on_collect);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_rawset(L, LUA_REGISTRYINDEX);
  detect_findings_init(&s->findings);
  lua_newtable(L);
  s->detectors = luaL_ref(L, LUA_REGISTRYINDEX);
  open_modules(L, s);
  return s;
}
