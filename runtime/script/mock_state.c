#include "script/mock_state.h"

#include <lauxlib.h>
#include <lua.h>
#include <luajit.h>
#include <lualib.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "script/api_json.h"
#include "script/embedded.h"

struct mock_state {
  lua_State *lua;
  bool has_defaults;
};

static int load_embedded(lua_State *lua) {
  struct slice wanted = slice_of(luaL_checkstring(lua, 1));
  for (const struct embedded_file *file = embedded_files(); file->name; file++) {
    size_t len = strlen(file->name) - strlen(".lua");
    bool same = len == wanted.len;
    for (size_t i = 0; same && i < len; i++) {
      same = wanted.data[i] == (file->name[i] == '/' ? '.' : file->name[i]);
    }
    if (!same) continue;
    size_t size = (size_t)(file->end - file->start);
    if (luaL_loadbuffer(lua, file->start, size, lua_pushfstring(lua, "@%s", file->name))) {
      return lua_error(lua);
    }
    return 1;
  }
  lua_pushfstring(lua, "\n\tno embedded file for '%s'", wanted.data);
  return 1;
}

static int native_base64(lua_State *lua) {
  size_t len;
  const char *data = luaL_checklstring(lua, 1, &len);
  unsigned char *out = must_alloc(len / 3 * 4 + 5);
  int written = EVP_EncodeBlock(out, (const unsigned char *)data, (int)len);
  lua_pushlstring(lua, (char *)out, (size_t)written);
  free(out);
  return 1;
}

/* nil when the text is no base64. */
static int native_base64_decode(lua_State *lua) {
  size_t len;
  const char *data = luaL_checklstring(lua, 1, &len);
  unsigned char *out = must_alloc(len + 1);
  int written = EVP_DecodeBlock(out, (const unsigned char *)data, (int)len);
  for (size_t i = len; written > 0 && i > 0 && data[i - 1] == '=' && len - i < 2; i--)
    written--;
  if (written < 0) {
    lua_pushnil(lua);
  } else {
    lua_pushlstring(lua, (char *)out, (size_t)written);
  }
  free(out);
  return 1;
}

static int native_sha256(lua_State *lua) {
  struct slice text;
  uint8_t digest[SHA256_BYTES];
  char hex[2 * SHA256_BYTES + 1];
  text.data = luaL_checklstring(lua, 1, &text.len);
  digest_sha256(text, digest);
  digest_hex(digest, sizeof digest, hex);
  lua_pushstring(lua, hex);
  return 1;
}

static int native_now_ms(lua_State *lua) {
  lua_pushnumber(lua, (lua_Number)clock_wall_ms());
  return 1;
}

static void add_natives(lua_State *lua) {
  static const luaL_Reg natives[] = {
      {"base64", native_base64},
      {"base64_decode", native_base64_decode},
      {"sha256", native_sha256},
      {"now_ms", native_now_ms},
      {NULL, NULL},
  };
  luaL_register(lua, "mock.native", natives);
  lua_pop(lua, 1);
  lua_getglobal(lua, "package");
  lua_getfield(lua, -1, "loaders");
  lua_pushcfunction(lua, load_embedded);
  lua_rawseti(lua, -2, 2); /* instead of files found by package.path */
  lua_getfield(lua, -2, "preload");
  lua_pushcfunction(lua, luaopen_gateyes_json);
  lua_setfield(lua, -2, "gateyes.json");
  lua_pop(lua, 3);
}

static void push_slice(lua_State *lua, struct slice s) {
  lua_pushlstring(lua, s.data ? s.data : "", s.len);
}

static void push_number(lua_State *lua, const char *key, uint64_t value) {
  lua_pushnumber(lua, (lua_Number)value);
  lua_setfield(lua, -2, key);
}

