-- The SSE frames of a Messages stream from Anthropic -> canonical events.
-- Source: https://docs.anthropic.com/en/docs/build-with-claude/streaming
-- Event types and deltas that are not known here are ignored, as Anthropic's versioning policy asks.
local blocks = require "gateyes.anthropic_blocks"
local canonical = require "gateyes.canonical"
local json = require "gateyes.json"
local usage = require "gateyes.usage"
local words = require "gateyes.anthropic_words"

local stream_in = {}

local given = blocks.given

function stream_in.new(context)
  return { context = context, open = {}, next_index = 0 }
end

local left_raw = { content_block = true, citation = true }

function stream_in.failure_of(body, status)
  local reported = type(body) == "table" and given(body.error)
  if type(reported) ~= "table" then reported = {} end
  local kind = given(reported.type)
  status = status or words.status_of_type(kind)
  local message = type(reported.message) == "string" and reported.message or "Anthropic answered with an error."
  local details = type(reported.details) == "table" and reported.details or {}
  local failure = canonical.failure(status, words.error_type(kind, status), message)
  failure.code = type(details.error_code) == "string" and details.error_code
    or words.error_code(failure.type, message)
  -- A validation message begins with the path of the field it is about.
  local path_end = message:find(": ", 1, true)
  local path = path_end and message:sub(1, path_end - 1)
  if failure.type == "invalid_request_error" and path and not path:find("[^%w_.]") then failure.param = path end
  failure.request_id = type(body) == "table" and type(body.request_id) == "string" and body.request_id or nil
  return failure
end

