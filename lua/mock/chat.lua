-- POST /v1/chat/completions. Source: OpenAI API reference, "Chat Completions".
local answer = require "mock.answer"
local chat_check = require "mock.chat_check"
local failure = require "mock.failure"
local openai = require "mock.openai"
local shape = require "mock.shape"
local text = require "mock.text"

local chat = { error_frames = openai.error_frames, error_body = failure.openai }

local function read_tools(body)
  local tools = {}
  for _, tool in ipairs(type(body.tools) == "table" and body.tools or {}) do
    local inner = tool["function"] or tool.custom
    if inner and inner.name then
      tools[#tools + 1] = { name = inner.name, schema = inner.parameters, custom = tool.custom ~= nil }
    end
  end
  return tools
end

local function read_choice(choice)
  if type(choice) == "string" then return { type = choice } end
  if type(choice) ~= "table" then return { type = "auto" } end
  local inner = choice["function"] or choice.custom
  if inner then return { type = "tool", name = inner.name } end
  local allowed = choice.allowed_tools
  if allowed then
    local first = allowed.tools and allowed.tools[1]
    return { type = allowed.mode, name = first and (first["function"] or first).name }
  end
  return { type = "auto" }
end

local function read_messages(ask, body)
  local tokens = 3
  for i, message in ipairs(body.messages) do
    local said, images = openai.content(message.content)
    tokens = tokens + 4 + text.tokens(said) + 85 * images
    if message.role == "user" then ask.text, ask.images = said, images end
    if message.role == "tool" and i == #body.messages then ask.tool_result = { text = said } end
  end
  ask.input_tokens = tokens + 20 * #ask.tools
end

local function read_format(ask, format)
  if type(format) ~= "table" then return end
  ask.json_object = format.type == "json_object"
  if format.type == "json_schema" then ask.schema = format.json_schema and format.json_schema.schema or {} end
end

function chat.read(body, set, raw)
  local wrong = shape.check(body, "chat") or not set.lax and chat_check.run(body, set)
  if wrong then return nil, wrong end
  local effort = body.reasoning_effort or (type(body.reasoning) == "table" and body.reasoning.effort)
  local options = type(body.stream_options) == "table" and body.stream_options or {}
  local ask = {
    model = body.model or "mock", stream = body.stream == true, raw = raw, seed = raw, text = "", images = 0,
    tools = read_tools(body), choice = read_choice(body.tool_choice), one_tool = body.parallel_tool_calls == false,
    max_tokens = body.max_completion_tokens or body.max_tokens,
    stop = type(body.stop) == "string" and { body.stop } or body.stop, n = body.n,
    logprobs = body.logprobs == true, top_logprobs = body.top_logprobs, include_usage = options.include_usage == true,
  }
  if effort then ask.reasoning = effort ~= "none" end
  read_messages(ask, { messages = type(body.messages) == "table" and body.messages or {} })
  read_format(ask, body.response_format)
  return ask
end

local function call_id(call)
  return "call_" .. call.key
end

local function call_json(call, index, arguments)
  local inner = call.custom and "custom" or "function"
  return text.object(
    "index", index and text.number(index),
    "id", text.quote(call_id(call)),
    "type", text.quote(inner),
    inner, text.object("name", text.quote(call.name), call.custom and "input" or "arguments", text.quote(arguments)))
end

local function reasoning_name(set)
  local field = set.reasoning_field or "reasoning_content"
  return field ~= "hidden" and field or nil
end

local function finish_word(choice, set)
  return text.quote(set.finish or openai.FINISH[choice.finish])
end

local function message_json(choice, set)
  local calls
  if choice.calls then
    calls = {}
    for i, call in ipairs(choice.calls) do calls[i] = call_json(call, nil, call.arguments) end
  end
  local name = choice.reasoning and reasoning_name(set)
  return text.object(
    "role", '"assistant"',
    "content", text.value(choice.text),
    name or "reasoning_content", name and text.quote(choice.reasoning) or nil,
    "refusal", text.value(choice.refusal),
    "tool_calls", calls and text.array(calls),
    "annotations", "[]")
end

local function logprobs_json(ask, pieces)
  if not ask.logprobs or not pieces then return "null" end
  return text.object("content", openai.logprobs(pieces, ask.top_logprobs), "refusal", "null")
end

function chat.reply(ask, choices, usage, set)
  local items = {}
  for i, choice in ipairs(choices) do
    items[i] = text.object("index", text.number(i - 1), "message", message_json(choice, set),
      "logprobs", logprobs_json(ask, choice.pieces), "finish_reason", finish_word(choice, set))
  end
  return text.object(
    "id", text.quote("chatcmpl-" .. ask.id), "object", '"chat.completion"', "created", text.number(ask.created),
    "model", text.quote(ask.model), "choices", text.array(items),
    "usage", set.usage ~= "missing" and openai.usage(usage) or nil,
    "service_tier", '"default"', "system_fingerprint", '"fp_mock"')
end

-- Deltas of one choice as { delta JSON, logprobs JSON | nil }.
local function call_deltas(call, index, set)
  local deltas = { { text.object("tool_calls", text.array { call_json(call, index, "") }) } }
  local inner = call.custom and "custom" or "function"
  for _, piece in ipairs(answer.argument_pieces(call, set)) do
    local value = text.object(call.custom and "input" or "arguments", text.quote(piece))
    deltas[#deltas + 1] = { text.object("tool_calls", text.array {
      text.object("index", text.number(index), inner, value) }) }
  end
  return deltas
