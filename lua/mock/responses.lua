-- POST /v1/responses. Source: OpenAI API reference, "Responses" and "Streaming events".
local answer = require "mock.answer"
local check = require "mock.responses_check"
local failure = require "mock.failure"
local openai = require "mock.openai"
local shape = require "mock.shape"
local text = require "mock.text"

local responses = { error_body = failure.openai }

local function read_tools(body)
  local tools = {}
  for _, tool in ipairs(type(body.tools) == "table" and body.tools or {}) do
    if tool.name and (tool.type == "function" or tool.type == "custom") then
      tools[#tools + 1] = { name = tool.name, schema = tool.parameters, custom = tool.type == "custom" }
    end
  end
  return tools
end

local function read_choice(choice)
  if type(choice) == "string" then return { type = choice } end
  if type(choice) ~= "table" then return { type = "auto" } end
  if choice.type == "allowed_tools" then
    return { type = choice.mode, name = choice.tools and choice.tools[1] and choice.tools[1].name }
  end
  return { type = choice.name and "tool" or "auto", name = choice.name }
end

local function read_item(ask, item, is_last)
  if item.type == "function_call_output" or item.type == "custom_tool_call_output" then
    local said = openai.content(item.output)
    if is_last then ask.tool_result = { text = said } end
    return 4 + text.tokens(said)
  end
  local said, images = openai.content(item.content)
  if item.role == "user" then ask.text, ask.images = said, images end
  return 4 + text.tokens(said) + 85 * images
end

local function read_input(ask, body)
  local tokens = 3
  if type(body.instructions) == "string" then tokens = tokens + 4 + text.tokens(body.instructions) end
  if type(body.input) == "string" then
    ask.text = body.input
    tokens = tokens + 4 + text.tokens(body.input)
  end
  local items = type(body.input) == "table" and body.input or {}
  for i, item in ipairs(items) do tokens = tokens + read_item(ask, item, i == #items) end
  ask.input_tokens = tokens + 20 * #ask.tools
end

local function has(list, wanted)
  for _, item in ipairs(type(list) == "table" and list or {}) do
    if item == wanted then return true end
  end
  return false
end

function responses.read(body, set, raw)
  local wrong = shape.check(body, "responses") or not set.lax and check.run(body, set)
  if wrong then return nil, wrong end
  local ask = {
    model = body.model or "mock", stream = body.stream == true, raw = raw, seed = raw, text = "", images = 0,
    tools = read_tools(body), choice = read_choice(body.tool_choice), one_tool = body.parallel_tool_calls == false,
    max_tokens = body.max_output_tokens, body = body, show_summary = true,
    encrypted = has(body.include, "reasoning.encrypted_content"),
    logprobs = has(body.include, "message.output_text.logprobs"), top_logprobs = body.top_logprobs,
  }
  local reasoning = type(body.reasoning) == "table" and body.reasoning
  if reasoning then
    ask.reasoning = reasoning.effort ~= "none"
    ask.show_summary = type(reasoning.summary) == "string"
  end
  local format = type(body.text) == "table" and body.text.format
  if type(format) == "table" then
    ask.json_object = format.type == "json_object"
    ask.schema = format.type == "json_schema" and (format.schema or {}) or nil
  end
  read_input(ask, body)
  return ask
end

local function usage_json(usage)
  local number = text.number
  return text.object("input_tokens", number(usage.input),
    "input_tokens_details", text.object("cached_tokens", number(usage.cached),
      "cache_write_tokens", number(usage.cache_write)),
    "output_tokens", number(usage.output),
    "output_tokens_details", text.object("reasoning_tokens", number(usage.reasoning)),
    "total_tokens", number(usage.input + usage.output))
end

-- status: in_progress, completed, incomplete or failed; usage and error are JSON text or nil.
local function envelope(ask, status, output, usage, error_json)
  local body, value = ask.body, text.value
  local incomplete = status == "incomplete" and '{"reason":"max_output_tokens"}' or "null"
  return text.object(
    "id", text.quote("resp_" .. ask.id), "object", '"response"', "created_at", text.number(ask.created),
    "status", text.quote(status), "background", "false", "error", error_json or "null",
    "incomplete_details", incomplete, "instructions", value(body.instructions),
    "max_output_tokens", value(body.max_output_tokens), "metadata", body.metadata and value(body.metadata) or "{}",
    "model", text.quote(ask.model), "output", output,
    "parallel_tool_calls", tostring(body.parallel_tool_calls ~= false),
    "previous_response_id", value(body.previous_response_id),
    "reasoning", body.reasoning and value(body.reasoning) or '{"effort":null,"summary":null}',
    "service_tier", '"default"', "store", tostring(body.store ~= false), "temperature", value(body.temperature or 1),
    "text", body.text and value(body.text) or '{"format":{"type":"text"}}',
    "tool_choice", value(body.tool_choice or "auto"), "tools", body.tools and value(body.tools) or "[]",
    "top_p", value(body.top_p or 1), "truncation", value(body.truncation or "disabled"),
    "usage", usage or "null", "user", value(body.user))
end

local function part_json(said, logprobs)
  return text.object("type", '"output_text"', "annotations", "[]", "logprobs", logprobs or "[]",
    "text", text.quote(said))
end

local function refusal_json(said)
  return text.object("type", '"refusal"', "refusal", text.quote(said))
end

local function message_json(id, status, content)
  return text.object("id", id, "type", '"message"', "status", text.quote(status), "content", content,
    "role", '"assistant"')
end

local function call_json(id, call, status, arguments)
  return text.object("id", id, "type", call.custom and '"custom_tool_call"' or '"function_call"',
    "status", text.quote(status), call.custom and "input" or "arguments", text.quote(arguments),
    "call_id", text.quote("call_" .. call.key), "name", text.quote(call.name))
end

local function reasoning_json(id, summary, encrypted)
  return text.object("id", id, "type", '"reasoning"', "summary", summary, "encrypted_content", encrypted)
end

-- Collects events; at is the output index of the item in progress, id its id as JSON.
local function new_writer(ask)
  local writer = { frames = {}, items = {}, sequence = 0, logprobs = ask.logprobs }
  function writer.event(name, ...)
    writer.frames[#writer.frames + 1] = { event = name, data = text.object("type", text.quote(name),
      "sequence_number", text.number(writer.sequence), ...) }
    writer.sequence = writer.sequence + 1
  end
  function writer.begin(item)
    writer.at = text.number(#writer.items)
    writer.event("response.output_item.added", "output_index", writer.at, "item", item)
  end
  function writer.finish(item)
    writer.items[#writer.items + 1] = item
    writer.event("response.output_item.done", "output_index", writer.at, "item", item)
  end
  return writer
end

local function write_reasoning(writer, choice, ask)
  local id = text.quote("rs_" .. ask.id)
  local encrypted = ask.encrypted and text.quote(check.encrypt(choice.reasoning)) or nil
  writer.begin(reasoning_json(id, "[]", encrypted))
  local summary = "[]"
  if ask.show_summary then
    local where = { "item_id", id, "output_index", writer.at, "summary_index", "0" }
    local part = text.object("type", '"summary_text"', "text", text.quote(choice.reasoning))
    writer.event("response.reasoning_summary_part.added", "part", '{"type":"summary_text","text":""}', unpack(where))
    for _, piece in ipairs(text.pieces(choice.reasoning)) do
      writer.event("response.reasoning_summary_text.delta", "delta", text.quote(piece), unpack(where))
    end
    writer.event("response.reasoning_summary_text.done", "text", text.quote(choice.reasoning), unpack(where))
    writer.event("response.reasoning_summary_part.done", "part", part, unpack(where))
    summary = "[" .. part .. "]"
  end
  writer.finish(reasoning_json(id, summary, encrypted))
end

local function write_message(writer, choice, ask, status)
  local id, refused = text.quote("msg_" .. ask.id), choice.refusal ~= nil
  local said = choice.refusal or choice.text
  local kind = refused and "response.refusal" or "response.output_text"
  local pieces = choice.pieces or text.pieces(said)
  local all = writer.logprobs and openai.logprobs(pieces, ask.top_logprobs) or "[]"
  local empty, part = part_json("", nil), part_json(said, all)
  if refused then empty, part = refusal_json(""), refusal_json(said) end
  writer.begin(message_json(id, "in_progress", "[]"))
  local where = { "item_id", id, "output_index", writer.at, "content_index", "0" }
  writer.event("response.content_part.added", "part", empty, unpack(where))
  for _, piece in ipairs(pieces) do
    local logprobs = not refused and (writer.logprobs and openai.logprobs({ piece }, ask.top_logprobs) or "[]") or nil
    writer.event(kind .. ".delta", "delta", text.quote(piece), "logprobs", logprobs, unpack(where))
  end
  writer.event(kind .. ".done", refused and "refusal" or "text", text.quote(said),
    "logprobs", not refused and all or nil, unpack(where))
  writer.event("response.content_part.done", "part", part, unpack(where))
  writer.finish(message_json(id, status, "[" .. part .. "]"))
end

local function write_call(writer, call, set)
  local id = text.quote((call.custom and "ctc_" or "fc_") .. call.key)
  local kind = call.custom and "response.custom_tool_call_input" or "response.function_call_arguments"
  writer.begin(call_json(id, call, "in_progress", ""))
  for _, piece in ipairs(answer.argument_pieces(call, set)) do
    writer.event(kind .. ".delta", "item_id", id, "output_index", writer.at, "delta", text.quote(piece))
  end
  writer.event(kind .. ".done", "item_id", id, "output_index", writer.at,
    call.custom and "input" or "arguments", text.quote(call.arguments), "name", text.quote(call.name))
  writer.finish(call_json(id, call, "completed", call.arguments))
end

local function write_items(writer, choice, ask, set)
  local status = choice.finish == "length" and "incomplete" or "completed"
  if choice.reasoning then write_reasoning(writer, choice, ask) end
  if choice.text or choice.refusal then write_message(writer, choice, ask, status) end
  for _, call in ipairs(choice.calls or {}) do write_call(writer, call, set) end
  return set.finish or status
end

function responses.reply(ask, choices, usage, set)
  local writer = new_writer(ask)
  local status = write_items(writer, choices[1], ask, set)
  return envelope(ask, status, text.array(writer.items), set.usage ~= "missing" and usage_json(usage) or nil)
end

function responses.stream(ask, choices, usage, set)
  local writer = new_writer(ask)
  writer.event("response.created", "response", envelope(ask, "in_progress", "[]"))
  writer.event("response.in_progress", "response", envelope(ask, "in_progress", "[]"))
  local status = write_items(writer, choices[1], ask, set)
  local stated = set.usage ~= "missing" and usage_json(usage) or nil
  writer.event("response." .. status, "response", envelope(ask, status, text.array(writer.items), stated))
  local last = writer.frames[#writer.frames]
  last.mark = "end"
  if set.usage == "late" then last.delay = set.late_ms or 300 end
  writer.frames.failed = function(error_json) return envelope(ask, "failed", "[]", nil, error_json) end
  return writer.frames
end

-- frames: the stream so far, which knows its response.
function responses.error_frames(set, frames)
  local f = failure.of_knobs(set, set.status or 500)
  local code = f.code or "server_error"
  local number = text.number(#frames)
  local error_json = text.object("code", text.quote(code), "message", text.quote(f.message))
  local failed = text.object("type", '"response.failed"', "sequence_number", text.number(#frames + 1),
    "response", frames.failed(error_json))
  return {
    { event = "error", data = text.object("type", '"error"', "sequence_number", number, "code", text.quote(code),
      "message", text.quote(f.message), "param", text.value(f.param)) },
    { event = "response.failed", data = failed },
  }
end

return responses
