/* The json module inside a sanitized build: damaged text, and a Lua memory limit that strikes at
 * every allocation in turn. */
#include "script/api_json.h"

#include <lauxlib.h>
#include <lualib.h>

#include "base/bytes.h"
#include "check.h"

static const char text[] =
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
    "\"\\u00e9\\ud83d\\ude00 "
    "\xe4\xbd\xa0\\n\"}]}],\"temperature\":0.7,\"seed\":12345678901234567890,"
    "\"tools\":[{\"parameters\":{\"z\":[],\"a\":{}}}],\"stop\":[],\"metadata\":{},\"n\":null,"
    "\"k1\":1,\"k2\":2,\"k3\":3,\"k4\":4,\"k5\":5,\"k6\":6,\"k7\":7,\"k8\":8,\"k9\":9,\"k10\":10,"
    "\"k11\":-1e-7,\"k12\":true,\"k13\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]}";

static const char round_trip[] =
    "local json, text = ...\n"
    "local v = json.decode(text, { parameters = true })\n"
    "if v == nil then assert(not json.valid(text)) return end\n"
    "local first = json.encode(v)\n"
    "assert(first == json.encode(assert(json.decode(first, { parameters = true }))))\n"
    "for _, m in ipairs(json.members(text) or json.elements(text) or {}) do json.quote(m[1] or m) "
    "end\n";

static int on_run(lua_State *L) {
  const struct slice *input = lua_touserdata(L, 1);
  if (luaL_loadstring(L, round_trip) != 0) lua_error(L);
  lua_getfield(L, LUA_REGISTRYINDEX, "json");
  lua_pushlstring(L, input->data, input->len);
  lua_call(L, 2, 0);
  return 0;
}

/* Runs the round trip; false when Lua raised an error. */
static bool run(lua_State *L, struct slice input) {
  lua_settop(L, 0);
  return lua_cpcall(L, on_run, &input) == 0;
}

static void open_module(lua_State *L) {
  luaL_openlibs(L);
  luaopen_gateyes_json(L);
  lua_setfield(L, LUA_REGISTRYINDEX, "json");
}

static void test_damage(void) {
  lua_State *L = luaL_newstate();
  open_module(L);
  CHECK(run(L, slice_of(text)));
  uint32_t seed = 1;
  for (int i = 0; i < 20000; i++) {
    size_t len = sizeof text - 1;
    char *copy = must_alloc(len); /* exact bounds for the sanitizer, until Lua copies it */
    memcpy(copy, text, len);
    for (int k = 0; k <= i % 3; k++) {
      seed = seed * 1664525 + 1013904223;
      copy[(seed >> 8) % len] = "\"\\{}[],:0eu\x80\xff \n\0-."[(seed >> 24) % 18];
    }
    if (i % 5 == 0) len = (seed >> 4) % len;
    bool fine = run(L, (struct slice){copy, len});
    if (!fine) fprintf(stderr, "%.*s: %s\n", (int)len, copy, lua_tostring(L, -1));
    CHECK(fine);
    free(copy);
  }
  lua_close(L);
}

struct limit {
  size_t left; /* allocations until one fails */
};

static void *allocate(void *user, void *old, size_t old_bytes, size_t bytes) {
  struct limit *limit = user;
  if (bytes == 0) {
    free(old);
    return NULL;
  }
  if (bytes > old_bytes && limit->left-- == 0) {
    limit->left = 0;
    return NULL;
  }
  return realloc(old, bytes);
}

static void test_memory(void) {
  struct limit limit = {SIZE_MAX};
  lua_State *L = lua_newstate(allocate, &limit);
  CHECK(L != NULL);
  if (!L) return;
  open_module(L);
  size_t failed = 0, rounds = 0;
  for (bool fine = false; !fine && rounds < 2000; rounds++) {
    limit.left = rounds;
    fine = run(L, slice_of(text));
    limit.left = SIZE_MAX;
    failed += !fine;
    lua_gc(L, LUA_GCCOLLECT, 0);
  }
  CHECK(failed > 20 && rounds < 2000);
  lua_close(L);
}

int main(void) {
  test_damage();
  test_memory();
  return checks_end();
}
