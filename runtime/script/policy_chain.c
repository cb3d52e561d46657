#include "script/policy.h"

#include <stdlib.h>

#include "base/json.h"
#include "config/names.h"
#include "script/policy_private.h"
#include "script/sandbox.h"
#include "script/surface_private.h"

static const struct policy_host nothing;

struct load {
  struct policy_chain *chain;
  const struct policy_entry *entry;
  struct loaded_policy *policy;
  struct bytes *error;
};

static void problem(struct load *l, const char *format, ...) PRINTF(2, 3);

static void problem(struct load *l, const char *format, ...) {
  bytes_printf(l->error, "policies/%.*s.lua: ", (int)l->entry->module.len, l->entry->module.data);
  va_list list;
  va_start(list, format);
  bytes_vprintf(l->error, format, list);
  va_end(list);
  bytes_append_byte(l->error, '\n');
}

/* Pushes what `require "policies.NAME"` gives; false with the problem. */
static bool push_module(struct load *l) {
  lua_State *L = l->chain->L;
  struct bytes why, name;
  bytes_init(&why);
  bytes_init(&name);
  bytes_printf(&name, "policies.%.*s", (int)l->entry->module.len, l->entry->module.data);
  struct sandbox *sandbox = l->chain->sandbox;
  enum sandbox_realm realm = sandbox_realm_of(sandbox, bytes_slice(&name));
  l->policy->is_house = realm == SANDBOX_HOUSE;
  bool fine = sandbox_require(sandbox, realm, bytes_slice(&name), &why) == SANDBOX_DONE;
  bytes_fini(&name);
  if (!fine) {
    struct slice file = l->entry->file;
    if (file.len && l->entry->line)
      bytes_printf(l->error, "%.*s:%d: policies.%.*s: ", (int)file.len, file.data, l->entry->line,
                   (int)l->entry->module.len, l->entry->module.data);
    bytes_append_slice(l->error, bytes_slice(&why));
    bytes_append_byte(l->error, '\n');
  }
  bytes_fini(&why);
  if (fine && !lua_istable(L, -1)) {
    problem(l, "returns no table; end it with `return policy`");
    lua_pop(L, 1);
    return false;
  }
  return fine;
}

static const char *const field_names[] = {
#define FIELD(name, ...) #name,
#define HOOK(...)
#include "script/policy_fields.def"
#undef FIELD
#undef HOOK
};

enum { FIELD_COUNT = sizeof field_names / sizeof *field_names };

static void nearest_hook(struct load *l, struct slice key) {
  struct nearest nearest;
  nearest_init(&nearest, key);
  for (int i = 0; i < POLICY_HOOK_COUNT; i++)
    nearest_offer(&nearest, slice_of(policy_hook_name((enum policy_hook)i)));
  for (size_t i = 0; i < FIELD_COUNT; i++)
    nearest_offer(&nearest, slice_of(field_names[i]));
  if (nearest.best.len)
    problem(l, "policy.%.*s is not known; the nearest is %.*s", (int)key.len, key.data,
            (int)nearest.best.len, nearest.best.data);
  else
    problem(l,
            "policy.%.*s is not known; hooks are on_request, route, on_delta, on_reply, "
            "on_finish; names for specs begin with an underscore",
            (int)key.len, key.data);
}

static bool is_hook(struct slice key, enum policy_hook *hook) {
  for (int i = 0; i < POLICY_HOOK_COUNT; i++) {
    if (!slice_equal_text(key, policy_hook_name((enum policy_hook)i))) continue;
    *hook = (enum policy_hook)i;
    return true;
  }
  return false;
}

static bool is_field(struct slice key) {
  for (size_t i = 0; i < FIELD_COUNT; i++)
    if (slice_equal_text(key, field_names[i])) return true;
  return key.len && key.data[0] == '_';
}

/* The value of one key is on top. A hook that is misspelt would be a rule that never applies. */
static bool take_key(struct load *l, struct slice key) {
  lua_State *L = l->chain->L;
  enum policy_hook hook;
  if (is_field(key)) return true;
  if (!is_hook(key, &hook)) {
    nearest_hook(l, key);
    return false;
  }
  if (!lua_isfunction(L, -1)) {
    problem(l, "policy.%.*s is a %s; a hook is a function", (int)key.len, key.data,
            luaL_typename(L, -1));
    return false;
  }
  lua_pushvalue(L, -1);
  l->policy->functions[hook] = luaL_ref(L, LUA_REGISTRYINDEX);
  l->policy->hooks |= 1u << hook;
  return true;
}

