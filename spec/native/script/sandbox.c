/* The sandbox as its host sees it: calls, coroutines, waiting, modules, budgets, breaches, size. */
#include "sandbox_kit.h"

#include <unistd.h>

static struct bytes error;

static void check_error(struct sandbox *s, const char *script, enum sandbox_result wanted,
                        const char *text) {
  enum sandbox_result result = kit_run(s, script, &error);
  CHECK(result == wanted);
  CHECK_TEXT(bytes_slice(&error), text);
  CHECK(lua_gettop(sandbox_state(s)) == 0);
}

static void test_errors(void) {
  struct sandbox *s = kit_sandbox(NULL);
  check_error(s, "\n\nerror('no')", SANDBOX_ERROR, "policies/test.lua:3: no");
  check_error(s, "error('no', 0)", SANDBOX_ERROR, "no");
  check_error(s, "error({})", SANDBOX_ERROR, "an error that is no text: a table value");
  check_error(s, "error()", SANDBOX_ERROR, "an error that is no text: a nil value");
  check_error(s, "error(12)", SANDBOX_ERROR, "policies/test.lua:1: 12");
  check_error(s, "error('a\\nb\\27[0m', 0)", SANDBOX_ERROR, "a b [0m");
  check_error(s, "local x = nil\nreturn x.y", SANDBOX_ERROR,
              "policies/test.lua:2: attempt to index local 'x' (a nil value)");
  check_error(s, "\nwhile true do end", SANDBOX_CPU,
              "policies/test.lua:2: stopped after 10 ms of processor time");
  check_error(s, "return ('x'):rep(2^30)", SANDBOX_MEMORY,
              "stopped: needs more than 16384 KiB of memory");
  check_error(s, "coroutine.yield(1)", SANDBOX_ERROR,
              "coroutine.yield was called outside of the script's own coroutines");
  CHECK(kit_run(s, "error(('x'):rep(1e6), 0)", &error) == SANDBOX_ERROR && error.len == 1000);
  CHECK(sandbox_breaches(s, SANDBOX_CPU) == 1 && sandbox_breaches(s, SANDBOX_MEMORY) == 1);
  sandbox_free(s);
}

static void test_calls(void) {
  struct sandbox *s = kit_sandbox(NULL);
  lua_State *L = sandbox_state(s);
  CHECK(kit_run(s, "count = (count or 0) + 1 return function(a, b) return b, a, count end",
                &error) == SANDBOX_DONE);
  for (int i = 0; i < 3; i++) {
    lua_pushvalue(L, 1);
    lua_pushliteral(L, "a");
    lua_pushliteral(L, "b");
    CHECK(sandbox_call(s, 2, LUA_MULTRET, &error) == SANDBOX_DONE);
    CHECK(lua_gettop(L) == 4);
    CHECK_TEXT(state_text(L, 2), "b");
    CHECK(lua_tonumber(L, 4) == 1);
    lua_settop(L, 1);
  }
  lua_pushvalue(L, 1);
  CHECK(sandbox_call(s, 0, 0, &error) == SANDBOX_DONE && lua_gettop(L) == 1);
  CHECK(sandbox_of(L) == s);
  sandbox_free(s);
}

static int wait_for(lua_State *L) {
  luaL_checkany(L, 1);
  if (!sandbox_can_await(L)) return luaL_error(L, "cannot wait here");
  return sandbox_await(L, lua_gettop(L));
}

static lua_State *start(struct sandbox *s, const char *script, int *ref) {
  lua_State *co = sandbox_thread_new(s, ref);
  bytes_clear(&error);
  CHECK(sandbox_load(s, slice_of(script), SLICE("@policies/test.lua"), &error));
  lua_xmove(sandbox_state(s), co, 1);
  return co;
}

