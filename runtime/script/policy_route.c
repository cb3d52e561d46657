#include <stdlib.h>

#include "script/policy_private.h"
#include "script/surface_private.h"

enum policy_progress policy_route(struct policy_run *run, const struct policy_candidate *candidates,
                                  size_t count) {
  run->candidates = candidates;
  run->candidate_count = count;
  run->order = arena_alloc(&run->arena, (count + 1) * sizeof *run->order);
  run->order_count = 0;
  for (size_t i = 0; i < count; i++)
    if (policy_requirements_met(&run->verdict.requirements, &candidates[i]))
      run->order[run->order_count++] = (uint32_t)i;
  run->version++; /* candidates of an earlier call are stale */
  return policy_call(run, POLICY_ROUTE);
}

/* Requirements that the route hooks themselves have set count as well. */
struct policy_order policy_order(const struct policy_run *run) {
  size_t count = 0;
  for (size_t i = 0; i < run->order_count; i++)
    if (policy_requirements_met(&run->verdict.requirements, &run->candidates[run->order[i]]))
      run->order[count++] = run->order[i];
  return (struct policy_order){run->order, count};
}

static bool is_in_order(const struct policy_run *run, uint32_t index) {
  for (size_t i = 0; i < run->order_count; i++)
    if (run->order[i] == index) return true;
  return false;
}

/* The candidate's index, or UINT32_MAX. */
static uint32_t take_candidate(struct policy_run *run, lua_State *L, int index) {
  const struct handle *h = surface_handle(run->chain->surface, L, index, OBJECT_CANDIDATE);
  bool is_ours = h && h->run_id == run->id && h->version == run->version;
  return is_ours && is_in_order(run, h->index) ? h->index : UINT32_MAX;
}

const char *policy_take_order(struct policy_run *run, lua_State *L, int results) {
  if (results == 0 || lua_isnil(L, 1)) return NULL;
  if (lua_type(L, 1) == LUA_TBOOLEAN && lua_toboolean(L, 1)) return NULL; /* a denial */
  if (!lua_istable(L, 1)) return "route returns a list of candidates, or nothing";
  size_t count = lua_objlen(L, 1);
  if (count > run->order_count) return "route returned more candidates than it was given";
  uint32_t *order = arena_alloc(&run->arena, (run->candidate_count + 1) * sizeof *order);
  bool *seen = arena_alloc(&run->arena, run->candidate_count + 1);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 1, (int)i + 1);
    uint32_t index = take_candidate(run, L, -1);
    lua_pop(L, 1);
    if (index == UINT32_MAX) return "route returned something that is none of its candidates";
    if (seen[index]) return "route returned a candidate twice";
    seen[index] = true;
    order[i] = index;
  }
  bool same = count == run->order_count;
  for (size_t i = 0; same && i < count; i++)
    same = order[i] == run->order[i];
  run->order = order;
  run->order_count = count;
  if (same) return NULL;
  policy_trace(run, "route", count ? run->candidates[order[0]].name : SLICE("no target is left"));
  return NULL;
}
