-- Small pieces of text work that every part of the mock needs. JSON is written by hand, so that
-- the order of the fields is the provider's and a frame costs one concatenation.
local native = require "mock.native"
local json = require "gateyes.json"

local text = { quote = json.quote }

-- object("id", '"a"', "n", "1") -> {"id":"a","n":1}; values are JSON text, nil leaves the field out.
function text.object(...)
  local out, count = {}, 0
  for i = 1, select("#", ...), 2 do
    local key, value = select(i, ...)
    if value ~= nil then
      count = count + 1
      out[count] = '"' .. key .. '":' .. value
    end
  end
  return "{" .. table.concat(out, ",") .. "}"
end

function text.array(items)
  return "[" .. table.concat(items, ",") .. "]"
end

function text.number(value)
  if value == math.floor(value) then return string.format("%.0f", value) end
  return string.format("%.9g", value)
end

-- Any value as JSON text: strings are quoted, nil is null.
function text.value(value)
  if type(value) == "string" then return text.quote(value) end
  if type(value) == "number" then return text.number(value) end
  if type(value) == "boolean" then return tostring(value) end
  if value == nil or value == json.null then return "null" end
  return json.encode(value)
end

-- The mock's rule for tokens: four bytes each, rounded up.
function text.tokens(value)
  return math.ceil(#value / 4)
end

-- At most count bytes, never in the middle of a UTF-8 character.
function text.cut(value, count)
  if #value <= count then return value end
  while count > 0 and value:byte(count + 1) >= 0x80 and value:byte(count + 1) < 0xC0 do
    count = count - 1
  end
  return value:sub(1, count)
end

local PIECE_MAX = 16

local function add_pieces(out, word)
  while #word > PIECE_MAX do
    local part = text.cut(word, PIECE_MAX)
    if part == "" then part = word:sub(1, PIECE_MAX) end
    out[#out + 1] = part
    word = word:sub(#part + 1)
  end
  if word ~= "" then out[#out + 1] = word end
end

-- What a stream sends one by one: words with the space before them, long ones in parts.
function text.pieces(value)
  local out, last = {}, 1
  for word, after in value:gmatch("(%s*%S+)()") do
    add_pieces(out, word)
    last = after
  end
  add_pieces(out, value:sub(last))
  return out
end

-- count parts of nearly equal length, on character borders where there are enough.
function text.parts(value, count)
  local out, from = {}, 0
  for i = 1, count do
    local to = math.floor(#value * i / count)
    local part = i == count and value:sub(from + 1) or text.cut(value:sub(from + 1), to - from)
    out[i] = part
    from = from + #part
  end
  return out
end

function text.slices(value, size)
  local out = {}
  for at = 1, #value, size do out[#out + 1] = value:sub(at, at + size - 1) end
  return out
end

function text.hash(value, length)
  return native.sha256(value):sub(1, length or 24)
end

function text.url_decode(value)
  return (value:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function skip_character(value, at)
  local lead = value:byte(at)
  local size = lead < 0x80 and 1 or lead >= 0xC2 and lead < 0xE0 and 2 or lead >= 0xE0 and lead < 0xF0 and 3
    or lead >= 0xF0 and lead < 0xF5 and 4
  if not size then return nil end
  for i = at + 1, at + size - 1 do
    local byte = value:byte(i)
    if not byte or byte < 0x80 or byte > 0xBF then return nil end
  end
  return at + size
end

function text.is_utf8(value)
  local at = value:find("[\128-\255]")
  while at do
    at = skip_character(value, at)
    if not at then return false end
    at = value:find("[\128-\255]", at)
  end
  return true
end

return text
