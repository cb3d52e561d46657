/* Settings of a policy against the schema that it declares:
 *   settings = { mode = { type = "string", default = "block", one_of = { "block", "mask" } }, … }
 * Types: string, number, integer, boolean, list (of strings, unless `of` says otherwise), map, any.
 * More: required, default, one_of, min, max, of, about (a sentence for people). */
#include <math.h>
#include <stdlib.h>

#include "config/names.h"
#include "script/policy_private.h"
#include "script/sandbox.h"
#include "script/surface_private.h"

static const char *const types[] = {"string", "number", "integer", "boolean",
                                    "list",   "map",    "any",     NULL};
static const char *const schema_keys[] = {"type", "default", "required", "one_of", "min",
                                          "max",  "of",      "about",    NULL};

struct check { /* one setting */
  lua_State *L;
  const struct policy_entry *entry;
  struct bytes *error;
  struct slice key;
  int line;
  size_t problems;
};

static void problem(struct check *c, const char *format, ...) PRINTF(2, 3);

static void problem(struct check *c, const char *format, ...) {
  struct slice file = c->entry->file.len ? c->entry->file : SLICE("settings");
  bytes_append_slice(c->error, file);
  if (c->line) bytes_printf(c->error, ":%d", c->line);
  bytes_printf(c->error, ": policies.%.*s", (int)c->entry->module.len, c->entry->module.data);
  if (c->key.len) bytes_printf(c->error, ".%.*s", (int)c->key.len, c->key.data);
  bytes_append_text(c->error, ": ");
  va_list list;
  va_start(list, format);
  bytes_vprintf(c->error, format, list);
  va_end(list);
  bytes_append_byte(c->error, '\n');
  c->problems++;
}

static void push_value(lua_State *L, const struct value *v) {
  luaL_checkstack(L, 8, "settings");
  switch (v->type) {
  case VALUE_NIL: lua_pushnil(L); return;
  case VALUE_BOOL: lua_pushboolean(L, v->boolean); return;
  case VALUE_NUMBER: lua_pushnumber(L, v->number); return;
  case VALUE_TEXT: surface_push_text(L, v->text); return;
  case VALUE_LIST:
  case VALUE_MAP: break;
  }
  lua_createtable(L, 0, 0);
  for (size_t i = 0; i < v->count; i++) {
    if (v->type == VALUE_MAP)
      surface_push_text(L, v->items[i].key);
    else
      lua_pushnumber(L, (lua_Number)i + 1);
    push_value(L, &v->items[i].value);
    lua_rawset(L, -3);
  }
}

static bool has_type(const struct value *v, struct slice type) {
  bool is_list = v->type == VALUE_LIST || (v->type == VALUE_MAP && v->count == 0);
  if (slice_equal_text(type, "string")) return v->type == VALUE_TEXT;
  if (slice_equal_text(type, "number")) return v->type == VALUE_NUMBER;
  if (slice_equal_text(type, "integer"))
    return v->type == VALUE_NUMBER && v->number == floor(v->number);
  if (slice_equal_text(type, "boolean")) return v->type == VALUE_BOOL;
  if (slice_equal_text(type, "list")) return is_list;
  if (slice_equal_text(type, "map")) return v->type == VALUE_MAP || is_list;
  return true;
}

/* Text of a field of the schema's row, which is at `row`. */
static struct slice row_text(lua_State *L, int row, const char *name) {
  sandbox_push_field(L, row, name);
  struct slice text = state_text(L, -1);
  lua_pop(L, 1); /* the row keeps it */
  return text;
}

