-- Tools, tool choice and output format of the canonical form -> those of Anthropic.
-- Source: https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use and
-- https://platform.claude.com/docs/en/build-with-claude/structured-outputs
local canonical = require "gateyes.canonical"
local json = require "gateyes.json"
local parts = require "gateyes.anthropic_parts"
local schema = require "gateyes.anthropic_schema"
local web_search = require "gateyes.web_search"
local words = require "gateyes.anthropic_words"

local tools = {}

local function drop(job, field, fallback, reason)
  job.context.drop(parts.field(job, field, fallback), reason)
end

local encoders = {}

encoders["function"] = function(job, tool)
  local strict = tool.strict or nil
  if strict and not job.profile.schema then
    strict = nil
    drop(job, "tools", "tools", "this model does not take strict tools")
  end
  local input_schema = schema.of_tool(tool.parameters)
  if strict then input_schema = schema.close(input_schema) end
  return {
    name = tool.name, description = tool.description ~= "" and tool.description or nil, input_schema = input_schema,
    strict = strict,
  }
end

local free_schema = json.raw("{\"type\":\"object\",\"properties\":{\"" .. words.custom_input
  .. "\":{\"type\":\"string\",\"description\":\"The whole input of the tool, as plain text.\"}},\"required\":[\""
  .. words.custom_input .. "\"]}")

-- A grammar cannot be enforced here; the model is told it.
function encoders.custom(job, tool)
  local description = tool.description or ""
  local format = tool.format and json.is_raw(tool.format) and json.decode(json.raw_text(tool.format))
  local grammar = type(format) == "table" and (format.grammar or format)
  if type(grammar) == "table" and type(grammar.definition) == "string" then
    drop(job, "tools", "tools", "a tool's grammar is described to the model, not enforced")
    description = description .. "\n\nThe input follows this grammar:\n" .. grammar.definition
  end
  return { name = tool.name, description = description ~= "" and description or nil, input_schema = free_schema }
end

local function allowed(choice)
  if not choice or choice.type ~= "allowed" then return nil end
  local names = {}
  for _, name in ipairs(choice.names or {}) do names[name] = true end
  return names
end

local function encode_tool(job, tool)
  if tool.type == "provider" then
    if tool.format == "anthropic" then return tool.raw end
    if tool.search and job.profile.search then
      return web_search.for_messages(tool, function(name) drop(job, name, name, "not Anthropic's to set") end)
    end
    drop(job, tool.field or "tools", tool.field or "tools",
      "tool '" .. tostring(tool.name) .. "' runs at another provider")
    return nil
  end
  local encoder = encoders[tool.type]
  return encoder and parts.mark(job, encoder(job, tool), tool.cache)
end

function tools.list(job)
  local list, only = {}, allowed(job.request.tool_choice)
  for _, tool in ipairs(job.request.tools or {}) do
    if not only or only[tool.name] then list[#list + 1] = encode_tool(job, tool) end
  end
  return list
end

-- Calls in the history need their tools declared, even where the client no longer offers any.
function tools.declare_called(job, list)
  local names = {}
  for name in pairs(job.called) do names[#names + 1] = name end
  table.sort(names)
  for index, name in ipairs(names) do list[index] = { name = name, input_schema = schema.of_tool(nil) } end
  return #names > 0
end

local choices = { auto = "auto", none = "none", required = "any", tool = "tool" }

local function wanted(choice)
  if not choice then return nil end
  if choice.type == "allowed" then return { type = choice.mode == "required" and "any" or "auto" } end
  return { type = choices[choice.type] or "auto", name = choice.type == "tool" and choice.name or nil }
end

function tools.is_forced(choice)
  return choice ~= nil and (choice.type == "any" or choice.type == "tool")
end

local function find(list, name)
  for _, tool in ipairs(list) do
    if not json.is_raw(tool) and tool.name == name then return true end
    if json.is_raw(tool) and json.decode(json.raw_text(tool)).name == name then return true end
  end
  return false
end

-- -> tool_choice or nil | nil, failure
function tools.choice(job, list)
  local request = job.request
  if #list == 0 then return nil end
  local choice = wanted(request.tool_choice)
  if choice and choice.type == "tool" and not find(list, choice.name) then
    return nil, canonical.invalid(parts.field(job, "tool_choice", "tool_choice"),
      "tool '" .. tostring(choice.name) .. "' is not among the tools that this model can be given")
  end
  if tools.is_forced(choice) and not job.profile.forced_tools then
    drop(job, "tool_choice", "tool_choice", "this model always thinks and then cannot be forced to call a tool")
    choice = { type = "auto" }
  end
  if request.parallel_tool_calls == false then
    choice = choice or { type = "auto" }
    if choice.type ~= "none" then choice.disable_parallel_tool_use = true end
  end
  return choice
end

local json_only = "Answer with one JSON object and nothing else: no prose, no code fence."

-- Models without structured output get a tool whose input is the answer; decoding turns its call back into text.
local function answer_tool(job, body)
  local output = job.request.output
  local list = body.tools or {}
  list[#list + 1] = {
    name = words.answer_tool, description = output.description or "Gives the final answer to the user.",
    input_schema = schema.of_tool(output.schema),
  }
  body.tools = list
  local choice = body.tool_choice
  if choice and choice.type == "tool" then return end
  local own_tools = #list > 1 and not (choice and choice.type == "none")
  body.tool_choice = own_tools and { type = "any" } or { type = "tool", name = words.answer_tool }
  body.tool_choice.disable_parallel_tool_use = choice and choice.disable_parallel_tool_use or nil
end

-- Applies request.output to the body; gives text that the system prompt must say too, or nil.
function tools.output(job, body)
  local output = job.request.output
  if not output or output.type == "text" then return nil end
  if output.type == "json_object" then return json_only end
  if not output.schema then return json_only end
  if job.profile.schema then
    body.output_config = body.output_config or {}
    body.output_config.format = { type = "json_schema", schema = schema.close(output.schema) }
    return nil
  end
  if job.profile.forced_tools then return answer_tool(job, body) end
  return json_only .. "\nIts JSON schema:\n" .. json.raw_text(output.schema)
end

return tools
