-- The library of a sandbox: builds the table that scripts take for their globals. `stock` is what LuaJIT
-- offers and is emptied afterwards; `host` are functions of runtime/script/sandbox_library.c. Nothing here may
-- hand out a table of either, and nothing may run in C for long, or on its own stack, because of a script's values.
local stock, host = ...

local type, pcall, select, unpack, floor = stock.type, stock.pcall, stock.select, stock.unpack, stock.math.floor
local stock_getmetatable, stock_setmetatable, error = stock.getmetatable, stock.setmetatable, stock.error
local stock_resume, stock_create, stock_yield = stock.coroutine.resume, stock.coroutine.create, stock.coroutine.yield
local stock_running = stock.coroutine.running
local check, await_mark = host.check, host.await_mark

local function copy(from, names)
  local to = {}
  for name in names:gmatch "%S+" do to[name] = from[name] end
  return to
end

local env = copy(stock, "assert error ipairs next pairs pcall select setmetatable tonumber type unpack")
env._G = env
env._VERSION = stock._VERSION
env.tostring = host.tostring
env.require = host.require
env.math = copy(stock.math, "abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge ldexp log log10 "
  .. "max min modf pi pow rad random randomseed sin sinh sqrt tan tanh")
env.bit = copy(stock.bit, "arshift band bnot bor bswap bxor lshift rol ror rshift tobit tohex")
env.string = copy(stock.string, "byte char len lower rep reverse sub upper")
for name, call in stock.pairs(host.string) do env.string[name] = call end
env.table = copy(stock.table, "concat remove")
env.table.unpack = unpack

function env.getmetatable(value)
  if type(value) ~= "table" then return nil end
  return stock_getmetatable(value)
end

-- The handler runs after the stack is unwound: inside of it no hook would.
local function handled(handler, ok, ...)
  if ok then return true, ... end
  return false, select(2, pcall(handler, (...)))
end

function env.xpcall(call, handler, ...)
  return handled(handler, pcall(call, ...))
end

local stock_insert = stock.table.insert

function env.table.insert(list, ...)
  local count = select("#", ...)
  if count == 1 then return stock_insert(list, (...)) end
  if count ~= 2 then error("bad arguments to 'insert' (table, position and value expected)", 2) end
  local position, value = ...
  if type(list) ~= "table" or type(position) ~= "number" then
    error("bad arguments to 'insert' (table, position and value expected)", 2)
  end
  if not (position >= 1 and position <= #list + 1) then
    error("bad argument #2 to 'insert' (position out of bounds)", 2)
  end
  return stock_insert(list, position, value)
end

-- Merges the sorted runs from[low .. middle - 1] and from[middle .. high - 1] into `to`.
local function merge(from, to, low, middle, high, before)
  local left, right = low, middle
  for at = low, high - 1 do
    local take_right = false
    if right < high then
      if left >= middle then
        take_right = true
      elseif before then
        take_right = before(from[right], from[left])
      else
        take_right = from[right] < from[left]
      end
    end
    if take_right then
      to[at], right = from[right], right + 1
    else
      to[at], left = from[left], left + 1
    end
  end
end

-- In Lua, so that the time limit holds, and by merging, so that no comparator makes it run for ever. Stable.
function env.table.sort(list, before)
  if type(list) ~= "table" then error("bad argument #1 to 'sort' (table expected)", 2) end
  if before ~= nil and type(before) ~= "function" then error("bad argument #2 to 'sort' (function expected)", 2) end
  local count = #list
  local from, to, width = {}, {}, 1
  for i = 1, count do from[i] = list[i] end
  while width < count do
    for low = 1, count, 2 * width do
      local middle, high = low + width, low + 2 * width
      if middle > count + 1 then middle = count + 1 end
      if high > count + 1 then high = count + 1 end
      merge(from, to, low, middle, high, before)
    end
    from, to, width = to, from, 2 * width
  end
  for i = 1, count do list[i] = from[i] end
end

-- A host function that waits yields through the coroutines of a script to the host, and back.
local relay

local function resume(thread, ...)
  check()
  return relay(thread, stock_resume(thread, ...))
end

function relay(thread, ok, first, ...)
  if ok and first == await_mark then return resume(thread, stock_yield(first, ...)) end
  return ok, first, ...
end

local function rethrow(ok, ...)
  if ok then return ... end
  error((...), 0)
end

-- Of the host's own no script gets hold: it could resume another policy's hook in place of what that waits for.
local of_scripts = stock_setmetatable({}, { __mode = "k" })

local function create(call)
  local thread = stock_create(call)
  of_scripts[thread] = true
  return thread
end

env.coroutine = copy(stock.coroutine, "status yield isyieldable")
env.coroutine.resume, env.coroutine.create = resume, create

function env.coroutine.running()
  local thread = stock_running()
  return of_scripts[thread] and thread or nil
end

function env.coroutine.wrap(call)
  local thread = create(call)
  return function(...) return rethrow(resume(thread, ...)) end
end

-- Values of the host's own: what the specs of a sandbox check that they cannot reach.
env.math.randomseed(host.seed % floor(2 ^ 53))
return env
