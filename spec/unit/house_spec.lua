-- The rules of the house that a compiler does not know: who includes whom, and how large things get.

local LIMITS = { file_lines = 600, function_lines = 70, parameters = 5 }

local FOLDER_RING = {
  base = 0, model = 1, observe = 2, store = 2, config = 2, detect = 2,
  http = 3, auth = 3, script = 3, upstream = 3, stream = 3, tokenizer = 3, account = 3, mock = 3,
  exchange = 4, admin = 4, keeper = 6, webhook = 6, server = 7, command = 8,
}
local FILE_RING = { load = 5, worker = 5, main = 9 }
local RING_NAMES = {
  [0] = "base", "model", "observe, store, config, detect", "the middle ring", "exchange and admin", "worker",
  "keeper and webhook", "server", "the commands", "main",
}
-- Arrows inside one ring, beyond a folder's own files.
local SAME_RING = {
  ["observe>config"] = true, ["store>config"] = true, ["mock>script"] = true, ["mock>http"] = true,
}
-- System headers that one folder alone may see.
local OWNED_HEADERS = {
  { pattern = "^lua%.h$", folder = "script" }, { pattern = "^lauxlib%.h$", folder = "script" },
  { pattern = "^lualib%.h$", folder = "script" }, { pattern = "^luajit%.h$", folder = "script" },
  { pattern = "^curl/", folder = "upstream" },
}