static void offer_choices(struct check *c, int choices, struct slice wanted) {
  struct nearest nearest;
  struct bytes all;
  nearest_init(&nearest, wanted);
  bytes_init(&all);
  for (size_t i = 1; i <= lua_objlen(c->L, choices); i++) {
    lua_rawgeti(c->L, choices, (int)i);
    struct slice choice = state_text(c->L, -1);
    nearest_offer(&nearest, choice);
    bytes_printf(&all, "%s\"%.*s\"", i > 1 ? ", " : "", (int)choice.len, choice.data);
    lua_pop(c->L, 1);
  }
  if (nearest.best.len)
    problem(c, "\"%.*s\" is none of %s; the nearest is \"%.*s\"", (int)wanted.len, wanted.data,
            bytes_text(&all), (int)nearest.best.len, nearest.best.data);
  else
    problem(c, "\"%.*s\" is none of %s", (int)wanted.len, wanted.data, bytes_text(&all));
  bytes_fini(&all);
}

static void check_choice(struct check *c, int row, const struct value *v) {
  sandbox_push_field(c->L, row, "one_of");
  int choices = lua_gettop(c->L);
  bool found = !lua_istable(c->L, choices) || v->type != VALUE_TEXT;
  for (size_t i = 1; !found && i <= lua_objlen(c->L, choices); i++) {
    lua_rawgeti(c->L, choices, (int)i);
    found = slice_equal(state_text(c->L, -1), v->text);
    lua_pop(c->L, 1);
  }
  if (!found) offer_choices(c, choices, v->text);
  lua_settop(c->L, choices - 1);
}

static void check_bounds(struct check *c, int row, const struct value *v) {
  if (v->type != VALUE_NUMBER) return;
  sandbox_push_field(c->L, row, "min");
  sandbox_push_field(c->L, row, "max");
  if (lua_type(c->L, -2) == LUA_TNUMBER && v->number < lua_tonumber(c->L, -2))
    problem(c, "%.14g is less than %.14g", v->number, lua_tonumber(c->L, -2));
  if (lua_type(c->L, -1) == LUA_TNUMBER && v->number > lua_tonumber(c->L, -1))
    problem(c, "%.14g is more than %.14g", v->number, lua_tonumber(c->L, -1));
  lua_pop(c->L, 2);
}

static void check_value(struct check *c, int row, const struct value *v) {
  struct slice type = row_text(c->L, row, "type"), of = row_text(c->L, row, "of");
  if (v->secret) {
    problem(c, "a secret cannot be a setting, which scripts can read; use gateyes.secret");
    return;
  }
  if (!has_type(v, type)) {
    problem(c, "expects %s %.*s, not %s", type.data[0] == 'i' ? "an" : "a", (int)type.len,
            type.data, value_type_name(v->type));
    return;
  }
  if (!of.len && slice_equal_text(type, "list")) of = SLICE("string");
  for (size_t i = 0; i < v->count && of.len; i++)
    if (!has_type(&v->items[i].value, of) || v->items[i].value.secret)
      problem(c, "element %zu is no %.*s", i + 1, (int)of.len, of.data);
  check_choice(c, row, v);
  for (size_t i = 0; i < v->count && v->type == VALUE_LIST; i++)
    check_choice(c, row, &v->items[i].value);
  check_bounds(c, row, v);
}

/* Is the row itself well formed? */
static bool check_row(struct check *c, int row) {
  if (!lua_istable(c->L, row)) {
    problem(c, "its schema is a table such as { type = \"string\", default = \"…\" }");
    return false;
  }
  struct slice type = row_text(c->L, row, "type");
  bool known = false;
  for (const char *const *name = types; *name; name++)
    known = known || slice_equal_text(type, *name);
  if (!known)
    problem(c, "its schema has no type of string, number, integer, boolean, list, map, any");
  for (lua_pushnil(c->L); lua_next(c->L, row); lua_pop(c->L, 1)) {
    bool fine = false;
    for (const char *const *name = schema_keys; *name; name++)
      fine = fine || slice_equal_text(state_text(c->L, -2), *name);
    if (!fine)
      problem(c, "its schema has a field that is not known: \"%.*s\"",
              (int)state_text(c->L, -2).len, state_text(c->L, -2).data);
  }
  return known;
}

static const struct value *find(const struct value *settings, struct slice key) {
  for (size_t i = 0; settings && i < settings->count; i++)
    if (slice_equal(settings->items[i].key, key)) return &settings->items[i].value;
  return NULL;
}

