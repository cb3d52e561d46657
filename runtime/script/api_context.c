/* Who is asking, and what a policy decides. */
#include <math.h>
#include <stdlib.h>

#include "script/sandbox.h"
#include "script/surface_private.h"

static const struct policy_principal nobody;

static const struct policy_principal *principal_of(const struct surface *s) {
  return s->run->request.principal ? s->run->request.principal : &nobody;
}

static void push_maybe(lua_State *L, struct slice text) {
  if (text.len)
    surface_push_text(L, text);
  else
    lua_pushnil(L);
}

static void push_list(lua_State *L, const struct slice *items, size_t count) {
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    surface_push_text(L, items[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
}

void context_tenant(lua_State *L, struct surface *s) {
  surface_push_text(L, s->settings.tenant);
}

void context_project(lua_State *L, struct surface *s) {
  push_maybe(L, principal_of(s)->project);
}

void context_user(lua_State *L, struct surface *s) {
  push_maybe(L, principal_of(s)->user);
}

void context_key(lua_State *L, struct surface *s) {
  push_maybe(L, principal_of(s)->key);
}

void context_roles(lua_State *L, struct surface *s) {
  push_list(L, principal_of(s)->roles, principal_of(s)->role_count);
}

void context_principal(lua_State *L, struct surface *s) {
  static const struct {
    const char *name;
    void (*push)(lua_State *L, struct surface *s);
  } parts[] = {{"tenant", context_tenant},
               {"project", context_project},
               {"user", context_user},
               {"key", context_key},
               {"roles", context_roles}};
  lua_createtable(L, 0, 6);
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    parts[i].push(L, s);
    lua_setfield(L, -2, parts[i].name);
  }
  push_list(L, principal_of(s)->tags, principal_of(s)->tag_count);
  lua_setfield(L, -2, "tags");
}

void context_tags(lua_State *L, struct surface *s) {
  const struct verdict *v = &s->run->verdict;
  lua_createtable(L, 0, (int)v->tag_count);
  for (size_t i = 0; i < v->tag_count; i++) {
    surface_push_text(L, v->tags[i].name);
    surface_push_text(L, v->tags[i].value);
    lua_rawset(L, -3);
  }
}

void context_settings(lua_State *L, struct surface *s) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, policy_now(s->run)->settings);
}

void context_policy(lua_State *L, struct surface *s) {
  surface_push_text(L, policy_now(s->run)->name);
}

/* A table of tables: each policy has its own. */
void context_notes(lua_State *L, struct surface *s) {
  struct policy_run *run = s->run;
  if (run->notes == LUA_NOREF) {
    lua_newtable(L);
    run->notes = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, run->notes);
  lua_rawgeti(L, -1, (int)run->at + 1);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, (int)run->at + 1);
  }
  lua_remove(L, -2);
}

void context_hook(lua_State *L, struct surface *s) {
  lua_pushstring(L, policy_hook_name(s->run->hook));
}

static struct policy_run *check_context(lua_State *L, struct surface *s) {
  (void)surface_check(s, L, OBJECT_CONTEXT);
  return s->run;
}

static int check_status(lua_State *L, int index, int low, int high, int otherwise) {
  double status = otherwise;
  (void)surface_number_field(L, index, "status", &status);
  if (status < low || status > high || status != floor(status))
    return luaL_error(L, "status is a number from %d to %d", low, high);
  return (int)status;
}

static int push_decided(lua_State *L) {
  lua_pushboolean(L, 1);
  return 1;
}

int context_deny(lua_State *L) {
  static const char *const names[] = {"status", "code", "message", "param", NULL};
  struct surface *s = surface_self(L);
  struct policy_run *run = check_context(L, s);
  struct policy_denial denial = {.status = 403,
                                 .code = SLICE("denied_by_policy"),
                                 .message = SLICE("a policy does not allow this request")};
  if (!lua_isnoneornil(L, 2)) {
    luaL_checktype(L, 2, LUA_TTABLE);
    surface_check_keys(L, 2, names);
    denial.status = check_status(L, 2, 400, 599, denial.status);
    (void)surface_text_field(L, 2, "code", &denial.code);
    (void)surface_text_field(L, 2, "message", &denial.message);
    (void)surface_text_field(L, 2, "param", &denial.param);
  }
  policy_deny(run, &denial);
  return push_decided(L);
}

