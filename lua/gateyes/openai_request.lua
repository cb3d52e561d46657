-- Canonical request -> body of a chat completions call.
local json = require "gateyes.json"
local canonical = require "gateyes.canonical"
local openai_messages = require "gateyes.openai_messages"
local openai_ids = require "gateyes.openai_ids"
local openai_models = require "gateyes.openai_models"
local openai_parts = require "gateyes.openai_parts"
local openai_schema = require "gateyes.openai_schema"
local web_search = require "gateyes.web_search"

local openai_request = {}

local scalars = { "temperature", "top_p", "top_k", "min_p", "seed", "presence_penalty", "frequency_penalty",
  "repetition_penalty", "logit_bias", "logprobs", "top_logprobs", "parallel_tool_calls", "verbosity", "user",
  "service_tier", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "moderation",
  "safety_identifier", "store", "prediction", "audio", "metadata" }

local beyond_openai = { top_k = true, min_p = true, repetition_penalty = true }

-- Takes part in the generic report of the runtime: everything that some preset takes.
openai_request.takes = { n = true, stop = true, max_tokens = true, reasoning = true, modalities = true, output = true,
  tools = true, tool_choice = true, system = true, turn_names = true }
local is_scalar = {}
for _, name in ipairs(scalars) do openai_request.takes[name], is_scalar[name] = true, true end

local function client_name(request, field)
  return request.fields and request.fields[field] or field
end

local function drop(writer, field, reason)
  openai_parts.drop(writer, client_name(writer.request, field), reason)
end

local function lacks(writer, field)
  local preset = writer.preset
  return preset.lacks[field] or beyond_openai[field] and not preset.adds[field]
    or preset.refuses and preset.refuses(writer.context.model, field)
end

-- The field's value if this server takes it; otherwise it is reported.
local function taken(writer, field)
  local value = writer.request[field]
  if value == nil or not lacks(writer, field) then return value end
  drop(writer, field, "the provider has no such field")
end

-- strict where the server can hold to it; a schema that it would refuse goes without, which is reported.
local function strict_of(writer, field, strict, schema)
  local kept = openai_schema.strict(writer.context, strict, schema)
  if strict and not kept then drop(writer, field, "the provider is not strict about a schema with optional members") end
  return kept
end

local function function_tool(writer, tool)
  local strict = strict_of(writer, "tools", tool.strict, tool.parameters)
  return { type = "function", ["function"] = { name = openai_ids.tool_name(tool.name), description = tool.description,
    parameters = openai_schema.of_tool(tool.parameters, writer.context),
    strict = strict } }
end

-- A free-form tool for a server that knows functions only: its text becomes the one argument.
local input_schema = '{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}'

local function custom_tool(writer, tool)
  if writer.preset.custom ~= false then
    return { type = "custom", custom = { name = openai_ids.tool_name(tool.name), description = tool.description,
      format = tool.format } }
  end
  if tool.format then drop(writer, "tools", "the provider cannot hold a tool's input to a grammar") end
  return { type = "function", ["function"] = { name = openai_ids.tool_name(tool.name),
    description = tool.description, parameters = json.raw(input_schema) } }
end

local function has_search(writer)
  return writer.preset.search or writer.preset.models and openai_models.searches(writer.context.model)
end

local function encode_tool(writer, body, tool)
  if tool.cache then openai_parts.drop(writer, "cache_control", "the provider takes no cache hints on tools") end
  if tool.type == "function" then return function_tool(writer, tool) end
  if tool.type == "custom" then return custom_tool(writer, tool) end
  if tool.format == "chat" and tool.field then
    body[tool.field] = tool.raw
    return nil
  end
  if tool.search and has_search(writer) then
    body.web_search_options = web_search.for_chat(tool, function(name)
      openai_parts.drop(writer, name, "the provider has no such wish")
    end)
    return nil
  end
  if tool.format == "chat" then return tool.raw end
  local name = tool.field or "tools." .. (tool.name or "provider")
  openai_parts.drop(writer, name, "only its own provider can run this tool")
end

local function find_tool(request, name)
  for _, tool in ipairs(request.tools or {}) do
    if tool.name == name then return tool end
  end
end

local function named_choice(writer, name)
  local tool = find_tool(writer.request, name)
  name = openai_ids.tool_name(name)
  if tool and tool.type == "custom" and writer.preset.custom ~= false then
    return { type = "custom", custom = { name = name } }
  end
  return { type = "function", ["function"] = { name = name } }
end

local function required(writer)
  return writer.preset.required or "required"
end

-- What limits the choice to some tools is the same as offering only those.
local function narrowed(writer, choice)
  local names = choice.type == "tool" and { choice.name } or choice.names
  local only = {}
  for _, name in ipairs(names) do only[name] = true end
  return only, (choice.type == "tool" or choice.mode == "required") and required(writer) or "auto"
end

local none = {}