static bool take_hooks(struct load *l, int module) {
  lua_State *L = l->chain->L;
  bool fine = true;
  for (lua_pushnil(L); lua_next(L, module); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) {
      problem(l, "the table it returns has names only");
      fine = false;
    } else {
      fine &= take_key(l, state_text(L, -2));
    }
  }
  return fine;
}

/* A guard that looks at whole replies alone would let streams pass unseen. */
static bool take_stream(struct load *l, int module) {
  lua_State *L = l->chain->L;
  sandbox_push_field(L, module, "stream");
  struct slice stream = state_text(L, -1);
  bool is_set = !lua_isnil(L, -1);
  lua_pop(L, 1);
  bool delta = l->policy->hooks & 1u << POLICY_ON_DELTA;
  bool reply = l->policy->hooks & 1u << POLICY_ON_REPLY;
  if (is_set && !slice_equal_text(stream, "hold")) {
    problem(l, "policy.stream is \"hold\", or nothing");
    return false;
  }
  if (is_set && (delta || !reply)) {
    problem(l, "policy.stream = \"hold\" is for a policy with on_reply and without on_delta");
    return false;
  }
  if (reply && !delta && !is_set) {
    problem(l, "on_reply alone does not see streams; add on_delta, or policy.stream = \"hold\" to "
               "keep streams back until their end");
    return false;
  }
  l->policy->holds_stream = is_set;
  return true;
}

static bool take_name(struct load *l, int module) {
  lua_State *L = l->chain->L;
  sandbox_push_field(L, module, "name");
  struct slice name = state_text(L, -1);
  bool fine = slice_equal(name, l->entry->module);
  if (!fine)
    problem(l, "policy.name is \"%.*s\"; it is the file's name, \"%.*s\"", (int)name.len,
            name.len ? name.data : "", (int)l->entry->module.len, l->entry->module.data);
  lua_pop(L, 1);
  return fine;
}

/* The problems that `check` has with the settings are its result: nothing, or lines of text. The
 * function and its argument are on top, and go. */
static bool take_check(struct load *l) {
  lua_State *L = l->chain->L;
  struct slice file = l->entry->file;
  struct bytes why;
  bytes_init(&why);
  bool ran = l->chain->is_direct ? lua_pcall(L, 1, 1, 0) == 0
                                 : sandbox_call(l->chain->sandbox, 1, 1, &why) == SANDBOX_DONE;
  struct slice text = SLICE("");
  if (!ran && !l->chain->is_direct)
    text = bytes_slice(&why);
  else if (lua_type(L, -1) == LUA_TSTRING)
    text = state_text(L, -1);
  bool fine = ran && text.len == 0;
  if (!fine && !text.len) text = SLICE("its check of the settings failed");
  while (!fine && text.len) {
    struct slice line = slice_cut(text, '\n', &text);
    bytes_append_slice(l->error, file.len ? file : SLICE("settings"));
    if (l->entry->line) bytes_printf(l->error, ":%d", l->entry->line);
    bytes_printf(l->error, ": policies.%.*s: %.*s\n", (int)l->entry->module.len,
                 l->entry->module.data, (int)line.len, line.data);
  }
  if (ran || l->chain->is_direct) lua_pop(L, 1);
  bytes_fini(&why);
  return fine;
}

static bool check_settings(struct load *l, int module) {
  lua_State *L = l->chain->L;
  int settings = lua_gettop(L);
  sandbox_push_field(L, module, "check");
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return true;
  }
  if (!lua_isfunction(L, -1)) {
    problem(l, "policy.check is a %s; it is a function", luaL_typename(L, -1));
    lua_pop(L, 1);
    return false;
  }
  lua_pushvalue(L, settings);
  return take_check(l);
}

/* Of one name in the list on top. */
static bool take_wanted(struct load *l, unsigned *wanted) {
  lua_State *L = l->chain->L;
  enum policy_hook hook;
  bool fine = lua_type(L, -1) == LUA_TSTRING && is_hook(state_text(L, -1), &hook) &&
              l->policy->hooks & 1u << hook;
  if (!fine)
    problem(l, "policy.wants returns a list of the policy's own hooks, or nil for all of them");
  else
    *wanted |= 1u << hook;
  return fine;
}