/* One row of the schema: key at -2, row at -1; the result table is at `result`. */
static void take_setting(struct check *c, int result) {
  lua_State *L = c->L;
  int row = lua_gettop(L);
  if (!check_row(c, row)) return;
  const struct value *v = find(c->entry->settings, c->key);
  if (v && v->type != VALUE_NIL) {
    c->line = v->line ? v->line : c->entry->line;
    check_value(c, row, v);
    push_value(L, v);
  } else {
    sandbox_push_field(L, row, "required");
    if (lua_toboolean(L, -1)) problem(c, "is required; %s", "give it a value");
    lua_pop(L, 1);
    sandbox_push_field(L, row, "default");
  }
  surface_push_text(L, c->key);
  lua_insert(L, -2);
  lua_rawset(L, result);
}

static int by_text(const void *left, const void *right) {
  const struct slice *a = left, *b = right;
  int order = memcmp(a->data, b->data, a->len < b->len ? a->len : b->len);
  return order ? order : (a->len > b->len) - (a->len < b->len);
}

/* Of a name that is like none: those there are, in order, as many as a sentence may hold. */
static void refuse_strange(struct check *c, int schema) {
  enum { NAMES_MAX = 24 };
  struct slice names[NAMES_MAX];
  size_t count = 0;
  if (lua_istable(c->L, schema))
    for (lua_pushnil(c->L); lua_next(c->L, schema); lua_pop(c->L, 1))
      if (count < NAMES_MAX && lua_type(c->L, -2) == LUA_TSTRING)
        names[count++] = state_text(c->L, -2);
  if (count) qsort(names, count, sizeof *names, by_text);
  struct bytes list;
  bytes_init(&list);
  for (size_t i = 0; i < count; i++)
    bytes_printf(&list, "%s%.*s", i ? ", " : "", (int)names[i].len, names[i].data);
  problem(c, "no such setting; this policy has %s", count ? bytes_text(&list) : "none");
  bytes_fini(&list);
}

static void refuse_unknown(struct check *c, int schema) {
  const struct value *settings = c->entry->settings;
  for (size_t i = 0; settings && i < settings->count; i++) {
    struct slice key = settings->items[i].key;
    if (slice_equal_text(key, "name") || slice_equal_text(key, "on_error")) continue;
    surface_push_text(c->L, key);
    if (lua_istable(c->L, schema)) lua_rawget(c->L, schema);
    bool known = lua_istable(c->L, schema) && !lua_isnil(c->L, -1);
    lua_pop(c->L, 1);
    if (known) continue;
    struct nearest nearest;
    nearest_init(&nearest, key);
    if (lua_istable(c->L, schema))
      for (lua_pushnil(c->L); lua_next(c->L, schema); lua_pop(c->L, 1))
        nearest_offer(&nearest, state_text(c->L, -2));
    c->key = key;
    c->line = settings->items[i].value.line ? settings->items[i].value.line : c->entry->line;
    if (nearest.best.len)
      problem(c, "no such setting; the nearest is \"%.*s\"", (int)nearest.best.len,
              nearest.best.data);
    else
      refuse_strange(c, schema);
  }
}

bool policy_settings_take(lua_State *L, const struct policy_entry *entry, struct bytes *error) {
  struct check c = {.L = L, .entry = entry, .error = error, .line = entry->line};
  int schema = lua_gettop(L);
  lua_newtable(L);
  int result = lua_gettop(L);
  if (!lua_isnil(L, schema) && !lua_istable(L, schema))
    problem(&c, "its `settings` is a table of names");
  if (lua_istable(L, schema)) {
    for (lua_pushnil(L); lua_next(L, schema); lua_settop(L, result + 1)) {
      c.key = state_text(L, -2);
      c.line = entry->line;
      if (lua_type(L, -2) != LUA_TSTRING)
        problem(&c, "its `settings` is a table of names");
      else
        take_setting(&c, result);
    }
  }
  refuse_unknown(&c, schema);
  lua_settop(L, result);
  lua_remove(L, schema);
  return c.problems == 0;
}
