-- POST /v1/responses -> canonical request. https://platform.openai.com/docs/api-reference/responses/create
local canonical = require "gateyes.canonical"
local history = require "gateyes.responses_history"
local json = require "gateyes.json"
local object = require "gateyes.responses_object"
local text = require "gateyes.responses_text"
local tools = require "gateyes.responses_tools"
local turns = require "gateyes.responses_turns"

local request = {}

-- Fields taken over as they are: client's name -> canonical name, type.
local plain = {
  temperature = { "temperature", "number" }, top_p = { "top_p", "number" },
  presence_penalty = { "presence_penalty", "number" }, frequency_penalty = { "frequency_penalty", "number" },
  top_logprobs = { "top_logprobs", "number" }, max_output_tokens = { "max_tokens", "number" },
  parallel_tool_calls = { "parallel_tool_calls", "boolean" }, store = { "store", "boolean" },
  user = { "user", "string" }, safety_identifier = { "safety_identifier", "string" },
  prompt_cache_key = { "prompt_cache_key", "string" },
  prompt_cache_retention = { "prompt_cache_retention", "string" }, service_tier = { "service_tier", "string" },
}

-- Interpreted elsewhere here, or by the runtime.
local known = {
  model = true, input = true, instructions = true, previous_response_id = true, tools = true, tool_choice = true,
  text = true, reasoning = true, include = true, truncation = true, metadata = true, stream = true,
  stream_options = true, background = true, prompt_cache_options = true, moderation = true,
}

local function wrong_type(name, wanted)
  local message = "Invalid type for '" .. name .. "': expected a " .. wanted .. "."
  return canonical.failure(400, "invalid_request_error", message, name, "invalid_type")
end

local function read_plain(made, members)
  for name, rule in pairs(plain) do
    local value = text.value(members[name])
    if value ~= nil then
      if type(value) ~= rule[2] then return wrong_type(name, rule[2]) end
      made[rule[1]], made.fields[rule[1]] = value, name
    end
  end
end

local formats = { text = true, json_object = true, json_schema = true }

local function read_format(made, raw)
  if raw == nil or raw == "null" then return nil end
  local members = text.members(raw)
  local format = members and json.decode(raw)
  if not format or not formats[format.type] then
    return canonical.invalid("text.format", "'text.format.type' must be 'text', 'json_object' or 'json_schema'.")
  end
  if format.type == "text" then return nil end
  made.output = { type = format.type, name = text.string(format.name), description = text.string(format.description) }
  made.fields.output = "text.format"
  if format.type == "json_object" then return nil end
  if not members.schema then
    return canonical.failure(400, "invalid_request_error", "Missing required parameter: 'text.format.schema'.",
      "text.format.schema", "missing_required_parameter")
  end
  made.output.schema = json.raw(members.schema, true)
  if type(format.strict) == "boolean" then made.output.strict = format.strict end
end

local function read_text(made, raw)
  if raw == nil or raw == "null" then return nil end
  local members = text.members(raw)
  if not members then return wrong_type("text", "object") end
  made.verbosity, made.fields.verbosity = text.string(text.value(members.verbosity)), "text.verbosity"
  return read_format(made, members.format)
end

local function read_reasoning(made, raw)
  local reasoning = text.value(raw)
  if reasoning == nil then return nil end
  if type(reasoning) ~= "table" then return wrong_type("reasoning", "object") end
  local effort = text.string(reasoning.effort)
  local summary = text.string(reasoning.summary) or text.string(reasoning.generate_summary)
  if effort or summary then
    made.reasoning, made.fields.reasoning = { effort = effort, summary = summary }, "reasoning"
  end
end

