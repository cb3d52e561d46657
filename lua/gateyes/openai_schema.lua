-- Whether OpenAI's strict mode takes a JSON schema: every object closed, every property required, no anyOf at the root,
-- none of the keywords it refuses. https://platform.openai.com/docs/guides/structured-outputs (supported schemas)
local json = require "gateyes.json"
local openai_models = require "gateyes.openai_models"

local openai_schema = {}

local refused = {
  allOf = true, ["not"] = true, dependentRequired = true, dependentSchemas = true, ["if"] = true, ["then"] = true,
  ["else"] = true, oneOf = true, patternProperties = true, unevaluatedProperties = true, propertyNames = true,
  minProperties = true, maxProperties = true, unevaluatedItems = true, contains = true, minContains = true,
  maxContains = true, uniqueItems = true, prefixItems = true,
}

local fits

local function all_fit(schemas)
  if type(schemas) ~= "table" then return schemas == nil end
  for _, one in pairs(schemas) do
    if not fits(one) then return false end
  end
  return true
end

local function requires_all(schema)
  local required = {}
  for _, name in ipairs(type(schema.required) == "table" and schema.required or {}) do required[name] = true end
  for name in pairs(schema.properties or {}) do
    if not required[name] then return false end
  end
  return true
end

local function is_object(schema)
  if schema.type == "object" or schema.properties then return true end
  for _, name in ipairs(type(schema.type) == "table" and schema.type or {}) do
    if name == "object" then return true end
  end
  return false
end

function fits(schema)
  if type(schema) ~= "table" then return false end
  for name in pairs(schema) do
    if refused[name] then return false end
  end
  if not all_fit(schema.properties) or not all_fit(schema["$defs"]) or not all_fit(schema.definitions)
    or not all_fit(schema.anyOf) or schema.items ~= nil and not fits(schema.items) then
    return false
  end
  return not is_object(schema) or schema.additionalProperties == false and requires_all(schema)
end

local no_parameters = '{"type":"object","properties":{}}'

-- The parameters of a tool (raw, or nil) with `properties`: OpenAI's models refuse them without ("object schema missing
-- properties"), Anthropic and MCP ask for none. Other servers get them as they are.
function openai_schema.of_tool(raw, context)
  if context.dialect ~= "messages" or openai_models.reasons(context.model) == nil then return raw end
  local members = raw and json.members(json.raw_text(raw))
  if not members then return raw end
  if #members == 0 then return json.raw(no_parameters) end
  local typed = false
  for _, member in ipairs(members) do
    if member[1] == "properties" or member[1] == "$ref" then return raw end
    if member[1] == "type" then typed = member[2] == '"object"' end
  end
  return typed and json.raw(json.raw_text(raw):sub(1, -2) .. ',"properties":{}}') or raw
end

-- raw: the schema as the client sent it.
function openai_schema.fits(raw)
  local schema = json.decode(json.raw_text(raw))
  return type(schema) == "table" and schema.anyOf == nil and is_object(schema) and fits(schema)
end

-- strict as it can be sent: Anthropic's strict allows more than OpenAI's, which would refuse the request. Clients of
-- OpenAI's own protocols said strict themselves and learn from the provider what is wrong.
function openai_schema.strict(context, strict, raw)
  if not strict or context.dialect ~= "messages" then return strict end
  return raw ~= nil and openai_schema.fits(raw) or nil
end

return openai_schema
