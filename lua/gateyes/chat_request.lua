-- The body of POST /v1/chat/completions -> canonical request.
-- https://platform.openai.com/docs/api-reference/chat/create, and the fields that vLLM, OpenRouter and DeepSeek add.
local json = require "gateyes.json"
local fields = require "gateyes.fields"
local chat_messages = require "gateyes.chat_messages"
local chat_parts = require "gateyes.chat_parts"
local web_search = require "gateyes.web_search"

local chat_request = {}

-- Fields that mean the same under the same name, with their JSON type.
local plain = {
  temperature = "number", top_p = "number", top_k = "integer", min_p = "number", presence_penalty = "number",
  frequency_penalty = "number", repetition_penalty = "number", logprobs = "boolean", top_logprobs = "integer",
  n = "integer", seed = "long", parallel_tool_calls = "boolean", user = "string", service_tier = "string",
  prompt_cache_key = "string", prompt_cache_retention = "string", safety_identifier = "string", store = "boolean",
  stream = "boolean", model = "string",
}

-- Fields that nobody here looks into.
local verbatim = { logit_bias = "object", metadata = "object", prediction = "object", audio = "object",
  prompt_cache_options = "object", moderation = "object" }

local function add_tool(request, tool)
  request.tools = request.tools or {}
  request.tools[#request.tools + 1] = tool
end

local function function_tool(read, definition, cache)
  return {
    type = "function", cache = cache,
    name = read:need(definition, "string", "name"),
    description = read:get(definition, "string", "description"),
    parameters = read:get(definition, "object", "parameters", "send a JSON Schema"),
    strict = read:get(definition, "boolean", "strict"),
  }
end

local function custom_tool(read, definition, cache)
  return {
    type = "custom", cache = cache,
    name = read:need(definition, "string", "name"),
    description = read:get(definition, "string", "description"),
    format = read:get(definition, "object", "format"),
  }
end

local tool_decoders = { ["function"] = function_tool, custom = custom_tool }

-- A tool of another type is one that some provider runs itself.
local function provider_tool(tool)
  return { type = "provider", format = "chat", name = tool.type, raw = json.raw(json.encode(tool)) }
end

local tool_members = { type = true, ["function"] = true, custom = true, cache_control = true }
local definition_members = { name = true, description = true, parameters = true, strict = true, format = true }

local function others_of(read, tool, definition, kind)
  local path = read:where()
  local others = fields.others(tool, tool_members, path) or {}
  for _, name in ipairs(fields.others(definition, definition_members, path .. "." .. kind) or {}) do
    others[#others + 1] = name
  end
  return others[1] and others or nil
end

local function decode_tools(read, text, request)
  local list = read:check(json.decode(text, { parameters = true, format = true }), "list", "tools")
  read:each(list, "tools", function(tool)
    local kind = tool.type == nil and "function" or read:get(tool, "string", "type")
    local decode = kind and tool_decoders[kind]
    if not decode then return kind and add_tool(request, provider_tool(tool)) end
    local definition = read:need(tool, "object", kind)
    if not definition then return end
    local cache, others = chat_parts.cache_of(read, tool), others_of(read, tool, definition, kind)
    read:enter(kind)
    local decoded = decode(read, definition, cache)
    decoded.others = others
    add_tool(request, decoded)
    read:leave()
  end)
end

-- Not a tool here but a field of the request, which the models have that always search.
local function decode_search(read, text, request)
  local options = read:check(json.decode(text), "object", "web_search_options")
  if not options then return end
  local search = web_search.of_options(options)
  add_tool(request, { type = "provider", format = "chat", name = web_search.name, search = search,
    field = "web_search_options", raw = json.raw(text) })
end

local function decode_functions(read, text, request)
  request.fields.tools = "functions"
  read:each(read:check(json.decode(text, { parameters = true }), "list", "functions"), "functions", function(each)
    add_tool(request, function_tool(read, each))
  end)
end

local choice_words = { none = { type = "none" }, auto = { type = "auto" }, required = { type = "required" },
  any = { type = "required" } }

local function named_choice(read, choice, kind)
  local named = read:need(choice, "object", kind, "send { \"name\": … }")
  if not named then return nil end
  read:enter(kind)
  local name = read:need(named, "string", "name")
  read:leave()
  return { type = "tool", name = name }
end

local function allowed_names(read, allowed)
  local names = {}
  read:each(read:need(allowed, "list", "tools"), "tools", function(tool)
    local named = tool[tool.type == "custom" and "custom" or "function"]
    local name = type(named) == "table" and named.name or tool.name
    if type(name) ~= "string" then return read:refuse("function.name", "is missing") end
    names[#names + 1] = name
  end)
  return names
end

local function allowed_choice(read, choice)
  local allowed = read:need(choice, "object", "allowed_tools")
  if not allowed then return nil end
  read:enter "allowed_tools"
  local mode = read:word(read:need(allowed, "string", "mode"), { auto = "auto", required = "required" }, "mode")
  local decoded = { type = "allowed", mode = mode, names = allowed_names(read, allowed) }
  read:leave()
  return decoded
end

local function decode_choice(read, text, request)
  local choice = json.decode(text)
  if type(choice) == "string" then
    request.tool_choice = read:word(choice, choice_words, "tool_choice")
    return
  end
  if not read:check(choice, "object", "tool_choice", "send \"auto\" or { \"type\": \"function\", … }") then return end
  read:enter "tool_choice"
  local kind = read:need(choice, "string", "type")
  if kind == "function" or kind == "custom" then
    request.tool_choice = named_choice(read, choice, kind)
  elseif kind == "allowed_tools" then
    request.tool_choice = allowed_choice(read, choice)
  elseif kind then
    read:refuse("type", "must be 'function', 'custom' or 'allowed_tools', not '" .. kind .. "'")
  end
  read:leave()
end

local function decode_function_call(read, text, request)
  local choice = json.decode(text)
  request.fields.tool_choice = "function_call"
  if type(choice) == "string" then
    request.tool_choice = read:word(choice, { none = choice_words.none, auto = choice_words.auto }, "function_call")
  elseif read:check(choice, "object", "function_call") then
    read:enter "function_call"
    request.tool_choice = { type = "tool", name = read:need(choice, "string", "name") }
    read:leave()
  end
end

local function decode_format(read, text, request)
  local format = read:check(json.decode(text, { schema = true }), "object", "response_format")
  if not format then return end
  read:enter "response_format"
  local known = { text = "text", json_object = "json_object", json_schema = "json_schema" }
  local output = { type = read:word(read:need(format, "string", "type"), known, "type") }
  local named = output.type == "json_schema" and read:need(format, "object", "json_schema")
  if named then
    read:enter "json_schema"
    output.name = read:need(named, "string", "name")
    output.description = read:get(named, "string", "description")
    output.schema = read:get(named, "object", "schema")
    output.strict = read:get(named, "boolean", "strict")
    read:leave()
  end
  read:leave()
  request.output = output
end

local function decode_stop(read, text, request)
  local stop = json.decode(text)
  if type(stop) == "string" then
    request.stop = { stop }
  else
    request.stop = read:strings(stop, "stop")
  end
  if request.stop and #request.stop == 0 then request.stop = nil end
end

-- max_completion_tokens replaces max_tokens where a client sends both.
local function decode_limit(name)
  return function(read, text, request)
    local limit = read:check(json.decode(text), "integer", name)
    if request.max_tokens and name == "max_tokens" then return end
    request.max_tokens = limit
    request.fields.max_tokens = name
  end
end

local efforts = { none = "none", minimal = "minimal", low = "low", medium = "medium", high = "high", xhigh = "xhigh",
  max = "max" }

local function reasoning_of(request, name)
  request.reasoning = request.reasoning or {}
  request.fields.reasoning = name
  return request.reasoning
end

local function decode_effort(read, text, request)
  local effort = read:word(json.decode(text), efforts, "reasoning_effort")
  local reasoning = reasoning_of(request, "reasoning_effort")
  reasoning.effort = effort
  if effort == "none" then reasoning.mode = "disabled" end
end

-- OpenRouter's object.
local function decode_reasoning(read, text, request)
  local object = read:check(json.decode(text), "object", "reasoning")
  if not object then return end
  local reasoning = reasoning_of(request, "reasoning")
  read:enter "reasoning"
  local effort = read:word(object.effort, efforts, "effort")
  local enabled = read:get(object, "boolean", "enabled")
  reasoning.effort = effort or reasoning.effort
  reasoning.budget_tokens = read:get(object, "integer", "max_tokens")
  reasoning.summary = read:get(object, "string", "summary")
  if read:get(object, "boolean", "exclude") then reasoning.display = "omitted" end
  if enabled == false or effort == "none" then
    reasoning.mode = "disabled"
  elseif enabled then
    reasoning.mode = "enabled"
  end
  read:leave()
end

-- DeepSeek's and others' { type = "enabled" | "disabled" }.
local function decode_thinking(read, text, request)
  local object = read:check(json.decode(text), "object", "thinking")
  if not object then return end
  local reasoning = reasoning_of(request, "thinking")
  read:enter "thinking"
  local modes = { enabled = "enabled", disabled = "disabled", adaptive = "adaptive", auto = "adaptive" }
  reasoning.mode = read:word(read:need(object, "string", "type"), modes, "type")
  reasoning.budget_tokens = read:get(object, "integer", "budget_tokens") or reasoning.budget_tokens
  read:leave()
end

local function decode_verbosity(read, text, request)
  request.verbosity = read:word(json.decode(text), { low = "low", medium = "medium", high = "high" }, "verbosity")
end

local function decode_stream_options(read, text, request)
  local options = read:check(json.decode(text), "object", "stream_options")
  if not options then return end
  read:enter "stream_options"
  request.include_usage = read:get(options, "boolean", "include_usage") or nil
  read:leave()
end

local decoders = {
  messages = chat_messages.decode, tools = decode_tools, functions = decode_functions, tool_choice = decode_choice,
  function_call = decode_function_call, response_format = decode_format, stop = decode_stop,
  max_tokens = decode_limit "max_tokens", max_completion_tokens = decode_limit "max_completion_tokens",
  reasoning_effort = decode_effort, reasoning = decode_reasoning, thinking = decode_thinking,
  verbosity = decode_verbosity, web_search_options = decode_search, stream_options = decode_stream_options,
  modalities = function(read, text, request)
    request.modalities = read:strings(json.decode(text), "modalities")
  end,
}

-- The deprecated fields that stand for another one, which counts where a client sends both.
local replaced = { functions = "tools", function_call = "tool_choice" }

local function decode_field(read, name, text, request, texts)
  if text:match "^%s*null%s*$" then return end
  if replaced[name] and texts[replaced[name]] then
    request.extra[name] = json.raw(text)
  elseif decoders[name] then
    decoders[name](read, text, request)
  elseif plain[name] then
    request[name] = read:check(json.decode(text), plain[name], name)
  elseif verbatim[name] then
    request[name] = read:check(json.raw(text), verbatim[name], name)
  else
    request.extra[name] = json.raw(text)
    return
  end
  request.fields[name] = request.fields[name] or (request[name] ~= nil and name or nil)
end

local function finish(request)
  local used = request.fields
  if request.output then used.output = "response_format" end
  request.stream = request.stream == true
  if next(request.extra) == nil then request.extra = nil end
  return request
end

function chat_request.decode(body)
  local texts, names = fields.members(body)
  if not texts then return nil, names end
  local read = fields.reader()
  local request = { extra = {}, extra_format = "chat", fields = {} }
  for _, name in ipairs(names) do
    decode_field(read, name, texts[name], request, texts)
    if read.failure then return nil, read.failure end
  end
  read:need(request, "string", "model", "name the model")
  if not request.turns then read:need(request, "list", "messages", "send an array of messages") end
  if read.failure then return nil, read.failure end
  return finish(request)
end

return chat_request
