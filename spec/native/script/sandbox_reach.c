/* What scripts can reach: the list is a file under review (--write renews it), escapes fail, and
 * one tenant's marks are nowhere in another's state. */
#include "sandbox_walk.h"
#include "script/text_api.h"

struct list {
  char **items;
  size_t count;
};

static void on_found(void *context, const char *path, lua_State *L, int index) {
  struct list *list = context;
  char line[640];
  const char *kind = lua_iscfunction(L, index) ? "host function" : luaL_typename(L, index);
  snprintf(line, sizeof line, "%s: %s", path, kind);
  list->items = must_realloc(list->items, (list->count + 1) * sizeof *list->items);
  list->items[list->count++] = must_strdup(line);
}

static int compare_lines(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static void offer_modules(struct sandbox *s) {
  sandbox_push_json(sandbox_state(s));
  lua_pushvalue(sandbox_state(s), -1);
  lua_setglobal(sandbox_state(s), "json"); /* for the walk; scripts get it from require */
  sandbox_preload(s, "gateyes.json");
  text_api_push(sandbox_state(s));
  lua_pushvalue(sandbox_state(s), -1);
  lua_setglobal(sandbox_state(s), "text");
  sandbox_preload(s, "gateyes.text");
}

static void print_list(struct list *list, FILE *file) {
  fprintf(file,
          "Everything that hangs together with the globals of a sandbox. `^` is an upvalue, which "
          "scripts cannot\nread. Written by native_sandbox_reach --write; look at each new line: "
          "what can a hostile script do with it?\n\n");
  for (size_t i = 0; i < list->count; i++)
    fprintf(file, "%s\n", list->items[i]);
}

static void compare_with_file(struct list *list) {
  char *text = NULL;
  size_t bytes = 0;
  FILE *now = open_memstream(&text, &bytes);
  print_list(list, now);
  fclose(now);
  struct bytes then;
  bytes_init(&then);
  FILE *file = fopen(GOLDEN, "r");
  CHECK(file != NULL);
  while (file && !feof(file))
    then.len += fread(bytes_reserve(&then, 4096), 1, 4096, file);
  if (file) fclose(file);
  bool same = slice_equal(bytes_slice(&then), (struct slice){text, bytes});
  if (!same) fprintf(stderr, "%s\ndiffers from %s; --write renews the file\n", text, GOLDEN);
  CHECK(same);
  bytes_fini(&then);
  free(text);
}

static void test_reachable(bool is_writing) {
  struct sandbox *s = kit_sandbox(NULL);
  struct list list = {0};
  offer_modules(s);
  walk_sandbox(s, &list, on_found);
  qsort(list.items, list.count, sizeof *list.items, compare_lines);
  CHECK(list.count > 80);
  if (is_writing) {
    FILE *file = fopen(GOLDEN, "w");
    must(file != NULL);
    print_list(&list, file);
    fclose(file);
  } else {
    compare_with_file(&list);
  }
  for (size_t i = 0; i < list.count; i++)
    free(list.items[i]);
  free(list.items);
  sandbox_free(s);
}

/* Each returns a true value when it got out, or hold of what it must not have. */
static const char *const escapes[] = {
    "return getmetatable('')",
    "return getmetatable('').__index",
    "return getmetatable(1) or getmetatable(print) or getmetatable(coroutine.create(pcall))",
    "return setmetatable('', {})",
    "return (''):dump()",
    "return string.dump(function() end)",
    "return load or loadstring or loadfile or dofile",
    "return load('return 1')",
    "return loadstring('\\27LJ')",
    "return require 'ffi'",
    "return require 'jit'",
    "return require 'jit.util'",
    "return require 'io'",
    "return require 'os'",
    "return require 'debug'",
    "return require 'string.buffer'",
    "return require 'table.new'",
    "return require 'package'",
    "return require 'gateyes.sandbox'",
    "return require '_G'",
    "return require '../../etc/passwd'",
    "return require 'a\\0b'",
    "return require 'bytecode'",
    "return package or io or os or debug or jit or ffi or arg",
    "return getfenv or setfenv or module or newproxy or collectgarbage or gcinfo or print",
    "return rawget or rawset or rawequal or rawlen",
    "return string.buffer or table.new or table.clear or table.getn or table.foreach",
    "return math.random == nil or _G._G ~= _G or _G.stock or _G.host",
    "return ('%p'):format({})",
    "return tostring({}) == tostring({})",
    "return tostring(print):find('builtin') or tostring(pcall):find('builtin')",
    "local ok, e = pcall(error) return e",
    "local _, trace = xpcall(error, function(e) return debug end) return trace",
    "local co = coroutine.create(function() return getfenv end) return select(2, "
    "coroutine.resume(co))",
    "return select(2, coroutine.resume(coroutine.running()))  == nil",
    "local json = require 'gateyes.json' return getmetatable(json.array {})",
    "local json = require 'gateyes.json' return getmetatable(json.raw '1')",
    "local json = require 'gateyes.json' return setmetatable(json.array {}, {})",
    "local json = require 'gateyes.json' return json.raw_mt or json.array_mt",
    "local json = require 'gateyes.json' "
    "return json.array(setmetatable({}, {__metatable = 'locked'}))",
    "return getmetatable(require 'gateyes.text'.regex 'a')",
    "return require 'gateyes.text'.regex 'a'.__index",
    "local t = setmetatable({}, {__metatable = 'locked'}) setmetatable(t, {}) return t",
    "local found for k, v in pairs(_G) do if type(v) == 'userdata' then found = v end end return "
    "found",
    "string.format = nil return (''):rep(1) == nil or pcall(string.rep, '', {})",
    "return unpack({}, 1, 10) ~= nil",
    "local hit = false do local t = setmetatable({}, {__gc = function() hit = true end}) t = nil "
    "end "
    "for i = 1, 1e5 do local t = {} end return hit",
};

static const struct kit_module modules[] = {{"bytecode", "\x1bLJ\x02\x02"}, {NULL, NULL}};

static void test_escapes(void) {
  struct bytes error;
  bytes_init(&error);
  for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++) {
    struct sandbox *s = kit_sandbox(modules);
    sandbox_set_cpu_ms(s, 5000);
    offer_modules(s);
    lua_pushnil(sandbox_state(s));
    lua_setglobal(sandbox_state(s), "json");
    lua_pushnil(sandbox_state(s));
    lua_setglobal(sandbox_state(s), "text");
    enum sandbox_result result = kit_run(s, escapes[i], &error);
    bool is_out = result == SANDBOX_DONE && lua_toboolean(sandbox_state(s), -1);
    if (is_out || (result != SANDBOX_DONE && result != SANDBOX_ERROR))
      fprintf(stderr, "escape %zu: result %d %s: %s\n", i, result, bytes_text(&error), escapes[i]);
    CHECK(!is_out && (result == SANDBOX_DONE || result == SANDBOX_ERROR));
    sandbox_free(s);
  }
  bytes_fini(&error);
}