static void push_request(lua_State *lua, const struct mock_request *request) {
  lua_createtable(lua, 0, 10);
  push_number(lua, "id", request->id);
  push_number(lua, "connection", request->connection);
  push_number(lua, "port", request->port);
  push_number(lua, "time_ms", (uint64_t)request->wall_ms);
  push_number(lua, "body_bytes", request->body_bytes);
  push_slice(lua, request->method);
  lua_setfield(lua, -2, "method");
  push_slice(lua, request->target);
  lua_setfield(lua, -2, "target");
  push_slice(lua, request->body);
  lua_setfield(lua, -2, "body");
  lua_createtable(lua, 2 * (int)request->headers.count, 0);
  for (size_t i = 0; i < request->headers.count; i++) {
    push_slice(lua, request->headers.items[i].name);
    lua_rawseti(lua, -2, 2 * (int)i + 1);
    push_slice(lua, request->headers.items[i].value);
    lua_rawseti(lua, -2, 2 * (int)i + 2);
  }
  lua_setfield(lua, -2, "lines"); /* name, value, name, value */
}

static int add_trace(lua_State *lua) {
  luaL_traceback(lua, lua, lua_tostring(lua, 1), 1);
  return 1;
}

/* Calls main[name] with the count arguments on top; false leaves the trace on the stack. */
static bool call(lua_State *lua, const char *name, int count, int results) {
  int base = lua_gettop(lua) - count + 1;
  lua_pushcfunction(lua, add_trace);
  lua_insert(lua, base);
  lua_getfield(lua, LUA_REGISTRYINDEX, "mock.main");
  lua_getfield(lua, -1, name);
  lua_remove(lua, -2);
  lua_insert(lua, base + 1);
  bool fine = lua_pcall(lua, count, results, base) == 0;
  lua_remove(lua, base);
  if (!fine) fprintf(stderr, "gateyes mock: %s\n", lua_tostring(lua, -1));
  return fine;
}

static bool load_main(lua_State *lua, const struct mock_settings *settings) {
  lua_getglobal(lua, "require");
  lua_pushstring(lua, "mock.main");
  if (lua_pcall(lua, 1, 1, 0)) return false;
  lua_setfield(lua, LUA_REGISTRYINDEX, "mock.main");
  lua_getfield(lua, LUA_REGISTRYINDEX, "mock.main");
  lua_getfield(lua, -1, "configure");
  lua_pushstring(lua, settings->knobs);
  lua_pushstring(lua, settings->scenario);
  return lua_pcall(lua, 2, 0, 0) == 0; /* what is wrong is said in one sentence, without a trace */
}

struct mock_state *mock_state_new(const struct mock_settings *settings, struct bytes *problem) {
  struct mock_state *state = must_calloc(1, sizeof *state);
  state->lua = luaL_newstate();
  must(state->lua);
  state->has_defaults = settings->knobs || settings->scenario;
  luaL_openlibs(state->lua);
  must(luaJIT_setmode(state->lua, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF) == 1); /* see state.h */
  add_natives(state->lua);
  if (load_main(state->lua, settings)) return state;
  const char *text = lua_tostring(state->lua, -1);
  bytes_append_text(problem, text ? text : "the mock's scripts do not load");
  mock_state_free(state);
  return NULL;
}

void mock_state_free(struct mock_state *state) {
  if (!state) return;
  lua_close(state->lua);
  free(state);
}

bool mock_state_has_defaults(const struct mock_state *state) {
  return state->has_defaults;
}

void mock_state_connection(struct mock_state *state, int change) {
  lua_pushinteger(state->lua, change);
  call(state->lua, "connection", 1, 0);
  lua_settop(state->lua, 0);
}

static uint64_t take_number(lua_State *lua, int table, const char *key) {
  lua_getfield(lua, table, key);
  lua_Number value = lua_tonumber(lua, -1);
  lua_pop(lua, 1);
  return value > 0 ? (uint64_t)value : 0;
}

static bool take_flag(lua_State *lua, int table, const char *key) {
  lua_getfield(lua, table, key);
  bool flag = lua_toboolean(lua, -1);
  lua_pop(lua, 1);
  return flag;
}

void mock_state_accept(struct mock_state *state, const struct mock_request *request,
                       struct mock_intake *intake) {
  lua_State *lua = state->lua;
  *intake = (struct mock_intake){0};
  push_request(lua, request);
  if (call(lua, "accept", 1, 1) && lua_istable(lua, 1)) {
    intake->bytes = (size_t)take_number(lua, 1, "bytes");
    intake->pause_ms = take_number(lua, 1, "pause_ms");
    intake->early = take_flag(lua, 1, "early");
    if (take_flag(lua, 1, "never")) intake->reading = MOCK_READ_NEVER;
    if (intake->bytes) intake->reading = MOCK_READ_SLOWLY;
  }
  lua_settop(lua, 0);
}

