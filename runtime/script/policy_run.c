/* The course of a run: one hook after another in one coroutine. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "observe/log.h"
#include "script/policy_private.h"
#include "script/sandbox.h"
#include "script/surface_private.h"

/* Requests come and go at the same rate: what one leaves behind serves the next. Not under a
 * sanitizer, which sees only freed memory that is used again. */
enum { SPARE_TRACES = 64 };
#ifdef __SANITIZE_ADDRESS__
enum { SPARE_RUNS = 0 };
#else
enum { SPARE_RUNS = 64 };
#endif

struct policy_pool *policy_pool_new(void) {
  return must_calloc(1, sizeof(struct policy_pool));
}

/* Cleared, but for what counts guard; what others left keeps its memory. */
static struct policy_run *run_take(struct policy_pool *pool) {
  struct policy_run *run = pool ? pool->first : NULL;
  if (!run) {
    run = must_alloc(sizeof *run);
    memset(run, 0, offsetof(struct policy_run, tags));
    return run;
  }
  pool->first = run->next;
  pool->count--;
  struct arena arena = run->arena;
  struct policy_trace *traces = run->traces;
  size_t room = run->trace_room;
  memset(run, 0, offsetof(struct policy_run, tags));
  run->arena = arena;
  run->traces = traces;
  run->trace_room = room;
  return run;
}

static void run_drop(struct policy_run *run) {
  free(run->traces);
  arena_fini(&run->arena);
  free(run);
}

void policy_pool_free(struct policy_pool *pool) {
  while (pool->first) {
    struct policy_run *next = pool->first->next;
    run_drop(pool->first);
    pool->first = next;
  }
  policy_reading_fini(&pool->reading);
  free(pool);
}

static void run_give(struct policy_pool *pool, struct policy_run *run) {
  if (run->trace_room > SPARE_TRACES || !pool || pool->count == SPARE_RUNS) {
    run_drop(run);
    return;
  }
  arena_reset(&run->arena);
  run->next = pool->first;
  pool->first = run;
  pool->count++;
}

struct policy_run *policy_run_new(struct policy_chain *chain, const struct policy_request *request,
                                  const struct policy_callbacks *callbacks, void *context) {
  struct policy_run *run = run_take(chain->settings.host->pool);
  run->chain = chain;
  run->request = *request;
  run->callbacks = callbacks;
  run->context = context;
  run->id = ++chain->next_id;
  run->views = run->notes = LUA_NOREF;
  run->reference = LUA_NOREF;
  chain->runs++;
  return run;
}

static void take_thread(struct policy_run *run) {
  struct policy_chain *chain = run->chain;
  if (run->L) return;
  if (chain->idle_count > 0) {
    chain->idle_count--;
    run->L = chain->idle[chain->idle_count].L;
    run->reference = chain->idle[chain->idle_count].reference;
  } else {
    run->L = sandbox_thread_new(chain->sandbox, &run->reference);
  }
}

/* A finished coroutine serves again; any other is dead. */
static void give_thread(struct policy_run *run, bool is_finished) {
  struct policy_chain *chain = run->chain;
  if (!run->L) return;
  if (is_finished && chain->idle_count < POLICY_IDLE_THREADS) {
    lua_settop(run->L, 0);
    chain->idle[chain->idle_count].L = run->L;
    chain->idle[chain->idle_count++].reference = run->reference;
  } else {
    sandbox_thread_drop(chain->sandbox, run->reference);
  }
  run->L = NULL;
  run->reference = LUA_NOREF;
}

void policy_run_free(struct policy_run *run) {
  if (!run) return;
  must(!run->in_call);
  policy_wait_stop(run);
  give_thread(run, !run->is_waiting);
  luaL_unref(run->chain->L, LUA_REGISTRYINDEX, run->views);
  luaL_unref(run->chain->L, LUA_REGISTRYINDEX, run->notes);
  policy_windows_fini(run);
  policy_body_fini(run);
  run->chain->runs--;
  run_give(run->chain->settings.host->pool, run);
}

const struct loaded_policy *policy_now(const struct policy_run *run) {
  return &run->chain->policies[run->at];
}

