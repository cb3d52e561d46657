/* A sandbox under test: the watching thread, modules from a table, scripts as text. */
#pragma once
#include <time.h>
#include <uv.h>

#include "check.h"
#include "script/sandbox.h"
#include "script/watchdog.h"

struct kit_module {
  const char *name, *text;
};

static uv_thread_t kit_thread;

static inline void kit_start(void) {
  CHECK(uv_thread_create(&kit_thread, watchdog_run, NULL) == 0);
  CHECK(watchdog_wait());
}

static inline int kit_end(void) {
  watchdog_stop();
  uv_thread_join(&kit_thread);
  return checks_end();
}

static inline bool kit_find(void *context, const struct sandbox_wanted *wanted,
                            struct sandbox_module *module) {
  for (const struct kit_module *m = context; m && m->name; m++) {
    if (!slice_equal_text(wanted->name, m->name)) continue;
    module->text = slice_of(m->text);
    module->chunk_name = SLICE("@lib/module.lua");
    module->is_own = true;
    return true;
  }
  return false;
}

static inline struct sandbox *kit_sandbox(const struct kit_module *modules) {
  return sandbox_new(&(struct sandbox_settings){
      .name = SLICE("acme"), .breaches = 1000000, .find = kit_find, .context = (void *)modules});
}

/* Loads and calls a script; its first result stays on the stack, unless it fails. */
static inline enum sandbox_result kit_run(struct sandbox *s, const char *script,
                                          struct bytes *error) {
  bytes_clear(error);
  if (!sandbox_load(s, slice_of(script), SLICE("@policies/test.lua"), error)) return SANDBOX_ERROR;
  return sandbox_call(s, 0, 1, error);
}

static inline uint64_t kit_cpu_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
