/* The patterns of a sandbox: the same results as stock Lua's on random patterns and texts, and
 * linear where stock is not. */
#include <lauxlib.h>
#include <lualib.h>

#include "sandbox_kit.h"

/* The same in both states: a case is a function of its number. */
static const char cases[] =
    "local state = 0\n"
    "local function random(n)\n"
    "  state = (state * 1664525 + 1013904223) % 4294967296\n"
    "  return math.floor(state / 65536) % n + 1\n"
    "end\n"
    "local function pick(list) return list[random(#list)] end\n"
    "local singles = { 'a', 'b', '.', '%a', '%d', '%s', '[ab]', '[^a]', '[%d_]', '[a-c]', '%.', "
    "'[%a-]', '%W',\n"
    "  '[]a]', '[^%s]', '-', '[a-%%]', '%u', '(', ')', '[b-]', 'c', '\\255' }\n"
    "local others = { '()', '%b()', '%bab', '%bxx', '%f[%a]', '%f[^a]', '%1', '%2', '(a', 'b)', "
    "'(.-)', '(%a*)', '$', '^',\n"
    "  '%', '[', ']', '(a*(.)%w(%s*))' }\n"
    "local letters = { 'a', 'b', 'c', '(', ')', ' ', '1', '_', '.', 'A', 'x', '\\255', '%', 'ab' "
    "}\n"
    "local templates = { '<%0>', '%1', '%2%1', '', 'x', '%%', '%x', 'a%', '[%1]' }\n"
    "local function join(next, n)\n"
    "  local parts = {}\n"
    "  for i = 1, random(n) - 1 do parts[i] = next() end\n"
    "  return table.concat(parts)\n"
    "end\n"
    "local function piece()\n"
    "  if random(4) == 1 then return pick(others) end\n"
    "  return pick(singles) .. pick { '', '', '', '*', '+', '-', '?' }\n"
    "end\n"
    "local function show(...)\n"
    "  local out = { select('#', ...) }\n"
    "  for i = 1, select('#', ...) do out[#out + 1] = tostring((select(i, ...))) end\n"
    "  return table.concat(out, '|')\n"
    "end\n"
    "local calls = {\n"
    "  function(s, p) return show(s:find(p)) end,\n"
    "  function(s, p) return show(s:match(p)) end,\n"
    "  function(s, p) return show(s:find(p, random(14) - 7)) end,\n"
    "  function(s, p) return show(s:match(p, random(14) - 7)) end,\n"
    "  function(s, p) return show(s:find(p, random(5), true)) end,\n"
    "  function(s, p) local out = {} for a, b in s:gmatch(p) do out[#out + 1] = show(a, b) end "
    "return table.concat(out, ';') end,\n"
    "  function(s, p) return show(s:gsub(p, pick(templates))) end,\n"
    "  function(s, p) return show(s:gsub(p, pick(templates), random(4) - 1)) end,\n"
    "  function(s, p) return show(s:gsub(p, function(a, b) return random(3) > 1 and show(a, b) "
    "end)) end,\n"
    "  function(s, p) return show(s:gsub(p, { a = 'A', b = 'B', [''] = '!', ab = false })) end,\n"
    "}\n"
    "return function(number)\n"
    "  state = number\n"
    "  for _ = 1, 3 do random(9) end\n"
    "  local text, pattern = join(function() return pick(letters) end, 14), join(piece, 7)\n"
    "  if random(5) == 1 then pattern = '^' .. pattern end\n"
    "  local ok, result = pcall(pick(calls), text, pattern)\n"
    "  if not ok then result = 'error' end\n"
    "  return result, pattern, text\n"
    "end\n";

static void call_case(lua_State *L, int number) {
  lua_settop(L, 1);
  lua_pushvalue(L, 1);
  lua_pushinteger(L, number);
}

