/* Scripts that try to keep the thread or the memory: each is stopped, none harms its own state or
 * another. */
#include "sandbox_kit.h"

enum { BUDGET_MS = 10, TRIES = 5 };

struct attack {
  const char *name, *script;
  enum sandbox_result results[2]; /* either; the same twice: just that */
};

#define CPU                                                                                        \
  { SANDBOX_CPU, SANDBOX_CPU }
#define MEMORY                                                                                     \
  { SANDBOX_MEMORY, SANDBOX_MEMORY }
#define ERROR                                                                                      \
  { SANDBOX_ERROR, SANDBOX_ERROR }
#define BREACH                                                                                     \
  { SANDBOX_CPU, SANDBOX_MEMORY }
#define HARMLESS                                                                                   \
  { SANDBOX_DONE, SANDBOX_ERROR }

static const struct attack attacks[] = {
    {"loop", "while true do end", CPU},
    {"counting loop", "for i = 1, math.huge do end", CPU},
    {"goto", "::a:: goto a", CPU},
    {"repeat", "repeat until false", CPU},
    {"recursion without end", "local function f() return f() end f()", CPU},
    {"mutual tail calls", "local a, b function a() return b() end function b() return a() end a()",
     CPU},
    {"loop in pcall", "while true do pcall(function() while true do end end) end", CPU},
    {"pcall of pcall", "local function f() pcall(pcall, pcall, f) return f() end f()", CPU},
    {"nested pcalls", "local function f() while true do pcall(f) end end f()", CPU},
    {"xpcall", "while true do xpcall(function() while true do end end, function() end) end", CPU},
    {"xpcall handler", "xpcall(error, function() while true do end end)", CPU},
    {"xpcall handler after the stop",
     "xpcall(function() while true do end end, function() while true do end end)", CPU},
    {"xpcall handler that fails",
     "local function h() xpcall(error, h) end xpcall(error, h) while true do end", CPU},
    {"coroutine", "coroutine.resume(coroutine.create(function() while true do end end))", CPU},
    {"coroutines that are resumed for ever",
     "while true do coroutine.resume(coroutine.create(function() while true do end end)) end", CPU},
    {"wrap in pcall", "while true do pcall(coroutine.wrap(function() while true do end end)) end",
     CPU},
    {"yield for ever",
     "local f = coroutine.wrap(function() while true do coroutine.yield() end end) "
     "while true do f() end",
     CPU},
    {"coroutine in coroutine",
     "local function f() coroutine.wrap(f)() end f()",
     {SANDBOX_ERROR, SANDBOX_MEMORY}},
    {"coroutine in coroutine, caught",
     "local function f() pcall(coroutine.wrap(f)) end while true do f() end", BREACH},
    {"coroutines in a table",
     "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end", BREACH},
    {"__index",
     "local t = setmetatable({}, {__index = function(t, k) while true do end end}) "
     "return t.x",
     CPU},
    {"__index of itself", "local t = {} setmetatable(t, t) t.__index = t return t.x", ERROR},
    {"__index recursion, caught",
     "local t = setmetatable({}, {__index = function(t, k) return t[k] end}) "
     "while true do pcall(function() return t.x end) end",
     CPU},
    {"__newindex", "setmetatable(_G, {__newindex = function() while true do end end}) x = 1", CPU},
    {"__eq",
     "local m = {__eq = function() while true do end end} "
     "return setmetatable({}, m) == setmetatable({}, m)",
     CPU},
    {"__lt",
     "local m = {__lt = function() while true do end end} "
     "return setmetatable({}, m) < setmetatable({}, m)",
     CPU},
    {"__concat", "return setmetatable({}, {__concat = function() while true do end end}) .. ''",
     CPU},
    {"__call", "return setmetatable({}, {__call = function() while true do end end})()", CPU},
    {"__call chain",
     "local t = {} for i = 1, 100000 do t = setmetatable({}, {__call = t}) end return t()", BREACH},
    {"__unm", "return -setmetatable({}, {__unm = function() while true do end end})", CPU},
    {"__tostring",
     "return tostring(setmetatable({}, {__tostring = function() while true do end end}))", CPU},
    {"__tostring in format",
     "return ('%s'):format(setmetatable({}, {__tostring = function() while true do end end}))",
     CPU},
    {"__tostring nested",
     "local m = {} m.__tostring = function(t) return tostring(t) end "
     "return tostring(setmetatable({}, m))",
     ERROR},
    {"__tostring nested in format, caught",
     "local m = {} m.__tostring = function(t) return ('%s'):format(t) end "
     "while true do pcall(tostring, setmetatable({}, m)) end",
     CPU},
    {"__gc", "for i = 1, 1000 do setmetatable({}, {__gc = function() while true do end end}) end",
     HARMLESS},
    {"error object with __tostring",
     "error(setmetatable({}, {__tostring = function() while true do end end}))", ERROR},
    {"error object with __index",
     "error(setmetatable({}, {__index = function() while true do end end, __metatable = 1}))",
     ERROR},
    {"error nil", "error()", ERROR},
    {"sort with a loop", "table.sort({3, 2, 1}, function() while true do end end)", CPU},
    {"sort with a comparator that lies",
     "local t = {} for i = 1, 1000 do t[i] = i end "
     "table.sort(t, function() return true end) table.sort(t, function() return false end) "
     "table.sort(t, function() return math.random() < 0.5 end)",
     {SANDBOX_DONE, SANDBOX_CPU}},
    {"sort of a lot", "local t = {} for i = 1, 100000 do t[i] = math.random() end table.sort(t)",
     CPU},
    {"sort that sorts",
     "local function f(t) table.sort(t, function() f(t) end) end "
     "local t = {2, 1} "
     "function f() table.sort(t, f) end f()",
     HARMLESS},
    {"sort of mixed values", "table.sort({1, 'a', {}, true})", ERROR},
    {"string.rep", "return ('x'):rep(1e9)", MEMORY},
    {"string.rep, caught", "while true do pcall(string.rep, 'x', 1e9) end", BREACH},
    {"string.rep, caught once", "pcall(string.rep, 'x', 1e9)", MEMORY},
    {"string.rep of nothing", "return (''):rep(1e15)", HARMLESS},
    {"string.rep with a separator", "return (''):rep(1e9, 'x')", {SANDBOX_MEMORY, SANDBOX_ERROR}},
    {"string.rep overflow", "return ('xxxxxxxx'):rep(2^61)", HARMLESS},
    {"doubling", "local s = 'x' while true do s = s .. s end", BREACH},
    {"strings in a table", "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end",
     BREACH},
    {"table fill", "local t = {} for i = 1, 1e9 do t[i] = i end", BREACH},
    {"table of tables", "local t = {} while true do t = {t} end", BREACH},
    {"hash fill", "local t = {} for i = 1, 1e9 do t['k' .. i] = i end", BREACH},
    {"sparse table", "local t = {} for i = 1, 1e9 do t[i * 1e6] = i end", BREACH},
    {"closures", "local t = {} while true do t[#t + 1] = function() return t end end", BREACH},
    {"table.concat",
     "local t, s = {}, ('x'):rep(1e5) for i = 1, 1000 do t[i] = s end "
     "return table.concat(t)",
     MEMORY},
    {"table.concat with a separator",
     "local t, s = {}, ('x'):rep(1e6) for i = 1, 100 do t[i] = '' end return table.concat(t, s)",
     MEMORY},
    {"table.concat range", "return table.concat({}, '', 1, 2^31 - 1)", ERROR},
    {"table.insert far", "table.insert({}, -2^31, 1)", ERROR},
    {"table.insert far up", "table.insert({}, 2^31, 1)", ERROR},
    {"table.insert of nan", "table.insert({}, 0/0, 1)", ERROR},
    {"table.remove far", "table.remove({}, -2^31)", HARMLESS},
    {"unpack", "return unpack({}, 1, 1e8)", ERROR},
    {"unpack overflow", "return unpack({}, -2^31, 2^31 - 1)", ERROR},
    {"select", "return select(-2^31, 1)", ERROR},
    {"format width", "return ('%99999999d'):format(1)", ERROR},
    {"format precision", "return ('%.99999999f'):format(1)", ERROR},
    {"format of many",
     "local t = {} for i = 1, 5000 do t[i] = '%s' end "
     "return table.concat(t):format(unpack(t))",
     HARMLESS},
    {"format bomb",
     "local s = ('x'):rep(1e6) local f = ('%s'):rep(100) "
     "return f:format(s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s)",
     {SANDBOX_MEMORY, SANDBOX_ERROR}},
    {"string.char", "return string.char(unpack({}, 1, 7000))", ERROR},
    {"string.byte", "return ('x'):rep(1e6):byte(1, -1)", ERROR},
    {"deep recursion", "local function f() return 1 + f() end return f()", ERROR},
    {"deep recursion, caught", "local function f() return 1 + f() end while true do pcall(f) end",
     CPU},
    {"recursion with large frames",
     "local function f(...) return f(1, ...) + 1 end while true do pcall(f) end", BREACH},
    {"require of itself", "return require 'itself'", ERROR},
    {"require that loops", "return require 'spins'", CPU},
    {"bytecode in a module", "return require 'bytecode'", ERROR},
    {"garbage", "while true do local t = {{}, {}, {}} end", CPU},
    {"garbage strings", "for i = 1, 1e9 do local s = ('x'):rep(10000) .. i end", CPU},
    {"string collisions",
     "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(50) .. i .. "
     "('y'):rep(50) end",
     BREACH},
    {"pattern", "return ('a'):rep(30000):find(('a-'):rep(20) .. 'b')", {SANDBOX_DONE, SANDBOX_CPU}},
    {"pattern on a lot", "return ('a'):rep(4e6):find(('a-'):rep(20) .. 'b')", BREACH},
    {"patterns, caught",
     "while true do pcall(string.find, ('a'):rep(1e5), ('a?'):rep(99) .. 'b') end", CPU},
    {"pattern with a back reference",
     "return ('a'):rep(1e5):find('(a-)(a-)(a-)%1%2%3b')",
     {SANDBOX_ERROR, SANDBOX_CPU}},
    {"pattern that is long", "return ('a'):find(('a'):rep(1e5))", HARMLESS},
    {"pattern of sets", "return ('a'):find(('[a-z]?'):rep(1e4))", ERROR},
    {"gsub callback", "return (('a'):rep(10):gsub('a', function() while true do end end))", CPU},
    {"gsub in gsub", "local function f() return (('a'):gsub('a', f)) end return f()", ERROR},
    {"gsub in gsub, caught",
     "local function f() pcall(string.gsub, 'a', 'a', f) end while true do f() end", CPU},
    {"gsub bomb", "local s = ('a'):rep(1e4) return (s:gsub('a', s))", BREACH},
    {"gsub of nothing", "local s = ('a'):rep(1e6) while true do s = s:gsub('', 'xx') end", BREACH},
    {"gsub with a table",
     "return ('abc'):gsub('.', setmetatable({}, {__index = function() while true "
     "do end end}))",
     CPU},
    {"gmatch", "for _ in ('a'):rep(1e6):gmatch('a-b') do end while true do end", BREACH},
    {"gmatch kept", "local f = ('a'):rep(1e4):gmatch('a*b') while true do f() end", CPU},
    {"captures", "return ('a'):rep(40):match(('(a)'):rep(40))", ERROR},
    {"ipairs over what has no end",
     "for i in ipairs(setmetatable({}, {__index = function(t, i) return i end})) do end",
     {SANDBOX_CPU, SANDBOX_DONE}},
    {"next of a table that grows",
     "local t = {1} for k in pairs(t) do t[{}] = 1 for i = 1, 100 do t[i * k] = i end end",
     {SANDBOX_ERROR, SANDBOX_CPU}},
    {"iterator without end", "for _ in function() return 1 end do end", CPU},
    {"error in error",
     "local function f(e) error(e) end while true do pcall(f, setmetatable({}, {})) end", CPU},
    {"error with a long text", "while true do pcall(error, ('x'):rep(1e6)) end", BREACH},
    {"xpcall in its own handler",
     "local function h(e) return xpcall(error, h, e) end while true do xpcall(error, h) end",
     BREACH},
    {"pcall of a coroutine that yields",
     "local f = coroutine.wrap(function() while true do pcall(coroutine.yield, 1) end end) "
     "while true do f() end",
     CPU},
    {"coroutines that resume one another",
     "local a, b a = coroutine.create(function() while true do coroutine.resume(b) end end) "
     "b = coroutine.create(function() while true do coroutine.resume(a) end end) "
     "coroutine.resume(a)",
     CPU},
    {"metatable in a circle",
     "local a, b = {}, {} setmetatable(a, {__index = b}) setmetatable(b, {__index = a}) return a.x",
     ERROR},
    {"__newindex in a circle",
     "local a, b = {}, {} setmetatable(a, {__newindex = b}) setmetatable(b, {__newindex = a}) a.x "
     "= "
     "1",
     ERROR},
    {"__le through __lt",
     "local m = {} m.__lt = function(a, b) return b <= a end "
     "return setmetatable({}, m) <= setmetatable({}, m)",
     {SANDBOX_ERROR, SANDBOX_CPU}},
    {"__metatable that is a trap",
     "local t = setmetatable({}, {__metatable = setmetatable({}, {__index = function() while true "
     "do end end})}) return getmetatable(t).x",
     CPU},
    {"__len",
     "local t = setmetatable({}, {__len = function() while true do end end}) return #t, "
     "table.concat(t), unpack(t)",
     {SANDBOX_DONE, SANDBOX_CPU}},
    {"tostring of a name",
     "return tostring(setmetatable({}, {__name = ('x'):rep(1e6)})):rep(100)",
     {SANDBOX_DONE, SANDBOX_MEMORY}},
    {"tonumber of a long text", "while true do tonumber(('9'):rep(1e6)) end", BREACH},
    {"tonumber with a base", "while true do tonumber(('z'):rep(1e6), 36) end", BREACH},
    {"numbers as texts", "local n = 0 while true do n = n + 0.1 local s = n .. '' .. -n end", CPU},
    {"bit operations for ever", "while true do bit.tohex(bit.bxor(2^53, -2^53), -2^31) end", CPU},
    {"math on odd numbers",
     "for i = 1, 1e9 do pcall(math.random, -2^53, 2^53) pcall(math.random, 0/0) math.fmod(1e308, "
     "1e-308) end",
     CPU},
    {"string.reverse of a lot", "local s = ('x'):rep(4e6) while true do s:reverse() end", BREACH},
    {"string.sub of a lot", "local s, t = ('x'):rep(2e6), {} for i = 1, 1e9 do t[i] = s:sub(i) end",
     BREACH},
    {"gsub with a long replacement", "return (('a'):rep(1e5):gsub('a', ('%0'):rep(1e4)))", BREACH},
    {"gsub that takes itself apart",
     "local s = 'ab' while true do s = s:gsub('.', function(c) return c .. s end) end", BREACH},
    {"pattern with balances",
     "return ('('):rep(1e6):find(('%b()'):rep(30))",
     {SANDBOX_DONE, SANDBOX_CPU}},
    {"pattern with frontiers", "return ('ab '):rep(5e5):find(('%f[%a]%a-'):rep(30) .. '!')",
     BREACH},
    {"gmatch in gmatch",
     "local s = ('a'):rep(1000) for _ in s:gmatch('') do for _ in s:gmatch('') do for _ in "
     "s:gmatch('') do end end end",
     CPU},
    {"a chunk of many locals",
     "local function f(...) local t = {...} return f(unpack(t), unpack(t)) end "
     "while true do pcall(f, 1) end",
     BREACH},
    {"vararg doubling",
     "local function f(...) return f(..., ...) end while true do pcall(f, 1, 2) "
     "end",
     BREACH},
    {"select over many",
     "local function f(...) return select('#', ...) end while true do pcall(f, "
     "unpack({}, 1, 7000)) end",
     CPU},
    {"table.remove from the front",
     "local t = {} for i = 1, 1e5 do t[i] = i end while true do table.remove(t, 1) "
     "table.insert(t, 1, 0) end",
     CPU},
    {"globals by the million", "for i = 1, 1e9 do _G['g' .. i] = i end", BREACH},
    {"library taken apart",
     "for k in pairs(string) do string[k] = nil end for k in pairs(table) do table[k] = error end "
     "while true do pcall(require, 'itself') end",
     CPU},
    {"upper of a lot", "local s = ('x'):rep(4e6) while true do s:upper() end", BREACH},
};

