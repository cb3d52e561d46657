/* Inside of a sandbox, for sandbox*.c. */
#pragma once
#include "script/sandbox.h"

struct sandbox {
  lua_State *L;
  lua_State *call_thread; /* NULL: to be made */
  int call_ref;
  struct bytes name;
  size_t used_bytes, memory_bytes;
  uint64_t cpu_ns;
  uint64_t allowance_ns;  /* added to it for what a hook has to read */
  uint64_t *meter;        /* NULL: none */
  const char *stack_base; /* of the C stack at the entry */
  uint64_t secret;        /* hides addresses */
  struct {                /* references in the registry */
    int globals, loaded;  /* tables; loaded: modules by name */
  } realms[SANDBOX_REALMS];
  int internal; /* globals of files that are not the tenant's, in its realm; LUA_NOREF: yet to be
                   made */
  int house_random; /* random and randomseed of the house's own */
  bool has_run, must_collect;
  char stopped_at[96]; /* "file:line: " of the running script when its time was over */
  bool is_entered, is_refused;
  uint32_t breach_limit, breaches_in_window;
  uint64_t breach_window_ns, window_start_ns;
  struct {                                  /* of entries with a meter that ended well */
    uint64_t peak_ns, earlier_ns, since_ns; /* the longest of this minute, and of one before */
    uint32_t count;
  } calm;
  uint32_t probation; /* entries that have to end well before the whole budget is back */
  uint64_t entry_ns;  /* budget of this entry */
  uint64_t breaches[SANDBOX_DISABLED + 1]; /* by kind */
  char disabled_reason[128];               /* empty: it is not */
  void (*on_disabled)(void *context, struct slice reason);
  void *disabled_context;
  bool (*find)(void *context, const struct sandbox_wanted *wanted, struct sandbox_module *module);
  void *context;
};

/* Pushes `host`, what lua/gateyes/sandbox.lua gets beside the stock library. May raise. */
void sandbox_library_push(lua_State *L);
/* Pushes `require` of a realm; is_internal: of a file that is not the tenant's. */
void sandbox_push_require(lua_State *L, enum sandbox_realm realm, bool is_internal);
/* luaL_loadbufferx with the limits of sandbox_load: pushes function or message. */
int sandbox_load_chunk(lua_State *L, struct slice text, const char *chunk_name);
/* The line of a number that would load the foreign function library; 0: there is none. */
int sandbox_foreign_line(struct slice text);