static void test_bytecode(void) {
  struct bytes error;
  bytes_init(&error);
  struct sandbox *s = kit_sandbox(NULL);
  CHECK(!sandbox_load(s, SLICE("\x1bLJ\x02"), SLICE("@policies/a.lua"), &error));
  CHECK_TEXT(bytes_slice(&error), "policies/a.lua:1: is bytecode; scripts are source text");
  bytes_clear(&error);
  CHECK(!sandbox_load(s, SLICE("x = = 1"), SLICE("@policies/a.lua"), &error));
  CHECK_TEXT(bytes_slice(&error), "policies/a.lua:1: unexpected symbol near '='");
  char *large = must_alloc(2 << 20);
  memset(large, ' ', 2 << 20);
  bytes_clear(&error);
  CHECK(!sandbox_load(s, (struct slice){large, 2 << 20}, SLICE("@a.lua"), &error));
  free(large);
  CHECK(lua_gettop(sandbox_state(s)) == 0);
  sandbox_free(s);
  bytes_fini(&error);
}

/* No cdata: their literals would load the foreign function library. */
static void test_foreign_numbers(void) {
  static const char *const refused[] = {"return 1LL",          "return 1ull",
                                        "return 0x1fLL",       "return 2i",
                                        "return 1e3i",         "x = 1\n y=.5I",
                                        "return 1ULL+1",       "return-1LL",
                                        "return '\\'' .. 1LL", "--[==[ ]]]=]]==]return 1LL",
                                        "return [[a]]..1LL",   "--'\rreturn 1LL",
                                        "#'\nreturn 1LL",      "\xef\xbb\xbf#'\rreturn 1LL",
                                        "x=0xe--'\ny=1LL",     "x=1e+1--'\ny=1LL",
                                        "x='\\\n'y=1LL",       "--[=x'\ny=1LL",
                                        "x=[[']]y=1LL",        "a.b=.5--'\ny=1LL",
                                        "x='\\z\n '..1LL",     "--[==[]=]']==]y=1LL"};
  static const char *const fine[] = {"return x1LL",
                                     "return '1LL'",
                                     "return \"a\\\"1LL\"",
                                     "-- 1LL\nreturn 1",
                                     "return [[1LL]]",
                                     "return [==[]]1LL]==]",
                                     "--[[1LL\n]] return 1",
                                     "return 1e+5, 0xff, .5, 3",
                                     "return 1 ..'i', 2 .. 'LL'",
                                     "return a.b1i",
                                     "local t = {1,2} return t[t[1]]",
                                     "return 0x1p4",
                                     "return 5--1LL"};
  struct bytes error;
  bytes_init(&error);
  struct sandbox *s = kit_sandbox(NULL);
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    bytes_clear(&error);
    CHECK(!sandbox_load(s, slice_of(refused[i]), SLICE("@a.lua"), &error));
    bool is_said = strstr(bytes_text(&error), "foreign function library") != NULL;
    if (!is_said) fprintf(stderr, "%s: %s\n", refused[i], bytes_text(&error));
    CHECK(is_said);
  }
  for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
    bytes_clear(&error);
    bool is_loaded = sandbox_load(s, slice_of(fine[i]), SLICE("@a.lua"), &error);
    if (!is_loaded) fprintf(stderr, "%s: %s\n", fine[i], bytes_text(&error));
    CHECK(is_loaded);
  }
  sandbox_free(s);
  bytes_fini(&error);
}