static const struct kit_module modules[] = {
    {"itself", "return require 'itself'"},
    {"spins", "while true do end"},
    {"bytecode", "\x1bLJ\x02"},
    {NULL, NULL},
};

/* The neighbour is on the same thread; it must not notice. */
static void check_neighbour(struct sandbox *neighbour, struct bytes *error, const char *name) {
  enum sandbox_result result =
      kit_run(neighbour, "local n = 0 for i = 1, 1000 do n = n + i end return n", error);
  if (result != SANDBOX_DONE) fprintf(stderr, "after %s: %d %s\n", name, result, bytes_text(error));
  CHECK(result == SANDBOX_DONE);
  if (result == SANDBOX_DONE) {
    CHECK(lua_tonumber(sandbox_state(neighbour), -1) == 500500);
    lua_settop(sandbox_state(neighbour), 0);
  }
}

/* A bomb that is slow to build, as under sanitizers, may run out of time first. */
static bool is_expected(const struct attack *a, enum sandbox_result result) {
  bool is_bomb = a->results[0] == SANDBOX_MEMORY || a->results[1] == SANDBOX_MEMORY;
  return result == a->results[0] || result == a->results[1] || (is_bomb && result == SANDBOX_CPU);
}

static uint64_t attack_once(const struct attack *a, struct sandbox *s, struct bytes *error) {
  uint64_t start = kit_cpu_ns();
  enum sandbox_result result = kit_run(s, a->script, error);
  uint64_t used_ns = kit_cpu_ns() - start;
  if (!is_expected(a, result))
    fprintf(stderr, "%s: result %d: %s\n", a->name, result, bytes_text(error));
  CHECK(is_expected(a, result));
  CHECK(result == SANDBOX_DONE || error->len > 0);
  lua_settop(sandbox_state(s), 0);
  return used_ns;
}