static void read_operation(lua_State *lua, struct mock_action *action) {
  static const struct {
    const char *name;
    enum mock_op op;
  } names[] = {{"fin", MOCK_FIN}, {"rst", MOCK_RESET}, {"stall", MOCK_STALL}, {"fill", MOCK_FILL}};
  int table = lua_gettop(lua);
  lua_rawgeti(lua, table, 1);
  const char *name = lua_tostring(lua, -1);
  action->op = MOCK_STALL;
  for (size_t i = 0; name && i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(name, names[i].name) == 0) action->op = names[i].op;
  }
  lua_rawgeti(lua, table, 2);
  action->text.data = lua_tolstring(lua, -1, &action->text.len);
  action->amount = take_number(lua, table, "amount");
  lua_settop(lua, table);
  if (action->op == MOCK_FILL) must(action->text.len > 0);
}

/* A string is written, a number is a pause in ms, a table is { operation, text, amount = n }. */
static void read_action(lua_State *lua, struct mock_action *action) {
  switch (lua_type(lua, -1)) {
  case LUA_TSTRING:
    action->op = MOCK_WRITE;
    action->text.data = lua_tolstring(lua, -1, &action->text.len);
    break;
  case LUA_TNUMBER:
    action->op = MOCK_SLEEP;
    action->amount = lua_tonumber(lua, -1) > 0 ? (uint64_t)lua_tonumber(lua, -1) : 0;
    break;
  default: must(lua_istable(lua, -1)); read_operation(lua, action);
  }
}

/* Stack: [1] the plan. */
static void read_plan(lua_State *lua, struct mock_plan *plan) {
  plan->count = lua_objlen(lua, 1);
  plan->actions = must_calloc(plan->count + 1, sizeof *plan->actions);
  for (size_t i = 0; i < plan->count; i++) {
    lua_rawgeti(lua, 1, (int)i + 1);
    read_action(lua, &plan->actions[i]);
    lua_pop(lua, 1);
  }
  plan->close = take_flag(lua, 1, "close");
  plan->idle_ms = take_number(lua, 1, "idle_ms");
  lua_settop(lua, 1);
  plan->anchor = luaL_ref(lua, LUA_REGISTRYINDEX);
}

/* A bug in the mock's own scripts must show in the test that met it. */
static void plan_failure(lua_State *lua) {
  size_t len;
  const char *text = lua_tolstring(lua, 1, &len);
  lua_createtable(lua, 1, 1);
  lua_pushfstring(lua,
                  "HTTP/1.1 500 Internal Server Error\r\ncontent-type: text/plain\r\n"
                  "connection: close\r\ncontent-length: %d\r\n\r\n%s",
                  (int)len, text);
  lua_rawseti(lua, 2, 1);
  lua_pushboolean(lua, 1);
  lua_setfield(lua, 2, "close");
  lua_remove(lua, 1);
}

void mock_state_respond(struct mock_state *state, const struct mock_request *request,
                        struct mock_plan *plan) {
  *plan = (struct mock_plan){0};
  push_request(state->lua, request);
  if (!call(state->lua, "respond", 1, 1)) plan_failure(state->lua);
  read_plan(state->lua, plan);
}

void mock_plan_release(struct mock_state *state, struct mock_plan *plan) {
  if (plan->actions) luaL_unref(state->lua, LUA_REGISTRYINDEX, plan->anchor);
  free(plan->actions);
  *plan = (struct mock_plan){0};
}

void mock_state_finished(struct mock_state *state, uint64_t id, const struct mock_ending *ending) {
  static const char *const outcomes[] = {"complete", "client_closed", "reset"};
  lua_State *lua = state->lua;
  lua_pushnumber(lua, (lua_Number)id);
  lua_createtable(lua, 0, 4);
  lua_pushstring(lua, outcomes[ending->outcome]);
  lua_setfield(lua, -2, "outcome");
  push_number(lua, "bytes_sent", ending->bytes_sent);
  push_number(lua, "body_bytes", ending->body_bytes);
  push_number(lua, "after_ms", ending->after_ms);
  call(lua, "finished", 2, 0);
  lua_settop(lua, 0);
}