/* The list that `wants` gave is on top, and goes. */
static bool take_wanted_hooks(struct load *l) {
  lua_State *L = l->chain->L;
  int list = lua_gettop(L);
  unsigned wanted = 0;
  bool fine = true, is_all = lua_isnil(L, list);
  if (!is_all && !lua_istable(L, list)) {
    lua_settop(L, list - 1);
    problem(l, "policy.wants returns a list of the policy's own hooks, or nil for all of them");
    return false;
  }
  for (size_t i = 1; !is_all && i <= lua_objlen(L, list) && fine; i++) {
    lua_rawgeti(L, list, (int)i);
    fine = take_wanted(l, &wanted);
    lua_pop(L, 1);
  }
  lua_settop(L, list - 1);
  if (!is_all) l->policy->hooks &= wanted;
  return fine;
}

/* Calls a function of the policy that reads its settings, which are on top; what it gave is pushed,
 * nil when there is no such function. */
static bool ask(struct load *l, int module, const char *name) {
  lua_State *L = l->chain->L;
  int settings = lua_gettop(L);
  struct bytes why;
  sandbox_push_field(L, module, name);
  if (lua_isnil(L, -1)) return true;
  if (!lua_isfunction(L, -1)) {
    problem(l, "policy.%s is a %s; it is a function", name, luaL_typename(L, -1));
    return false;
  }
  bytes_init(&why);
  lua_pushvalue(L, settings);
  bool ran = l->chain->is_direct ? lua_pcall(L, 1, 1, 0) == 0
                                 : sandbox_call(l->chain->sandbox, 1, 1, &why) == SANDBOX_DONE;
  if (!ran && l->chain->is_direct) sandbox_describe(L, -1, &why);
  if (!ran) problem(l, "policy.%s failed: %s", name, bytes_text(&why));
  bytes_fini(&why);
  return ran;
}

/* A hook that the settings leave nothing to do costs a request nothing: not even its texts are
 * collected. The settings are on top. */
static bool ask_wanted_hooks(struct load *l, int module) {
  int settings = lua_gettop(l->chain->L);
  bool fine = ask(l, module, "wants") && take_wanted_hooks(l);
  lua_settop(l->chain->L, settings);
  return fine;
}

/* The settings are on top. */
static bool ask_waking(struct load *l, int module) {
  lua_State *L = l->chain->L;
  int settings = lua_gettop(L);
  bool fine = ask(l, module, "wakes");
  const char *why =
      fine ? policy_waking_take(L, lua_gettop(L), l->chain->surface, &l->policy->waking) : NULL;
  if (why) problem(l, "policy.wakes: %s", why);
  lua_settop(L, settings);
  return fine && !why;
}

/* The module is on top, and goes. */
static bool take_policy(struct load *l) {
  lua_State *L = l->chain->L;
  int module = lua_gettop(L);
  l->policy->name = l->policy->module = arena_slice(&l->chain->arena, l->entry->module);
  l->policy->on_error = l->entry->on_error;
  bool fine = take_name(l, module);
  fine &= take_hooks(l, module);
  fine = take_stream(l, module) && fine;
  sandbox_push_field(L, module, "settings");
  bool is_valid = policy_settings_take(L, l->entry, l->error);
  fine = is_valid && check_settings(l, module) && fine;
  fine = fine && ask_wanted_hooks(l, module) && ask_waking(l, module);
  l->policy->holds_stream &= (l->policy->hooks & 1u << POLICY_ON_REPLY) != 0;
  l->policy->settings = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_settop(L, module - 1);
  return fine;
}

static struct policy_chain *create(lua_State *L, const struct policy_settings *settings,
                                   size_t count) {
  struct policy_chain *chain = must_calloc(1, sizeof *chain);
  chain->sandbox = sandbox_of(L);
  chain->L = L;
  chain->settings = *settings;
  if (!chain->settings.host) chain->settings.host = &nothing;
  if (!chain->settings.wall_ms) chain->settings.wall_ms = POLICY_WALL_MS;
  if (!chain->settings.hold_bytes) chain->settings.hold_bytes = POLICY_HOLD_BYTES;
  arena_init_small(&chain->arena);
  chain->settings.tenant = arena_slice(&chain->arena, settings->tenant);
  chain->surface = surface_find(chain->L);
  if (!chain->surface) chain->surface = surface_open(chain->L, &chain->settings);
  chain->policies = arena_alloc(&chain->arena, (count + 1) * sizeof *chain->policies);
  chain->count = count;
  for (size_t i = 0; i < count; i++) {
    chain->policies[i].settings = LUA_NOREF;
    for (int h = 0; h < POLICY_HOOK_COUNT; h++)
      chain->policies[i].functions[h] = LUA_NOREF;
  }
  return chain;
}