-- What of `include` the canonical form carries; the rest is left to a provider of the same dialect.
local function read_include(made, raw)
  local rest = {}
  for _, name in ipairs(text.table(text.value(raw))) do
    if name == "message.output_text.logprobs" then
      made.logprobs, made.fields.logprobs = true, "include"
    elseif type(name) == "string" and name ~= "reasoning.encrypted_content" then
      rest[#rest + 1] = json.quote(name)
    end
  end
  if #rest > 0 then made.extra.include = json.raw(text.list(rest), true) end
end

local function read_extra(made, members)
  for name, raw in pairs(members) do
    if raw ~= "null" and not plain[name] and not known[name] then made.extra[name] = json.raw(raw, true) end
  end
  if text.value(members.truncation) == "auto" then made.extra.truncation = json.raw('"auto"', true) end
  local options = text.value(members.stream_options)
  if type(options) == "table" and options.include_obfuscation == true then
    made.extra.stream_options = json.raw(members.stream_options, true)
  end
end

-- State that OpenAI keeps and nobody else has: what it stands for would be missing from the prompt.
local function refuse_foreign_state(members, context)
  if context.adapter == "openai_responses" then return nil end
  for _, name in ipairs { "conversation", "prompt" } do
    if members[name] and members[name] ~= "null" then
      local message = "'" .. name .. "' is kept by OpenAI and unknown to the provider of this model: send its content "
        .. "in 'input'."
      return canonical.failure(400, "invalid_request_error", message, name, "unsupported_parameter")
    end
  end
end

local function read_turns(made, members, context)
  local items, failure = history.items(members, context)
  if not items then return failure end
  local read
  read, failure = turns.read(items)
  if not read then return failure end
  local instructions = text.value(members.instructions)
  if type(instructions) == "string" and instructions ~= "" then
    table.insert(read.system, 1, { type = "text", text = instructions })
  end
  if #read.turns == 0 then
    if #read.system == 0 then
      local message = "One of 'input' or 'previous_response_id' must be provided."
      return canonical.failure(400, "invalid_request_error", message, "input", "missing_required_parameter")
    end
    read.turns, read.system = { { role = "system", parts = read.system } }, {}
  end
  if read.has_phase and context.adapter ~= "openai_responses" and context.drop then
    context.drop("input.phase", "the provider has no phases")
  end
  made.system, made.turns = #read.system > 0 and read.system or nil, read.turns
end

local function read_tools(made, members)
  local failure
  made.tools, failure = tools.read(members.tools)
  if failure then return failure end
  made.tool_choice, failure = tools.read_choice(members.tool_choice)
  made.fields.tools, made.fields.tool_choice = "tools", "tool_choice"
  return failure
end

local function read_verbatim(made, members)
  for _, name in ipairs { "prompt_cache_options", "moderation" } do
    local raw = members[name]
    if raw and raw:sub(1, 1) == "{" then made[name], made.fields[name] = json.raw(raw, true), name end
  end
end

local function read_metadata(made, raw)
  if raw == nil or raw == "null" then return nil end
  if raw:sub(1, 1) ~= "{" then return wrong_type("metadata", "object") end
  if raw:find('"', 1, true) then made.metadata, made.fields.metadata = json.raw(raw, true), "metadata" end
end

function request.decode(body, context)
  local members, message = text.members(body)
  if not members then return nil, canonical.invalid(nil, "The body is not a JSON object: " .. message .. ".") end
  local made = { fields = { messages = "input", turns = "input" }, extra = {}, extra_format = "responses" }
  made.model = text.string(text.value(members.model))
  made.stream = text.value(members.stream) == true
  local failure = refuse_foreign_state(members, context) or read_plain(made, members)
    or read_turns(made, members, context) or read_tools(made, members) or read_text(made, members.text)
    or read_reasoning(made, members.reasoning) or read_metadata(made, members.metadata)
  if failure then return nil, failure end
  read_include(made, members.include)
  read_verbatim(made, members)
  read_extra(made, members)
  if next(made.extra) == nil then made.extra, made.extra_format = nil, nil end
  made.echo = object.echo(members)
  return made
end

return request
