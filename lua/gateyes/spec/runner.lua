-- Runs one spec file as busted does: blocks in the order they stand, setup and teardown once around a block,
-- before_each from the outermost block, after_each from the innermost.
local shims = require "gateyes.spec.shims"

local runner = {}
local pcall, error, type, tostring = pcall, error, type, tostring

local pending_mark = {}
local results, current, test

local function at(level)
  local info = shims.debug.getinfo(level + 1)
  return info.short_src, info.currentline
end

local function message_of(problem)
  if shims.is_failure(problem) then problem = problem.message end
  if type(problem) == "table" and problem.message ~= nil then problem = problem.message end
  if problem == nil then return "Nil error" end
  return tostring(problem)
end

local function full_name(block, name)
  local parts = { name }
  while block and block.name do
    table.insert(parts, 1, block.name)
    block = block.parent
  end
  return table.concat(parts, " ")
end

local function report(status, block, name, problem, element)
  results[#results + 1] = {
    status = status, name = full_name(block, name), message = problem and message_of(problem) or "",
    line = element and element.line or 0,
  }
end

-- Calls run; on a problem says so under that name. True when all is well.
local function safe(run, block, name, element)
  local ok, problem = pcall(run)
  if ok then return true end
  report(shims.is_failure(problem) and "failure" or "error", block, name, problem, element)
  return false
end

local function run_list(block, kind)
  for _, element in ipairs(block[kind]) do
    if not safe(element.run, block, kind, element) then return false end
  end
  return true
end

-- Returns whether all passed, and the innermost block whose own have run.
local function run_before(block, kind)
  if block.parent then
    local fine, reached = run_before(block.parent, kind)
    if not fine then return false, reached end
  end
  return run_list(block, kind), block
end

-- One that fails does not keep the others from cleaning up.
local function run_all(block, kind)
  for _, element in ipairs(block[kind]) do safe(element.run, block, kind, element) end
end

local function run_after(block, kind)
  while block do
    run_all(block, kind)
    block = block.parent
  end
end

local function lazy_setup(block)
  if block.parent and not lazy_setup(block.parent) then return false end
  if block.is_lazily_set_up == nil then block.is_lazily_set_up = run_list(block, "lazy_setup") end
  return block.is_lazily_set_up
end

local function run_test(element)
  local block = element.parent
  if not lazy_setup(block) then return end
  local fine, reached = run_before(block, "before_each")
  if fine then
    local finally
    test = { finally = function(run) finally = run end }
    local ok, problem = pcall(element.run)
    test = nil
    local clean, second = true, nil
    if finally then clean, second = pcall(finally) end
    if ok and clean then
      report("success", block, element.name, nil, element)
    elseif not ok and type(problem) == "table" and problem.mark == pending_mark then
      report("pending", block, element.name, problem, element)
    else
      if ok then problem = second end
      report(shims.is_failure(problem) and "failure" or "error", block, element.name, problem, element)
    end
  end
  run_after(reached, "after_each")
end

local function block_new(name, parent, is_insulated)
  return {
    name = name, parent = parent, is_insulated = is_insulated, children = {}, before_each = {}, after_each = {},
    setup = {}, teardown = {}, lazy_setup = {}, lazy_teardown = {},
  }
end

local function copy(from)
  local to = {}
  for key, value in next, from do to[key] = value end
  return to
end

local function restore(globals, before)
  for key in next, globals do
    if before[key] == nil then globals[key] = nil end
  end
  for key, value in next, before do globals[key] = value end
end

local run_children

local function run_block(block)
  local before = block.is_insulated and copy(_G)
  current = block
  local fine = safe(block.run, block.parent, block.name, block)
  current = nil
  if fine then
    if run_list(block, "setup") then run_children(block) end
    if block.is_lazily_set_up ~= nil then
      run_all(block, "lazy_teardown")
    end
    run_all(block, "teardown")
  end
  if before then restore(_G, before) end
end

function run_children(block)
  for _, child in ipairs(block.children) do
    if child.children then
      run_block(child)
    elseif child.is_pending then
      report("pending", block, child.name, nil, child)
    else
      run_test(child)
    end
  end
end

local function place(word)
  if not current then
    error("'" .. word .. "' not supported inside current context block", 3)
  end
  return current
end

local function define_block(word, is_insulated)
  _G[word] = function(name, run)
    local parent = place(word)
    if type(name) == "function" then name, run = nil, name end
    local block = block_new(name and tostring(name), parent, is_insulated)
    block.run = run
    local _
    _, block.line = at(2)
    table.insert(parent.children, block)
  end
end

local function define_test(word)
  _G[word] = function(name, run)
    local parent = place(word)
    if type(name) == "function" then name, run = nil, name end
    local _, line = at(2)
    table.insert(parent.children,
      { name = name and tostring(name) or "", parent = parent, run = run, line = line, is_pending = run == nil })
  end
end

local function define_list(word, kind)
  _G[word] = function(run)
    local _, line = at(2)
    table.insert(place(word)[kind], { run = run, line = line })
  end
end

local function define_words()
  define_block("describe", false)
  define_block("context", false)
  define_block("expose", false)
  define_block("insulate", true)
  define_test "it"
  define_test "spec"
  define_test "test"
  for word, kind in pairs {
    before_each = "before_each", after_each = "after_each", setup = "setup", teardown = "teardown",
    strict_setup = "setup", strict_teardown = "teardown", lazy_setup = "lazy_setup", lazy_teardown = "lazy_teardown",
  } do
    define_list(word, kind)
  end
  function _G.pending(name)
    if test then error({ mark = pending_mark, message = name }, 0) end
    local parent = place "pending"
    local _, line = at(2)
    table.insert(parent.children, { name = tostring(name), parent = parent, line = line, is_pending = true })
  end
  function _G.finally(run)
    if not test then error("'finally' not supported inside current context block", 2) end
    test.finally(run)
  end
  function _G.randomize() end
end

local function define_asserts()
  local busted = { fail = shims.error, version = "2.1.1" }
  _G.assert = require "luassert"
  _G.spy = require "luassert.spy"
  _G.mock = require "luassert.mock"
  _G.stub = require "luassert.stub"
  _G.match = require "luassert.match"
  _G.busted = busted
end

-- file: the compiled spec. Returns a list of { status, name, message, line }.
function runner.run(file)
  results = {}
  define_words()
  define_asserts()
  local root = block_new(nil, nil, false)
  root.run = file
  run_block(root)
  return results
end

return runner