/* Waits twice, the second time inside two coroutines of the script's own. */
static void test_await(const char *script) {
  struct sandbox *s = kit_sandbox(NULL);
  lua_pushcfunction(sandbox_state(s), wait_for);
  lua_setglobal(sandbox_state(s), "wait");
  int ref;
  lua_State *co = start(s, script, &ref);
  CHECK(sandbox_resume(s, co, 0, &error) == SANDBOX_YIELD);
  CHECK_TEXT(state_text(co, 1), "one");
  CHECK(lua_gettop(co) == 1);
  lua_settop(co, 0);
  lua_pushliteral(co, "first");
  CHECK(sandbox_resume(s, co, 1, &error) == SANDBOX_YIELD);
  CHECK(lua_gettop(co) == 2);
  CHECK_TEXT(state_text(co, 2), "three");
  lua_settop(co, 0);
  lua_pushliteral(co, "second");
  lua_pushliteral(co, "third");
  CHECK(sandbox_resume(s, co, 2, &error) == SANDBOX_DONE);
  CHECK_TEXT(state_text(co, 1), "first second third");
  if (error.len) fprintf(stderr, "%s\n", bytes_text(&error));
  sandbox_thread_drop(s, ref);
  sandbox_free(s);
}

static void test_await_errors(void) {
  struct sandbox *s = kit_sandbox(NULL);
  int ref;
  lua_pushcfunction(sandbox_state(s), wait_for);
  lua_setglobal(sandbox_state(s), "wait");
  lua_State *co = start(s, "coroutine.yield('one')", &ref);
  CHECK(sandbox_resume(s, co, 0, &error) == SANDBOX_ERROR);
  CHECK_TEXT(bytes_slice(&error),
             "coroutine.yield was called outside of the script's own coroutines");
  sandbox_thread_drop(s, ref);
  co = start(s, "return (('a'):gsub('a', wait))", &ref);
  CHECK(sandbox_resume(s, co, 0, &error) == SANDBOX_ERROR);
  CHECK_TEXT(bytes_slice(&error), "cannot wait here");
  sandbox_thread_drop(s, ref);
  co = start(s, "wait(1) while true do end", &ref);
  CHECK(sandbox_resume(s, co, 0, &error) == SANDBOX_YIELD);
  CHECK(sandbox_resume(s, co, 0, &error) == SANDBOX_CPU);
  sandbox_thread_drop(s, ref);
  sandbox_free(s);
}

/* A hook that works a little, waits, and works again has one budget for all of it. */
static void test_meter(void) {
  struct sandbox *s = kit_sandbox(NULL);
  sandbox_set_cpu_ms(s, 60);
  lua_pushcfunction(sandbox_state(s), wait_for);
  lua_setglobal(sandbox_state(s), "wait");
  uint64_t used_ns = 0;
  int ref, parts = 0;
  lua_State *co = start(s, "while true do for i = 1, 3e6 do end wait(1) end", &ref);
  enum sandbox_result result;
  sandbox_set_meter(s, &used_ns);
  do {
    result = sandbox_resume(s, co, 0, &error);
    lua_settop(co, 0);
  } while (result == SANDBOX_YIELD && ++parts < 1000);
  CHECK(result == SANDBOX_CPU);
  CHECK(used_ns >= 30000000);
  sandbox_set_meter(s, NULL);
  sandbox_thread_drop(s, ref);
  sandbox_free(s);
}

static void test_modules(void) {
  static const struct kit_module modules[] = {
      {"lib.a", "loads = (loads or 0) + 1 return { name = ... }"},
      {"lib.b", "local c = require 'lib.c' return c"},
      {"lib.c", "local b = require 'lib.b' return b"},
      {"lib.bad", "\n\nreturn ="},
      {"lib.nothing", ""},
      {NULL, NULL}};
  struct sandbox *s = kit_sandbox(modules);
  CHECK(kit_run(s,
                "local a = require 'lib.a' assert(a == require 'lib.a' and a.name == 'lib.a' and "
                "loads == 1) assert(require 'lib.nothing' == true)",
                &error) == SANDBOX_DONE);
  lua_settop(sandbox_state(s), 0);
  check_error(s, "require 'lib.b'", SANDBOX_ERROR,
              "lib/module.lua:1: module 'lib.b' requires itself, or failed to load before");
  check_error(s, "require 'lib.bad'", SANDBOX_ERROR,
              "lib/module.lua:3: unexpected symbol near '='");
  check_error(s, "require 'other'", SANDBOX_ERROR,
              "policies/test.lua:1: module 'other' is not there; see which files the tenant and "
              "the gateway offer");
  lua_pushliteral(sandbox_state(s), "preloaded");
  sandbox_preload(s, "gateyes");
  CHECK(kit_run(s, "return require 'gateyes'", &error) == SANDBOX_DONE);
  CHECK_TEXT(state_text(sandbox_state(s), -1), "preloaded");
  sandbox_free(s);
}

