-- What luassert expects of a full Lua and a sandbox does not have. Only the modules of the spec kit get these.
local shims = {}

local next, type, getmetatable, setmetatable, pcall, error = next, type, getmetatable, setmetatable, pcall, error

local function is_plain(value)
  return type(value) ~= "table" and type(value) ~= "userdata"
end

-- Keys are compared raw, so a table with one key tells.
function shims.rawequal(a, b)
  if is_plain(a) or is_plain(b) then return a == b end
  return ({ [a] = true })[b] == true
end

function shims.rawget(t, key)
  if getmetatable(t) == nil then return t[key] end
  for name, value in next, t do
    if shims.rawequal(name, key) then return value end
  end
end

function shims.rawset(t, key, value)
  local meta = getmetatable(t)
  if meta == nil then
    t[key] = value
  else
    setmetatable(t, nil)
    t[key] = value
    setmetatable(t, meta)
  end
  return t
end

shims.debug = {}

-- Where a function on the stack stands, as far as an error's position shows it: pcall and this function lie above.
function shims.debug.getinfo(level)
  if type(level) ~= "number" then return { source = "?", short_src = "?", linedefined = 0, currentline = 0 } end
  local _, where = pcall(error, "", level + 2)
  local source, line = where:match "^(.*):(%d+): $"
  if not source then return { source = "=[C]", short_src = "[C]", currentline = -1 } end
  return { source = "@" .. source, short_src = source, currentline = line + 0 }
end

function shims.debug.getmetatable(value)
  return getmetatable(value)
end

function shims.debug.setmetatable(value, meta)
  return setmetatable(value, meta)
end

function shims.debug.traceback(message)
  return message or ""
end

shims.io = { type = function() return nil end }
shims.os = { getenv = function() return nil end }
shims.package = { config = "/\n" }
function shims.print() end

-- A failed assertion, unlike a bug of the spec or the script.
local failure = {}

function shims.error(message, level)
  local _, placed = pcall(error, message, type(level) == "number" and level > 0 and level + 2 or 0)
  error(setmetatable({ message = placed }, failure), 0)
end

function shims.is_failure(value)
  return type(value) == "table" and getmetatable(value) == failure
end

return shims
