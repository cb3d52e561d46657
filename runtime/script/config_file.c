#include "script/config_file.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>

#include "script/config_lines.h"
#include "script/config_sandbox.h"

enum { FILE_BYTES = 16 << 20, DEPTH_MAX = 32, VALUES_MAX = 500000, PASSES_MAX = 100 };

struct reading {
  struct config_sandbox sandbox;
  struct arena *arena;
  struct bytes path; /* of the value at hand */
  size_t values;
  bool has_functions;
  bool is_stopped; /* too deep or too large: one problem is enough */
};

static void complain(struct reading *r, int line, const char *text) {
  config_problem_at(r->sandbox.problems, r->sandbox.path, line, "%s: %s",
                    r->path.len ? bytes_text(&r->path) : "configuration", text);
}

static void read_value(struct reading *r, struct value *out, struct source_table *source,
                       int depth);

static void read_text(struct reading *r, struct value *out) {
  size_t len;
  const char *text = lua_tolstring(r->sandbox.state, -1, &len);
  struct config_secret *secret = config_sandbox_secret(&r->sandbox, (struct slice){text, len});
  out->type = VALUE_TEXT;
  out->text = arena_slice(r->arena, (struct slice){text, len});
  out->secret = secret != NULL;
  out->faulty = secret && secret->problem;
  if (out->faulty) config_secret_report(&r->sandbox, secret, bytes_text(&r->path));
}

/* tonumber(env "PIN") is as secret as its text. */
static void read_number(struct reading *r, struct value *out) {
  size_t len;
  lua_State *L = r->sandbox.state;
  out->type = VALUE_NUMBER;
  out->number = lua_tonumber(L, -1);
  lua_pushvalue(L, -1);
  const char *text = lua_tolstring(L, -1, &len);
  out->secret = config_sandbox_secret(&r->sandbox, (struct slice){text, len}) != NULL;
  lua_pop(L, 1);
}

/* What keys the table on top of the stack has. */
struct census {
  size_t names, places, others;
  double last;
};

static struct census count_keys(lua_State *L) {
  struct census c = {0};
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    double key = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;
    if (lua_type(L, -2) == LUA_TSTRING)
      c.names++;
    else if (key >= 1 && key <= VALUES_MAX && key == (double)(int)key)
      c.places++;
    else
      c.others++;
    if (key > c.last) c.last = key;
    lua_pop(L, 1);
  }
  return c;
}

static void read_item(struct reading *r, struct value_item *item, struct source_table *source,
                      const struct value *owner, int depth) {
  bool is_list = owner->type == VALUE_LIST;
  const struct source_entry *e = source_entry_find(source, item->key, is_list);
  item->value.line = e ? e->line : owner->line;
  if (is_list) {
    item->key = (struct slice){"", 0};
  } else if (!e && config_sandbox_secret(&r->sandbox, item->key)) { /* names are printed */
    complain(r, owner->line, "a name comes from env or a secret file; write names out");
    item->key = SLICE("hidden");
    item->value.faulty = true;
    return;
  }
  size_t above = r->path.len;
  config_path_append(&r->path, item->key, is_list ? (size_t)(item - owner->items) + 1 : 0);
  read_value(r, &item->value, e ? e->table : NULL, depth);
  r->path.len = above;
}

static void read_list(struct reading *r, struct value *out, struct source_table *source,
                      int depth) {
  lua_State *L = r->sandbox.state;
  for (size_t i = 0; i < out->count; i++) {
    lua_rawgeti(L, -1, (int)i + 1);
    out->items[i].key = slice_of(arena_printf(r->arena, "%zu", i + 1));
    read_item(r, &out->items[i], source, out, depth);
    lua_pop(L, 1);
  }
}

static int by_line(const void *a, const void *b) {
  const struct value_item *x = a, *y = b;
  if (x->value.line != y->value.line) return x->value.line < y->value.line ? -1 : 1;
  size_t shorter = x->key.len < y->key.len ? x->key.len : y->key.len;
  int order = memcmp(x->key.data, y->key.data, shorter);
  return order ? order : x->key.len < y->key.len ? -1 : x->key.len > y->key.len;
}

static void read_map(struct reading *r, struct value *out, struct source_table *source, int depth) {
  lua_State *L = r->sandbox.state;
  size_t at = 0, len;
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    if (lua_type(L, -2) == LUA_TSTRING) {
      const char *key = lua_tolstring(L, -2, &len);
      out->items[at].key = arena_slice(r->arena, (struct slice){key, len});
      read_item(r, &out->items[at++], source, out, depth);
    }
    lua_pop(L, 1);
  }
  if (at) qsort(out->items, at, sizeof *out->items, by_line);
}