end

-- One call after the other, as OpenAI does (its SDK takes a call as finished when the next one
-- begins); interleaved on request, as some engines do.
local function add_calls(deltas, choice, set)
  local lists, most = {}, 0
  for i, call in ipairs(choice.calls) do
    lists[i] = call_deltas(call, i - 1, set)
    most = math.max(most, #lists[i])
  end
  if not set.interleave then
    for _, list in ipairs(lists) do
      for _, delta in ipairs(list) do deltas[#deltas + 1] = delta end
    end
    return
  end
  for at = 1, most do
    for _, list in ipairs(lists) do deltas[#deltas + 1] = list[at] end
  end
end

local function deltas_of(ask, choice, set)
  local content = choice.text and '""' or "null"
  local deltas = { { text.object("role", '"assistant"', "content", content, "refusal", "null") } }
  local name = choice.reasoning and reasoning_name(set)
  if name then
    for _, piece in ipairs(text.pieces(choice.reasoning)) do
      deltas[#deltas + 1] = { text.object(name, text.quote(piece)) }
    end
  end
  for _, piece in ipairs(choice.pieces or {}) do
    deltas[#deltas + 1] = { text.object("content", text.quote(piece)), logprobs_json(ask, { piece }) }
  end
  for _, piece in ipairs(text.pieces(choice.refusal or "")) do
    deltas[#deltas + 1] = { text.object("refusal", text.quote(piece)) }
  end
  if choice.calls then add_calls(deltas, choice, set) end
  return deltas
end

local function new_chunk(ask, set, usage)
  local start = '{"id":' .. text.quote("chatcmpl-" .. ask.id) .. ',"object":"chat.completion.chunk","created":'
    .. text.number(ask.created) .. ',"model":' .. text.quote(ask.model)
    .. ',"service_tier":"default","system_fingerprint":"fp_mock","choices":['
  local tail = ask.include_usage and '],"usage":null}' or "]}"
  if set.usage == "cumulative" then tail = '],"usage":' .. openai.usage(usage) .. "}" end
  return function(index, delta, logprobs, finish)
    return { data = start .. '{"index":' .. index .. ',"delta":' .. delta .. ',"logprobs":' .. (logprobs or "null")
      .. ',"finish_reason":' .. (finish or "null") .. "}" .. tail }
  end, start
end

function chat.stream(ask, choices, usage, set)
  local chunk, start = new_chunk(ask, set, usage)
  local frames, lists, most = {}, {}, 0
  for i, choice in ipairs(choices) do
    lists[i] = deltas_of(ask, choice, set)
    most = math.max(most, #lists[i] + 1)
  end
  for at = 1, most do -- choices take turns
    for i, list in ipairs(lists) do
      if list[at] then
        frames[#frames + 1] = chunk(i - 1, list[at][1], list[at][2])
      elseif at == #list + 1 then
        frames[#frames + 1] = chunk(i - 1, "{}", nil, finish_word(choices[i], set))
      end
    end
  end
  local last = { data = start .. '],"usage":' .. openai.usage(usage) .. "}" }
  for _, frame in ipairs(openai.usage_frames(last, set, ask.include_usage)) do frames[#frames + 1] = frame end
  frames[#frames + 1] = openai.done()
  return frames
end

return chat