/* A hostile tenant marks whatever it can write to, by every way of writing. */
static const char marker[] =
    "local seen = {}\n"
    "local function mark(t)\n"
    "  if seen[t] then return end\n"
    "  seen[t] = true\n"
    "  for _, v in pairs(t) do if type(v) == 'table' then mark(v) end end\n"
    "  pcall(function() t.LEAKED_MARK = 'LEAKED_MARK' t[1] = 'LEAKED_MARK' end)\n"
    "  pcall(setmetatable, t, { __index = { LEAKED_MARK = true } })\n"
    "end\n"
    "mark(_G)\n"
    "mark(require 'gateyes.json')\n"
    "local ok, mt = pcall(getmetatable, '')\n"
    "if type(mt) == 'table' then mark(mt) end\n"
    "pcall(function() string.upper = function() return 'LEAKED_MARK' end end)\n"
    "math.randomseed(1)\n"
    "return ('LEAKED_MARK'):rep(10)\n";

static void on_marked(void *context, const char *path, lua_State *L, int index) {
  if (!lua_istable(L, index)) return;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    for (int i = -2; i < 0; i++) {
      if (lua_type(L, i) != LUA_TSTRING || !strstr(lua_tostring(L, i), "LEAKED_MARK")) continue;
      if (*(int *)context == 0) fprintf(stderr, "mark found in %s\n", path);
      ++*(int *)context;
    }
  }
}

static void test_leaks(int rounds) {
  struct bytes error;
  bytes_init(&error);
  struct sandbox *a = kit_sandbox(NULL), *b = kit_sandbox(NULL);
  sandbox_set_cpu_ms(a, 5000), sandbox_set_cpu_ms(b, 5000);
  offer_modules(a), offer_modules(b);
  int in_a = 1, in_b = 0; /* only the first mark of a count from 0 is reported */
  for (int i = 0; i < rounds; i++) {
    CHECK(kit_run(a, marker, &error) == SANDBOX_DONE || error.len > 0);
    lua_settop(sandbox_state(a), 0);
    CHECK(kit_run(b, "return ('a'):upper() .. tostring(LEAKED_MARK)", &error) == SANDBOX_DONE);
    CHECK_TEXT(state_text(sandbox_state(b), -1), "Anil");
    lua_settop(sandbox_state(b), 0);
    if (i % 1000 == 0) walk_sandbox(b, &in_b, on_marked);
  }
  walk_sandbox(a, &in_a, on_marked);
  walk_sandbox(b, &in_b, on_marked);
  CHECK(in_a > 1 && in_b == 0);
  sandbox_free(a), sandbox_free(b);
  bytes_fini(&error);
}

int main(int argc, char **argv) {
  kit_start();
  test_reachable(argc > 1 && strcmp(argv[1], "--write") == 0);
  test_escapes();
  test_bytecode();
  test_foreign_numbers();
  test_leaks(argc > 2 ? atoi(argv[2]) : 3000);
  return kit_end();
}
