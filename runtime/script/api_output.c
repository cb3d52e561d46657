/* What the model said, and how a request ended. */
#include <stdlib.h>

#include "script/surface_private.h"

static const char *channel_name(enum policy_channel channel) {
  static const char *const names[POLICY_CHANNEL_COUNT] = {
      [POLICY_CHANNEL_TEXT] = "text",
      [POLICY_CHANNEL_REASONING] = "reasoning",
      [POLICY_CHANNEL_TOOL_ARGUMENTS] = "tool_arguments",
      [POLICY_CHANNEL_REFUSAL] = "refusal",
  };
  return names[channel];
}

struct window *surface_window(lua_State *L, struct surface *s) {
  (void)surface_check(s, L, OBJECT_DELTA);
  if (s->run->hook != POLICY_ON_DELTA) luaL_error(L, "a delta lasts as long as its on_delta");
  return s->run->window;
}

void delta_text(lua_State *L, struct surface *s) {
  surface_push_text(L, bytes_slice(&surface_window(L, s)->text));
}

void delta_channel(lua_State *L, struct surface *s) {
  lua_pushstring(L, channel_name(surface_window(L, s)->channel));
}

void delta_index(lua_State *L, struct surface *s) {
  lua_pushnumber(L, (double)surface_window(L, s)->index + 1);
}

void delta_last(lua_State *L, struct surface *s) {
  (void)surface_window(L, s);
  lua_pushboolean(L, s->run->call == POLICY_ON_REPLY || s->run->delta->is_last);
}

void delta_overdue(lua_State *L, struct surface *s) {
  (void)surface_window(L, s);
  lua_pushboolean(L, s->run->call == POLICY_ON_DELTA && s->run->delta->is_overdue);
}

static struct policy_run *reply_of(lua_State *L, struct surface *s) {
  (void)surface_check(s, L, OBJECT_REPLY);
  if (s->run->hook != POLICY_ON_REPLY) luaL_error(L, "a reply lasts as long as its on_reply");
  return s->run;
}

void reply_texts(lua_State *L, struct surface *s) {
  const struct policy_run *run = reply_of(L, s);
  lua_createtable(L, (int)run->reply_count, 0);
  for (size_t i = 0; i < run->reply_count; i++) {
    lua_createtable(L, 0, 2);
    surface_push_text(L, run->replies[i].changed);
    lua_setfield(L, -2, "text");
    lua_pushstring(L, channel_name(run->replies[i].channel));
    lua_setfield(L, -2, "channel");
    lua_rawseti(L, -2, (int)i + 1);
  }
}

int reply_set_text(lua_State *L) {
  struct policy_run *run = reply_of(L, surface_self(L));
  lua_Number index = luaL_checknumber(L, 2);
  struct slice text = surface_text(L, 3);
  if (!(index >= 1 && index <= (double)run->reply_count))
    return luaL_error(L, "the reply has no text of that number");
  struct policy_text *reply = &run->replies[(size_t)index - 1];
  reply->changed = arena_slice(&run->arena, text);
  reply->is_changed = true;
  run->edits++;
  return 0;
}

static const struct policy_outcome *outcome_of(lua_State *L, struct surface *s) {
  (void)surface_check(s, L, OBJECT_OUTCOME);
  if (!s->run->outcome) luaL_error(L, "an outcome lasts as long as its on_finish");
  return s->run->outcome;
}

static void push_maybe(lua_State *L, struct slice text) {
  if (text.len)
    lua_pushlstring(L, text.data, text.len);
  else
    lua_pushnil(L);
}

void outcome_status(lua_State *L, struct surface *s) {
  lua_pushinteger(L, outcome_of(L, s)->status);
}

void outcome_failure(lua_State *L, struct surface *s) {
  push_maybe(L, outcome_of(L, s)->failure);
}

void outcome_provider(lua_State *L, struct surface *s) {
  push_maybe(L, outcome_of(L, s)->provider);
}

void outcome_model(lua_State *L, struct surface *s) {
  push_maybe(L, outcome_of(L, s)->model);
}

static void set_count(lua_State *L, const char *name, uint64_t count) {
  lua_pushnumber(L, (double)count);
  lua_setfield(L, -2, name);
}

void outcome_usage(lua_State *L, struct surface *s) {
  const struct policy_outcome *o = outcome_of(L, s);
  if (!o->usage_known) {
    lua_pushnil(L);
    return;
  }
  lua_createtable(L, 0, 5);
  set_count(L, "input", o->usage.input);
  set_count(L, "cache_read", o->usage.cache_read);
  set_count(L, "cache_write", o->usage.cache_write_5m + o->usage.cache_write_1h);
  set_count(L, "output", o->usage.output);
  set_count(L, "reasoning", o->usage.reasoning);
}

void outcome_cost(lua_State *L, struct surface *s) {
  const struct policy_outcome *o = outcome_of(L, s);
  if (o->cost_known)
    lua_pushnumber(L, (double)o->cost_nanousd);
  else
    lua_pushnil(L);
}

void outcome_duration(lua_State *L, struct surface *s) {
  lua_pushnumber(L, (double)outcome_of(L, s)->duration_us / 1000);
}

void outcome_first_content(lua_State *L, struct surface *s) {
  uint64_t us = outcome_of(L, s)->first_content_us;
  if (us)
    lua_pushnumber(L, (double)us / 1000);
  else
    lua_pushnil(L);
}

void outcome_attempts(lua_State *L, struct surface *s) {
  lua_pushnumber(L, outcome_of(L, s)->attempts);
}
