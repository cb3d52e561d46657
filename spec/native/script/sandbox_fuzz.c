/* Every function that a script can reach, called with values of random types: nothing but Lua
 * errors may come of it. `native_sandbox_fuzz 1000000` is the long form. */
#include "sandbox_walk.h"
#include "script/text_api.h"

static const char caller[] =
    "local functions, names = {}, {}\n"
    "local seen = {}\n"
    "local function collect(t, path)\n"
    "  if seen[t] then return end\n"
    "  seen[t] = true\n"
    "  for k, v in pairs(t) do\n"
    "    if type(v) == 'table' then collect(v, path .. k .. '.')\n"
    "    elseif type(v) == 'function' and k ~= 'yield' then\n"
    "      functions[#functions + 1], names[#names + 1] = v, path .. k\n"
    "    end\n"
    "  end\n"
    "end\n"
    "collect(_G, '')\n"
    "collect(require 'gateyes.json', 'json.')\n"
    "local text = require 'gateyes.text'\n"
    "collect(text, 'text.')\n"
    "local regex = text.regex '(a+)|b?'\n"
    "for _, name in ipairs { 'test', 'find', 'match', 'gmatch', 'gsub' } do\n"
    "  functions[#functions + 1] = regex[name]\n"
    "end\n"
    "local json, random = require 'gateyes.json', math.random\n"
    "local set, tostring, pcall, pick = setmetatable, tostring, pcall, nil\n"
    "local numbers = { 0, 1, -1, 2, 3.5, 1e3, -1e9, 2^31, 2^32, 2^53, -2^63, 1e308, 0/0, 1/0, "
    "-1/0 }\n"
    "local texts = { '', 'a', 'abc', '%', '%1', '%s', '%d%q%f', '(a)(b)', '[a-', '%b()', "
    "'{\"a\":[1]}',"
    " '[[[[', 'null', '\\0\\255', ('x'):rep(300), ('(a*'):rep(20), 'gateyes.json', '^', '$', "
    "'a\\240\\159\\152\\128b', '123', '0x10', '[1,2,{\"b\":null}]' }\n"
    "local makers = {\n"
    "  function() return nil end,\n"
    "  function() return random() < 0.5 end,\n"
    "  function() return numbers[random(#numbers)] end,\n"
    "  function() return texts[random(#texts)] end,\n"
    "  function() return random(20) end,\n"
    "  function() return {} end,\n"
    "  function() return { pick(), pick(), pick() } end,\n"
    "  function() return { [pick() or 1] = pick(), a = pick() } end,\n"
    "  function() local t = {} t.t = t t[1] = t return t end,\n"
    "  function() return set({}, { __index = pick, __newindex = pick, __call = pick, __tostring = "
    "pick, __len = pick, __lt = pick, __eq = pick, __concat = pick, __metatable = pick(), __mode = "
    "'k' }) end,\n"
    "  function() return function(...) return pick(), ... end end,\n"
    "  function() return functions[random(#functions)] end,\n"
    "  function() return coroutine.create(pick) end,\n"
    "  function() return json.array({ pick() }) end,\n"
    "  function() return json.raw('1') end,\n"
    "  function() return json.null end,\n"
    "  function() return regex end,\n"
    "  function() return text.regex(texts[random(#texts)]) end,\n"
    "  function() error(pick()) end,\n"
    "}\n"
    "local depth = 0\n"
    "function pick()\n"
    "  if depth > 3 then return 1 end\n"
    "  depth = depth + 1\n"
    "  local ok, v = pcall(makers[random(#makers)])\n"
    "  depth = depth - 1\n"
    "  return ok and v or nil\n"
    "end\n"
    "return function(count, seed)\n"
    "  math.randomseed(seed)\n"
    "  local errors = 0\n"
    "  for _ = 1, count do\n"
    "    depth = 0\n"
    "    local call = functions[random(#functions)]\n"
    "    if not pcall(call, pick(), pick(), pick(), pick()) then errors = errors + 1 end\n"
    "  end\n"
    "  return errors\n"
    "end\n";

static struct sandbox *fuzzed(struct bytes *error) {
  struct sandbox *s = kit_sandbox(NULL);
  sandbox_set_cpu_ms(s, 20000);
  sandbox_push_json(sandbox_state(s));
  sandbox_preload(s, "gateyes.json");
  text_api_push(sandbox_state(s));
  sandbox_preload(s, "gateyes.text");
  enum sandbox_result result = kit_run(s, caller, error);
  if (result != SANDBOX_DONE) fprintf(stderr, "%s\n", bytes_text(error));
  CHECK(result == SANDBOX_DONE);
  return s;
}

int main(int argc, char **argv) {
  enum { BATCH = 200 };
  int count = argc > 1 ? atoi(argv[1]) : 30000, done = 0, errors = 0, unusual = 0;
  struct bytes error;
  bytes_init(&error);
  kit_start();
  /* A fresh state for each batch: calls spoil the library (setmetatable, table.insert). */
  for (; done < count; done += BATCH) {
    struct sandbox *s = fuzzed(&error);
    lua_State *L = sandbox_state(s);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, BATCH);
    lua_pushinteger(L, done + 1);
    enum sandbox_result result = sandbox_call(s, 2, 1, &error);
    if (result == SANDBOX_DONE)
      errors += (int)lua_tointeger(L, -1);
    else
      unusual++;
    sandbox_free(s);
  }
  printf("%d calls, %d errors, %d of %d batches were stopped\n", done, errors, unusual,
         done / BATCH);
  CHECK(errors > count / 20 && unusual < done / BATCH / 2);
  bytes_fini(&error);
  return kit_end();
}
