-- Writing Responses JSON as text: fixed key order, raw slices kept byte for byte, no table per event.
local json = require "gateyes.json"

local text = {}

text.quote = json.quote

function text.integer(number)
  return string.format("%d", number)
end

-- object("id", '"x"', "n", "1"): values are JSON text, nil leaves the key out.
function text.object(...)
  local out, count = {}, select("#", ...)
  for i = 1, count, 2 do
    local key, value = select(i, ...)
    if value ~= nil then out[#out + 1] = '"' .. key .. '":' .. value end
  end
  return "{" .. table.concat(out, ",") .. "}"
end

function text.list(values)
  return "[" .. table.concat(values, ",") .. "]"
end

function text.quote_or_null(value)
  return value ~= nil and json.quote(value) or "null"
end

function text.number(value)
  return type(value) == "number" and value or nil
end

-- A list or object to walk through: anything else counts as an empty one.
function text.table(value)
  return type(value) == "table" and value or {}
end

-- Code points of UTF-8 text: what OpenAI's indices count.
function text.characters(said)
  local _, count = said:gsub("[^\128-\191]", "")
  return count
end

-- The members of an object text as key -> raw text; nil when it is no object. Of duplicates the last counts.
function text.members(object)
  local list, message = json.members(object)
  if not list then return nil, message end
  local members = {}
  for _, member in ipairs(list) do members[member[1]] = member[2] end
  return members
end

-- Raw text of a member -> Lua value; null and absence are both nil.
function text.value(raw)
  if raw == nil or raw == "null" then return nil end
  local value = json.decode(raw)
  if value == json.null then return nil end
  return value
end

-- A string member of a decoded table, else nil.
function text.string(value)
  return type(value) == "string" and value or nil
end

-- The members of an object text, in their order, with `changes` (key -> text, false removes) applied; keys that
-- the object does not have are added at its end in the order of `added`.
function text.replace(object, changes, added)
  local out, seen = {}, {}
  for _, member in ipairs(json.members(object)) do
    local key, value = member[1], member[2]
    if changes[key] ~= nil then value = changes[key] end
    seen[key] = true
    if value then out[#out + 1] = json.quote(key) .. ":" .. value end
  end
  for _, key in ipairs(added or {}) do
    if not seen[key] and changes[key] then out[#out + 1] = json.quote(key) .. ":" .. changes[key] end
  end
  return "{" .. table.concat(out, ",") .. "}"
end

return text
