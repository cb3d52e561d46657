#include "script/role_judge.h"

#include <lua.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "script/sandbox.h"

enum { ROLES_MAX = 64, MEMORY_BYTES = 4 << 20 };

struct judged { /* one role's file, loaded */
  struct list link;
  struct sandbox *sandbox; /* NULL: it cannot be loaded */
  char *text;
  size_t text_bytes;
};

struct role_judge {
  struct list roles;
  size_t count;
};

struct role_judge *role_judge_new(void) {
  struct role_judge *j = must_calloc(1, sizeof *j);
  list_init(&j->roles);
  return j;
}

static void clear(struct role_judge *j) {
  list_each_safe(node, &j->roles) {
    struct judged *r = list_entry(node, struct judged, link);
    list_remove(&r->link);
    if (r->sandbox) sandbox_free(r->sandbox);
    free(r->text);
    free(r);
  }
  j->count = 0;
}

void role_judge_free(struct role_judge *j) {
  if (!j) return;
  clear(j);
  free(j);
}

static bool no_module(void *context, const struct sandbox_wanted *wanted,
                      struct sandbox_module *module) {
  (void)context, (void)wanted, (void)module;
  return false;
}

/* Leaves nothing on the stack. */
static bool load(struct judged *r, const struct role_question *q, struct bytes *error) {
  struct sandbox_settings settings = {
      .name = q->role, .memory_bytes = MEMORY_BYTES, .find = no_module};
  struct bytes name;
  r->sandbox = sandbox_new(&settings);
  lua_State *L = sandbox_state(r->sandbox);
  bytes_init(&name);
  bytes_printf(&name, "@rbac/%.*s.lua", (int)q->role.len, q->role.data);
  bool is_run = sandbox_load(r->sandbox, q->text, bytes_slice(&name), error) &&
                sandbox_call(r->sandbox, 0, 1, error) == SANDBOX_DONE;
  bytes_fini(&name);
  if (!is_run) return false;
  sandbox_push_field(L, -1, "may");
  bool is_function = lua_isfunction(L, -1);
  if (is_function) {
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, "gateyes.may");
  } else {
    bytes_append_text(error, "the file has no function may");
  }
  lua_settop(L, 0);
  return is_function;
}

static struct judged *role_get(struct role_judge *j, const struct role_question *q,
                               struct bytes *error) {
  list_each(node, &j->roles) {
    struct judged *r = list_entry(node, struct judged, link);
    if (slice_equal((struct slice){r->text, r->text_bytes}, q->text)) return r;
  }
  if (j->count == ROLES_MAX) clear(j); /* files that changed leave their old selves behind */
  struct judged *r = must_calloc(1, sizeof *r);
  list_init(&r->link);
  r->text = must_alloc(q->text.len + 1);
  memcpy(r->text, q->text.data, q->text.len);
  r->text_bytes = q->text.len;
  list_append(&j->roles, &r->link);
  j->count++;
  if (load(r, q, error)) return r;
  sandbox_free(r->sandbox);
  r->sandbox = NULL;
  return r;
}

static void set_text(lua_State *L, const char *name, struct slice text) {
  if (!text.len) return;
  lua_pushlstring(L, text.data, text.len);
  lua_setfield(L, -2, name);
}

static void push_question(lua_State *L, const struct role_question *q) {
  lua_createtable(L, 0, 5);
  set_text(L, "tenant", q->tenant);
  set_text(L, "project", q->project);
  set_text(L, "user", q->user);
  set_text(L, "key", q->key);
  lua_createtable(L, (int)q->tag_count, 0);
  for (size_t i = 0; i < q->tag_count; i++) {
    lua_pushlstring(L, q->tags[i].data, q->tags[i].len);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_setfield(L, -2, "tags");
  lua_pushstring(L, q->action);
  lua_createtable(L, 0, 2);
  set_text(L, "model", q->model);
  set_text(L, "path", q->path);
}

bool role_judge_may(struct role_judge *j, const struct role_question *q, struct bytes *error) {
  struct judged *r = role_get(j, q, error);
  if (!r->sandbox) return false;
  lua_State *L = sandbox_state(r->sandbox);
  lua_getfield(L, LUA_REGISTRYINDEX, "gateyes.may");
  push_question(L, q);
  bool is_done = sandbox_call(r->sandbox, 3, 1, error) == SANDBOX_DONE;
  bool may = is_done && lua_isboolean(L, -1) && lua_toboolean(L, -1);
  lua_settop(L, 0);
  return may;
}
