#include "script/spec_kit.h"

#include <math.h>
#include <stdlib.h>

#include "script/policy_private.h"
#include "script/sandbox.h"
#include "script/surface_private.h"
#include "store/kv.h"

/* One kit.run, as userdata: an error that jumps out leaves it to the collector. */
struct spec_case {
  struct arena arena;
  struct policy_chain *chain;
  struct policy_run *run;
  struct bytes text;
  struct policy_principal principal;
};

static const struct policy_callbacks no_callbacks;

static int on_collect(lua_State *L) {
  struct spec_case *c = lua_touserdata(L, 1);
  policy_run_free(c->run);
  policy_chain_free(c->chain);
  bytes_fini(&c->text);
  arena_fini(&c->arena);
  *c = (struct spec_case){0};
  return 0;
}

/* Pushes it. */
static struct spec_case *case_new(lua_State *L) {
  struct spec_case *c = lua_newuserdata(L, sizeof *c);
  *c = (struct spec_case){0};
  arena_init(&c->arena);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, on_collect);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  return c;
}

static struct slice option(lua_State *L, struct spec_case *c, const char *name,
                           struct slice otherwise) {
  struct slice text = otherwise;
  (void)surface_text_field(L, 2, name, &text);
  return arena_slice(&c->arena, text);
}

static bool flag(lua_State *L, const char *name) {
  sandbox_push_field(L, 2, name);
  bool set = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return set;
}

static struct slice *option_list(lua_State *L, struct spec_case *c, const char *name,
                                 size_t *count) {
  sandbox_push_field(L, 2, name);
  *count = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
  struct slice *list = arena_alloc(&c->arena, (*count + 1) * sizeof *list);
  for (size_t i = 0; i < *count; i++) {
    lua_rawgeti(L, -1, (int)i + 1);
    list[i] = arena_slice(&c->arena, state_text(L, -1));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return list;
}

static void read_value(lua_State *L, struct spec_case *c, struct value *out, int depth);

static void read_table(lua_State *L, struct spec_case *c, struct value *out, int depth) {
  int table = lua_gettop(L);
  size_t count = 0, listed = lua_objlen(L, table);
  if (depth > 16) luaL_error(L, "settings are nested too deeply");
  luaL_checkstack(L, 8, "settings");
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
    count++;
  out->type = listed == count && count > 0 ? VALUE_LIST : VALUE_MAP;
  out->items = arena_alloc(&c->arena, (count + 1) * sizeof *out->items);
  if (out->type == VALUE_LIST) {
    for (; out->count < count; out->count++) {
      lua_rawgeti(L, table, (int)out->count + 1);
      read_value(L, c, &out->items[out->count].value, depth + 1);
      lua_pop(L, 1);
    }
    return;
  }
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    out->items[out->count].key = arena_slice(&c->arena, state_text(L, -2));
    read_value(L, c, &out->items[out->count++].value, depth + 1);
  }
}

static void read_value(lua_State *L, struct spec_case *c, struct value *out, int depth) {
  *out = (struct value){.type = VALUE_NIL};
  switch (lua_type(L, -1)) {
  case LUA_TBOOLEAN:
    out->type = VALUE_BOOL;
    out->boolean = lua_toboolean(L, -1);
    return;
  case LUA_TNUMBER:
    out->type = VALUE_NUMBER;
    out->number = lua_tonumber(L, -1);
    return;
  case LUA_TSTRING:
    out->type = VALUE_TEXT;
    out->text = arena_slice(&c->arena, state_text(L, -1));
    return;
  case LUA_TTABLE: read_table(L, c, out, depth); return;
  default: return;
  }
}

static enum dialect read_dialect(lua_State *L, struct spec_case *c) {
  struct slice name = option(L, c, "dialect", SLICE("chat"));
  for (int d = 0; d < DIALECT_COUNT; d++)
    if (slice_equal_text(name, dialect_name((enum dialect)d))) return (enum dialect)d;
  luaL_error(L, "dialect is chat, completions, responses, messages or embeddings");
  return DIALECT_CHAT;
}

/* `text` is short for one turn of the user. */
static void write_body(struct spec_case *c, enum dialect dialect, struct slice model,
                       struct slice text) {
  struct bytes *out = &c->text;
  bytes_append_text(out, "{\"model\":");
  json_quote(out, model);
  bool turns = dialect == DIALECT_CHAT || dialect == DIALECT_MESSAGES;
  bytes_append_text(out, turns ? ",\"messages\":[{\"role\":\"user\",\"content\":"
                         : dialect == DIALECT_COMPLETIONS ? ",\"prompt\":"
                                                          : ",\"input\":");
  json_quote(out, text);
  bytes_append_text(out, turns ? "}]}" : "}");
}