local function note_usage(state, counted, events)
  local vector = usage.from_anthropic(counted, state.usage)
  if not vector then return nil end
  state.usage = usage.merge(state.usage, vector)
  events[#events + 1] = { type = "usage", usage = state.usage }
end

-- Providers that merely speak the protocol may put anything in any place.
local function word(value)
  return type(value) == "string" and value or nil
end
stream_in.word = word

local handlers = {}

function handlers.message_start(state, body, events)
  local message = given(body.message)
  if type(message) ~= "table" then message = {} end
  local counted = given(message.usage)
  local start = {
    type = "start", id = word(message.id), model = word(message.model), created = state.context.now,
    service_tier = type(counted) == "table" and words.tier_of_reply(given(counted.service_tier)) or nil,
  }
  events[#events + 1] = start
  note_usage(state, counted, events)
  -- A dialect that reports the input at the start finds it there.
  start.usage = state.usage
end

local function is_answer(part)
  return part.type == "tool_call" and part.name == words.answer_tool
end

local function start_event(open, part)
  return { type = "part_start", index = open.index, choice = 0, part = part }
end

-- A tool call may turn out to be free-form only with its arguments, so its start waits for them to tell.
local function starts_of(open, part, events)
  if part.type == "tool_call" then
    if is_answer(part) then
      open.answer = true
      events[#events + 1] = start_event(open, { type = "text" })
    else
      open.call = { type = "tool_call", id = part.id, name = part.name }
      open.pieces = { part.arguments ~= "{}" and part.arguments or "" }
    end
  elseif part.type == "reasoning" then
    local shown = { type = "reasoning", format = "anthropic", redacted = part.redacted }
    events[#events + 1] = start_event(open, shown)
    if part.encrypted then open.first = { encrypted = part.encrypted } else open.first = { text = part.text } end
  elseif part.type == "text" then
    events[#events + 1] = start_event(open, { type = "text" })
    open.first = { text = part.text }
  else
    events[#events + 1] = start_event(open, part)
  end
end

local function put_delta(open, fields, events)
  fields.type, fields.index, fields.choice = "part_delta", open.index, 0
  events[#events + 1] = fields
end

function handlers.content_block_start(state, body, events)
  if not json.is_raw(body.content_block) or type(body.index) ~= "number" then return end
  local part = blocks.part(json.raw_text(body.content_block), "content_block", state.context)
  if not part then return end
  local open = { index = state.next_index }
  state.next_index = state.next_index + 1
  state.open[body.index] = open
  starts_of(open, part, events)
  local first = open.first
  open.first = nil
  if first and (first.encrypted or first.text and first.text ~= "") then put_delta(open, first, events) end
end

local custom_head = "{\"" .. words.custom_input .. "\""

-- Compares without white space, since a model may write it between the tokens.
local function may_be_custom(text)
  local packed = text:sub(1, 2 * #custom_head):gsub("%s", "")
  local length = math.min(#packed, #custom_head)
  return packed:sub(1, length) == custom_head:sub(1, length), #packed >= #custom_head
end

local function release_call(open, events)
  if open.released then return end
  open.released = true
  events[#events + 1] = start_event(open, open.call)
  local text = table.concat(open.pieces)
  open.pieces = nil
  if text ~= "" then put_delta(open, { arguments = text }, events) end
end

local function add_arguments(open, text, events)
  if open.answer then return put_delta(open, { text = text }, events) end
  if not open.call or open.released then return put_delta(open, { arguments = text }, events) end
  open.pieces[#open.pieces + 1] = text
  if open.custom then return end
  local maybe, certain = may_be_custom(table.concat(open.pieces))
  if not maybe then return release_call(open, events) end
  open.custom = certain
end

local deltas = {}

function deltas.text_delta(open, delta, events) put_delta(open, { text = word(delta.text) }, events) end
function deltas.thinking_delta(open, delta, events) put_delta(open, { text = word(delta.thinking) }, events) end
function deltas.signature_delta(open, delta, events) put_delta(open, { signature = word(delta.signature) }, events) end

function deltas.citations_delta(open, delta, events)
  if json.is_raw(delta.citation) then put_delta(open, { citation = delta.citation }, events) end
end

function deltas.input_json_delta(open, delta, events)
  local text = word(delta.partial_json)
  if text and text ~= "" then add_arguments(open, text, events) end
end

function handlers.content_block_delta(state, body, events)
  local open, delta = type(body.index) == "number" and state.open[body.index], given(body.delta)
  local handler = open and type(delta) == "table" and deltas[delta.type]
  if handler then handler(open, delta, events) end
end

-- Without its closing arguments a call that looked free-form is an ordinary one.
local function end_call(open, events)
  if open.released then return end
  local call = blocks.custom_call { arguments = table.concat(open.pieces) }
  if call.custom then
    open.call.custom, open.pieces = true, { call.arguments }
  end
  release_call(open, events)
end

function handlers.content_block_stop(state, body, events)
  local open = type(body.index) == "number" and state.open[body.index]
  if not open then return end
  if open.call then end_call(open, events) end
  if open.answer then state.answered = true elseif open.call then state.called = true end
  state.open[body.index] = nil
  events[#events + 1] = { type = "part_stop", index = open.index, choice = 0 }
end

-- What Anthropic says of its refusal, or nil. `ending` is a message, or the delta of message_delta.
function stream_in.refusal_of(ending)
  local details = given(ending.stop_details)
  local said = type(details) == "table" and given(details.explanation)
  return ending.stop_reason == "refusal" and type(said) == "string" and said ~= "" and said or nil
end

function stream_in.finish_of(stop_reason, answered, called)
  local finish = words.finish_of_stop(stop_reason)
  if finish == "tool_calls" and answered and not called then return "stop" end
  return finish
end

function handlers.message_delta(state, body, events)
  note_usage(state, given(body.usage), events)
  local delta = given(body.delta)
  local reason = type(delta) == "table" and given(delta.stop_reason)
  if not reason then return end
  state.finish = stream_in.finish_of(reason, state.answered, state.called)
  state.stop_sequence = word(delta.stop_sequence)
  state.refusal = stream_in.refusal_of(delta)
end

local function say_refusal(state, events)
  local index = state.next_index
  state.next_index = index + 1
  events[#events + 1] = { type = "part_start", index = index, choice = 0, part = { type = "refusal" } }
  events[#events + 1] = { type = "part_delta", index = index, choice = 0, text = state.refusal }
  events[#events + 1] = { type = "part_stop", index = index, choice = 0 }
end

local function close_open(state, events)
  local indexes = {}
  for index in pairs(state.open) do indexes[#indexes + 1] = index end
  table.sort(indexes)
  for _, index in ipairs(indexes) do handlers.content_block_stop(state, { index = index }, events) end
end

function handlers.message_stop(state, _, events)
  close_open(state, events)
  if state.refusal then say_refusal(state, events) end
  events[#events + 1] = {
    type = "finish", choice = 0, reason = state.finish or "stop", stop_sequence = state.stop_sequence,
  }
  events[#events + 1] = { type = "end" }
  state.ended = true
end

function handlers.ping(_, _, events)
  events[#events + 1] = { type = "ping" }
end

function handlers.error(state, body, events)
  events[#events + 1] = { type = "error", failure = stream_in.failure_of(body) }
  state.ended = true
end

function stream_in.event(state, name, data)
  if state.ended or data == "" then return {} end
  local body = json.decode(data, left_raw)
  local events = {}
  if type(body) ~= "table" then
    local message = "Anthropic sent a frame that is not JSON."
    local failure = canonical.failure(502, "api_error", message, nil, "upstream_protocol")
    events[1], state.ended = { type = "error", failure = failure }, true
    return events
  end
  local kind = type(body.type) == "string" and body.type or name
  local handler = handlers[kind]
  if handler then handler(state, body, events) end
  return events
end

-- Deltas of a block's text change nothing here.
function stream_in.steady(state, event)
  for index, open in pairs(state.open) do
    if open.index == event.index then return { format = "messages", index = index } end
  end
end

function stream_in.finish(state)
  if state.ended then return {} end
  state.ended = true
  local message = "Anthropic's stream ended before its end mark."
  return { { type = "error", failure = canonical.failure(502, "api_error", message, nil, "upstream_cut") } }
end

return stream_in