static void read_table(struct reading *r, struct value *out, struct source_table *source,
                       int depth) {
  struct census c = count_keys(r->sandbox.state);
  out->type = c.places && !c.names ? VALUE_LIST : VALUE_MAP;
  out->count = out->type == VALUE_LIST ? c.places : c.names;
  if (c.others || (c.places && c.names)) {
    complain(r, out->line,
             "a table mixes names with places or other keys; use only names, or none");
    out->faulty = true;
  } else if (c.places && c.last != (double)c.places) {
    complain(r, out->line, "a list has a gap (nil) in it; close it");
    out->faulty = true;
  }
  if (out->faulty) {
    out->count = 0;
    return;
  }
  out->items = arena_alloc(r->arena, out->count * sizeof *out->items);
  if (out->type == VALUE_LIST)
    read_list(r, out, source, depth + 1);
  else
    read_map(r, out, source, depth + 1);
}

static void stop(struct reading *r, struct value *out, const char *why) {
  if (!r->is_stopped) complain(r, out->line, why);
  r->is_stopped = true;
  out->faulty = true;
}

static void read_value(struct reading *r, struct value *out, struct source_table *source,
                       int depth) {
  lua_State *L = r->sandbox.state;
  if (r->is_stopped || ++r->values > VALUES_MAX) {
    stop(r, out, "the configuration has more than 500000 values");
    return;
  }
  if (depth > DEPTH_MAX || !lua_checkstack(L, 8)) {
    stop(r, out, "tables are nested too deeply, or hold themselves");
    return;
  }
  switch (lua_type(L, -1)) {
  case LUA_TBOOLEAN:
    out->type = VALUE_BOOL;
    out->boolean = lua_toboolean(L, -1);
    break;
  case LUA_TNUMBER: read_number(r, out); break;
  case LUA_TSTRING: read_text(r, out); break;
  case LUA_TTABLE: read_table(r, out, source, depth); break;
  case LUA_TFUNCTION:
    out->faulty = true;
    if (r->has_functions) {
      out->type = VALUE_BOOL;
      break;
    }
    /* fall through */
  default:
    complain(r, out->line, "a function is no value of a setting; call it, or remove it");
    out->faulty = true;
  }
}

static void report_twice(struct reading *r, const struct source_lines *lines) {
  for (const struct source_twice *t = lines->twice; t; t = t->next) {
    source_path_append(t->table, &r->path);
    config_path_append(&r->path, t->key, t->place);
    config_problem_at(r->sandbox.problems, r->sandbox.path, t->line,
                      "%s: stands in this table already, on line %d; keep one of the two",
                      bytes_text(&r->path), t->first_line);
    bytes_clear(&r->path);
  }
}

/* What was made of the value is no part of the tree: tonumber(env "PORT"). lines may be NULL. */
static void report_rest(struct reading *r, const struct source_lines *lines) {
  size_t passes = 0;
  for (struct config_secret *e = r->sandbox.secrets; e; e = e->next) {
    if (!e->problem || e->is_told) continue;
    if (lines && passes++ < PASSES_MAX) source_path_at(lines, e->line, &r->path);
    config_secret_report(&r->sandbox, e, bytes_text(&r->path));
    bytes_clear(&r->path);
  }
}

bool config_text_tree(const struct config_text *text, struct arena *arena, struct value *root,
                      struct config_problems *problems) {
  struct reading r = {.arena = arena, .has_functions = text->has_functions};
  struct source_lines lines;
  config_sandbox_init(&r.sandbox, text->name, problems);
  r.sandbox.scope = text->scope;
  bool is_run = config_sandbox_run(&r.sandbox, text->source), is_read = is_run;
  if (is_run) {
    source_lines_scan(&lines, text->source, &r.sandbox.arena);
    report_twice(&r, &lines);
    *root = (struct value){.line = lines.root ? lines.root->line : 1};
    read_value(&r, root, lines.root, 0);
    is_read = !r.is_stopped;
  }
  report_rest(&r, is_run ? &lines : NULL);
  bytes_fini(&r.path);
  config_sandbox_fini(&r.sandbox);
  return is_read;
}

bool config_file_read(const char *path, struct arena *arena, struct value *root,
                      struct config_problems *problems) {
  struct bytes source;
  bytes_init(&source);
  const char *why = config_text_read(path, FILE_BYTES, &source);
  if (why)
    config_problem_at(problems, path, 0, "cannot be read: %s; name the file with --config", why);
  struct config_text text = {path, bytes_slice(&source), NULL, false};
  bool is_read = !why && config_text_tree(&text, arena, root, problems);
  bytes_fini(&source);
  return is_read;
}

void config_tree_init(struct config_tree *tree, const char *path,
                      struct config_problems *problems) {
  *tree = (struct config_tree){.is_read = false};
  arena_init(&tree->arena);
  tree->is_read = config_file_read(path, &tree->arena, &tree->root, problems);
}

void config_tree_fini(struct config_tree *tree) {
  arena_fini(&tree->arena);
}

struct config *config_tree_build(const struct config_tree *tree, const char *path,
                                 config_check *also, struct config_problems *problems) {
  if (tree->is_read) return config_build(&tree->root, path, also, problems);
  config_problems_sort(problems);
  return NULL;
}

struct config *config_file_load(const char *path, config_check *also,
                                struct config_problems *problems) {
  struct config_tree tree;
  config_tree_init(&tree, path, problems);
  struct config *config = config_tree_build(&tree, path, also, problems);
  config_tree_fini(&tree);
  return config;
}