/* The host requires modules even where a script has put traps in the globals. */
static void test_trapped_globals(void) {
  static const struct kit_module modules[] = {
      {"trap",
       "require, string, tostring = nil, nil, nil "
       "return setmetatable(_G, {__index = function() while true do end end, __newindex = error})"},
      {"next", "return 'loaded'"},
      {NULL, NULL}};
  struct sandbox *s = kit_sandbox(modules);
  bytes_clear(&error);
  CHECK(sandbox_require(s, SANDBOX_TENANT, SLICE("trap"), &error) == SANDBOX_DONE);
  CHECK(sandbox_require(s, SANDBOX_TENANT, SLICE("next"), &error) == SANDBOX_DONE);
  CHECK_TEXT(state_text(sandbox_state(s), -1), "loaded");
  CHECK(sandbox_require(s, SANDBOX_TENANT, SLICE("none"), &error) == SANDBOX_ERROR);
  sandbox_free(s);
}

static void test_disabling(void) {
  struct sandbox *s =
      sandbox_new(&(struct sandbox_settings){.name = SLICE("acme"), .breaches = 3, .cpu_ms = 1});
  for (int i = 0; i < 3; i++) {
    CHECK(!sandbox_is_disabled(s) && !sandbox_disabled_reason(s));
    CHECK(kit_run(s, "pcall(function() while true do end end)", &error) == SANDBOX_CPU);
  }
  CHECK(sandbox_is_disabled(s));
  check_error(s, "return 1", SANDBOX_DISABLED,
              "disabled: its scripts were stopped 3 times within 60 s, last for processor time");
  sandbox_free(s);
}

/* Thread time of one entry with a meter, in milliseconds. */
static uint64_t entry_ms(struct sandbox *s, const char *script, enum sandbox_result wanted) {
  uint64_t used_ns = 0, start_ns = kit_cpu_ns();
  sandbox_set_meter(s, &used_ns);
  CHECK(kit_run(s, script, &error) == wanted);
  sandbox_set_meter(s, NULL);
  lua_settop(sandbox_state(s), 0);
  return (kit_cpu_ns() - start_ns) / 1000000u;
}

/* After a breach the next one ends soon, until entries have ended well; what a calm script needs it
 * gets, and one that is new keeps its budget. */
static void test_probation(void) {
  enum { CPU = 200, MANY = 100, CALM = 10 };
  static const char spin[] = "while true do end", calm[] = "return 1";
  struct sandbox *s = sandbox_new(
      &(struct sandbox_settings){.name = SLICE("acme"), .breaches = 1000, .cpu_ms = CPU});
  CHECK(entry_ms(s, spin, SANDBOX_CPU) >= CPU * 9 / 10);
  CHECK(entry_ms(s, spin, SANDBOX_CPU) >= CPU * 9 / 10);
  for (int i = 0; i < CALM; i++)
    entry_ms(s, calm, SANDBOX_DONE);
  CHECK(entry_ms(s, spin, SANDBOX_CPU) >= CPU * 9 / 10);
  uint64_t best_ms = CPU;
  for (int i = 0; i < 5 && best_ms >= MANY; i++) /* the watching thread may come late */
    best_ms = entry_ms(s, spin, SANDBOX_CPU);
  CHECK(best_ms < MANY);
  for (int i = 0; i < CALM; i++)
    entry_ms(s, calm, SANDBOX_DONE);
  CHECK(entry_ms(s, spin, SANDBOX_CPU) >= CPU * 9 / 10);
  for (int i = 0; i < CALM; i++)
    entry_ms(s, calm, SANDBOX_DONE);
  uint64_t used_ms = 0;
  for (int loops = 1 << 20; used_ms < CPU / 4 && loops < 1 << 30; loops *= 2) {
    char work[64];
    snprintf(work, sizeof work, "for i = 1, %d do end", loops);
    used_ms = entry_ms(s, work, SANDBOX_DONE);
  }
  entry_ms(s, spin, SANDBOX_CPU);
  CHECK(entry_ms(s, spin, SANDBOX_CPU) >= used_ms);
  sandbox_free(s);
}