/* Time is that of this thread; the watching thread may be kept waiting by other programs, so the
 * best of some tries counts: what cannot be stopped fails all of them. */
static void test_attack(const struct attack *a, struct sandbox *neighbour, struct bytes *error) {
  uint64_t best_ns = UINT64_MAX;
  for (int i = 0; i < TRIES && best_ns > 2 * BUDGET_MS * UINT64_C(1000000); i++) {
    struct sandbox *s = kit_sandbox(modules);
    uint64_t used_ns = attack_once(a, s, error);
    if (used_ns < best_ns) best_ns = used_ns;
    check_neighbour(neighbour, error, a->name);
    check_neighbour(s, error, a->name);
    sandbox_free(s);
  }
  if (best_ns > 2 * BUDGET_MS * UINT64_C(1000000))
    fprintf(stderr, "%s: took %.1f ms\n", a->name, (double)best_ns / 1e6);
  CHECK(best_ns <= 2 * BUDGET_MS * UINT64_C(1000000));
}

int main(int argc, char **argv) {
  kit_start();
  struct sandbox *neighbour = kit_sandbox(NULL);
  struct bytes error;
  bytes_init(&error);
  for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++)
    if (argc < 2 || strcmp(argv[1], attacks[i].name) == 0)
      test_attack(&attacks[i], neighbour, &error);
  bytes_fini(&error);
  sandbox_free(neighbour);
  return kit_end();
}
