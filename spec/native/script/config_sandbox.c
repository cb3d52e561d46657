/* What gateyes.lua may not do, how it is stopped, and how lines are found in its source. */
#include "config_kit.h"

static bool contains(const char *text, const char *part) {
  return strstr(text, part) != NULL;
}

/* One problem, on that line, with those words in it. */
static void check_stopped(int line, const char *text, int wanted_line, const char *words) {
  struct config_problems p;
  struct config *c = load_bytes(text, strlen(text), &p);
  if (c || p.count != 1 || p.lines[0] != wanted_line || !contains(p.items[0], words)) {
    fprintf(stderr, "line %d: wanted line %d, %s\n", line, wanted_line, words);
    print_problems(&p);
    checks_failed++;
  }
  config_unref(c);
  config_problems_fini(&p);
}

#define STOPPED(text, line, words) check_stopped(__LINE__, text, line, words)

static void test_globals(void) {
  static const char *const gone[] = {"io",           "os",
                                     "require",      "package",
                                     "load",         "loadstring",
                                     "loadfile",     "dofile",
                                     "debug",        "ffi",
                                     "jit",          "pcall",
                                     "xpcall",       "coroutine",
                                     "setfenv",      "getfenv",
                                     "setmetatable", "getmetatable",
                                     "rawset",       "rawget",
                                     "newproxy",     "collectgarbage",
                                     "print",        "module",
                                     "gcinfo",       "_G",
                                     "bit",          "string.dump",
                                     "math.random",  "math.randomseed",
                                     "(('x').dump)", "(('x').format.dump)"};
  char text[128];
  for (size_t i = 0; i + 1 < sizeof gone / sizeof *gone; i++) {
    snprintf(text, sizeof text, "return { strict = %s == nil }", gone[i]);
    struct config *c = accepted(text);
    CHECK(c->strict);
    config_unref(c);
  }
  STOPPED("\nlocal ffi = require 'ffi'", 2, "require");
  STOPPED("io.open '/etc/passwd'", 1, "io");
}

static void test_bounds(void) {
  STOPPED("while true do end", 1, "runs for more than a second");
  STOPPED("local function f() return f() end\nreturn f()", 1, "runs for more than a second");
  STOPPED("local t = {}\nfor i = 1, 1e9 do t[i] = i end", 0, "needs more than 64 MiB");
  STOPPED("local s = ('x'):rep(1e9)", 0, "needs more than 64 MiB");
  STOPPED("local function f() return f() + 1 end\nf()", 0, "stack overflow");
}

/* Lua's own would look for this match until the sun is cold, and no hook would stop it. */
static void test_patterns(void) {
  struct config *c =
      accepted("local a, pattern = ('a'):rep(30000), ('a-'):rep(20) .. 'b'\n"
               "local words, n = {}, 0\n"
               "for word in ('b a c'):gmatch '%w' do words[#words + 1] = word end\n"
               "local text, count = ('x y'):gsub('%s', '-')\n"
               "return { strict = a:find(pattern) == nil and a:match(pattern) == nil\n"
               "  and #words == 3 and text == 'x-y' and count == 1\n"
               "  and ('k=v'):match '(%w)=(%w)' == 'k' and ('abc'):find('c', 1, true) == 3 }");
  CHECK(c->strict);
  config_unref(c);
}

static void test_programs(void) {
  STOPPED("return {\n  listen = { \n", 3, "unexpected symbol near '<eof>'");
  STOPPED("\n\nreturn nil + 1", 3, "arithmetic");
  STOPPED("error('no more', 0)", 0, "no more");
  STOPPED("error {}", 0, "an error that is no text");
  STOPPED("return 5", 0, "returns number; end it with return { … }");
  STOPPED("local x = 1", 0, "returns nil; end it");
  STOPPED("return {\n ping = function() end }", 2, "a function is no value");
  STOPPED("return { listen = {\n 'a', x = 1 } }", 1, "mixes names with places");
  STOPPED("return {\n listen = { '127.0.0.1:1', nil, '127.0.0.1:2' } }", 2, "a gap (nil)");
  STOPPED("return { [1.5] = 1 }", 1, "mixes names");
  STOPPED("local t = {}\nt.t = t\nreturn t", 2, "nested too deeply");
  STOPPED("local t = {}\nfor i = 1, 40 do t = { a = t, b = t } end\nreturn t", 2,
          "nested too deeply");
  STOPPED("local t = { 1 }\nfor i = 1, 30 do t = { t, t } end\nreturn { listen = t }", 1,
          "more than 500000 values");
}