static void test_same_as_stock(int count) {
  struct bytes error;
  bytes_init(&error);
  struct sandbox *s = kit_sandbox(NULL);
  sandbox_set_cpu_ms(s, 60000);
  CHECK(kit_run(s, cases, &error) == SANDBOX_DONE);
  lua_State *ours = sandbox_state(s), *stock = luaL_newstate();
  luaL_openlibs(stock);
  CHECK(luaL_dostring(stock, cases) == 0);
  int errors = 0, eager = 0, different = 0;
  for (int i = 0; i < count; i++) {
    call_case(ours, i), call_case(stock, i);
    CHECK(sandbox_call(s, 1, 3, &error) == SANDBOX_DONE);
    CHECK(lua_pcall(stock, 1, 3, 0) == 0);
    struct slice a = state_text(ours, 2), b = state_text(stock, 2);
    CHECK(slice_equal(state_text(ours, 3), state_text(stock, 3)));
    bool is_error = slice_equal_text(a, "error");
    errors += is_error;
    if (slice_equal(a, b)) continue;
    if (is_error) { /* stock did not get as far as the fault */
      eager++;
      continue;
    }
    if (different++ < 20)
      fprintf(stderr, "case %d: \"%s\" on \"%s\": %s, stock %s\n", i, lua_tostring(ours, 3),
              lua_tostring(ours, 4), a.data, b.data);
  }
  CHECK(different == 0);
  CHECK(errors < count / 2 && eager < count / 4 && errors > eager);
  lua_close(stock);
  sandbox_free(s);
  bytes_fini(&error);
}

struct timed {
  const char *name, *script;
};

/* Each takes stock Lua seconds to years; here milliseconds for 64 KiB (and more under sanitizers).
 */
static const struct timed linear[] = {
    {"shortest runs", "return ('a'):rep(65536):find(('a-'):rep(20) .. 'b')"},
    {"longest runs", "return ('a'):rep(65536):find(('a*'):rep(20) .. 'b')"},
    {"one run", "return ('a'):rep(65536):find('a*b')"},
    {"any", "return ('x'):rep(65536):find('.-.-.-b')"},
    {"options", "return ('a'):rep(65536):find(('a?'):rep(50) .. ('a'):rep(50) .. 'b')"},
    {"pairs", "return ('ab'):rep(32768):find('(.*)a(.*)b(.*)c')"},
    {"gsub", "return (('a'):rep(65536):gsub('a*b', ''))"},
    {"gmatch", "local n = 0 for _ in ('a'):rep(65536):gmatch('a-b') do n = n + 1 end return n"},
    {"brackets", "return ('('):rep(65536):find('%b()')"},
    {"brackets in gsub", "return (('('):rep(65536):gsub('%b()x', ''))"},
    {"trim", "return ((' '):rep(65536) .. 'x'):match('^%s*(.-)%s*$')"},
    {"trim of inner space", "return ('x' .. (' '):rep(65536) .. 'x'):gsub('%s+$', '')"},
    {"frontier", "return (('a1'):rep(32768)):find('%f[%d].-%f[%a].-z')"},
};

static void test_linear(void) {
  enum { BUDGET_MS = 2000 };
  struct bytes error;
  bytes_init(&error);
  for (size_t i = 0; i < sizeof linear / sizeof *linear; i++) {
    struct sandbox *s = kit_sandbox(NULL);
    sandbox_set_cpu_ms(s, BUDGET_MS);
    uint64_t start = kit_cpu_ns();
    enum sandbox_result result = kit_run(s, linear[i].script, &error);
    if (getenv("TIMES"))
      fprintf(stderr, "%s: %.2f ms\n", linear[i].name, (double)(kit_cpu_ns() - start) / 1e6);
    if (result != SANDBOX_DONE)
      fprintf(stderr, "%s: %d %s\n", linear[i].name, result, bytes_text(&error));
    CHECK(result == SANDBOX_DONE);
    sandbox_free(s);
  }
  bytes_fini(&error);
}

int main(int argc, char **argv) {
  kit_start();
  test_same_as_stock(argc > 1 ? atoi(argv[1]) : 100000);
  test_linear();
  return kit_end();
}