/* What the hook decided before it failed stays where it restricts, and goes where it permits. */
static void fail_policy(struct policy_run *run, struct slice why) {
  struct loaded_policy *policy = &run->chain->policies[run->at];
  policy->breaches++;
  policy_trace(run, "error", why);
  bool is_quiet = run->chain->is_direct || run->chain->settings.host->is_quiet;
  if (!is_quiet)
    log_process(LOG_WARN, "policy %.*s of tenant %.*s failed in %s: %.*s", (int)policy->name.len,
                policy->name.data, (int)run->chain->settings.tenant.len,
                run->chain->settings.tenant.data, policy_hook_name(run->hook), (int)why.len,
                why.data);
  if (run->hook == POLICY_ON_FINISH) return;
  if (policy->on_error == POLICY_ERROR_PASSES) {
    if (run->hook == POLICY_ON_DELTA || run->hook == POLICY_ON_REPLY) policy_pass_delta(run);
    return;
  }
  if (run->verdict.kind == VERDICT_DENY) return;
  run->verdict.kind = VERDICT_DENY;
  run->verdict.status = 500;
  run->verdict.code = SLICE("policy_error");
  run->verdict.policy = policy->name;
  run->verdict.param = SLICE("");
  const char *refusal = "which is refused for safety; the operator's log says where";
  struct slice detail = run->chain->is_direct ? why : slice_of(refusal);
  run->verdict.message = slice_of(arena_printf(
      &run->arena, "the policy \"%.*s\" failed on this request%s%.*s", (int)policy->name.len,
      policy->name.data, run->chain->is_direct ? ": " : ", ", (int)detail.len, detail.data));
}

static void end_hook(struct policy_run *run) {
  if (run->edits > 0)
    policy_trace(run, "edit",
                 slice_of(arena_printf(&run->arena, "%zu %s", run->edits,
                                       run->edits == 1 ? "change" : "changes")));
  else if (run->trace_count == run->traces_before)
    policy_trace_pass(run);
  run->edits = 0;
}

enum part { PART_ENDED, PART_WAITS };

static enum part take_result(struct policy_run *run, enum sandbox_result result,
                             struct bytes *error) {
  if (result == SANDBOX_YIELD) {
    const char *why = run->wait.is_active ? policy_wait_arm(run)
                                          : "the hook yielded without waiting for anything";
    if (!why) return PART_WAITS;
    policy_wait_stop(run);
    bytes_append_text(error, why);
    result = SANDBOX_ERROR;
    give_thread(run, false);
  } else if (result == SANDBOX_DONE) {
    const char *why = policy_take(run, run->L, lua_gettop(run->L));
    lua_settop(run->L, 0);
    if (why) bytes_append_text(error, why);
    if (why) result = SANDBOX_ERROR;
  } else {
    policy_wait_stop(run);
    give_thread(run, false);
  }
  if (result != SANDBOX_DONE) fail_policy(run, bytes_slice(error));
  end_hook(run);
  return PART_ENDED;
}

/* The entry of the spec has the budget, and its stop is taken up again when this returns. */
static enum sandbox_result resume_direct(struct policy_run *run, int args, struct bytes *error) {
  int status = lua_resume(run->L, args);
  if (status == 0) return SANDBOX_DONE;
  if (status == LUA_YIELD)
    bytes_append_text(error, "stopped");
  else
    sandbox_describe(run->L, -1, error);
  return SANDBOX_ERROR;
}

/* What the hook is to look at. */
static uint64_t subject_bytes(const struct policy_run *run) {
  uint64_t bytes = 0;
  switch (run->hook) {
  case POLICY_ON_REQUEST: return policy_body_bytes(run);
  case POLICY_ON_DELTA: return run->window->text.len;
  case POLICY_ON_REPLY:
    for (size_t i = 0; i < run->reply_count; i++)
      bytes += run->replies[i].changed.len;
    return bytes;
  default: return 0;
  }
}