static void test_files(void) {
  struct config_problems p;
  static const char bytecode[] = "\x1bLJ\x02\x02";
  CHECK(load_bytes(bytecode, sizeof bytecode - 1, &p) == NULL && p.count == 1);
  CHECK(contains(p.items[0], "is bytecode; configurations are source text"));
  config_problems_fini(&p);
  config_problems_init(&p);
  CHECK(config_file_load("/nowhere/gateyes.lua", NULL, &p) == NULL && p.count == 1);
  CHECK(strcmp(p.items[0], "/nowhere/gateyes.lua: cannot be read: No such file or directory; name "
                           "the file with --config") == 0);
  config_problems_fini(&p);
  config_problems_init(&p);
  CHECK(config_file_load("/tmp", NULL, &p) == NULL && p.count == 1);
  CHECK(contains(p.items[0], "it is no plain file"));
  config_problems_fini(&p);
}

/* The line of one wrong key, however the table around it is written. */
static void test_lines(void) {
  STOPPED("#!/usr/bin/env gateyes\n\nreturn {\n bad = 1 }", 4, "bad: unknown");
  STOPPED("\xef\xbb\xbf\nreturn {\n bad = 1 }", 3, "bad: unknown");
  STOPPED("return {\r\n-- }\r\n--[[ {\r\n]]\r\nbad = 1 }", 5, "bad: unknown");
  STOPPED("return { currency = [==[\nUSD]==],\n bad = 1 }", 3, "bad: unknown");
  STOPPED("return { currency = 'US\\\nD' and 'USD',\n bad = 1 }", 3, "bad: unknown");
  STOPPED("return { currency = 'U\\z\n\n SD', ['\\98\\x61d'] = 1,\n strict = true }", 3,
          "bad: unknown");
  STOPPED("return { currency = (function() if true then return 'USD', { bad = 2 } end end)(),\n"
          " bad = 1 }",
          2, "bad: unknown");
  STOPPED("local c = {}\nc.strict = true\nc['bad'] = 1\nreturn c", 3, "bad: unknown");
  STOPPED("local c = { queue = {} }\nc.queue.bad = 1\nreturn c", 2, "queue.bad: unknown");
  STOPPED("local q = {\n bad = 1 }\nreturn {\n queue = q }", 2, "queue.bad: unknown");
  STOPPED("local function q() return { bad = 1 } end\nreturn {\n queue = q() }", 3, "queue.bad");
  STOPPED("local c = {\n}\nfor _, k in ipairs { 'bad' } do c[k] = 1 end\nreturn c", 1,
          "bad: unknown");
  STOPPED("return {\n [1] = 5,\n bad = 1 }", 1, "mixes names");
  STOPPED("return { queue = { wait = 1;\n\n bad = 1e+5; } }", 3, "queue.bad: unknown");
  STOPPED("return { queue = { wait = ({ 1, 2 })[1],\n bad = 1 } }", 2, "queue.bad: unknown");
  STOPPED("return { listen = {\n [1] = '127.0.0.1:1',\n [2] = 'bad' } }", 3, "listen[2]");
  STOPPED("return { ping = 1,\n\n ping = 2 }", 3, "ping: stands in this table already, on line 1");
  STOPPED("local unused = { a = 1,\n a = 2 }\nreturn {}", 2, "a: stands in this table already");
}

int main(void) {
  kit_init();
  test_globals();
  test_bounds();
  test_patterns();
  test_programs();
  test_files();
  test_lines();
  return kit_end();
}
