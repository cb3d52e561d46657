/* A Lua state for scripts that are not trusted: a tenant's policies, adapters and specs. It has its
 * own memory limit, its own safe library (lua/gateyes/sandbox.lua), takes chunks as text only, and
 * every entry has a budget of processor time. What a script can reach is listed in
 * spec/native/script/sandbox_reachable.txt. The compiler is off: compiled code runs no hooks.
 *
 * A sandbox has two realms, which share no table that a script could get hold of: what the tenant's
 * scripts write into libraries and modules is not seen by the policies that ship or are the
 * operator's. Each has its own globals, and its own copy of every module.
 *
 * Host code outside of an entry may push values freely: the memory limit binds only scripts, and
 * the host functions that they call. Values of a script are read raw (lua_rawget, lua_next,
 * state_text), never with lua_getfield, lua_getglobal, lua_tostring of tables, or anything else
 * that runs its metamethods. */
#pragma once
#include "script/state.h"

struct sandbox;

enum sandbox_result {
  SANDBOX_DONE,
  SANDBOX_YIELD,   /* sandbox_resume: sandbox_await was called */
  SANDBOX_ERROR,   /* the script raised an error */
  SANDBOX_CPU,     /* stopped: over its processor time, whether or not it caught the error */
  SANDBOX_MEMORY,  /* over its memory, whether or not it caught the error */
  SANDBOX_DISABLED /* not run: too many breaches */
};

enum sandbox_realm {
  SANDBOX_TENANT, /* where everything runs unless it is said otherwise */
  SANDBOX_HOUSE,  /* the operator's and what ships; only after sandbox_open_house */
  SANDBOX_REALMS
};

struct sandbox_wanted { /* what `require` looks for */
  struct slice name;
  enum sandbox_realm realm;
  bool is_internal; /* asked for by the host, or by a file that is not the tenant's */
};

struct sandbox_module {
  struct slice text;
  struct slice chunk_name; /* as lua_load takes it, "@lib/a.lua" */
  bool is_own;             /* a file of the tenant's */
  const char *why;         /* no such module: what there is instead; may be NULL */
};

struct sandbox_settings {
  struct slice name;                   /* of the tenant, for messages */
  size_t memory_bytes;                 /* 0: 16 MiB */
  uint32_t cpu_ms;                     /* for one entry, 0: 10 */
  uint32_t breaches, breach_window_ms; /* that many within the window disable it; 0: 10 in 60 s */
  /* `require`: false when there is no such module. Texts need to live for the call only. */
  bool (*find)(void *context, const struct sandbox_wanted *wanted, struct sandbox_module *module);
  void *context;
};

/* Needs a running watchdog (script/watchdog.h): aborts when none comes up. Never NULL. */
struct sandbox *sandbox_new(const struct sandbox_settings *settings);
void sandbox_free(struct sandbox *s);
lua_State *sandbox_state(struct sandbox *s);
struct sandbox *sandbox_find(lua_State *L); /* NULL: a state that is none */
struct sandbox *sandbox_of(lua_State *L);   /* L: of a sandbox, or a coroutine of it */

/* Pushes the chunk as a function: false with "file:line: what". text is refused beyond 1 MiB, and
 * when it is bytecode. */
bool sandbox_load(struct sandbox *s, struct slice text, struct slice chunk_name,
                  struct bytes *error);
/* What `require(name)` returns from now on: pops it from the state's stack. Before
 * sandbox_open_house, which copies it. */
void sandbox_preload(struct sandbox *s, const char *name);
/* Makes the realm of the house, before any script has run. Once; later calls do nothing. */
void sandbox_open_house(struct sandbox *s);
/* Whose module that is: SANDBOX_HOUSE when it is there and not the tenant's. */
enum sandbox_realm sandbox_realm_of(struct sandbox *s, struct slice module);
/* Calls require(name) as it was made, whatever scripts have put in its place: its result is on the
 * state's stack after SANDBOX_DONE. */
enum sandbox_result sandbox_require(struct sandbox *s, enum sandbox_realm realm, struct slice name,
                                    struct bytes *error);
/* Calls the function below args arguments on the state's stack. On anything but SANDBOX_DONE they
 * are gone and error says "file:line: what" in one line. A call cannot await. */
enum sandbox_result sandbox_call(struct sandbox *s, int args, int results, struct bytes *error);

/* A coroutine, held in the registry until it is dropped. */
lua_State *sandbox_thread_new(struct sandbox *s, int *ref);
void sandbox_thread_drop(struct sandbox *s, int ref);
/* Starts or continues it (lua_resume). DONE: its results are on its stack; YIELD: the values given
 * to sandbox_await are. After anything else it is dead. */
enum sandbox_result sandbox_resume(struct sandbox *s, lua_State *co, int args, struct bytes *error);
/* For host functions: `return sandbox_await(L, n)` yields the n values on top to sandbox_resume,
 * through coroutines of the script too; what the host pushes then is what the call returns. */
int sandbox_await(lua_State *L, int values);
bool sandbox_can_await(lua_State *L);

/* Entries from here on add what they use to *used_ns and get what is left of the budget: a hook
 * that awaits has one budget for all its parts. NULL: each entry has a whole one. */
void sandbox_set_meter(struct sandbox *s, uint64_t *used_ns);
void sandbox_set_cpu_ms(struct sandbox *s, uint32_t cpu_ms);
/* Entries from here on work on so many bytes: host functions that read them all take their time, so
 * the budget grows by 1 ms for each 16,000 bytes, to ALLOWANCE_BUDGETS + 1 times its size at most.
 */
enum { ALLOWANCE_BYTES_PER_MS = 16000, ALLOWANCE_BUDGETS = 50 };
void sandbox_set_allowance(struct sandbox *s, uint64_t subject_bytes);

/* Called once, when the scripts are disabled; not from inside of an entry. */
void sandbox_on_disabled(struct sandbox *s, void (*on_disabled)(void *context, struct slice reason),
                         void *context);
bool sandbox_is_disabled(const struct sandbox *s);
const char *sandbox_disabled_reason(const struct sandbox *s); /* NULL: it is not */
size_t sandbox_used_bytes(const struct sandbox *s);
uint64_t sandbox_breaches(const struct sandbox *s,
                          enum sandbox_result kind); /* since it was made */

/* For host functions. Raises an error when the C stack below the entry is deep, or the script is
 * over its time: in loops of more than some microseconds, and before calling back into Lua. */
void sandbox_check(lua_State *L);
/* Pushes the module gateyes.json, bounded as scripts of this state are. */
void sandbox_push_json(lua_State *L);
/* Raw and without errors: pushes t[name] (nil when index is no table). */
void sandbox_push_field(lua_State *L, int index, const char *name);
/* The text of an error or any other value, without running anything of the script. */
void sandbox_describe(lua_State *L, int index, struct bytes *out);
