-- Makes a JSON text that a JSON schema accepts: the smallest one that shows every property.
local json = require "gateyes.json"
local text = require "mock.text"

local schema = {}

local DEPTH_MAX, ITEMS_MAX, LENGTH_MAX = 12, 100, 10000
local FORMATS = {
  ["date-time"] = "2025-01-02T03:04:05Z", date = "2025-01-02", time = "03:04:05Z", email = "ada@example.com",
  uri = "https://example.com/", url = "https://example.com/", uuid = "123e4567-e89b-42d3-a456-426614174000",
  hostname = "example.com", ipv4 = "192.0.2.1", ipv6 = "2001:db8::1", duration = "P1D",
}

local make

local function resolve(node, root)
  local seen = 0
  while type(node) == "table" and type(node["$ref"]) == "string" and seen < DEPTH_MAX do
    local target = root
    for step in node["$ref"]:gmatch("[^#/]+") do
      step = step:gsub("~1", "/"):gsub("~0", "~")
      target = type(target) == "table" and target[step]
    end
    node, seen = target, seen + 1
  end
  return node
end

local function make_string(node, name)
  local value = node.format ~= nil and FORMATS[node.format] or ("sample " .. (name or "text"))
  if type(node.minLength) == "number" and #value < node.minLength then
    value = value .. string.rep("x", math.min(node.minLength, LENGTH_MAX) - #value)
  end
  if type(node.maxLength) == "number" then value = value:sub(1, node.maxLength) end
  return text.quote(value)
end

local function make_number(node, whole)
  local low, high = tonumber(node.minimum), tonumber(node.maximum)
  if tonumber(node.exclusiveMinimum) then low = node.exclusiveMinimum + (whole and 1 or 0.5) end
  if tonumber(node.exclusiveMaximum) then high = node.exclusiveMaximum - (whole and 1 or 0.5) end
  local value = whole and 7 or 1.5
  if low and value < low then value = low end
  if high and value > high then value = high end
  if whole then value = math.ceil(value) end
  local step = tonumber(node.multipleOf)
  if step and step > 0 then value = math.ceil(value / step) * step end
  return text.number(value)
end

local function make_array(node, root, depth)
  local items = {}
  local count = math.max(math.min(tonumber(node.minItems) or 0, ITEMS_MAX), depth > DEPTH_MAX and 0 or 1)
  if tonumber(node.maxItems) then count = math.min(count, node.maxItems) end
  for i = 1, count do items[i] = make(node.items or {}, root, depth + 1, "item " .. i) end
  return text.array(items)
end

local function names_of(properties)
  local names = {}
  for name in pairs(properties) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function required_set(node)
  local set = {}
  for _, name in ipairs(type(node.required) == "table" and node.required or {}) do set[name] = true end
  return set
end

local function make_object(node, root, depth)
  local fields, properties = {}, type(node.properties) == "table" and node.properties or {}
  local required = required_set(node)
  for _, name in ipairs(names_of(properties)) do
    if required[name] or depth < 3 then
      fields[#fields + 1] = text.quote(name) .. ":" .. make(properties[name], root, depth + 1, name)
    end
  end
  return "{" .. table.concat(fields, ",") .. "}"
end

local function type_of(node)
  local kind = node.type
  if type(kind) == "table" then kind = kind[1] ~= "null" and kind[1] or kind[2] or kind[1] end
  if type(kind) == "string" then return kind end
  if node.properties then return "object" end
  return node.items and "array" or "string"
end

local function merged(list, root)
  local all = { properties = {}, required = {} }
  for _, part in ipairs(list) do
    part = resolve(part, root)
    for key, value in pairs(part) do
      if key ~= "properties" and key ~= "required" then all[key] = value end
    end
    for name, value in pairs(part.properties or {}) do all.properties[name] = value end
    for _, name in ipairs(part.required or {}) do all.required[#all.required + 1] = name end
  end
  return all
end

-- anyOf and oneOf: the first that is not null, unless depth asks for an end.
local function choose(list, depth)
  for _, option in ipairs(list) do
    if type(option) == "table" and (option.type == "null") == (depth > DEPTH_MAX) then return option end
  end
  return list[1]
end

function make(node, root, depth, name)
  node = resolve(node, root)
  if type(node) ~= "table" or node == json.null then return text.quote("sample " .. (name or "value")) end
  if node.const ~= nil then return text.value(node.const) end
  if type(node.enum) == "table" then return text.value(node.enum[1]) end
  local options = node.anyOf or node.oneOf
  if type(options) == "table" then return make(choose(options, depth), root, depth + 1, name) end
  if type(node.allOf) == "table" then return make(merged(node.allOf, root), root, depth + 1, name) end
  local kind = type_of(node)
  if kind == "object" then return make_object(node, root, depth) end
  if kind == "array" then return make_array(node, root, depth) end
  if kind == "integer" or kind == "number" then return make_number(node, kind == "integer") end
  if kind == "boolean" then return "true" end
  if kind == "null" then return "null" end
  return make_string(node, name)
end

-- node is the decoded schema (nil: no constraint beyond an object).
function schema.sample(node)
  if type(node) ~= "table" then return "{}" end
  return make(node, node, 0)
end

return schema