int context_answer(lua_State *L) {
  static const char *const names[] = {"text", "body", "status", NULL};
  struct surface *s = surface_self(L);
  struct policy_run *run = check_context(L, s);
  struct slice text = {NULL, 0}, body = {NULL, 0};
  int status = 200;
  if (lua_type(L, 2) == LUA_TSTRING) {
    text = state_text(L, 2);
  } else {
    luaL_checktype(L, 2, LUA_TTABLE);
    surface_check_keys(L, 2, names);
    status = check_status(L, 2, 200, 299, status);
    (void)surface_text_field(L, 2, "text", &text);
    sandbox_push_field(L, 2, "body");
    if (!lua_isnil(L, -1)) body = surface_encode(s, L, lua_gettop(L));
  }
  if ((text.data != NULL) == (body.data != NULL))
    return luaL_error(L, "an answer has either text or a body");
  policy_answer(run, status, text, body);
  return push_decided(L);
}

/* Text, or a list of it, at the top of the stack: calls each for every one. */
static size_t take_names(lua_State *L, const char *what, struct slice *names) {
  int list = lua_gettop(L);
  if (lua_type(L, list) == LUA_TSTRING) {
    names[0] = state_text(L, list);
    return 1;
  }
  if (!lua_istable(L, list)) luaL_error(L, "%s is text, or a list of text", what);
  size_t count = lua_objlen(L, list);
  if (count > POLICY_NAMES_MAX) luaL_error(L, "%s has %d names at most", what, POLICY_NAMES_MAX);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, list, (int)i + 1);
    if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "%s is text, or a list of text", what);
    names[i] = state_text(L, -1); /* the list keeps it */
    lua_pop(L, 1);
  }
  return count;
}

static void raise_if(lua_State *L, const char *why) {
  if (why) luaL_error(L, "%s", why);
}

static void note(struct policy_run *run, const char *name, const struct slice *names,
                 size_t count) {
  struct bytes why;
  bytes_init(&why);
  bytes_append_text(&why, name);
  for (size_t i = 0; i < count && why.len < POLICY_WHY_BYTES; i++) {
    bytes_append_byte(&why, i ? ' ' : '=');
    bytes_append_slice(&why, names[i]);
  }
  policy_trace(run, "require", bytes_slice(&why));
  bytes_fini(&why);
}

static void require_names(lua_State *L, struct policy_run *run, const char *name) {
  struct slice names[POLICY_NAMES_MAX];
  sandbox_push_field(L, 2, name);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return;
  }
  size_t count = take_names(L, name, names);
  if (strcmp(name, "providers") == 0) {
    raise_if(L, policy_require_providers(run, names, count));
  } else {
    for (size_t i = 0; i < count; i++)
      raise_if(L, policy_require_capability(run, names[i]));
  }
  note(run, name, names, count);
  lua_pop(L, 1);
}

int context_require(lua_State *L) {
  static const char *const names[] = {"residency", "capabilities", "providers", "context_tokens",
                                      NULL};
  struct surface *s = surface_self(L);
  struct policy_run *run = check_context(L, s);
  struct slice residency;
  double tokens;
  luaL_checktype(L, 2, LUA_TTABLE);
  surface_check_keys(L, 2, names);
  if (surface_text_field(L, 2, "residency", &residency)) {
    raise_if(L, policy_require_residency(run, residency));
    note(run, "residency", &residency, 1);
  }
  if (surface_number_field(L, 2, "context_tokens", &tokens)) {
    if (!(tokens >= 0 && tokens <= 1e12)) return luaL_error(L, "context_tokens is a count");
    policy_require_context(run, (uint64_t)ceil(tokens));
    note(run, "context_tokens", NULL, 0);
  }
  require_names(L, run, "capabilities");
  require_names(L, run, "providers");
  return 0;
}

int context_tag(lua_State *L) {
  struct surface *s = surface_self(L);
  struct policy_run *run = check_context(L, s);
  struct slice name = surface_text(L, 2), value = SLICE("true");
  switch (lua_type(L, 3)) {
  case LUA_TNONE:
  case LUA_TNIL: break;
  case LUA_TBOOLEAN: value = lua_toboolean(L, 3) ? value : SLICE("false"); break;
  case LUA_TNUMBER: lua_tostring(L, 3); /* fall through */
  case LUA_TSTRING: value = state_text(L, 3); break;
  default: return luaL_error(L, "a tag's value is text, a number or a boolean");
  }
  raise_if(L, policy_tag(run, name, value));
  policy_trace(run, "tag", name);
  return 0;
}

int context_trace(lua_State *L) {
  struct surface *s = surface_self(L);
  struct policy_run *run = check_context(L, s);
  policy_trace(run, "note", surface_text(L, 2));
  return 0;
}

int context_has_role(lua_State *L) {
  struct surface *s = surface_self(L);
  (void)check_context(L, s);
  struct slice role = surface_text(L, 2);
  const struct policy_principal *p = principal_of(s);
  bool found = false;
  for (size_t i = 0; i < p->role_count && !found; i++)
    found = slice_equal(p->roles[i], role);
  lua_pushboolean(L, found);
  return 1;
}
