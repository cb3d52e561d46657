#include "script/generation.h"

#include <stdlib.h>
#include <string.h>

#include "script/generation_private.h"
#include "script/sandbox.h"

/* A translation works on whole bodies, a policy on the little it asks for. */
enum { CPU_FACTOR = 10 };

static const struct {
  const char *module, *function;
} entry_names[ENTRY_COUNT] = {
    [ENTRY_OPEN] = {"gateyes.translate", "open"},
    [ENTRY_ENCODE] = {"gateyes.translate", "encode"},
    [ENTRY_REPLY] = {"gateyes.translate", "reply"},
    [ENTRY_EVENT] = {"gateyes.translate", "event"},
    [ENTRY_CATCH_UP] = {"gateyes.translate", "catch_up"},
    [ENTRY_END_STREAM] = {"gateyes.translate", "end_stream"},
    [ENTRY_STREAM_ERROR] = {"gateyes.translate", "stream_error"},
    [ENTRY_PROVIDER_ERROR] = {"gateyes.translate", "provider_error"},
    [ENTRY_ANSWER] = {"gateyes.translate", "answer"},
    [ENTRY_FINAL_TEXT] = {"gateyes.translate", "final_text"},
    [ENTRY_STORE_RECORD] = {"gateyes.responses_store", "record"},
    [ENTRY_STORE_BEGIN] = {"gateyes.responses_store", "begin"},
    [ENTRY_STORE_FINISH] = {"gateyes.responses_store", "finish"},
    [ENTRY_STORE_FAIL] = {"gateyes.responses_store", "fail"},
    [ENTRY_STORE_ANSWER] = {"gateyes.responses_store", "answer"},
    [ENTRY_EXPAND] = {"gateyes.translate", "expand"},
    [ENTRY_FOREIGN] = {"gateyes.translate", "foreign"},
    [ENTRY_SIGNED] = {"gateyes.anthropic_history", "for_provider"},
    [ENTRY_FAILED_FRAMES] = {"dialects.responses", "failed_frames"},
};

static bool push_module(lua_State *L, const char *module, struct bytes *error) {
  struct sandbox *sandbox = sandbox_find(L);
  if (sandbox)
    return sandbox_require(sandbox, SANDBOX_TENANT, slice_of(module), error) == SANDBOX_DONE;
  lua_getglobal(L, "require");
  lua_pushstring(L, module);
  return state_call(L, 1, 1, error);
}

static bool push_function(lua_State *L, const char *module, const char *function,
                          struct bytes *error) {
  if (!push_module(L, module, error)) return false;
  state_push_field(L, -1, function);
  lua_remove(L, -2);
  if (lua_isfunction(L, -1)) return true;
  lua_pop(L, 1);
  bytes_printf(error, "module %s has no function %s", module, function);
  return false;
}

static bool load_entries(struct generation *g, struct bytes *error) {
  for (int i = 0; i < ENTRY_COUNT; i++) {
    if (!push_function(g->L, entry_names[i].module, entry_names[i].function, error)) return false;
    g->entries[i] = luaL_ref(g->L, LUA_REGISTRYINDEX);
  }
  return true;
}

/* Pairs of a table with text keys and values, at the top of the stack, into headers. What could not
 * stand in a head is left out. */
static struct headers read_headers(lua_State *L, struct arena *arena) {
  enum { MAX = 64 };
  struct header *items = arena_alloc(arena, MAX * sizeof *items);
  size_t count = 0;
  if (lua_istable(L, -1)) {
    lua_pushnil(L);
    while (lua_next(L, -2) && count < MAX) {
      struct slice name = state_text(L, -2), value = state_text(L, -1);
      if (header_is_clean(name, value))
        items[count++] = (struct header){arena_slice(arena, name), arena_slice(arena, value)};
      lua_pop(L, 1);
    }
  }
  return (struct headers){items, count};
}

static void read_relay(lua_State *L, struct adapter_info *info, struct arena *arena) {
  size_t count = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
  info->relay = arena_alloc(arena, (count + 1) * sizeof *info->relay);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, -1, (int)i + 1);
    info->relay[info->relay_count++] = arena_slice(arena, state_text(L, -1));
    lua_pop(L, 1);
  }
}

