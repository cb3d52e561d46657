-- POST /v1/messages and /v1/messages/count_tokens. Source: Anthropic API reference, "Messages",
-- "Streaming messages", "Extended thinking".
local answer = require "mock.answer"
local check = require "mock.messages_check"
local failure = require "mock.failure"
local json = require "gateyes.json"
local native = require "mock.native"
local shape = require "mock.shape"
local text = require "mock.text"
local threads = require "mock.threads"

local messages = { is_anthropic = true, event_pings = true, error_body = failure.anthropic }

local FINISH = { stop = "end_turn", length = "max_tokens", tool_calls = "tool_use", stop_sequence = "stop_sequence",
  refusal = "refusal" }

function messages.error_frames(set)
  return { { event = "error", data = failure.anthropic(failure.of_knobs(set, set.status or 529)) } }
end

local function result_text(content)
  if type(content) == "string" then return content end
  local out = {}
  for _, part in ipairs(type(content) == "table" and content or {}) do
    if type(part.text) == "string" then out[#out + 1] = part.text end
  end
  return table.concat(out, "\n")
end

-- Text and images of one message, and its last tool result.
local function read_content(content)
  if type(content) == "string" then return content, 0, nil end
  local out, images, result = {}, 0, nil
  for _, block in ipairs(type(content) == "table" and content or {}) do
    if block.type == "text" then out[#out + 1] = block.text end
    if block.type == "image" then images = images + 1 end
    if block.type == "tool_result" then result = { text = result_text(block.content) } end
  end
  return table.concat(out, "\n"), images, result
end

local function read_turns(ask, body)
  local tokens = 3
  if body.system then tokens = tokens + 4 + text.tokens((read_content(body.system))) end
  local list = type(body.messages) == "table" and body.messages or {}
  for i, message in ipairs(list) do
    local said, images, result = read_content(message.content)
    tokens = tokens + 4 + text.tokens(said .. (result and result.text or "")) + 85 * images
    if message.role == "user" and not result then ask.text, ask.images = said, images end
    if i == #list then ask.tool_result = result end
  end
  ask.input_tokens = tokens + 20 * #ask.tools
end

local function read_tools(body)
  local tools = {}
  for _, tool in ipairs(type(body.tools) == "table" and body.tools or {}) do
    if tool.name and tool.input_schema then tools[#tools + 1] = { name = tool.name, schema = tool.input_schema } end
  end
  return tools
end

local CHOICES = { auto = "auto", any = "required", tool = "tool", none = "none" }

local function read_output(body)
  local config = type(body.output_config) == "table" and body.output_config.format or body.output_format
  return type(config) == "table" and config.type == "json_schema" and (config.schema or {}) or nil
end

function messages.read(sent, set, raw)
  local misshapen = shape.check(sent, "messages")
  if misshapen then return nil, misshapen end
  local body, refused = threads.open(sent, set)
  local wrong = refused or (not set.lax and check.run(body, set))
  if wrong then return nil, wrong end
  local choice = type(body.tool_choice) == "table" and body.tool_choice or { type = "auto" }
  local thinking = type(body.thinking) == "table" and body.thinking or nil
  local ask = {
    model = body.model or "mock", stream = body.stream == true, raw = raw, seed = raw, text = "", images = 0,
    tools = read_tools(body), choice = { type = CHOICES[choice.type], name = choice.name },
    one_tool = choice.disable_parallel_tool_use == true, max_tokens = body.max_tokens, stop = body.stop_sequences,
    schema = read_output(body), body = body,
  }
  if thinking then
    ask.reasoning = thinking.type ~= "disabled"
    ask.omitted = thinking.display == "omitted"
  end
  read_turns(ask, body)
  return ask
end

local function usage_json(usage, output, is_delta)
  local number = text.number
  local write = usage.cache_write
  return text.object(
    "input_tokens", number(math.max(0, usage.input - usage.cached - write)),
    "cache_creation_input_tokens", number(write),
    "cache_read_input_tokens", number(usage.cached),
    "cache_creation", not is_delta and text.object("ephemeral_5m_input_tokens", number(write),
      "ephemeral_1h_input_tokens", "0") or nil,
    "output_tokens", number(output),
    "output_tokens_details", usage.reasoning > 0 and output == usage.output
      and text.object("thinking_tokens", number(usage.reasoning)) or nil,
    "server_tool_use", is_delta and "null" or nil,
    "service_tier", not is_delta and '"standard"' or nil)
end

-- The content blocks of a choice as { start =, whole =, deltas = { ... }, signature = }.
local function thinking_block(choice, ask)
  if choice.redacted then
    local data = text.quote(native.base64("redacted:" .. choice.reasoning))
    local block = text.object("type", '"redacted_thinking"', "data", data)
    return { start = block, whole = block, deltas = {} }
  end
  local thought = ask.omitted and "" or choice.reasoning
  local signature = check.signature(thought)
  local block = { deltas = {}, start = '{"type":"thinking","thinking":"","signature":""}' }
  block.whole = text.object("type", '"thinking"', "thinking", text.quote(thought), "signature", text.quote(signature))
  for i, piece in ipairs(text.pieces(thought)) do
    block.deltas[i] = text.object("type", '"thinking_delta"', "thinking", text.quote(piece))
  end
  block.deltas[#block.deltas + 1] = text.object("type", '"signature_delta"', "signature", text.quote(signature))
  return block
end

local function text_block(said, pieces)
  local block = { deltas = {}, start = '{"type":"text","text":""}' }
  block.whole = text.object("type", '"text"', "text", text.quote(said))
  for i, piece in ipairs(pieces) do
    block.deltas[i] = text.object("type", '"text_delta"', "text", text.quote(piece))
  end
  return block
end

local function call_block(call, set)
  local id, name = text.quote("toolu_" .. call.key), text.quote(call.name)
  local block = { deltas = { '{"type":"input_json_delta","partial_json":""}' } }
  block.start = text.object("type", '"tool_use"', "id", id, "name", name, "input", "{}")
  local input = json.decode(call.arguments) and call.arguments or "{}" -- cut short by max_tokens
  block.whole = text.object("type", '"tool_use"', "id", id, "name", name, "input", input)
  for _, piece in ipairs(answer.argument_pieces(call, set)) do
    block.deltas[#block.deltas + 1] = text.object("type", '"input_json_delta"', "partial_json", text.quote(piece))
  end
  return block
end

local function blocks_of(choice, ask, set)
  local blocks = {}
  if choice.reasoning then blocks[1] = thinking_block(choice, ask) end
  local said = choice.text or choice.refusal
  if said and said ~= "" then
    blocks[#blocks + 1] = text_block(said, choice.pieces or text.pieces(said))
  end
  for _, call in ipairs(choice.calls or {}) do blocks[#blocks + 1] = call_block(call, set) end
  return blocks
end

local function finish_word(choice, set)
  return text.quote(set.finish or FINISH[choice.finish])
end

local function message_json(ask, choice, set, content, finish, usage)
  return text.object(
    "id", text.quote("msg_" .. ask.id), "type", '"message"', "role", '"assistant"', "model", text.quote(ask.model),
    "content", content, "stop_reason", finish and finish_word(choice, set) or "null",
    "stop_sequence", finish and text.value(choice.stop_sequence) or "null", "usage", usage)
end

local function whole_content(blocks, ask)
  local whole = {}
  for i, block in ipairs(blocks) do whole[i] = block.whole end
  local content = text.array(whole)
  threads.keep(ask, "msg_" .. ask.id, content)
  return content
end

function messages.reply(ask, choices, usage, set)
  local content = whole_content(blocks_of(choices[1], ask, set), ask)
  return message_json(ask, choices[1], set, content, true,
    set.usage ~= "missing" and usage_json(usage, usage.output) or nil)
end

local function event(name, ...)
  return { event = name, data = text.object("type", text.quote(name), ...) }
end

local function add_block(frames, block, index)
  index = text.number(index)
  frames[#frames + 1] = event("content_block_start", "index", index, "content_block", block.start)
  for _, delta in ipairs(block.deltas) do
    frames[#frames + 1] = event("content_block_delta", "index", index, "delta", delta)
  end
  frames[#frames + 1] = event("content_block_stop", "index", index)
end

-- In the middle of the message usage may already be stated; later values replace earlier ones.
local function add_running_usage(frames, usage, share)
  local running = usage_json(usage, math.floor(usage.output * share), true)
  frames[#frames + 1] = event("message_delta", "delta", '{"stop_reason":null,"stop_sequence":null}', "usage", running)
end

function messages.stream(ask, choices, usage, set)
  local choice, missing = choices[1], set.usage == "missing"
  local blocks = blocks_of(choice, ask, set)
  whole_content(blocks, ask)
  local start_usage = not missing and usage_json(usage, math.min(1, usage.output)) or nil
  local frames = { event("message_start", "message", message_json(ask, choice, set, "[]", false, start_usage)) }
  for i, block in ipairs(blocks) do
    add_block(frames, block, i - 1)
    if i == 1 then table.insert(frames, 3, { event = "ping", data = '{"type":"ping"}' }) end
    if set.usage == "cumulative" then add_running_usage(frames, usage, i / (#blocks + 1)) end
  end
  local delta = text.object("stop_reason", finish_word(choice, set), "stop_sequence", text.value(choice.stop_sequence))
  local stated = not missing and usage_json(usage, usage.output, true) or nil
  local last = event("message_delta", "delta", delta, "usage", stated)
  if set.usage == "late" then last.delay = set.late_ms or 300 end
  frames[#frames + 1] = last
  local stop = event("message_stop")
  stop.mark = "end"
  frames[#frames + 1] = stop
  return frames
end

messages.counter = { is_anthropic = true, error_body = failure.anthropic }

function messages.counter.direct(body, set)
  local wrong = shape.check(body, "messages") or not set.lax and check.count(body, set)
  if wrong then return nil, wrong end
  local ask = { tools = read_tools(body), text = "", images = 0 }
  read_turns(ask, body)
  return text.object("input_tokens", text.number(set["in"] or ask.input_tokens))
end

return messages