/* A copy of the library for nobody would cost each tenant 5 KiB in each worker. */
static bool has_house(struct sandbox *sandbox, const struct policy_entries *entries) {
  struct bytes name;
  bool found = false;
  bytes_init(&name);
  for (size_t i = 0; i < entries->count && !found; i++) {
    struct slice module = entries->items[i].module;
    bytes_clear(&name);
    bytes_printf(&name, "policies.%.*s", (int)module.len, module.data);
    found = sandbox_realm_of(sandbox, bytes_slice(&name)) == SANDBOX_HOUSE;
  }
  bytes_fini(&name);
  return found;
}

struct policy_chain *policy_chain_new(struct sandbox *sandbox, const struct policy_entries *entries,
                                      const struct policy_settings *settings, struct bytes *error) {
  struct policy_chain *chain = create(sandbox_state(sandbox), settings, entries->count);
  bool fine = true;
  if (has_house(sandbox, entries)) sandbox_open_house(sandbox);
  for (size_t i = 0; i < entries->count; i++) {
    struct load l = {chain, &entries->items[i], &chain->policies[i], error};
    fine &= push_module(&l) && take_policy(&l);
    chain->hooks |= chain->policies[i].hooks;
    if (chain->policies[i].holds_stream) chain->hooks |= 1u << POLICY_ON_DELTA;
  }
  if (chain->hooks & 1u << POLICY_ON_DELTA) chain->hooks |= 1u << POLICY_ON_REPLY;
  if (fine) return chain;
  policy_chain_free(chain);
  return NULL;
}

struct policy_chain *policy_chain_new_direct(lua_State *L, int index,
                                             const struct policy_entry *entry,
                                             struct bytes *error) {
  struct surface *s = surface_find(L);
  struct policy_chain *chain = create(L, &s->settings, 1);
  struct load l = {chain, entry, &chain->policies[0], error};
  chain->is_direct = true;
  lua_pushvalue(L, index);
  bool fine = take_policy(&l);
  chain->hooks = chain->policies[0].hooks;
  chain->L = sandbox_state(chain->sandbox); /* L may be gone before the chain */
  if (fine) return chain;
  policy_chain_free(chain);
  return NULL;
}

void policy_chain_free(struct policy_chain *chain) {
  if (!chain) return;
  must(chain->runs == 0);
  for (size_t i = 0; i < chain->count; i++) {
    luaL_unref(chain->L, LUA_REGISTRYINDEX, chain->policies[i].settings);
    policy_waking_fini(&chain->policies[i].waking);
    for (int h = 0; h < POLICY_HOOK_COUNT; h++)
      luaL_unref(chain->L, LUA_REGISTRYINDEX, chain->policies[i].functions[h]);
  }
  for (size_t i = 0; i < chain->idle_count; i++)
    sandbox_thread_drop(chain->sandbox, chain->idle[i].reference);
  arena_fini(&chain->arena);
  free(chain);
}

unsigned policy_chain_hooks(const struct policy_chain *chain) {
  return chain->hooks;
}

void policy_chain_describe(const struct policy_chain *chain, struct bytes *out) {
  const char *reason = sandbox_disabled_reason(chain->sandbox);
  bytes_append_byte(out, '[');
  for (size_t i = 0; i < chain->count; i++) {
    const struct loaded_policy *p = &chain->policies[i];
    bytes_append_text(out, i ? ",{\"name\":" : "{\"name\":");
    json_quote(out, p->name);
    bytes_append_text(out, ",\"hooks\":[");
    for (int h = 0, n = 0; h < POLICY_HOOK_COUNT; h++)
      if (p->hooks & 1u << h)
        bytes_printf(out, "%s\"%s\"", n++ ? "," : "", policy_hook_name((enum policy_hook)h));
    bytes_printf(out, "],\"on_error\":\"%s\",\"failures\":%u,\"is_disabled\":%s",
                 p->on_error == POLICY_ERROR_DENIES ? "deny" : "pass", p->breaches,
                 reason ? "true" : "false");
    if (reason) {
      bytes_append_text(out, ",\"reason\":");
      json_quote(out, slice_of(reason));
    }
    bytes_append_byte(out, '}');
  }
  bytes_append_byte(out, ']');
}
