/* docs/lua.md and the files of lua/types are the table of the surface, and the table is all that a
 * sandbox offers. With --write, this program writes the pages. */
#include "policy_kit.h"
#include "script/policy_private.h"
#include "script/state.h"

static const struct {
  const char *path;
  void (*make)(struct bytes *out);
} pages[] = {
    {ROOT "/docs/lua.md", surface_reference},
    {ROOT "/lua/types/gateyes.lua", surface_annotations},
    {ROOT "/lua/types/tables.lua", surface_table_annotations},
};

static void test_page(const char *path, void (*make)(struct bytes *out)) {
  struct bytes made, read;
  bytes_init(&made);
  bytes_init(&read);
  make(&made);
  FILE *f = fopen(path, "r");
  CHECK(f != NULL);
  for (size_t got = 1; f && got > 0; read.len += got)
    got = fread(bytes_reserve(&read, 4096), 1, 4096, f);
  if (f) fclose(f);
  if (!slice_equal(bytes_slice(&made), bytes_slice(&read))) {
    fprintf(stderr, "%s is old: run native_surface_reference --write\n", path);
    checks_failed++;
  }
  bytes_fini(&made);
  bytes_fini(&read);
}

static void write_page(const char *path, void (*make)(struct bytes *out)) {
  struct bytes made;
  bytes_init(&made);
  make(&made);
  FILE *f = fopen(path, "w");
  CHECK(f && fwrite(made.data, 1, made.len, f) == made.len && fclose(f) == 0);
  bytes_fini(&made);
}

static void test_rows(void) {
  size_t count;
  const struct surface_function *functions = surface_functions(&count);
  CHECK(count > 40);
  for (size_t i = 0; i < count; i++) {
    const struct surface_function *f = &functions[i];
    CHECK(f->phases != 0 && f->sentence[strlen(f->sentence) - 1] == '.');
    CHECK(!*f->errors || f->errors[strlen(f->errors) - 1] == '.');
    for (size_t k = i + 1; k < count; k++)
      CHECK(strcmp(f->owner, functions[k].owner) != 0 || strcmp(f->name, functions[k].name) != 0);
  }
  const struct surface_field *fields = surface_fields(&count);
  for (size_t i = 0; i < count; i++)
    CHECK(fields[i].sentence[strlen(fields[i].sentence) - 1] == '.');
}

/* An editor reads all files; the one that returns is the last. */
static void read_annotations(struct bytes *out) {
  bytes_init(out);
  surface_table_annotations(out);
  surface_annotations(out);
}

/* A policy may hold nothing that an editor would not know. */
static void test_fields_of_a_policy(void) {
  static const char *const names[] = {
#define FIELD(name, ...) #name,
#define HOOK FIELD
#include "script/policy_fields.def"
#undef FIELD
#undef HOOK
  };
  struct bytes page, line;
  read_annotations(&page);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    bytes_init(&line);
    bytes_printf(&line, "\n---@field %s ", names[i]);
    CHECK(strstr(bytes_text(&page), bytes_text(&line)) != NULL);
    bytes_fini(&line);
  }
  size_t hooks = sizeof names / sizeof *names - POLICY_HOOK_COUNT;
  for (int i = 0; i < POLICY_HOOK_COUNT; i++)
    CHECK(strcmp(names[hooks + (size_t)i], policy_hook_name((enum policy_hook)i)) == 0);
  bytes_fini(&page);
}

static size_t class_length(const char *name) {
  return strlen("gateyes.") +
         strspn(name + strlen("gateyes."), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

static bool has_class(const char *page, const char *name) {
  size_t len = class_length(name);
  for (const char *at = page; (at = strstr(at, "---@class ")); at++) {
    const char *found = at + strlen("---@class ");
    if (strncmp(found, name, len) == 0 && class_length(found) == len) return true;
  }
  return false;
}

/* What LuaLS would find wrong: it cannot be run everywhere. */
static void test_annotations(void) {
  struct bytes page;
  read_annotations(&page);
  lua_State *L = luaL_newstate();
  CHECK(L && luaL_loadbuffer(L, page.data, page.len, "=annotations") == 0);
  if (L) lua_close(L);
  for (const char *at = bytes_text(&page); (at = strstr(at, "gateyes.")); at += 8) {
    if (at[8] < 'A' || at[8] > 'Z') continue;
    if (has_class(bytes_text(&page), at)) continue;
    fprintf(stderr, "annotations name a class that there is not: %.40s\n", at);
    checks_failed++;
  }
  bytes_fini(&page);
}

/* Every function that a script can reach below `gateyes` has its row, and every row is reached. */
static const char walk[] =
    "local gateyes = require 'gateyes'\n"
    "local list = {}\n"
    "local function note(owner, module)\n"
    "  for name, value in pairs(module) do\n"
    "    if type(value) == 'function' then list[#list + 1] = owner .. ' ' .. name end\n"
    "    if type(value) == 'table' and owner == 'gateyes' then\n"
    "      assert(require('gateyes.' .. name) == value, name)\n"
    "      note(owner .. '.' .. name, value)\n"
    "    end\n"
    "  end\n"
    "end\n"
    "note('gateyes', gateyes)\n"
    "table.sort(list)\n"
    "return { name = 'p', _list = table.concat(list, '\\n') .. '\\n' }";

static int compare(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static void expected_list(struct bytes *out) {
  size_t count, kept = 0;
  const struct surface_function *functions = surface_functions(&count);
  char **lines = must_calloc(count, sizeof *lines);
  for (size_t i = 0; i < count; i++) {
    if (strncmp(functions[i].owner, "gateyes", 7) != 0) continue;
    if (strcmp(functions[i].owner, "gateyes.kit") == 0) continue; /* in specs only */
    struct bytes line;
    size_t len;
    bytes_init(&line);
    bytes_printf(&line, "%s %s", functions[i].owner, functions[i].name);
    (void)bytes_text(&line);
    lines[kept++] = bytes_take(&line, &len);
  }
  qsort(lines, kept, sizeof *lines, compare);
  for (size_t i = 0; i < kept; i++) {
    bytes_printf(out, "%s\n", lines[i]);
    free(lines[i]);
  }
  free(lines);
}

static void test_reach(void) {
  struct kit kit;
  struct bytes wanted, error;
  bytes_init(&wanted);
  bytes_init(&error);
  kit_init(&kit);
  kit_add(&kit, "p", walk);
  CHECK(kit_load(&kit));
  lua_State *L = sandbox_state(kit.sandbox);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "policies.p");
  CHECK(sandbox_call(kit.sandbox, 1, 1, &error) == SANDBOX_DONE);
  lua_getfield(L, -1, "_list");
  expected_list(&wanted);
  if (!slice_equal(state_text(L, -1), bytes_slice(&wanted))) {
    fprintf(stderr, "reached:\n%s\nin the table:\n%s", lua_tostring(L, -1), bytes_text(&wanted));
    checks_failed++;
  }
  lua_pop(L, 2);
  kit_fini(&kit);
  bytes_fini(&wanted);
  bytes_fini(&error);
}

int main(int argc, char **argv) {
  for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
    if (argc > 1 && strcmp(argv[1], "--write") == 0) write_page(pages[i].path, pages[i].make);
    test_page(pages[i].path, pages[i].make);
  }
  test_rows();
  test_fields_of_a_policy();
  test_annotations();
  test_reach();
  return checks_end();
}
