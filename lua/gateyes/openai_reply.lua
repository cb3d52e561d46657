-- chat.completion object -> canonical reply, from OpenAI and from servers that follow it loosely.
-- https://platform.openai.com/docs/api-reference/chat/object
local json = require "gateyes.json"
local canonical = require "gateyes.canonical"
local fields = require "gateyes.fields"
local usage = require "gateyes.usage"
local chat_reasoning = require "gateyes.chat_reasoning"
local chat_words = require "gateyes.chat_words"
local openai_ids = require "gateyes.openai_ids"

local openai_reply = {}

local raw_keys = { annotations = true, logprobs = true }
local known = { id = true, object = true, created = true, model = true, choices = true, usage = true,
  service_tier = true, system_fingerprint = true, error = true }

local function text_or_nil(value)
  return type(value) == "string" and value or nil
end
openai_reply.text_or_nil = text_or_nil

-- The text of Mistral's thinking block: a list of text blocks.
function openai_reply.thinking_text(block)
  local texts = {}
  for _, inner in ipairs(type(block.thinking) == "table" and block.thinking or {}) do
    texts[#texts + 1] = type(inner) == "table" and text_or_nil(inner.text) or nil
  end
  return table.concat(texts)
end

local function add_content(parts, message)
  local content = message.content
  if type(content) == "string" then
    if content ~= "" then parts[#parts + 1] = { type = "text", text = content } end
    return
  end
  if fields.kind_of(content) == "null" or type(content) ~= "table" then return end
  for _, block in ipairs(content) do
    if type(block) == "table" and block.type == "thinking" then
      parts[#parts + 1] = { type = "reasoning", text = openai_reply.thinking_text(block), format = "chat" }
    elseif type(block) == "table" and text_or_nil(block.text) and block.text ~= "" then
      parts[#parts + 1] = { type = "text", text = block.text }
    end
  end
end

local function annotate(parts, annotations)
  if annotations == nil then return end
  if fields.kind_of(annotations) ~= "list" or json.raw_text(annotations):match "^%s*%[%s*%]" then return end
  for _, part in ipairs(parts) do
    if part.type == "text" then
      part.annotations = annotations
      return
    end
  end
end

-- Some servers send the arguments as an object rather than as text.
function openai_reply.arguments(value)
  if type(value) == "string" then return value end
  return fields.kind_of(value) == "object" and json.encode(value) or ""
end

local function tool_call(call, context)
  local custom = type(call.custom) == "table"
  local named = custom and call.custom or call["function"]
  if type(named) ~= "table" or not text_or_nil(named.name) then return nil end
  local id = text_or_nil(call.id)
  return {
    type = "tool_call", custom = custom or nil, name = named.name,
    id = id and id ~= "" and id or context.id "call_",
    arguments = custom and text_or_nil(named.input) or openai_reply.arguments(named.arguments),
  }
end

-- Names of the client's free-form tools that went out as functions of one argument, as a set; nil when none did.
function openai_reply.custom_names(context, preset)
  local request = context.request
  if preset.custom ~= false or not (request and request.tools) then return nil end
  local names
  for _, tool in ipairs(request.tools) do
    if tool.type == "custom" then
      names = names or {}
      names[tool.name] = true
    end
  end
  return names
end

-- The arguments of such a function -> the tool's text. What is not of that form is given as it came.
function openai_reply.custom_input(arguments)
  local object = json.decode(arguments)
  return type(object) == "table" and text_or_nil(object.input) or arguments
end

local function add_calls(parts, message, context, customs)
  if message.tool_calls == nil and message.function_call == nil then return false end
  local calls = type(message.tool_calls) == "table" and message.tool_calls or {}
  local names = openai_ids.long_names(context.request)
  local legacy = message.function_call
  if #calls == 0 and type(legacy) == "table" then calls = { { ["function"] = legacy } } end
  for _, call in ipairs(calls) do
    local part = type(call) == "table" and tool_call(call, context)
    if part and names then part.name = names[part.name] or part.name end
    if part and customs and customs[part.name] then
      part.custom, part.arguments = true, openai_reply.custom_input(part.arguments)
    end
    local signature = part and chat_reasoning.signature_of_call(call)
    if signature then parts[#parts + 1] = { type = "reasoning", format = "gemini", encrypted = signature } end
    if part then parts[#parts + 1] = part end
  end
  return #calls > 0
end

local function add_audio(parts, audio)
  if fields.kind_of(audio) ~= "object" then return end
  parts[#parts + 1] = { type = "audio", id = text_or_nil(audio.id), data = text_or_nil(audio.data),
    transcript = text_or_nil(audio.transcript), expires_at = audio.expires_at }
end

local function decode_choice(choice, position, context, customs)
  if type(choice) ~= "table" then choice = {} end
  local message = type(choice.message) == "table" and choice.message or {}
  local parts = chat_reasoning.decode(message)
  add_content(parts, message)
  annotate(parts, message.annotations)
  local refusal = text_or_nil(message.refusal)
  if refusal and refusal ~= "" then parts[#parts + 1] = { type = "refusal", text = refusal } end
  add_audio(parts, message.audio)
  local has_calls = add_calls(parts, message, context, customs)
  local decoded = { index = type(choice.index) == "number" and choice.index or position - 1, parts = parts,
    finish = chat_words.finish_of(choice.finish_reason, has_calls) }
  -- vLLM names the string that it stopped at.
  if decoded.finish == "stop" and text_or_nil(choice.stop_reason) then
    decoded.finish, decoded.stop_sequence = "stop_sequence", choice.stop_reason
  end
  if fields.kind_of(choice.logprobs) ~= "null" then decoded.logprobs = choice.logprobs end
  return decoded
end

local function broken(message)
  return canonical.failure(502, "api_error", message, nil, "upstream_protocol")
end

-- What an `error` member says: OpenAI's object, or only a text. `status` as in chat_words.failure_of.
function openai_reply.failure_of(status, problem)
  if type(problem) ~= "table" then problem = { message = problem } end
  local code = problem.code
  if type(code) == "number" then
    status = status or code >= 400 and code < 600 and code or nil
    code = nil
  end
  local message = text_or_nil(problem.message) or "The provider reported an error without a message"
  local kind, param = text_or_nil(problem.type), text_or_nil(problem.param)
  return chat_words.failure_of(status, kind, text_or_nil(code), message, param)
end

-- The tier in OpenAI's word, where the server has words of its own.
function openai_reply.tier(preset, said)
  local tiers = said and preset.tiers
  for name, word in pairs(tiers or {}) do
    if word == said then return name end
  end
  return text_or_nil(said)
end

-- What no other server has, as it came.
local function extra_of(reply, body)
  local extra
  for name, value in pairs(reply) do
    if not known[name] and value ~= json.null then
      local texts = extra and extra.texts or fields.members(body)
      extra = extra or { texts = texts, values = {} }
      extra.values[name] = json.raw(texts[name])
    end
  end
  return extra and extra.values
end

local function number_or_nil(value)
  return canonical.whole(tonumber(json.is_raw(value) and json.raw_text(value) or value))
end

function openai_reply.decode(body, context, preset)
  local object = json.decode(body, raw_keys)
  if fields.kind_of(object) ~= "object" then
    return nil, broken "The provider's answer is not a JSON object"
  end
  local choices = object.choices
  if type(choices) ~= "table" or #choices == 0 then
    local problem = object.error
    if problem and problem ~= json.null then return nil, openai_reply.failure_of(nil, problem) end
    return nil, broken "The provider's answer has no choices"
  end
  local customs = openai_reply.custom_names(context, preset)
  local reply = { id = text_or_nil(object.id), model = text_or_nil(object.model), choices = {},
    created = number_or_nil(object.created), usage = usage.from_openai(object.usage),
    service_tier = openai_reply.tier(preset, object.service_tier),
    system_fingerprint = text_or_nil(object.system_fingerprint),
    extra = extra_of(object, body), extra_format = "chat" }
  for i = 1, #choices do reply.choices[i] = decode_choice(choices[i], i, context, customs) end
  return reply
end

return openai_reply
