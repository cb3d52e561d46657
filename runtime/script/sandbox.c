#include "script/sandbox.h"

#include <luajit.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/digest.h"
#include "script/embedded.h"
#include "script/sandbox_private.h"
#include "script/watchdog.h"

enum {
  MEMORY_BYTES = 16 << 20,
  LEAST_MEMORY_BYTES = 256 << 10,
  CPU_MS = 10,
  BREACHES = 10,
  PROBATION = 10, /* calm entries before a breach tells something, and after it */
  PROBATION_NS = 2000000,
  WINDOW_MS = 60000,
  MAX_CHUNK_BYTES = 1 << 20,
  MAX_MESSAGE_BYTES = 1000,
  USUAL_PAUSE = 200,
  HURRIED_PAUSE = 110, /* of the collector, when a quarter of the memory is in use */
};

static void *on_allocate(void *data, void *old, size_t old_bytes, size_t bytes) {
  struct sandbox *s = data;
  size_t used = s->used_bytes - (old ? old_bytes : 0);
  if (bytes == 0) {
    free(old);
    s->used_bytes = used;
    return NULL;
  }
  bool is_growing = bytes > (old ? old_bytes : 0);
  if (s->is_entered && is_growing && (used > s->memory_bytes || bytes > s->memory_bytes - used)) {
    s->is_refused = true;
    return NULL;
  }
  void *memory = realloc(old, bytes);
  must(memory != NULL);
  s->used_bytes = used + bytes;
  return memory;
}

static int on_panic(lua_State *L) {
  must_fail(lua_tostring(L, -1) ? lua_tostring(L, -1) : "error outside of a protected call",
            __FILE__, __LINE__);
}

struct sandbox *sandbox_find(lua_State *L) {
  void *data;
  return lua_getallocf(L, &data) == on_allocate ? data : NULL;
}

struct sandbox *sandbox_of(lua_State *L) {
  void *data;
  lua_getallocf(L, &data);
  return data;
}

lua_State *sandbox_state(struct sandbox *s) {
  return s->L;
}

static void open_library(lua_State *L, const char *name, lua_CFunction open) {
  lua_pushcfunction(L, open);
  lua_pushstring(L, name);
  lua_call(L, 1, 0);
}

static void load_prelude(lua_State *L) {
  const struct embedded_file *file = embedded_files();
  while (strcmp(file->name, "gateyes/sandbox.lua") != 0)
    file++;
  size_t len = (size_t)(file->end - file->start);
  must(luaL_loadbufferx(L, file->start, len, "@lua/gateyes/sandbox.lua", "t") == 0);
}

/* Strings know the safe functions, in a table that no script has, and nothing hands out their
 * metatable. Stack: the globals. */
static void guard_strings(lua_State *L) {
  lua_pushliteral(L, "");
  must(lua_getmetatable(L, -1));
  lua_getfield(L, -3, LUA_STRLIBNAME);
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, -3);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
  lua_remove(L, -2);
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, false);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 2);
}

static void clear_table(lua_State *L, int index) {
  for (lua_pushnil(L); lua_next(L, index);) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_pushnil(L);
    lua_rawset(L, index);
  }
}

/* The house has numbers of its own, which no tenant can foretell or seed. Stack: the stock library,
 * then the globals. */
static void keep_house_random(lua_State *L) {
  struct sandbox *s = sandbox_of(L);
  open_library(L, LUA_MATHLIBNAME, luaopen_math);
  lua_getfield(L, 1, LUA_MATHLIBNAME);
  lua_createtable(L, 0, 2);
  lua_getfield(L, -2, "randomseed");
  lua_pushnumber(L, (lua_Number)(s->secret * UINT64_C(0xd1342543de82ef95) >> 11));
  lua_call(L, 1, 0);
  lua_getfield(L, -2, "random");
  lua_setfield(L, -2, "random");
  lua_getfield(L, -2, "randomseed");
  lua_setfield(L, -2, "randomseed");
  s->house_random = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pop(L, 1);
}

static int on_prepare(lua_State *L) {
  luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
  open_library(L, "", luaopen_base);
  open_library(L, LUA_STRLIBNAME, luaopen_string);
  open_library(L, LUA_TABLIBNAME, luaopen_table);
  open_library(L, LUA_MATHLIBNAME, luaopen_math);
  open_library(L, LUA_BITLIBNAME, luaopen_bit);
  lua_settop(L, 0);
  lua_pushvalue(L, LUA_GLOBALSINDEX);
  load_prelude(L);
  lua_pushvalue(L, 1);
  sandbox_library_push(L);
  lua_call(L, 2, 1);
  guard_strings(L);
  keep_house_random(L);
  lua_pushnil(L);
  lua_setfield(L, LUA_REGISTRYINDEX, "_LOADED");
  clear_table(L, 1);
  return 1;
}

