#include <stdlib.h>

#include "script/policy_private.h"
#include "script/surface_private.h"

enum policy_progress policy_on_request(struct policy_run *run) {
  return policy_call(run, POLICY_ON_REQUEST);
}

void policy_on_finish(struct policy_run *run, const struct policy_outcome *outcome) {
  run->outcome = outcome;
  enum policy_progress progress = policy_call(run, POLICY_ON_FINISH);
  must(progress == POLICY_DONE);
  run->outcome = NULL;
}

bool policy_wants(struct policy_run *run) {
  switch (run->call) {
  case POLICY_ON_DELTA: return policy_wants_delta(run);
  case POLICY_ON_REPLY: return policy_wants_reply(run);
  default: break;
  }
  run->hook = run->call;
  return policy_now(run)->hooks & 1u << run->hook;
}

bool policy_again(struct policy_run *run) {
  return run->call == POLICY_ON_REPLY && policy_again_reply(run);
}

/* The body may have been edited by hooks whose policy then failed: those edits count too, as a
 * masked text that comes back would be worse than one that stays masked. */
static void finish_request(struct policy_run *run) {
  if (!run->owns_body && !run->has_pending) return;
  run->verdict.edited_body = policy_body(run);
  run->verdict.is_edited = true;
}

void policy_finish_call(struct policy_run *run) {
  switch (run->call) {
  case POLICY_ON_REQUEST: finish_request(run); return;
  case POLICY_ON_DELTA: policy_finish_delta(run); return;
  case POLICY_ON_REPLY: policy_finish_reply(run); return;
  default: return;
  }
}

static void push_handle(struct policy_run *run, lua_State *L, enum object object, uint32_t index) {
  struct handle handle = {run->id, index, run->version};
  surface_push_handle(run->chain->surface, L, object, &handle);
}

static void push_candidates(struct policy_run *run, lua_State *L) {
  lua_createtable(L, (int)run->order_count, 0);
  for (size_t i = 0; i < run->order_count; i++) {
    push_handle(run, L, OBJECT_CANDIDATE, run->order[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
}

int policy_push(struct policy_run *run, lua_State *L) {
  int before = lua_gettop(L);
  switch (run->hook) {
  case POLICY_ROUTE:
    push_handle(run, L, OBJECT_REQUEST, 0);
    push_candidates(run, L);
    break;
  case POLICY_ON_DELTA: push_handle(run, L, OBJECT_DELTA, 0); break;
  case POLICY_ON_REPLY: push_handle(run, L, OBJECT_REPLY, 0); break;
  case POLICY_ON_FINISH: push_handle(run, L, OBJECT_OUTCOME, 0); break;
  default: push_handle(run, L, OBJECT_REQUEST, 0);
  }
  push_handle(run, L, OBJECT_CONTEXT, 0);
  return lua_gettop(L) - before;
}

/* A verdict that is returned has been taken down when it was made. Any other value would be one
 * that its author believes to count. */
static const char *take_verdict(lua_State *L, int results) {
  if (results == 0 || lua_isnil(L, 1)) return NULL;
  if (lua_type(L, 1) == LUA_TBOOLEAN && results == 1 && lua_toboolean(L, 1)) return NULL;
  return "a hook returns nothing, or what context:deny or context:answer gave; it returned "
         "something else, which would have no effect";
}

const char *policy_take(struct policy_run *run, lua_State *L, int results) {
  switch (run->hook) {
  case POLICY_ROUTE: return policy_take_order(run, L, results);
  case POLICY_ON_DELTA: return policy_take_delta(run, L, results);
  case POLICY_ON_FINISH: return NULL;
  case POLICY_ON_REPLY: return policy_take_reply(run, take_verdict(L, results));
  default: return take_verdict(L, results);
  }
}
