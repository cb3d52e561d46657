#include "auth/role.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/ref.h"

enum { ROLES_MAX = 10000, JSON_DEPTH = 4 };

struct roles {
  struct ref refs;
  struct arena arena;
  struct role *items;
  size_t count, room;
};

struct roles *roles_new(void) {
  struct roles *r = must_calloc(1, sizeof *r);
  ref_init(&r->refs);
  arena_init(&r->arena);
  return r;
}

struct roles *roles_ref(struct roles *r) {
  ref_take(&r->refs);
  return r;
}

void roles_unref(struct roles *r) {
  if (!r || !ref_drop(&r->refs)) return;
  arena_fini(&r->arena);
  free(r->items);
  free(r);
}

size_t roles_count(const struct roles *r) {
  return r->count;
}

const struct role *roles_at(const struct roles *r, size_t index) {
  return &r->items[index];
}

static const struct role *find(const struct roles *r, struct slice tenant, struct slice name) {
  for (size_t i = 0; i < r->count; i++)
    if (slice_equal(r->items[i].tenant, tenant) && slice_equal(r->items[i].name, name))
      return &r->items[i];
  return NULL;
}

const struct role *roles_find(const struct roles *r, struct slice tenant, struct slice name) {
  const struct role *role = find(r, (struct slice){"", 0}, name);
  return role || !tenant.len ? role : find(r, tenant, name);
}

struct reading {
  struct roles *roles;
  const struct role_file *file;
  struct config_problems *problems;
  struct role *role;
  size_t problem_count;    /* before */
  int lines[ACTION_COUNT]; /* where each action is named */
};

static void complain(struct reading *r, int line, const char *what, struct slice about) {
  const char *file = r->file->file ? r->file->file : "role";
  config_problem_at(r->problems, file, line, "%.*s: %s", (int)about.len, about.data, what);
}

static bool take_text(struct reading *r, const struct value_item *item, struct slice *out) {
  if (item->value.type != VALUE_TEXT || !item->value.text.len) {
    complain(r, item->value.line, "expects text; put it in quotes", item->key);
    return false;
  }
  *out = arena_slice(&r->roles->arena, item->value.text);
  return true;
}

static size_t take_texts(struct reading *r, const struct value_item *item, struct slice **out) {
  const struct value *v = &item->value;
  bool is_list = v->type == VALUE_LIST || (v->type == VALUE_MAP && v->count == 0);
  if (!is_list) {
    complain(r, v->line, "expects a list of text: { \"…\" }", item->key);
    return 0;
  }
  *out = arena_alloc(&r->roles->arena, (v->count + 1) * sizeof **out);
  for (size_t i = 0; i < v->count; i++) {
    const struct value *one = &v->items[i].value;
    if (one->type != VALUE_TEXT || !one->text.len)
      complain(r, one->line, "expects a list of text: { \"…\" }", item->key);
    else
      (*out)[i] = arena_slice(&r->roles->arena, one->text);
  }
  return v->count;
}

static void take_globs(struct reading *r, const struct value_item *item, struct globs *out) {
  struct slice *items = NULL;
  out->count = take_texts(r, item, &items);
  out->items = items;
  if (!out->count)
    complain(r, item->value.line, "is empty, which would allow all; name some, or remove it",
             item->key);
}

/* "keys.*" names all actions that match. */
static void take_actions(struct reading *r, const struct value_item *item, uint64_t *out) {
  struct slice *names = NULL;
  size_t count = take_texts(r, item, &names);
  for (size_t i = 0; i < count; i++) {
    uint64_t bits = 0;
    for (int a = 0; a < ACTION_COUNT; a++)
      if (glob_match(names[i], slice_of(action_text((enum action)a)))) {
        bits |= 1ull << a;
        r->lines[a] = item->value.items[i].value.line;
      }
    if (!bits)
      complain(r, item->value.items[i].value.line,
               "is no action; docs/auth.md lists them, and * stands for any characters", names[i]);
    *out |= bits;
  }
}