static void prepare(struct sandbox *s) {
  lua_State *L = s->L;
  lua_atpanic(L, on_panic);
  lua_pushcfunction(L, on_prepare);
  if (lua_pcall(L, 0, 1, 0) != 0) on_panic(L);
  lua_pushvalue(L, -1);
  s->realms[SANDBOX_TENANT].globals = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_replace(L, LUA_GLOBALSINDEX);
  lua_newtable(L);
  s->realms[SANDBOX_TENANT].loaded = luaL_ref(L, LUA_REGISTRYINDEX);
  s->realms[SANDBOX_HOUSE].globals = s->internal = LUA_NOREF;
  lua_gc(L, LUA_GCCOLLECT, 0);
}

struct sandbox *sandbox_new(const struct sandbox_settings *settings) {
  must(watchdog_wait());
  struct sandbox *s = must_calloc(1, sizeof *s);
  bytes_init(&s->name);
  bytes_append_slice(&s->name, settings->name);
  size_t memory_bytes = settings->memory_bytes ? settings->memory_bytes : MEMORY_BYTES;
  s->memory_bytes = memory_bytes < LEAST_MEMORY_BYTES ? LEAST_MEMORY_BYTES : memory_bytes;
  sandbox_set_cpu_ms(s, settings->cpu_ms);
  s->breach_limit = settings->breaches ? settings->breaches : BREACHES;
  uint64_t window_ms = settings->breach_window_ms ? settings->breach_window_ms : WINDOW_MS;
  s->breach_window_ns = window_ms * 1000000u;
  s->find = settings->find;
  s->context = settings->context;
  digest_random(&s->secret, sizeof s->secret);
  s->L = lua_newstate(on_allocate, s);
  must(s->L != NULL);
  prepare(s);
  return s;
}

void sandbox_free(struct sandbox *s) {
  if (!s) return;
  must(!s->is_entered);
  lua_close(s->L);
  bytes_fini(&s->name);
  free(s);
}

void sandbox_set_cpu_ms(struct sandbox *s, uint32_t cpu_ms) {
  s->cpu_ns = (cpu_ms ? cpu_ms : CPU_MS) * UINT64_C(1000000);
}

void sandbox_set_allowance(struct sandbox *s, uint64_t subject_bytes) {
  uint64_t most_ns = ALLOWANCE_BUDGETS * s->cpu_ns;
  uint64_t wanted_ns = subject_bytes * (1000000 / ALLOWANCE_BYTES_PER_MS);
  s->allowance_ns = wanted_ns < most_ns ? wanted_ns : most_ns;
}

void sandbox_set_meter(struct sandbox *s, uint64_t *used_ns) {
  s->meter = used_ns;
}

int sandbox_load_chunk(lua_State *L, struct slice text, const char *chunk_name) {
  const char *why = NULL;
  int line = 1, foreign_line = 0;
  if (text.len > MAX_CHUNK_BYTES)
    why = "is larger than 1 MiB; split it into modules";
  else if (text.len && text.data[0] == LUA_SIGNATURE[0])
    why = "is bytecode; scripts are source text";
  else
    foreign_line = sandbox_foreign_line(text);
  if (foreign_line) {
    why = "numbers of LuaJIT's foreign function library (1LL, 2i) are not offered";
    line = foreign_line;
  }
  if (!why) return luaL_loadbufferx(L, text.data, text.len, chunk_name, "t");
  lua_pushfstring(L, "%s:%d: %s", chunk_name + (*chunk_name == '@' || *chunk_name == '='), line,
                  why);
  return LUA_ERRSYNTAX;
}

void sandbox_describe(lua_State *L, int index, struct bytes *out) {
  int type = lua_type(L, index);
  if (type == LUA_TNUMBER)
    bytes_printf(out, "%.14g", lua_tonumber(L, index));
  else if (type == LUA_TBOOLEAN)
    bytes_append_text(out, lua_toboolean(L, index) ? "true" : "false");
  else if (type != LUA_TSTRING)
    bytes_printf(out, "a %s value", lua_typename(L, type));
  struct slice text = state_text(L, index);
  if (text.len > MAX_MESSAGE_BYTES) text.len = MAX_MESSAGE_BYTES;
  for (size_t i = 0; i < text.len; i++) /* one line, whatever it holds */
    bytes_append_byte(out, (unsigned char)text.data[i] < 0x20 ? ' ' : text.data[i]);
}

static void describe_error(lua_State *L, struct bytes *error) {
  if (lua_type(L, -1) != LUA_TSTRING) bytes_append_text(error, "an error that is no text: ");
  sandbox_describe(L, -1, error);
}

