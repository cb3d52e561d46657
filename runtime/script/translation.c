#include "script/translation.h"

#include <stdlib.h>

#include "base/clock.h"
#include "script/generation_private.h"
#include "script/script_error.h"
#include "script/steady.h"

enum { NAMES_BYTES = 1024 }; /* of dropped fields: they go into a header */

struct translation {
  struct generation *generation;
  struct arena *arena;
  int reference; /* the Lua table of translate.open */
  struct steady steady;
};

static void push_now(lua_State *L, const char *name) {
  lua_pushnumber(L, (double)(clock_wall_ms() / 1000));
  lua_setfield(L, -2, name);
}

static void push_settings(lua_State *L, const struct translation_settings *s) {
  lua_createtable(L, 0, 8);
  state_set_text(L, "dialect", slice_of(dialect_name(s->dialect)));
  state_set_text(L, "body", s->body);
  state_set_text(L, "public_model", s->public_model);
  state_set_text(L, "owner", s->owner);
  state_set_text(L, "request_id", s->request_id);
  if (s->response_id.len) state_set_text(L, "response_id", s->response_id);
  lua_pushboolean(L, s->is_stream);
  lua_setfield(L, -2, "stream");
  lua_pushboolean(L, s->include_usage);
  lua_setfield(L, -2, "include_usage");
  push_now(L, "now");
}

struct translation *translation_open(struct generation *g,
                                     const struct translation_settings *settings,
                                     struct arena *arena, struct error_detail *error) {
  lua_State *L = generation_enter(g, ENTRY_OPEN);
  push_settings(L, settings);
  if (!script_call(L, 1, 2, error)) return NULL;
  if (!lua_istable(L, 1)) {
    script_read_failure(L, 2, arena, error);
    return NULL;
  }
  struct translation *t = must_alloc(sizeof *t);
  lua_settop(L, 1);
  *t = (struct translation){generation_ref(g), arena, luaL_ref(L, LUA_REGISTRYINDEX), {0}};
  steady_init(&t->steady);
  return t;
}

struct generation *translation_generation(const struct translation *t) {
  return t->generation;
}

void translation_free(struct translation *t) {
  if (!t) return;
  luaL_unref(t->generation->L, LUA_REGISTRYINDEX, t->reference);
  steady_fini(&t->steady);
  generation_unref(t->generation);
  free(t);
}

/* What the scripts missed is told first. They cannot fail on it: it is what they planned for. */
static void catch_up(struct translation *t) {
  if (t->steady.events == 0) return;
  lua_State *L = generation_enter(t->generation, ENTRY_CATCH_UP);
  struct error_detail ignored;
  lua_rawgeti(L, LUA_REGISTRYINDEX, t->reference);
  if (steady_push_missed(&t->steady, L)) (void)!script_call(L, 4, 0, &ignored);
}

static lua_State *enter(struct translation *t, enum entry entry) {
  catch_up(t);
  lua_State *L = generation_enter(t->generation, entry);
  lua_rawgeti(L, LUA_REGISTRYINDEX, t->reference);
  return L;
}

static void push_info(lua_State *L, const struct model *model) {
  lua_createtable(L, 0, 3);
  if (model->max_output_tokens) {
    lua_pushnumber(L, (double)model->max_output_tokens);
    lua_setfield(L, -2, "max_output_tokens");
  }
  if (model->context_tokens) {
    lua_pushnumber(L, (double)model->context_tokens);
    lua_setfield(L, -2, "context_tokens");
  }
  lua_createtable(L, 0, (int)model->capability_count);
  for (size_t i = 0; i < model->capability_count; i++) {
    lua_pushlstring(L, model->capabilities[i].data, model->capabilities[i].len);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
  }
  lua_setfield(L, -2, "capabilities");
}

static void push_provider(lua_State *L, const struct provider *provider) {
  lua_createtable(L, 0, 3);
  state_set_text(L, "name", provider->name);
  if (provider->preset.len) state_set_text(L, "preset", provider->preset);
  if (provider->api_version.len) state_set_text(L, "api_version", provider->api_version);
}

static void push_target(lua_State *L, const struct translation_target *t) {
  lua_createtable(L, 0, 5);
  state_set_text(L, "adapter", t->target->provider->adapter);
  state_set_text(L, "model", t->target->model);
  lua_pushboolean(L, t->strict);
  lua_setfield(L, -2, "strict");
  if (t->most_output) {
    lua_pushnumber(L, (double)t->most_output);
    lua_setfield(L, -2, "most_output");
  }
  push_provider(L, t->target->provider);
  lua_setfield(L, -2, "provider");
  push_info(L, t->model);
  lua_setfield(L, -2, "info");
}

/* The list of {name, value} at `index`. Unclean pairs come from a faulty script and are left out.
 */
static struct headers read_pairs(lua_State *L, int index, struct arena *arena) {
  size_t count = lua_istable(L, index) ? lua_objlen(L, index) : 0, kept = 0;
  struct header *items = arena_alloc(arena, (count + 1) * sizeof *items);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, index, (int)i + 1);
    if (lua_istable(L, -1)) {
      lua_rawgeti(L, -1, 1);
      lua_rawgeti(L, -2, 2);
      struct slice name = state_text(L, -2), value = state_text(L, -1);
      if (header_is_clean(name, value))
        items[kept++] = (struct header){arena_slice(arena, name), arena_slice(arena, value)};
      lua_pop(L, 2);
    }
    lua_pop(L, 1);
  }
  return (struct headers){items, kept};
}

