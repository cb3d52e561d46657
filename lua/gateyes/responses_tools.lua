-- Tools and tool_choice of a Responses request -> canonical.
-- https://platform.openai.com/docs/api-reference/responses/create (tools, tool_choice)
local canonical = require "gateyes.canonical"
local fields = require "gateyes.fields"
local json = require "gateyes.json"
local text = require "gateyes.responses_text"
local web_search = require "gateyes.web_search"

local tools = {}

local function raw_or_nil(raw)
  if raw ~= nil and raw ~= "null" then return json.raw(raw, true) end
end

local function missing(where)
  return canonical.failure(400, "invalid_request_error", "Missing required parameter: '" .. where .. "'.", where,
    "missing_required_parameter")
end

local function cache_of(tool)
  if type(tool.cache_control) == "table" then return { ttl = text.string(tool.cache_control.ttl) } end
end

-- The canonical form has a grammar as chat nests it: { type = "grammar", grammar = { syntax, definition } }.
local function custom_format(raw)
  local members = raw and raw ~= "null" and text.members(raw)
  if not members or text.value(members.type) ~= "grammar" then return raw_or_nil(raw) end
  local grammar = text.object("syntax", members.syntax, "definition", members.definition)
  return json.raw(text.object("type", '"grammar"', "grammar", grammar), true)
end

local known = { type = true, name = true, description = true, parameters = true, strict = true, format = true,
  cache_control = true }

local function named(tool, members, where)
  if type(tool.name) ~= "string" then return nil, missing(where .. ".name") end
  local description = text.string(tool.description)
  local made = { type = tool.type, name = tool.name, description = description, cache = cache_of(tool),
    others = fields.others(tool, known, where) }
  if tool.type == "function" then
    made.parameters = raw_or_nil(members.parameters)
    if type(tool.strict) == "boolean" then made.strict = tool.strict end
  else
    made.format = custom_format(members.format)
  end
  return made
end

local function one(raw, where)
  local members = text.members(raw)
  if not members then return nil, canonical.invalid(where, "'" .. where .. "' must be an object.") end
  local tool = json.decode(raw)
  if type(tool.type) ~= "string" then return nil, missing(where .. ".type") end
  if tool.type == "function" or tool.type == "custom" then return named(tool, members, where) end
  local search = web_search.of_tool(tool)
  local name = search and web_search.name or text.string(tool.server_label) or tool.type
  return { type = "provider", format = "responses", raw = json.raw(raw, true), name = name, search = search }
end

-- -> list of canonical tools or nil when there are none | nil, failure
function tools.read(raw)
  if raw == nil or raw == "null" then return nil end
  local elements = json.elements(raw)
  if not elements then return nil, canonical.invalid("tools", "'tools' must be a list.") end
  local list = {}
  for i, element in ipairs(elements) do
    local tool, failure = one(element, "tools[" .. (i - 1) .. "]")
    if not tool then return nil, failure end
    list[i] = tool
  end
  return #list > 0 and list or nil
end

local words = { auto = true, none = true, required = true }

-- A tool of a choice, by the name under which tools.read lists it.
local function name_of(choice)
  if web_search.of_tool(choice) then return web_search.name end
  return text.string(choice.server_label) or text.string(choice.name) or text.string(choice.type)
end

local function allowed(choice)
  local names = {}
  for _, tool in ipairs(type(choice.tools) == "table" and choice.tools or {}) do
    names[#names + 1] = type(tool) == "table" and name_of(tool) or nil
  end
  if #names == 0 then return nil, missing("tool_choice.tools") end
  return { type = "allowed", mode = choice.mode == "required" and "required" or "auto", names = names }
end

function tools.read_choice(raw)
  local choice = text.value(raw)
  if choice == nil then return nil end
  if words[choice] then return { type = choice } end
  if type(choice) ~= "table" or type(choice.type) ~= "string" then
    local message = "'tool_choice' must be 'auto', 'none', 'required' or an object with a type."
    return nil, canonical.invalid("tool_choice", message)
  end
  if choice.type == "allowed_tools" then return allowed(choice) end
  local needs_name = choice.type == "function" or choice.type == "custom"
  if needs_name and type(choice.name) ~= "string" then return nil, missing("tool_choice.name") end
  return { type = "tool", name = name_of(choice) }
end

return tools