bool sandbox_load(struct sandbox *s, struct slice text, struct slice chunk_name,
                  struct bytes *error) {
  struct bytes name;
  bytes_init(&name);
  bytes_append_slice(&name, chunk_name);
  int status = sandbox_load_chunk(s->L, text, bytes_text(&name));
  bytes_fini(&name);
  if (status == 0) return true;
  describe_error(s->L, error);
  lua_pop(s->L, 1);
  return false;
}

/* Yields where it can: an error would be caught by each of thousands of nested pcalls in turn. */
static void on_hook(lua_State *L, lua_Debug *activation) {
  struct sandbox *s = sandbox_of(L);
  if (!s->stopped_at[0] && lua_getinfo(L, "Sl", activation))
    snprintf(s->stopped_at, sizeof s->stopped_at, "%s:%d: ", activation->short_src,
             activation->currentline);
  if (lua_isyieldable(L))
    lua_yield(L, 0);
  else
    luaL_error(L, "stopped");
}

/* Whoever has just broken the budget gets what calm entries need, twice over, so that others do not
 * wait for as long again. Where none is known yet, nothing can be told from a first one. */
static uint64_t budget_of(const struct sandbox *s) {
  uint64_t usual_ns = s->calm.peak_ns > s->calm.earlier_ns ? s->calm.peak_ns : s->calm.earlier_ns;
  uint64_t low_ns = PROBATION_NS + 2 * usual_ns;
  return s->probation && low_ns < s->cpu_ns ? low_ns : s->cpu_ns;
}

static void note_calm(struct sandbox *s, uint64_t used_ns) {
  if (s->probation) s->probation--;
  if (!s->meter) return;
  s->calm.count++;
  if (!used_ns) return;
  uint64_t now_ns = clock_mono_ns();
  if (now_ns - s->calm.since_ns > s->breach_window_ns) {
    s->calm.earlier_ns = s->calm.peak_ns;
    s->calm.peak_ns = 0;
    s->calm.since_ns = now_ns;
  }
  if (used_ns > s->calm.peak_ns) s->calm.peak_ns = used_ns;
}

static void enter(struct sandbox *s) {
  must(!s->is_entered);
  s->has_run = true;
  /* What a stopped script left behind must not be what the next request fails for. Not earlier: its
   * coroutine was still held. */
  if (s->must_collect && s->used_bytes > s->memory_bytes / 2) lua_gc(s->L, LUA_GCCOLLECT, 0);
  s->must_collect = false;
  s->entry_ns = budget_of(s);
  uint64_t budget_ns = s->entry_ns + s->allowance_ns;
  if (s->meter) budget_ns = *s->meter < budget_ns ? budget_ns - *s->meter : 0;
  lua_gc(s->L, LUA_GCSETPAUSE, s->used_bytes > s->memory_bytes / 4 ? HURRIED_PAUSE : USUAL_PAUSE);
  s->stack_base = __builtin_frame_address(0);
  s->is_refused = false;
  s->stopped_at[0] = 0;
  s->is_entered = true;
  watchdog_enter(s->L, on_hook, budget_ns);
}

static void count_breach(struct sandbox *s, enum sandbox_result kind) {
  uint64_t now = clock_mono_ns();
  if (now - s->window_start_ns > s->breach_window_ns) {
    s->window_start_ns = now;
    s->breaches_in_window = 0;
  }
  s->breaches[kind]++;
  if (s->calm.count >= PROBATION) s->probation = PROBATION;
  if (++s->breaches_in_window < s->breach_limit || s->disabled_reason[0]) return;
  snprintf(s->disabled_reason, sizeof s->disabled_reason,
           "disabled: its scripts were stopped %u times within %u s, last for %s",
           s->breaches_in_window, (unsigned)(s->breach_window_ns / 1000000000u),
           kind == SANDBOX_CPU ? "processor time" : "memory");
  if (s->on_disabled)
    s->on_disabled(s->disabled_context, slice_of(s->disabled_reason + sizeof "disabled: " - 1));
}