-- For a server that reads no tool_choice: what it can be told by leaving tools out.
local function written_as_tools(writer, choice)
  if choice.type == "none" then return nil, none end
  local only = (choice.type == "tool" or choice.type == "allowed") and narrowed(writer, choice) or nil
  if choice.type ~= "auto" and choice.mode ~= "auto" then
    drop(writer, "tool_choice", "the provider cannot be made to call a tool")
  end
  return nil, only
end

-- -> value for tool_choice, and the set of the only tools to offer, or nil.
local function choice_of(writer)
  local choice, preset = taken(writer, "tool_choice"), writer.preset
  if not choice then return nil end
  if preset.choice == false then return written_as_tools(writer, choice) end
  if choice.type == "required" then return required(writer) end
  if choice.type == "tool" and preset.named ~= false then return named_choice(writer, choice.name) end
  if choice.type == "allowed" and preset.allowed ~= false then
    local tools = {}
    for i, name in ipairs(choice.names) do tools[i] = named_choice(writer, name) end
    return { type = "allowed_tools", allowed_tools = { mode = choice.mode, tools = json.array(tools) } }
  end
  if choice.type ~= "tool" and choice.type ~= "allowed" then return choice.type end
  local only, word = narrowed(writer, choice)
  return word, only
end

local function add_tools(writer, body)
  if not (writer.request.tools or writer.request.tool_choice) then
    body.parallel_tool_calls = nil
    return
  end
  local choice, only = choice_of(writer)
  local tools = {}
  for _, tool in ipairs(taken(writer, "tools") or {}) do
    if not only or only[tool.name] then tools[#tools + 1] = encode_tool(writer, body, tool) end
  end
  if #tools == 0 then
    body.parallel_tool_calls = nil
    return
  end
  body.tools = json.array(tools)
  body.tool_choice = choice
end

local function add_format(writer, body)
  local output = writer.request.output
  if not output or output.type == "text" then return end
  if output.type == "json_object" or writer.preset.schema == false then
    if output.type == "json_schema" then drop(writer, "output", "the provider holds its JSON to no schema") end
    body.response_format = { type = "json_object" }
    return
  end
  body.response_format = { type = "json_schema", json_schema = { name = output.name or "structured_output",
    description = output.description, schema = output.schema,
    strict = strict_of(writer, "output", output.strict, output.schema) } }
end

-- The effort word that is asked for, whatever form the client asked in; nil when it did not.
local function effort_of(reasoning)
  if reasoning.mode == "disabled" then return "none" end
  if reasoning.effort then return reasoning.effort end
  return reasoning.budget_tokens and canonical.effort_of_budget(reasoning.budget_tokens) or nil
end

local function has_functions(body)
  for _, tool in ipairs(body.tools or {}) do
    if json.is_raw(tool) or tool.type == "function" then return true end
  end
  return false
end

-- OpenAI's own models differ in whether they reason and what they refuse beside it.
local function openai_effort(writer, body, effort)
  local model = writer.context.model
  if openai_models.reasons(model) == nil then
    -- Anthropic's effort says how much to write, too: without thinking it asks no one to reason. Its word for no
    -- thinking is one that only servers that reason know here.
    local name = client_name(writer.request, "reasoning")
    if effort and (name == "output_config.effort" or effort == "none" and name == "thinking") then
      drop(writer, "reasoning", "the model is not known to reason")
      return nil
    end
    return effort
  end
  if openai_models.reasons(model) == false then
    if effort and effort ~= "none" then drop(writer, "reasoning", "the model does not reason") end
    return nil
  end
  if has_functions(body) and openai_models.tools_forbid_effort(model) then
    if effort and effort ~= "none" then
      drop(writer, "reasoning", "chat completions of this model take no reasoning effort beside tools")
    end
    return "none"
  end
  if effort == "none" then return openai_models.effort_of_disabled(model) end
  return openai_models.effort(model, effort)
end

local function openrouter_reasoning(reasoning, effort)
  if effort == "none" then return { enabled = false } end
  local object = { effort = effort, max_tokens = reasoning.budget_tokens }
  if object.max_tokens then object.effort = nil end
  if reasoning.display == "omitted" then object.exclude = true end
  if next(object) == nil or reasoning.mode then object.enabled = true end
  return object
end

-- Chat completions of OpenAI's models tell nothing of their reasoning.
local function report_unseen(writer, reasoning, effort)
  local reasons = openai_models.reasons(writer.context.model)
  if reasons ~= nil and reasoning.summary then
    openai_parts.drop(writer, "reasoning.summary", "chat completions of this model show no reasoning")
  end
  if reasons == false and reasoning.mode == "adaptive" and not effort then
    drop(writer, "reasoning", "the model does not reason")
  end
end

local function add_reasoning(writer, body)
  local reasoning, preset = taken(writer, "reasoning") or {}, writer.preset
  local effort = effort_of(reasoning)
  if preset.models then
    body.reasoning_effort = openai_effort(writer, body, effort)
    report_unseen(writer, reasoning, effort)
    return
  end
  if next(reasoning) == nil then return end
  if preset.reasoning == "object" then
    body.reasoning = openrouter_reasoning(reasoning, effort)
    return
  end
  local on = effort and effort ~= "none" or reasoning.mode == "enabled"
  if preset.reasoning == "thinking" and (on or effort == "none") then
    body.thinking = { type = on and "enabled" or "disabled" }
  elseif preset.reasoning == "template" and reasoning.mode and reasoning.mode ~= "adaptive" then
    body.chat_template_kwargs = { enable_thinking = on, thinking = on }
  end
  if effort and (effort ~= "none" or preset.reasoning == "effort") then
    body.reasoning_effort = preset.efforts[effort] or effort
  end
end

local fixed = { "temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs",
  "logit_bias", "stop" }
local defaults = { temperature = 1, top_p = 1, presence_penalty = 0, frequency_penalty = 0, logprobs = false }

local function fix_parallel(writer, body)
  if not writer.preset.models or openai_models.takes_parallel(writer.context.model) then return end
  if body.parallel_tool_calls == false then drop(writer, "parallel_tool_calls", "the model does not take it") end
  body.parallel_tool_calls = nil
end

-- A reasoning model of OpenAI refuses any sampling but the default.
local function fix_sampling(writer, body)
  if not (writer.preset.models and openai_models.fixed_sampling(writer.context.model, body.reasoning_effort)) then
    return
  end
  for _, field in ipairs(fixed) do
    if body[field] ~= nil and body[field] ~= defaults[field] then
      drop(writer, field, "the model reasons and takes no other value than its default")
    end
    body[field] = nil
  end
end

local function fix_tier(writer, body)
  local tiers = writer.preset.tiers
  if not tiers or not body.service_tier then return end
  local tier = tiers[body.service_tier]
  if not tier then drop(writer, "service_tier", "the provider has no tier '" .. body.service_tier .. "'") end
  body.service_tier = tier
end

local function fix_verbosity(writer, body)
  local asked = writer.preset.models and body.verbosity
  if not asked or openai_models.takes_verbosity(writer.context.model, asked) then return end
  body.verbosity = nil
  drop(writer, "verbosity", "the model knows no other verbosity than medium")
end

local function add_scalars(writer, body)
  local names, request = writer.preset.names, writer.request
  for field in pairs(request) do
    if is_scalar[field] then body[names and names[field] or field] = taken(writer, field) end
  end
  if writer.preset.models then body.user = openai_ids.user(body.user, writer.context.model) end
  fix_verbosity(writer, body)
  fix_tier(writer, body)
  -- Without it chat completions refuse top_logprobs; Responses have no such switch.
  if body.top_logprobs and body.logprobs == nil then
    if body.top_logprobs > 0 then body.logprobs = true else body.top_logprobs = nil end
  end
  if body.metadata and writer.preset.models and writer.request.store ~= true then
    body.metadata = nil
    drop(writer, "metadata", "the provider keeps metadata with stored completions only")
  end
end

-- More than the model can give is refused by most servers, where the client only meant "as much as you can".
local function limit_of(writer)
  local asked, most = writer.request.max_tokens, writer.context.info and writer.context.info.max_output_tokens
  if not (asked and most and asked > most) then return asked end
  drop(writer, "max_tokens", "lowered to " .. most .. ", the most that the model gives")
  return most
end

-- OpenAI takes four stop sequences. Other servers are taken at their word.
local most_stops = 4

local function most_stops_of(writer)
  local count = #writer.request.stop
  if count <= most_stops or openai_models.reasons(writer.context.model) == nil then return count end
  drop(writer, "stop", "the provider takes four stop sequences: the first four are used")
  return most_stops
end

local function add_lists(writer, body)
  local request = writer.request
  if request.stop and taken(writer, "stop") then
    body.stop = json.array { unpack(request.stop, 1, most_stops_of(writer)) }
  end
  local modalities = taken(writer, "modalities")
  if modalities then body.modalities = json.array { unpack(modalities) } end
  if request.n and request.n ~= 1 then body.n = taken(writer, "n") end
  body[writer.preset.limit] = limit_of(writer)
end

local function add_stream(writer, body)
  if not writer.request.stream then return end
  body.stream = true
  -- Asked for always: without it nobody knows what the reply cost.
  body.stream_options = { include_usage = true }
end

local function add_extra(request, body)
  if request.extra_format ~= "chat" or not request.extra then return end
  for name, value in pairs(request.extra) do
    if body[name] == nil then body[name] = value end
  end
end

-- -> body as a table for json.encode | nil, failure
function openai_request.encode(request, context, preset)
  local writer = openai_parts.writer(request, context, preset)
  local messages, failure = openai_messages.encode(writer)
  if not messages then return nil, failure end
  local body = { model = context.model, messages = messages }
  add_scalars(writer, body)
  add_lists(writer, body)
  add_tools(writer, body)
  fix_parallel(writer, body)
  add_format(writer, body)
  add_reasoning(writer, body)
  fix_sampling(writer, body)
  add_stream(writer, body)
  add_extra(request, body)
  return body
end

return openai_request
