-- A JSON schema as Anthropic's structured outputs and strict tools take it: every object closed, no numeric, length
-- or size limits, anyOf for oneOf. What is taken out is told to the model in the description instead.
-- Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs (JSON schema limitations)
local json = require "gateyes.json"

local schema = {}

local refused = {
  minimum = true, maximum = true, exclusiveMinimum = true, exclusiveMaximum = true, multipleOf = true,
  minLength = true, maxLength = true, maxItems = true, uniqueItems = true, minProperties = true,
  maxProperties = true, contains = true, minContains = true, maxContains = true, patternProperties = true,
  propertyNames = true, dependentRequired = true, ["$schema"] = true, additionalProperties = true,
}

-- Said by another keyword, or saying nothing to the model.
local unmentioned = { ["$schema"] = true, additionalProperties = true }

local formats = {
  ["date-time"] = true, time = true, date = true, duration = true, email = true, hostname = true, uri = true,
  ipv4 = true, ipv6 = true, uuid = true,
}

local function is_refused(name, text)
  if name == "minItems" then return text ~= "0" and text ~= "1" end
  if name == "format" then return not formats[json.decode(text)] end
  return refused[name]
end

local close

local function close_each(text)
  local closed = {}
  for index, element in ipairs(json.elements(text)) do closed[index] = close(element) end
  return "[" .. table.concat(closed, ",") .. "]"
end

local function close_members(text)
  local closed = {}
  for index, member in ipairs(json.members(text)) do
    closed[index] = json.quote(member[1]) .. ":" .. close(member[2])
  end
  return "{" .. table.concat(closed, ",") .. "}"
end

local inner = {
  properties = close_members, ["$defs"] = close_members, definitions = close_members,
  anyOf = close_each, allOf = close_each, oneOf = close_each,
  items = function(text) return close(text) end,
}

-- What a keyword that holds schemas must look like for the walk to go into it.
local opens = {
  properties = "{", ["$defs"] = "{", definitions = "{", anyOf = "[", allOf = "[", oneOf = "[", items = "{",
}

local function keep(out, name, text)
  if inner[name] and text:sub(1, 1) == opens[name] then text = inner[name](text) end
  if name == "oneOf" then name = "anyOf" end
  out[#out + 1] = json.quote(name) .. ":" .. text
end

local function describe(out, description, taken)
  if #taken > 0 then
    local note = "{" .. table.concat(taken, ", ") .. "}"
    description = description and description .. "\n\n" .. note or note
  end
  if description then out[#out + 1] = "\"description\":" .. json.quote(description) end
end

function close(text)
  if text:sub(1, 1) ~= "{" then return text end
  local out, taken = {}, {}
  local description, is_object
  for _, member in ipairs(json.members(text)) do
    local name, value = member[1], member[2]
    if name == "description" then
      description = json.decode(value)
    elseif is_refused(name, value) then
      if not unmentioned[name] then taken[#taken + 1] = name .. ": " .. value end
    else
      if name == "properties" or name == "type" and value:find("\"object\"", 1, true) then is_object = true end
      keep(out, name, value)
    end
  end
  describe(out, type(description) == "string" and description or nil, taken)
  if is_object then out[#out + 1] = "\"additionalProperties\":false" end
  return "{" .. table.concat(out, ",") .. "}"
end

function schema.close(raw)
  return json.raw(close(json.raw_text(raw)))
end

-- A tool's input must say that it is an object.
function schema.of_tool(raw)
  if not raw then return json.raw("{\"type\":\"object\",\"properties\":{}}") end
  local members = json.members(json.raw_text(raw))
  if not members or #members == 0 then return json.raw("{\"type\":\"object\",\"properties\":{}}") end
  for _, member in ipairs(members) do
    if member[1] == "type" then return raw end
  end
  local text = json.raw_text(raw)
  return json.raw("{\"type\":\"object\"," .. text:sub(text:find("{", 1, true) + 1))
end

return schema