static enum sandbox_result leave(struct sandbox *s, lua_State *L, int status, struct bytes *error) {
  uint64_t used_ns;
  bool is_over = watchdog_leave(&used_ns);
  s->is_entered = false;
  if (s->meter) *s->meter += used_ns;
  bool is_yield = status == LUA_YIELD;
  if (!is_over && !s->is_refused) note_calm(s, used_ns);
  if (!is_over && !s->is_refused && (status == 0 || is_yield))
    return is_yield ? SANDBOX_YIELD : SANDBOX_DONE;
  enum sandbox_result kind = is_over ? SANDBOX_CPU : s->is_refused ? SANDBOX_MEMORY : SANDBOX_ERROR;
  if (kind != SANDBOX_CPU && status == LUA_ERRMEM) kind = SANDBOX_MEMORY;
  if (kind == SANDBOX_ERROR)
    describe_error(L, error);
  else if (kind == SANDBOX_CPU)
    bytes_printf(error, "%sstopped after %u ms of processor time", s->stopped_at,
                 (unsigned)((s->entry_ns + 500000u) / 1000000u));
  else
    bytes_printf(error, "stopped: needs more than %zu KiB of memory", s->memory_bytes >> 10);
  if (kind != SANDBOX_ERROR) count_breach(s, kind);
  return kind;
}

static bool refuse_disabled(const struct sandbox *s, struct bytes *error) {
  if (!s->disabled_reason[0]) return false;
  bytes_append_text(error, s->disabled_reason);
  return true;
}

/* The coroutine that calls run in: kept for the next one, unless this one broke off. */
static lua_State *call_thread(struct sandbox *s) {
  if (!s->call_thread) s->call_thread = sandbox_thread_new(s, &s->call_ref);
  return s->call_thread;
}

static void drop_call_thread(struct sandbox *s) {
  sandbox_thread_drop(s, s->call_ref);
  s->call_thread = NULL;
}

static void give_results(struct sandbox *s, int results) {
  lua_State *co = s->call_thread;
  if (results != LUA_MULTRET) lua_settop(co, results);
  int count = lua_gettop(co);
  luaL_checkstack(s->L, count, "results");
  lua_xmove(co, s->L, count);
}

enum sandbox_result sandbox_call(struct sandbox *s, int args, int results, struct bytes *error) {
  lua_State *co = call_thread(s);
  lua_checkstack(co, args + 1);
  lua_xmove(s->L, co, args + 1);
  enum sandbox_result result = sandbox_resume(s, co, args, error);
  if (result == SANDBOX_YIELD) {
    bytes_append_text(error, "this function cannot wait");
    result = SANDBOX_ERROR;
  }
  if (result == SANDBOX_DONE)
    give_results(s, results);
  else
    drop_call_thread(s);
  return result;
}

lua_State *sandbox_thread_new(struct sandbox *s, int *ref) {
  lua_State *co = lua_newthread(s->L);
  *ref = luaL_ref(s->L, LUA_REGISTRYINDEX);
  return co;
}

void sandbox_thread_drop(struct sandbox *s, int ref) {
  luaL_unref(s->L, LUA_REGISTRYINDEX, ref);
}

/* The value that tells waiting of the host from a yield of the script; no script gets hold of it.
 */
static void *await_mark(struct sandbox *s) {
  return s;
}

/* A yield of the script's own would leave its request waiting for ever. */
static enum sandbox_result check_yield(struct sandbox *s, lua_State *co, struct bytes *error) {
  if (lua_gettop(co) > 0 && lua_touserdata(co, 1) == await_mark(s)) {
    lua_remove(co, 1);
    return SANDBOX_YIELD;
  }
  bytes_append_text(error, "coroutine.yield was called outside of the script's own coroutines");
  return SANDBOX_ERROR;
}

enum sandbox_result sandbox_resume(struct sandbox *s, lua_State *co, int args,
                                   struct bytes *error) {
  if (refuse_disabled(s, error)) return SANDBOX_DISABLED;
  enter(s);
  int status = lua_resume(co, args);
  enum sandbox_result result = leave(s, co, status, error);
  if (result == SANDBOX_YIELD) result = check_yield(s, co, error);
  if (result == SANDBOX_MEMORY || result == SANDBOX_CPU) s->must_collect = true;
  return result;
}

int sandbox_await(lua_State *L, int values) {
  lua_pushlightuserdata(L, await_mark(sandbox_of(L)));
  lua_insert(L, -values - 1);
  return lua_yield(L, values + 1);
}

bool sandbox_can_await(lua_State *L) {
  return lua_isyieldable(L);
}

void sandbox_on_disabled(struct sandbox *s, void (*on_disabled)(void *context, struct slice reason),
                         void *context) {
  s->on_disabled = on_disabled;
  s->disabled_context = context;
}

bool sandbox_is_disabled(const struct sandbox *s) {
  return s->disabled_reason[0] != 0;
}

const char *sandbox_disabled_reason(const struct sandbox *s) {
  return s->disabled_reason[0] ? s->disabled_reason : NULL;
}

size_t sandbox_used_bytes(const struct sandbox *s) {
  return s->used_bytes;
}

uint64_t sandbox_breaches(const struct sandbox *s, enum sandbox_result kind) {
  return s->breaches[kind];
}