static int push_long(lua_State *L) {
  lua_pushstring(L, "from the host");
  return 1;
}

/* The host may push beyond the limit: it binds scripts, and what they call. */
static void test_host_memory(void) {
  struct sandbox *s =
      sandbox_new(&(struct sandbox_settings){.name = SLICE("acme"), .memory_bytes = 1 << 20});
  lua_State *L = sandbox_state(s);
  char *large = must_alloc(2 << 20);
  memset(large, 'x', 2 << 20);
  lua_pushlstring(L, large, 2 << 20);
  free(large);
  lua_pop(L, 1);
  lua_gc(L, LUA_GCCOLLECT, 0);
  lua_pushcfunction(L, push_long);
  lua_setglobal(L, "host");
  CHECK(kit_run(s, "return host()", &error) == SANDBOX_DONE);
  CHECK(kit_run(s, "return ('x'):rep(2 ^ 20)", &error) == SANDBOX_MEMORY);
  CHECK(kit_run(s, "local t = {} for i = 1, 1e4 do t[i % 10] = { i } end", &error) == SANDBOX_DONE);
  sandbox_free(s);
}

static size_t resident_bytes(void) {
  size_t pages = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  CHECK(file && fscanf(file, "%zu %zu", &pages, &resident) == 2);
  if (file) fclose(file);
  return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* At most 64 KiB each. Resident memory is told, not tested: sanitizers multiply it. */
static void test_size(void) {
  enum { COUNT = 200 };
  struct sandbox *all[COUNT];
  size_t before = resident_bytes();
  uint64_t start_ns = kit_cpu_ns();
  for (int i = 0; i < COUNT; i++)
    all[i] = kit_sandbox(NULL);
  uint64_t used_ns = kit_cpu_ns() - start_ns;
  size_t each = sandbox_used_bytes(all[0]), resident = (resident_bytes() - before) / COUNT;
  CHECK(each <= 64 << 10);
  printf("a sandbox: %zu bytes by its allocator, %zu resident, %.0f us to make\n", each, resident,
         (double)used_ns / COUNT / 1000);
  for (int i = 0; i < COUNT; i++)
    sandbox_free(all[i]);
}

static void measure_call(void) {
  enum { COUNT = 100000 };
  struct sandbox *s = kit_sandbox(NULL);
  lua_State *L = sandbox_state(s);
  CHECK(kit_run(s, "return function() end", &error) == SANDBOX_DONE);
  uint64_t start_ns = kit_cpu_ns();
  for (int i = 0; i < COUNT; i++) {
    lua_pushvalue(L, 1);
    CHECK(sandbox_call(s, 0, 0, &error) == SANDBOX_DONE);
  }
  printf("an empty call: %.0f ns\n", (double)(kit_cpu_ns() - start_ns) / COUNT);
  sandbox_free(s);
}

int main(void) {
  bytes_init(&error);
  kit_start();
  test_errors();
  test_calls();
  test_await("local a = wait('one') local b, c = wait('two', 'three') return a .. ' ' .. b .. ' ' "
             ".. c");
  test_await("local a = wait('one') local inner = coroutine.wrap(function() "
             "local co = coroutine.create(function() local b, c = wait('two', 'three') "
             "return b, c end) local _, b, c = coroutine.resume(co) return b .. ' ' .. c end) "
             "return a .. ' ' .. inner()");
  test_await_errors();
  test_meter();
  test_modules();
  test_trapped_globals();
  test_disabling();
  test_probation();
  test_host_memory();
  test_size();
  measure_call();
  bytes_fini(&error);
  return kit_end();
}