static struct slice read_body(lua_State *L, struct surface *s, struct spec_case *c,
                              const struct policy_request *r) {
  struct slice body, text;
  struct json_error error;
  sandbox_push_field(L, 2, "body");
  if (lua_istable(L, -1)) {
    body = surface_encode(s, L, lua_gettop(L));
  } else if (lua_type(L, -1) == LUA_TSTRING) {
    body = state_text(L, -1);
  } else {
    text = option(L, c, "text", SLICE("Hello"));
    bytes_clear(&c->text);
    write_body(c, r->dialect, r->model, text);
    body = bytes_slice(&c->text);
  }
  if (!json_validate(body, JSON_DEPTH_DEFAULT, &error) || json_type(body) != JSON_OBJECT)
    luaL_error(L, "body is a table, or the text of a JSON object");
  return arena_slice(&c->arena, body);
}

static struct headers read_headers(lua_State *L, struct spec_case *c) {
  enum { MOST = 64 };
  struct header *items = arena_alloc(&c->arena, MOST * sizeof *items);
  size_t count = 0;
  sandbox_push_field(L, 2, "headers");
  if (lua_istable(L, -1))
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
      if (count < MOST)
        items[count++] = (struct header){arena_slice(&c->arena, state_text(L, -2)),
                                         arena_slice(&c->arena, state_text(L, -1))};
  lua_settop(L, 3);
  return (struct headers){items, count};
}

static void start_run(lua_State *L, struct surface *s, struct spec_case *c) {
  struct policy_principal *p = &c->principal;
  *p = (struct policy_principal){.tenant = s->settings.tenant,
                                 .project = option(L, c, "project", SLICE("")),
                                 .user = option(L, c, "user", SLICE("")),
                                 .key = option(L, c, "key", SLICE("spec"))};
  p->roles = option_list(L, c, "roles", &p->role_count);
  p->tags = option_list(L, c, "tags", &p->tag_count);
  struct policy_request r = {.id = SLICE("req_spec"),
                             .method = SLICE("POST"),
                             .path = option(L, c, "path", SLICE("/v1/chat/completions")),
                             .dialect = read_dialect(L, c),
                             .session = option(L, c, "session", SLICE("")),
                             .is_stream = flag(L, "stream"),
                             .principal = p};
  r.model = option(L, c, "model", SLICE("gpt-4o"));
  r.headers = read_headers(L, c);
  r.body = read_body(L, s, c, &r);
  lua_settop(L, 3);
  struct slice named = json_string_raw(json_find(r.body, "model"));
  if (named.len) r.model = named;
  c->run = policy_run_new(c->chain, &r, &no_callbacks, NULL);
}

static void load_policy(lua_State *L, struct spec_case *c) {
  struct value settings = {.type = VALUE_MAP};
  struct policy_entry entry = {.file = SLICE("spec"), .settings = &settings};
  sandbox_push_field(L, 1, "name");
  entry.module = arena_slice(&c->arena, state_text(L, -1));
  sandbox_push_field(L, 2, "settings");
  if (lua_istable(L, -1)) read_table(L, c, &settings, 0);
  lua_settop(L, 3);
  if (slice_equal_text(option(L, c, "on_error", SLICE("deny")), "pass"))
    entry.on_error = POLICY_ERROR_PASSES;
  bytes_clear(&c->text);
  c->chain = policy_chain_new_direct(L, 1, &entry, &c->text);
  if (!c->chain) luaL_error(L, "%s", bytes_text(&c->text));
}

static void set(lua_State *L, const char *name, struct slice text) {
  if (!text.len) return;
  surface_push_text(L, text);
  lua_setfield(L, -2, name);
}