static enum part enter(struct policy_run *run, int args) {
  struct surface *s = run->chain->surface;
  struct policy_run *outer = s->run;
  unsigned outer_phase = s->phase;
  struct bytes error;
  bytes_init(&error);
  s->run = run;
  s->phase = 1u << run->hook;
  enum sandbox_result result;
  if (run->chain->is_direct) {
    result = resume_direct(run, args, &error);
  } else {
    sandbox_set_meter(run->chain->sandbox, &run->cpu_ns);
    sandbox_set_allowance(run->chain->sandbox, subject_bytes(run));
    result = sandbox_resume(run->chain->sandbox, run->L, args, &error);
    sandbox_set_meter(run->chain->sandbox, NULL);
    sandbox_set_allowance(run->chain->sandbox, 0);
  }
  enum part part = take_result(run, result, &error);
  s->run = outer;
  s->phase = outer_phase;
  bytes_fini(&error);
  return part;
}

static enum part start_hook(struct policy_run *run) {
  struct surface *s = run->chain->surface;
  run->started_ns = 0;
  run->cpu_ns = 0;
  run->traces_before = run->trace_count;
  if (!policy_wakes(run)) {
    end_hook(run);
    return PART_ENDED;
  }
  run->started_ns = clock_mono_ns();
  take_thread(run);
  lua_rawgeti(run->L, LUA_REGISTRYINDEX, policy_now(run)->functions[run->hook]);
  struct policy_run *outer = s->run;
  s->run = run;
  int args = policy_push(run, run->L);
  s->run = outer;
  return enter(run, args);
}

/* True when nothing waits any more. A denial ends the chain: nothing may undo it. */
static bool go_on(struct policy_run *run) {
  while (run->at < run->chain->count && run->verdict.kind != VERDICT_DENY) {
    if (policy_wants(run)) {
      if (start_hook(run) == PART_WAITS) return false;
      if (policy_again(run)) continue;
    }
    if (run->verdict.kind == VERDICT_ANSWER && run->call == POLICY_ON_REQUEST) break;
    run->at++;
  }
  return true;
}

static void end_call(struct policy_run *run) {
  run->in_call = false;
  policy_finish_call(run);
  policy_reading_end(run);
}

enum policy_progress policy_call(struct policy_run *run, enum policy_hook hook) {
  must(!run->in_call && !run->is_waiting);
  run->call = run->hook = hook;
  run->at = 0;
  run->in_call = true;
  if (go_on(run)) {
    end_call(run);
    return POLICY_DONE;
  }
  run->in_call = false;
  run->is_waiting = true;
  return POLICY_WAITING;
}

void policy_cancel(struct policy_run *run) {
  if (!run->is_waiting) return;
  must(!run->in_call);
  policy_wait_stop(run);
  give_thread(run, false);
  policy_trace(run, "cancelled", SLICE("the request ended while the hook waited"));
  run->is_waiting = false;
  run->delta = NULL;
  run->out = NULL;
  run->replies = NULL;
  run->reply_count = 0;
}

static void continue_call(struct policy_run *run, enum part part) {
  if (part == PART_WAITS) {
    run->in_call = false;
    return;
  }
  if (!policy_again(run)) {
    bool answered = run->verdict.kind == VERDICT_ANSWER && run->call == POLICY_ON_REQUEST;
    run->at += answered ? (uint32_t)run->chain->count : 1;
  }
  if (!go_on(run)) {
    run->in_call = false;
    return;
  }
  run->is_waiting = false;
  end_call(run);
  run->callbacks->on_done(run->context);
}

void policy_resume(struct policy_run *run) {
  must(run->is_waiting && !run->in_call);
  run->in_call = true;
  int results = policy_wait_push(run);
  continue_call(run, enter(run, results));
}

void policy_timeout(struct policy_run *run) {
  must(run->is_waiting && !run->in_call);
  run->in_call = true;
  policy_wait_stop(run);
  give_thread(run, false);
  char text[96];
  snprintf(text, sizeof text, "over its time: a hook has %u ms, waiting included",
           run->chain->settings.wall_ms);
  fail_policy(run, slice_of(text));
  end_hook(run);
  continue_call(run, PART_ENDED);
}