static void take_reach(struct reading *r, const struct value_item *item) {
  static const char *const names[] = {NULL, "own", "project", "tenant", "all"};
  const struct value *v = &item->value;
  for (int i = REACH_OWN; i <= REACH_ALL; i++)
    if (v->type == VALUE_TEXT && slice_equal_text(v->text, names[i])) {
      r->role->reach = (enum reach)i;
      return;
    }
  complain(r, v->line, "expects \"own\", \"project\", \"tenant\" or \"all\"", item->key);
}

static void take_member(struct reading *r, const struct value_item *item) {
  struct role *role = r->role;
  if (slice_equal_text(item->key, "name"))
    take_text(r, item, &role->name);
  else if (slice_equal_text(item->key, "description"))
    take_text(r, item, &role->description);
  else if (slice_equal_text(item->key, "reach"))
    take_reach(r, item);
  else if (slice_equal_text(item->key, "allow"))
    take_actions(r, item, &role->allow);
  else if (slice_equal_text(item->key, "decide"))
    take_actions(r, item, &role->decide);
  else if (slice_equal_text(item->key, "models"))
    take_globs(r, item, &role->models);
  else if (slice_equal_text(item->key, "providers"))
    take_globs(r, item, &role->providers);
  else if (slice_equal_text(item->key, "residency"))
    take_globs(r, item, &role->residency);
  else if (slice_equal_text(item->key, "tags"))
    take_globs(r, item, &role->tags);
  else if (slice_equal_text(item->key, "paths"))
    take_globs(r, item, &role->paths);
  else if (!slice_equal_text(item->key, "may"))
    complain(r, item->value.line, "is not known in a role", item->key);
}

static int line_of(const struct value *root, const char *key) {
  const struct value *v = value_find(root, key);
  return v ? v->line : root->line;
}

/* A function without actions to decide, or the other way round, is a mistake that would go
 * unnoticed. */
static void check_function(struct reading *r) {
  const struct value *root = r->file->root, *may = value_find(root, "may");
  bool is_function = may && may->type == VALUE_BOOL && may->faulty;
  if (may && !is_function) complain(r, may->line, "expects a function", SLICE("may"));
  if (is_function && !r->role->decide)
    complain(r, may->line, "decides nothing: name the actions in decide", SLICE("may"));
  if (r->role->decide && !is_function)
    complain(r, line_of(root, "decide"), "needs a function may in the same file", SLICE("decide"));
}

/* What a tenant's role may hold at most. */
static void check_ceiling(struct reading *r) {
  static const struct slice nobody = {"", 0};
  const struct role *role = r->role, *most = find(r->roles, nobody, SLICE("tenant_admin"));
  const struct value *root = r->file->root;
  if (!r->file->tenant.len) return;
  if (find(r->roles, nobody, role->name))
    complain(r, line_of(root, "name"), "is a role for all tenants; choose another name",
             role->name);
  if (role->reach > REACH_TENANT)
    complain(r, line_of(root, "reach"), "reaches beyond the tenant; use \"tenant\" or less",
             SLICE("reach"));
  uint64_t above = role->allow & ~(most ? most->allow : 0);
  for (int a = 0; a < ACTION_COUNT; a++)
    if (above >> a & 1)
      complain(r, r->lines[a], "is more than a tenant_admin of this tenant may; remove it",
               slice_of(action_text((enum action)a)));
}

static void check(struct reading *r) {
  const struct value *root = r->file->root;
  struct role *role = r->role;
  if (!slice_equal(role->name, r->file->name))
    complain(r, line_of(root, "name"), "must be the name of its file", SLICE("name"));
  if (find(r->roles, r->file->tenant, role->name))
    complain(r, line_of(root, "name"), "is there already", role->name);
  role->allow |= role->decide;
  if (!role->allow && role->reach != REACH_NONE)
    complain(r, root->line, "allows nothing; name actions in allow", r->file->name);
  if (role->reach == REACH_NONE) role->reach = REACH_OWN;
  check_function(r);
  check_ceiling(r);
}