static void set_list(lua_State *L, const char *name, const struct slice *items, size_t count) {
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    surface_push_text(L, items[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_setfield(L, -2, name);
}

static void set_trace(lua_State *L, const struct policy_run *run) {
  lua_newtable(L);
  for (size_t i = 0; i < policy_trace_count(run); i++) {
    const struct policy_trace *t = policy_trace_get(run, i);
    lua_createtable(L, 0, 4);
    set(L, "policy", t->policy);
    set(L, "hook", slice_of(policy_hook_name(t->hook)));
    set(L, "what", t->what);
    set(L, "why", t->why);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_setfield(L, -2, "trace");
}

/* The verdict's fields, into the result on top. */
static void set_verdict(lua_State *L, struct surface *s, const struct policy_run *run) {
  static const char *const kinds[] = {"pass", "deny", "answer"};
  const struct verdict *v = policy_verdict(run);
  const struct policy_requirements *r = &v->requirements;
  set(L, "kind", slice_of(kinds[v->kind]));
  if (v->status) {
    lua_pushinteger(L, v->status);
    lua_setfield(L, -2, "status");
  }
  set(L, "code", v->code);
  set(L, "message", v->message);
  set(L, "param", v->param);
  set(L, "text", v->text);
  set(L, "residency", r->residency);
  set_list(L, "capabilities", r->capabilities, r->capability_count);
  if (r->only_providers) set_list(L, "providers", r->providers, r->provider_count);
  lua_pushnumber(L, (lua_Number)r->context_tokens);
  lua_setfield(L, -2, "context_tokens");
  lua_pushboolean(L, r->is_impossible);
  lua_setfield(L, -2, "impossible");
  lua_pushboolean(L, v->is_edited);
  lua_setfield(L, -2, "edited");
  set(L, "model", v->model.len ? v->model : run->request.model);
  struct slice body = v->kind == VERDICT_ANSWER && v->body.len ? v->body
                      : v->is_edited                           ? v->edited_body
                                                               : run->request.body;
  surface_decode(s, L, body);
  lua_setfield(L, -2, "body");
  lua_newtable(L);
  for (size_t i = 0; i < v->tag_count; i++) {
    surface_push_text(L, v->tags[i].name);
    surface_push_text(L, v->tags[i].value);
    lua_rawset(L, -3);
  }
  lua_setfield(L, -2, "tags");
  set_trace(L, run);
}

static double number(lua_State *L, int index, const char *name, double otherwise) {
  double value = otherwise;
  (void)surface_number_field(L, index, name, &value);
  return value;
}

static struct slice text_of(lua_State *L, struct spec_case *c, int index, const char *name) {
  struct slice text = SLICE("");
  (void)surface_text_field(L, index, name, &text);
  return arena_slice(&c->arena, text);
}

/* The candidate's table is on top. */
static struct policy_candidate read_candidate(lua_State *L, struct spec_case *c) {
  int at = lua_gettop(L);
  if (!lua_istable(L, at)) luaL_error(L, "a candidate is a table of its fields");
  struct policy_candidate p = {.name = text_of(L, c, at, "name"),
                               .residency = text_of(L, c, at, "residency"),
                               .weight = (uint32_t)number(L, at, "weight", 1),
                               .inflight = (uint32_t)number(L, at, "inflight", 0),
                               .queue = number(L, at, "queue", -1),
                               .kv_usage = number(L, at, "kv_usage", -1),
                               .ewma_ttft_ms = number(L, at, "ewma_ttft_ms", -1),
                               .error_rate = number(L, at, "error_rate", -1),
                               .context_tokens = (uint64_t)number(L, at, "context_tokens", 0)};
  p.provider = slice_cut(p.name, '/', &p.model);
  double input = number(L, at, "input_price", -1), output = number(L, at, "output_price", -1);
  p.price_known = input >= 0 && output >= 0;
  if (p.price_known) p.input_price_nanousd = (uint64_t)input;
  if (p.price_known) p.output_price_nanousd = (uint64_t)output;
  sandbox_push_field(L, at, "capabilities");
  size_t count = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
  struct slice *capabilities = arena_alloc(&c->arena, (count + 1) * sizeof *capabilities);
  for (; p.capability_count < count; p.capability_count++) {
    lua_rawgeti(L, -1, (int)p.capability_count + 1);
    capabilities[p.capability_count] = arena_slice(&c->arena, state_text(L, -1));
    lua_pop(L, 1);
  }
  p.capabilities = capabilities;
  lua_settop(L, at);
  return p;
}

static void run_route(lua_State *L, struct spec_case *c) {
  sandbox_push_field(L, 2, "candidates");
  size_t count = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
  struct policy_candidate *list = arena_alloc(&c->arena, (count + 1) * sizeof *list);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, -1, (int)i + 1);
    list[i] = read_candidate(L, c);
    lua_pop(L, 1);
  }
  bool given = !lua_isnil(L, -1);
  lua_pop(L, 1);
  if (!given) return;
  must(policy_route(c->run, list, count) == POLICY_DONE);
  struct policy_order order = policy_order(c->run);
  lua_createtable(L, (int)order.count, 0);
  for (size_t i = 0; i < order.count; i++) {
    surface_push_text(L, list[order.indexes[i]].name);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_setfield(L, 4, "route");
}

/* `deltas`: the pieces of one text, the last of which ends it. */
static void run_deltas(lua_State *L, struct spec_case *c) {
  size_t count;
  const struct slice *pieces = option_list(L, c, "deltas", &count);
  bytes_clear(&c->text);
  for (size_t i = 0; i < count && c->run->verdict.kind != VERDICT_DENY; i++) {
    struct policy_delta delta = {.text = pieces[i], .is_last = i + 1 == count};
    must(policy_on_delta(c->run, &delta, &c->text) == POLICY_DONE);
  }
  if (!count) return;
  surface_push_text(L, bytes_slice(&c->text));
  lua_setfield(L, 4, "output");
}

static void run_reply(lua_State *L, struct spec_case *c) {
  size_t count;
  const struct slice *given = option_list(L, c, "reply", &count);
  struct policy_text *texts = arena_alloc(&c->arena, (count + 1) * sizeof *texts);
  struct slice *changed = arena_alloc(&c->arena, (count + 1) * sizeof *changed);
  if (!count) return;
  for (size_t i = 0; i < count; i++)
    texts[i].text = given[i];
  must(policy_on_reply(c->run, texts, count) == POLICY_DONE);
  for (size_t i = 0; i < count; i++)
    changed[i] = texts[i].changed;
  lua_settop(L, 4);
  set_list(L, "reply", changed, count);
}

static void run_finish(lua_State *L, struct spec_case *c) {
  sandbox_push_field(L, 2, "outcome");
  int at = lua_gettop(L);
  if (!lua_istable(L, at)) {
    lua_pop(L, 1);
    return;
  }
  struct policy_outcome outcome = {.status = (int)number(L, at, "status", 200),
                                   .failure = text_of(L, c, at, "failure"),
                                   .provider = text_of(L, c, at, "provider"),
                                   .model = text_of(L, c, at, "model"),
                                   .duration_us =
                                       (uint64_t)(number(L, at, "duration_ms", 0) * 1000),
                                   .attempts = (uint32_t)number(L, at, "attempts", 1)};
  double cost = number(L, at, "cost_nanousd", -1);
  outcome.cost_known = cost >= 0;
  if (cost >= 0) outcome.cost_nanousd = (uint64_t)cost;
  lua_pop(L, 1);
  policy_on_finish(c->run, &outcome);
}

/* Stack: policy, options, case, result. */
static int kit_run(lua_State *L) {
  static const char *const names[] = {"settings", "on_error", "dialect", "body",       "text",
                                      "model",    "headers",  "user",    "project",    "key",
                                      "roles",    "tags",     "session", "path",       "stream",
                                      "deltas",   "reply",    "outcome", "candidates", NULL};
  struct surface *s = surface_find(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  if (lua_isnoneornil(L, 2)) {
    lua_settop(L, 1);
    lua_newtable(L);
  }
  lua_settop(L, 2);
  luaL_checktype(L, 2, LUA_TTABLE);
  surface_check_keys(L, 2, names);
  if (s->run) return luaL_error(L, "kit.run is for specs, not for hooks");
  struct spec_case *c = case_new(L);
  load_policy(L, c);
  start_run(L, s, c);
  lua_newtable(L);
  must(policy_on_request(c->run) == POLICY_DONE);
  if (c->run->verdict.kind == VERDICT_PASS) run_route(L, c);
  if (c->run->verdict.kind == VERDICT_PASS) run_deltas(L, c);
  if (c->run->verdict.kind == VERDICT_PASS) run_reply(L, c);
  run_finish(L, c);
  lua_settop(L, 4);
  set_verdict(L, s, c->run);
  lua_pushcfunction(L, on_collect);
  lua_pushvalue(L, 3);
  lua_call(L, 1, 0);
  lua_settop(L, 4);
  return 1;
}

static int set_fake(lua_State *L, const char *name, int type) {
  if (lua_type(L, 1) != type && !lua_isnoneornil(L, 1))
    return luaL_error(L, "kit.%s takes a %s", name, lua_typename(L, type));
  lua_settop(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, surface_find(L)->fakes);
  lua_pushstring(L, name);
  lua_pushvalue(L, 1);
  lua_rawset(L, 2);
  return 0;
}

static int kit_fetch(lua_State *L) {
  return set_fake(L, "fetch", LUA_TFUNCTION);
}

static int kit_now(lua_State *L) {
  return set_fake(L, "now", LUA_TNUMBER);
}

static int kit_secrets(lua_State *L) {
  return set_fake(L, "secrets", LUA_TTABLE);
}

static int kit_reset(lua_State *L) {
  static const struct kv_limits limits = {.bytes = 4 << 20, .entries = 4096, .value_bytes = 65536};
  struct surface *s = surface_find(L);
  luaL_unref(L, LUA_REGISTRYINDEX, s->fakes);
  lua_newtable(L);
  s->fakes = luaL_ref(L, LUA_REGISTRYINDEX);
  if (s->own_store) kv_free(s->own_store);
  s->own_store = kv_new(&limits);
  s->space = kv_space_get(s->own_store, s->settings.tenant);
  return 0;
}

void spec_kit_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"run", kit_run},
                                       {"fetch", kit_fetch},
                                       {"now", kit_now},
                                       {"secrets", kit_secrets},
                                       {"reset", kit_reset}};
  lua_newtable(L);
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    lua_pushcfunction(L, functions[i].func);
    lua_setfield(L, -2, functions[i].name);
  }
  sandbox_preload(sandbox_of(L), "gateyes.kit");
  (void)kit_reset(L);
}