/* The table of translate.describe is on top. */
static void read_adapter(lua_State *L, struct adapter_info *info, struct arena *arena) {
  state_push_field(L, -1, "native");
  for (int d = 0; d < DIALECT_COUNT; d++)
    info->native[d] = state_field_text(L, -1, dialect_name((enum dialect)d), arena);
  info->count_tokens = state_field_text(L, -1, "count_tokens", arena);
  lua_pop(L, 1);
  state_push_field(L, -1, "auth");
  if (lua_istable(L, -1)) {
    info->auth_header = state_field_text(L, -1, "header", arena);
    info->auth_prefix = state_field_text(L, -1, "prefix", arena);
  }
  lua_pop(L, 1);
  state_push_field(L, -1, "headers");
  info->headers = read_headers(L, arena);
  lua_pop(L, 1);
  state_push_field(L, -1, "limits");
  info->limits = read_headers(L, arena);
  lua_pop(L, 1);
  state_push_field(L, -1, "relay");
  read_relay(L, info, arena);
  lua_pop(L, 1);
}

static bool describe(struct generation *g, const struct provider *provider, struct bytes *error) {
  if (generation_adapter(g, provider->adapter)) return true;
  lua_State *L = g->L;
  if (!push_function(L, "gateyes.translate", "describe", error)) return false;
  lua_pushlstring(L, provider->adapter.data, provider->adapter.len);
  if (!state_call(L, 1, 1, error)) return false;
  struct adapter_info *info = &g->adapters[g->adapter_count++];
  info->name = arena_slice(&g->arena, provider->adapter);
  read_adapter(L, info, &g->arena);
  lua_pop(L, 1);
  return true;
}

struct slice adapter_limit_name(const struct adapter_info *adapter, struct slice preset) {
  struct slice name = SLICE("max_tokens");
  for (size_t i = 0; i < adapter->limits.count; i++) {
    const struct header *limit = &adapter->limits.items[i];
    if (slice_equal(limit->name, preset)) return limit->value;
    if (slice_equal_text(limit->name, "other")) name = limit->value;
  }
  return name;
}

static void generation_free(struct generation *g) {
  if (g->sandbox)
    sandbox_free(g->sandbox);
  else
    state_free(g->L);
  arena_fini(&g->arena);
  bytes_fini(&g->scratch);
  free(g);
}

static struct generation *create(const struct config *config, size_t adapters) {
  struct generation *g = must_calloc(1, sizeof *g);
  g->refs = 1;
  g->version = config->version;
  arena_init_small(&g->arena);
  bytes_init(&g->scratch);
  g->adapters = arena_alloc(&g->arena, (adapters + 1) * sizeof *g->adapters);
  return g;
}

static bool describe_all(struct generation *g, const struct config *config, struct bytes *error) {
  for (size_t i = 0; i < config->provider_count; i++)
    if (!describe(g, &config->providers[i], error)) return false;
  return true;
}

struct generation *generation_new(const struct config *config, struct responses *responses,
                                  struct bytes *error) {
  size_t below = config->base ? config->base->provider_count : 0;
  struct generation *g = create(config, config->provider_count + below);
  g->L = state_new(config->lua_path, config->site_path, responses);
  if (load_entries(g, error) && describe_all(g, config, error) &&
      (!below || describe_all(g, config->base, error)))
    return g;
  generation_free(g);
  return NULL;
}

struct generation *generation_new_sandboxed(const struct config *config, struct sandbox *sandbox,
                                            struct responses *responses, struct bytes *error) {
  struct generation *g = create(config, config->provider_count);
  g->sandbox = sandbox;
  g->L = sandbox_state(sandbox);
  state_open_sandboxed(sandbox, config->tenant->name, responses);
  if (load_entries(g, error) && describe_all(g, config, error)) {
    sandbox_set_cpu_ms(sandbox, config->tenant->scripts.cpu_ms * CPU_FACTOR);
    return g;
  }
  generation_free(g);
  return NULL;
}

struct generation *generation_ref(struct generation *g) {
  g->refs++;
  return g;
}

void generation_unref(struct generation *g) {
  if (g && --g->refs == 0) generation_free(g);
}

uint64_t generation_version(const struct generation *g) {
  return g->version;
}

const struct adapter_info *generation_adapter(const struct generation *g, struct slice name) {
  for (size_t i = 0; i < g->adapter_count; i++)
    if (slice_equal(g->adapters[i].name, name)) return &g->adapters[i];
  return NULL;
}

lua_State *generation_enter(struct generation *g, enum entry entry) {
  lua_settop(g->L, 0);
  lua_rawgeti(g->L, LUA_REGISTRYINDEX, g->entries[entry]);
  return g->L;
}