static struct slice read_names(lua_State *L, int index, struct arena *arena) {
  struct bytes text;
  bytes_init(&text);
  size_t count = lua_istable(L, index) ? lua_objlen(L, index) : 0;
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, index, (int)i + 1);
    struct slice name = state_text(L, -1);
    /* Names come from the client's own JSON: only those that can stand in a header do. */
    bool fits = text.len + name.len <= NAMES_BYTES;
    if (header_is_clean(SLICE("x"), name)) {
      if (text.len) bytes_append_text(&text, ", ");
      bytes_append_slice(&text, fits ? name : SLICE("..."));
    }
    lua_pop(L, 1);
    if (!fits) break;
  }
  struct slice joined = arena_slice(arena, bytes_slice(&text));
  bytes_fini(&text);
  return joined;
}

bool translation_encode(struct translation *t, const struct translation_target *target,
                        struct encoded *out, struct error_detail *error) {
  lua_State *L = enter(t, ENTRY_ENCODE);
  t->steady.is_on = false;
  push_target(L, target);
  if (!script_call(L, 2, 4, error)) return false;
  if (lua_type(L, 1) != LUA_TSTRING) {
    script_read_failure(L, 2, t->arena, error);
    return false;
  }
  out->path = arena_slice(t->arena, state_text(L, 1));
  out->body = arena_slice(t->arena, state_text(L, 2));
  out->headers = read_pairs(L, 3, t->arena);
  out->dropped = read_names(L, 4, t->arena);
  return true;
}

bool translation_reply(struct translation *t, struct slice body, struct translated *out) {
  *out = (struct translated){0};
  lua_State *L = enter(t, ENTRY_REPLY);
  lua_pushlstring(L, body.data, body.len);
  if (!script_call(L, 2, 4, &out->failure)) return false;
  if (lua_type(L, 1) != LUA_TSTRING) {
    script_read_failure(L, 2, t->arena, &out->failure);
    return false;
  }
  out->out = state_text(L, 1);
  out->has_usage = script_read_usage(L, 2, &out->usage);
  out->finish = state_text(L, 3);
  out->text = state_text(L, 4);
  return true;
}

/* A field of the result table at 1, left on the stack so that the text stays alive. */
static struct slice kept_field(lua_State *L, const char *name) {
  state_push_field(L, 1, name);
  return state_text(L, -1);
}

static void read_events(struct translation *t, lua_State *L, struct translated *out) {
  out->out = kept_field(L, "out");
  out->text = kept_field(L, "text");
  out->finish = kept_field(L, "finish");
  out->has_content = state_field_bool(L, 1, "content");
  out->has_ended = state_field_bool(L, 1, "ended");
  state_push_field(L, 1, "usage");
  out->has_usage = script_read_usage(L, lua_gettop(L), &out->usage);
  state_push_field(L, 1, "failure");
  if (!lua_istable(L, -1)) return;
  out->has_failed = true;
  script_read_failure(L, lua_gettop(L), t->arena, &out->failure);
}

static void read_steady(struct translation *t, lua_State *L) {
  state_push_field(L, 1, "steady");
  steady_read(&t->steady, L, lua_gettop(L));
  lua_pop(L, 1);
}

static bool run_events(struct translation *t, lua_State *L, int args, struct translated *out) {
  *out = (struct translated){0};
  t->steady.is_on = false;
  if (!script_call(L, args, 1, &out->failure)) return false;
  if (!lua_istable(L, 1)) return true;
  read_steady(t, L);
  read_events(t, L, out);
  return true;
}

bool translation_event(struct translation *t, struct slice name, struct slice data,
                       struct translated *out) {
  if (steady_take(&t->steady, data, &t->generation->scratch, out)) return true;
  lua_State *L = enter(t, ENTRY_EVENT);
  lua_pushlstring(L, name.data, name.len);
  lua_pushlstring(L, data.data, data.len);
  return run_events(t, L, 3, out);
}

bool translation_end(struct translation *t, struct translated *out) {
  return run_events(t, enter(t, ENTRY_END_STREAM), 1, out);
}

struct slice translation_stream_error(struct translation *t, const struct error_detail *error) {
  lua_State *L = enter(t, ENTRY_STREAM_ERROR);
  script_push_failure(L, error);
  struct error_detail ignored;
  if (!script_call(L, 2, 1, &ignored)) return (struct slice){"", 0};
  return state_text(L, 1);
}

struct slice translation_answer(struct translation *t, struct slice text) {
  lua_State *L = enter(t, ENTRY_ANSWER);
  lua_pushlstring(L, text.data ? text.data : "", text.len);
  struct error_detail ignored;
  if (!script_call(L, 2, 1, &ignored)) return (struct slice){"", 0};
  return state_text(L, 1);
}

struct slice translation_final_text(struct translation *t) {
  lua_State *L = enter(t, ENTRY_FINAL_TEXT);
  struct error_detail ignored;
  if (!script_call(L, 1, 1, &ignored)) return (struct slice){"", 0};
  return state_text(L, 1);
}

void script_provider_error(struct generation *g, const struct provider_error *reply,
                           struct arena *arena, struct error_detail *out) {
  lua_State *L = generation_enter(g, ENTRY_PROVIDER_ERROR);
  lua_pushlstring(L, reply->adapter.data, reply->adapter.len);
  lua_pushinteger(L, reply->status);
  lua_newtable(L);
  lua_pushlstring(L, reply->body.data, reply->body.len);
  if (!script_call(L, 4, 1, out)) return;
  script_read_failure(L, 1, arena, out);
}