bool roles_add(struct roles *roles, const struct role_file *file,
               struct config_problems *problems) {
  struct role role = {.name = {"", 0}, .description = {"", 0}};
  struct reading r = {roles, file, problems, &role, problems->count, {0}};
  role.tenant = arena_slice(&roles->arena, file->tenant);
  role.source =
      file->file ? arena_slice(&roles->arena, slice_of(file->file)) : (struct slice){"", 0};
  if (file->root->type != VALUE_MAP) {
    complain(&r, file->root->line, "expects a table of names: return { name = \"…\", … }",
             file->name);
    return false;
  }
  if (roles->count == ROLES_MAX) {
    complain(&r, file->root->line, "is one role too many", file->name);
    return false;
  }
  for (size_t i = 0; i < file->root->count; i++)
    take_member(&r, &file->root->items[i]);
  check(&r);
  if (problems->count > r.problem_count) return false;
  if (roles->count == roles->room) {
    roles->room = roles->room ? roles->room * 2 : 16;
    roles->items = must_realloc(roles->items, roles->room * sizeof *roles->items);
  }
  if (role.decide) role.text = arena_slice(&roles->arena, file->text);
  roles->items[roles->count++] = role;
  return true;
}

static struct slice unescape(struct arena *arena, struct slice raw) {
  struct bytes text;
  bytes_init(&text);
  json_unescape(raw, &text);
  struct slice copy = arena_slice(arena, bytes_slice(&text));
  bytes_fini(&text);
  return copy;
}

static void read_json(struct arena *arena, struct slice json, int depth, struct value *out) {
  enum json_type type = json_type(json);
  size_t count = 0;
  if (type == JSON_STRING) {
    *out = (struct value){.type = VALUE_TEXT, .text = unescape(arena, json_string_raw(json))};
    return;
  }
  if ((type != JSON_OBJECT && type != JSON_ARRAY) || depth == 0) return;
  for (struct json_walk w = json_walk_of(json); json_walk_next(&w);)
    count++;
  out->type = type == JSON_OBJECT ? VALUE_MAP : VALUE_LIST;
  out->items = arena_alloc(arena, (count + 1) * sizeof *out->items);
  for (struct json_walk w = json_walk_of(json); json_walk_next(&w);) {
    struct value_item *item = &out->items[out->count++];
    item->key = unescape(arena, w.key);
    read_json(arena, w.value, depth - 1, &item->value);
  }
}

bool roles_add_json(struct roles *r, const struct role_file *file, struct slice body,
                    struct config_problems *problems) {
  struct role_file whole = *file;
  struct value root = {.type = VALUE_NIL};
  struct arena arena;
  arena_init(&arena);
  if (json_validate(body, JSON_DEPTH, NULL)) read_json(&arena, body, JSON_DEPTH, &root);
  whole.root = &root;
  bool fine = roles_add(r, &whole, problems);
  arena_fini(&arena);
  return fine;
}

static struct globs copy_globs(struct arena *arena, struct globs from) {
  struct slice *items = arena_alloc(arena, (from.count + 1) * sizeof *items);
  for (size_t i = 0; i < from.count; i++)
    items[i] = arena_slice(arena, from.items[i]);
  return (struct globs){items, from.count};
}

struct roles *roles_copy(const struct roles *from) {
  struct roles *to = roles_new();
  struct arena *arena = &to->arena;
  to->room = from->count + 16;
  to->items = must_calloc(to->room, sizeof *to->items);
  for (size_t i = 0; i < from->count; i++) {
    struct role *role = &to->items[to->count++];
    *role = from->items[i];
    struct slice *texts[] = {&role->name, &role->tenant, &role->description, &role->source,
                             &role->text};
    struct globs *globs[] = {&role->models, &role->providers, &role->residency, &role->tags,
                             &role->paths};
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
      *texts[t] = arena_slice(arena, *texts[t]);
    for (size_t g = 0; g < sizeof globs / sizeof *globs; g++)
      *globs[g] = copy_globs(arena, *globs[g]);
  }
  return to;
}