local function files(folders, pattern)
  local pipe = assert(io.popen(("find %s -type f -name '%s' 2>/dev/null | sort"):format(folders, pattern)))
  local list = {}
  for path in pipe:lines() do
    if not path:find "/node_modules/" then list[#list + 1] = path end
  end
  pipe:close()
  return list
end

local function read_lines(path)
  local list = {}
  for line in io.lines(path) do list[#list + 1] = line end
  return list
end

-- The ring and the group of a path under runtime/: files of one group may include each other.
local function place(path)
  local folder = path:match "^([%w_]+)/"
  if folder then return FOLDER_RING[folder], folder end
  local name = path:match "^([%w_]+)%." or ""
  name = name:match "^load" or name
  return FILE_RING[name], name == "load" and "worker" or name
end

local function arrow_problem(from, to)
  local ring, group = place(from)
  local other_ring, other_group = place(to)
  if not ring then return ("the folder of %s has no ring; add it to FOLDER_RING in house_spec.lua"):format(from) end
  if not other_ring then return ("%s lies in no known folder; include a file of runtime/"):format(to) end
  if group == other_group or other_ring < ring or SAME_RING[group .. ">" .. other_group] then return nil end
  if other_ring == ring then
    return ("%s must not include %s: both are of one ring (%s); let the file above pass a struct of model/")
      :format(group, to, RING_NAMES[ring])
  end
  return ("%s must not include %s: that is higher up (%s); news travels up through a callback table")
    :format(group, to, RING_NAMES[other_ring])
end

local function header_problem(from, header)
  local _, group = place(from)
  for _, rule in ipairs(OWNED_HEADERS) do
    if header:find(rule.pattern) and group ~= rule.folder then
      return ("<%s> belongs to runtime/%s alone; ask that folder for a function"):format(header, rule.folder)
    end
  end
end

local function include_problems(path, lines)
  local problems, inside = {}, path:gsub("^runtime/", "")
  for number, line in ipairs(lines) do
    local own, header = line:match '^%s*#%s*include%s+"([^"]+)"', line:match "^%s*#%s*include%s+<([^>]+)>"
    local problem = own and arrow_problem(inside, own) or header and header_problem(inside, header)
    if problem then problems[#problems + 1] = ("%s:%d: %s"):format(path, number, problem) end
  end
  return problems
end

local function parameter_count(signature)
  local list = signature:match "%b()"
  if not list or list == "()" or list == "(void)" then return 0 end
  local inner = list:sub(2, -2):gsub("%b()", "")
  return select(2, inner:gsub(",", "")) + 1
end

-- Function bodies of clang-formatted C: what begins in the first column with a parameter list and
-- ends with a brace in the first column. Rows of a table inside do not count as lines of code.
local function functions(lines)
  local list, start, signature = {}, nil, nil
  local open
  for number, line in ipairs(lines) do
    if open then
      if line:find "^  static const .*= {$" then
        open.table_first = number
      elseif line:find "^  };$" and open.table_first then
        open.rows = open.rows + number - open.table_first
        open.table_first = nil
      elseif line:find "^}" then
        open.last, open.table_first = number, nil
        list[#list + 1] = open
        open = nil
      end
    elseif line:find "^[%a_]" then
      start, signature = number, line
    elseif start and line:find "^%s" then
      signature = signature .. " " .. line
    else
      start = nil
    end
    if start and signature:find "[;=]%s*$" or signature and signature:find "=" then start = nil end
    if start and not open and line:find "{%s*$" then
      if signature:find "%(" and not signature:find "^typedef" then
        local name = signature:match "([%w_]+)%s*%("
        open = { name = name, first = start, rows = 0, parameters = parameter_count(signature) }
      end
      start, signature = nil, nil
    end
  end
  return list
end

local function size_problems(path, lines)
  local problems = {}
  local function add(number, format, ...)
    problems[#problems + 1] = ("%s:%d: "):format(path, number) .. format:format(...)
  end
  if #lines > LIMITS.file_lines then
    add(#lines, "the file has %d lines, %d are allowed; split it by noun", #lines, LIMITS.file_lines)
  end
  if not path:find "%.[ch]$" then return problems end
  for _, f in ipairs(functions(lines)) do
    local length = f.last - f.first + 1 - f.rows
    if length > LIMITS.function_lines then
      add(f.first, "%s has %d lines, %d are allowed; give its parts names", f.name, length, LIMITS.function_lines)
    end
    -- The signature of a callback may be a library's.
    if f.parameters > LIMITS.parameters and not f.name:find "^on_" then
      add(f.first, "%s has %d parameters, %d are allowed; pass a struct", f.name, f.parameters, LIMITS.parameters)
    end
  end
  return problems
end

local function header_shape_problems(path, lines)
  local problems, includes, others = {}, 0, 0
  local text = table.concat(lines, "\n"):gsub("/%*.-%*/", "")
  for line in text:gmatch "[^\n]+" do
    if line:find "^%s*#%s*include" then
      includes = includes + 1
    elseif line:find "%S" and not line:find "^%s*#%s*pragma once" then
      others = others + 1
    end
  end
  if path:find "%.h$" and includes > 0 and others == 0 then
    problems[1] = ("%s:1: an umbrella header; include what is used where it is used"):format(path)
  end
  for number, line in ipairs(lines) do
    if line:find "^%s*extern%s" and not line:find "%)" then
      problems[#problems + 1] = ("%s:%d: extern data; offer a function, or hand the value over at start")
        :format(path, number)
    end
  end
  return problems
end

local function collect(list, check)
  local problems = {}
  for _, path in ipairs(list) do
    for _, problem in ipairs(check(path, read_lines(path))) do problems[#problems + 1] = problem end
  end
  return problems
end

local function assert_none(problems)
  assert(#problems == 0, "\n" .. table.concat(problems, "\n"))
end

describe("the house", function()
  it("includes only downwards", function()
    local list = files("runtime", "*.[ch]")
    assert.is_true(#list > 30)
    assert_none(collect(list, include_problems))
  end)

  it("keeps files and functions small", function()
    assert_none(collect(files("runtime spec/native spec/fuzz", "*.[ch]"), size_problems))
    assert_none(collect(files("lua spec examples", "*.lua"), size_problems))
  end)

  it("has the right to run on everything that names its interpreter", function()
    local pipe = assert(io.popen "find bench .ci examples scripts spec -type f ! -perm -u+x 2>/dev/null | sort")
    local list = {}
    for path in pipe:lines() do
      local file = assert(io.open(path))
      if file:read(2) == "#!" then list[#list + 1] = path .. ": begins with #! but nobody may run it (chmod +x)" end
      file:close()
    end
    pipe:close()
    assert_none(list)
  end)

  it("has neither extern data nor umbrella headers", function()
    assert_none(collect(files("runtime", "*.[ch]"), header_shape_problems))
  end)
end)

describe("the checks of the house", function()
  it("tell right arrows from wrong ones", function()
    for _, arrow in ipairs {
      { "http/conn.c", "http/conn.h" }, { "http/conn.c", "config/config.h" },
      { "exchange/steps.c", "http/conn.h" },
      { "exchange/send.c", "exchange/state.h" }, { "main.c", "server/server.h" },
      { "command/check.c", "server/server.h" },
      { "worker.c", "exchange/exchange.h" }, { "observe/log.c", "config/config.h" },
      { "mock/conn.c", "script/mock_state.h" },
    } do
      assert.is_nil(arrow_problem(arrow[1], arrow[2]))
    end
    for _, arrow in ipairs {
      { "http/conn.c", "stream/sse.h" }, { "base/list.c", "model/usage.h" }, { "config/build.c", "observe/log.h" },
      { "exchange/send.c", "admin/admin.h" }, { "exchange/send.c", "worker.h" }, { "script/a.c", "mock/mock.h" },
      { "account/a.c", "nowhere/b.h" }, { "nowhere/a.c", "base/list.h" }, { "server/server.c", "command/commands.h" },
    } do
      assert.is_string(arrow_problem(arrow[1], arrow[2]), arrow[1] .. " > " .. arrow[2])
    end
    assert.is_string(header_problem("http/conn.c", "lua.h"))
    assert.is_string(header_problem("http/conn.c", "curl/curl.h"))
    assert.is_nil(header_problem("script/api.c", "lauxlib.h"))
    assert.same({ 'runtime/base/a.c:2: base must not include http/conn.h: that is higher up (the middle ring); '
      .. "news travels up through a callback table" },
      include_problems("runtime/base/a.c", { "", '#include "http/conn.h"' }))
  end)

  it("measure functions", function()
    local lines = {
      "static const int table[] = {", "    1,", "};", "struct x {", "  int a;", "};",
      "int f(void) {", "  return 1;", "}", "",
      "static void long_one(int a, int (*b)(int, int),", "                     int c, int d, int e, int f) {",
    }
    for _ = 1, 70 do lines[#lines + 1] = "  if (x) {" end
    lines[#lines + 1] = "}"
    local list = functions(lines)
    assert.equal(2, #list)
    assert.same({ name = "f", first = 7, last = 9, rows = 0, parameters = 0 }, list[1])
    assert.same({ name = "long_one", first = 11, last = 83, rows = 0, parameters = 6 }, list[2])
    local table_inside = { "int g(void) {", "  static const int t[] = {", "      1,", "      2,", "  };", "}" }
    assert.equal(3, functions(table_inside)[1].rows)
    assert.equal(2, #size_problems("a.c", lines))
    local many = {}
    for i = 1, 601 do many[i] = "" end
    assert.equal(1, #size_problems("a.lua", many))
  end)

  it("know extern data and umbrella headers", function()
    assert.equal(1, #header_shape_problems("a.h", { "#pragma once", "/* All. */", '#include "base/list.h"' }))
    assert.equal(1, #header_shape_problems("a.h", { "extern int counter;" }))
    assert.equal(0, #header_shape_problems("a.h", { '#include "base/list.h"', "void f(void);" }))
  end)
end)
