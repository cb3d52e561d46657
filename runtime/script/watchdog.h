/* Stops scripts that run too long. One thread looks at all threads that are inside a sandbox, every
 * few milliseconds while there are any, and asks the kernel for the processor time they have used:
 * time during which a thread did not run is never held against a script. A script over its budget
 * gets a signal (SIGURG, which is ignored by default) on its own thread, whose handler installs a
 * hook on every instruction; lua_sethook is documented as safe there. The hook raises an error each
 * time, so that pcall, coroutines, metamethods and the like cannot hold on to control. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct lua_State;

/* Body of the watching thread (uv_thread_create); returns after watchdog_stop. One at a time. */
void watchdog_run(void *unused);
void watchdog_stop(void);
bool watchdog_wait(void); /* until it runs: false when none comes up */

/* Between these two calls the calling thread runs scripts of L; not nested. on_hook raises a Lua
 * error. budget_ns of processor time of this thread. */
struct lua_Debug;
typedef void (*watchdog_hook)(struct lua_State *L, struct lua_Debug *activation);
void watchdog_enter(struct lua_State *L, watchdog_hook on_hook, uint64_t budget_ns);
/* True: the budget was used up (and the hook is gone again). *used_ns: processor time as far as it
 * was measured: entries shorter than the watch interval count as 0. */
bool watchdog_leave(uint64_t *used_ns);
/* For C code that works for a script for long: true when it should raise an error now. */
bool watchdog_is_over(void);
