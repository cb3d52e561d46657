-- Canonical events -> the SSE frames of a Messages stream for a client.
-- Source: https://docs.anthropic.com/en/docs/build-with-claude/streaming
-- One block is open at a time and indexes only grow: what arrives for a later part while an earlier one is open is
-- kept until that one stops. A block begins with its first content, because clients send blocks back and Anthropic
-- refuses empty ones; a tool call begins at once, for it may have no arguments.
local json = require "gateyes.json"
local reply = require "gateyes.anthropic_reply"
local usage = require "gateyes.usage"
local words = require "gateyes.anthropic_words"

local stream_out = {}

local quote = json.quote

function stream_out.new(context)
  return { context = context, next_index = 0, queue = {}, first = 1, last = 0, parts = {} }
end

-- JSON that we only pass on may have line ends between its tokens; a data line cannot.
local function one_line(raw)
  return (json.raw_text(raw):gsub("[\r\n]", " "))
end

local function frame(name, body)
  return "event: " .. name .. "\ndata: " .. body .. "\n\n"
end

local function put(out, name, body)
  out[#out + 1] = frame(name, body)
end

local function message_start(state, out, event)
  if state.started then return end
  state.started = true
  state.usage = usage.merge(state.usage, event.usage)
  local counted = reply.usage(state.usage, event.service_tier)
  put(out, "message_start", table.concat {
    "{\"type\":\"message_start\",\"message\":{\"id\":", quote(reply.id(event.id, state.context)),
    ",\"type\":\"message\",\"role\":\"assistant\",\"model\":",
    quote(event.model or state.context.public_model),
    ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":", json.encode(counted), "}}",
  })
end

local function open_block(part, state, out, content_block)
  if part.index then return end
  part.index = state.next_index
  state.next_index = state.next_index + 1
  put(out, "content_block_start", "{\"type\":\"content_block_start\",\"index\":" .. part.index
    .. ",\"content_block\":" .. content_block .. "}")
end

local function put_delta(part, out, delta)
  put(out, "content_block_delta",
    "{\"type\":\"content_block_delta\",\"index\":" .. part.index .. ",\"delta\":" .. delta .. "}")
end

local empty_text = "{\"type\":\"text\",\"text\":\"\"}"
local empty_thinking = "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}"

-- What each kind of part does when it starts, gets a delta and stops.
local kinds = {}

local function text_delta(part, event, state, out)
  local text = event.text or event.transcript
  if text and text ~= "" then
    open_block(part, state, out, empty_text)
    put_delta(part, out, "{\"type\":\"text_delta\",\"text\":" .. quote(text) .. "}")
  end
  if event.citation and reply.is_citation(event.citation) then
    open_block(part, state, out, empty_text)
    put_delta(part, out, "{\"type\":\"citations_delta\",\"citation\":" .. one_line(event.citation) .. "}")
  end
end

kinds.text = { delta = text_delta }
kinds.audio = { delta = text_delta }
kinds.refusal = { delta = text_delta, start = function(_, state) state.refused = true end }

kinds.reasoning = {
  delta = function(part, event, state, out)
    local issued = part.issued
    issued.signature = event.signature and (issued.signature or "") .. event.signature or issued.signature
    issued.encrypted = event.encrypted and (issued.encrypted or "") .. event.encrypted or issued.encrypted
    local text = event.text or event.summary
    if text and text ~= "" then
      open_block(part, state, out, empty_thinking)
      put_delta(part, out, "{\"type\":\"thinking_delta\",\"thinking\":" .. quote(text) .. "}")
    end
  end,
  -- The official clients replace the signature with each delta of it, so it is sent once and whole.
  stop = function(part, state, out)
    local issued = part.issued
    if issued.redacted and issued.format == "anthropic" then
      open_block(part, state, out,
        "{\"type\":\"redacted_thinking\",\"data\":" .. quote(issued.encrypted or "") .. "}")
      return
    end
    local signature = words.signature_of(issued)
    if signature == "" then return end
    open_block(part, state, out, empty_thinking)
    put_delta(part, out, "{\"type\":\"signature_delta\",\"signature\":" .. quote(signature) .. "}")
  end,
}

local function put_json(part, out, text)
  put_delta(part, out, "{\"type\":\"input_json_delta\",\"partial_json\":" .. quote(text) .. "}")
end

kinds.tool_call = {
  start = function(part, state, out)
    open_block(part, state, out, "{\"type\":\"tool_use\",\"id\":" .. quote(part.issued.id) .. ",\"name\":"
      .. quote(part.issued.name) .. ",\"input\":{}}")
  end,
  delta = function(part, event, _, out)
    local text = event.arguments
    if not text or text == "" then return end
    if part.issued.custom then
      text = (part.has_input and "" or "{\"input\":\"") .. quote(text):sub(2, -2)
      part.has_input = true
    end
    put_json(part, out, text)
  end,
  stop = function(part, _, out)
    if part.issued.custom then put_json(part, out, part.has_input and "\"}" or "{\"input\":\"\"}") end
  end,
}

kinds.raw = {
  start = function(part, state, out)
    if part.issued.format == "anthropic" and part.issued.raw then
      open_block(part, state, out, one_line(part.issued.raw))
    end
  end,
  delta = function(part, event, _, out)
    if part.index and event.arguments and event.arguments ~= "" then put_json(part, out, event.arguments) end
    if part.index and event.raw then put_delta(part, out, one_line(event.raw)) end
  end,
}

-- A part that arrives whole in its part_start (text, arguments, signature) is a start and one delta.
local function start_part(part, state, out)
  local kind = kinds[part.issued.type]
  if kind.start then kind.start(part, state, out) end
  local issued = part.issued
  if issued.text or issued.arguments then
    kind.delta(part, { text = issued.text, arguments = issued.arguments }, state, out)
  end
end

local function stop_part(part, state, out)
  local kind = kinds[part.issued.type]
  if kind.stop then kind.stop(part, state, out) end
  if part.index then
    put(out, "content_block_stop", "{\"type\":\"content_block_stop\",\"index\":" .. part.index .. "}")
  end
end

-- Writes everything that the parts at the head of the queue have waiting, up to one that is still open.
local function advance(state, out)
  while state.first <= state.last do
    local part = state.queue[state.first]
    if not part.live then
      part.live = true
      start_part(part, state, out)
    end
    for _, event in ipairs(part.held) do kinds[part.issued.type].delta(part, event, state, out) end
    part.held = {}
    if not part.stopped then return end
    stop_part(part, state, out)
    state.queue[state.first] = nil
    state.first = state.first + 1
  end
end

local function copy(part)
  local fields = {}
  for name, value in pairs(part) do fields[name] = value end
  return fields
end

local handlers = {}

function handlers.start(state, event, out)
  message_start(state, out, event)
end

function handlers.part_start(state, event, out)
  message_start(state, out, event)
  if not kinds[event.part.type] then return end
  local part = { issued = copy(event.part), held = {} }
  state.parts[event.index] = part
  state.last = state.last + 1
  state.queue[state.last] = part
  advance(state, out)
end

function handlers.part_delta(state, event, out)
  local part = state.parts[event.index]
  if not part or part.stopped then return end
  if part.live then return kinds[part.issued.type].delta(part, event, state, out) end
  part.held[#part.held + 1] = event
end

function handlers.part_stop(state, event, out)
  local part = state.parts[event.index]
  if not part then return end
  part.stopped = true
  state.parts[event.index] = nil
  advance(state, out)
end

function handlers.usage(state, event)
  state.usage = usage.merge(state.usage, event.usage)
end

function handlers.ping(_, _, out)
  put(out, "ping", "{\"type\":\"ping\"}")
end

function stream_out.error_body(failure, request_id)
  local details = ""
  -- The official clients tell these apart by details.error_code.
  if failure.code and failure.code:sub(1, 7) == "thread_" then
    details = ",\"details\":{\"error_code\":" .. quote(failure.code) .. "}"
  end
  return "{\"type\":\"error\",\"error\":{\"type\":" .. quote(failure.type or "api_error") .. ",\"message\":"
    .. quote(failure.message or "") .. details .. "},\"request_id\":" .. reply.nullable(request_id) .. "}"
end

function handlers.error(state, event, out)
  put(out, "error", stream_out.error_body(event.failure, state.context.request_id))
  state.closed = true
end

function handlers.finish(state, event, out)
  if event.reason == "error" then
    local failure = { type = "api_error", message = "The provider ended its answer with an error." }
    return handlers.error(state, { failure = failure }, out)
  end
  message_start(state, out, event)
  for index = state.first, state.last do state.queue[index].stopped = true end
  advance(state, out)
  state.finish, state.stop_sequence = event.reason, event.stop_sequence
end

-- message_delta has the totals only, not their breakdown by lifetime.
local function delta_usage(vector)
  local counted = reply.usage(vector)
  counted.cache_creation = nil
  return counted
end

-- input_tokens was 0 in message_start where the provider counts only at the end; the official clients take every
-- counter that message_delta repeats.
handlers["end"] = function(state, event, out)
  message_start(state, out, event)
  put(out, "message_delta", table.concat {
    "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":",
    quote(reply.stop_reason(state.finish or "stop", state.refused)),
    ",\"stop_sequence\":", reply.nullable(state.stop_sequence),
    "},\"usage\":", json.encode(delta_usage(state.usage)), "}",
  })
  put(out, "message_stop", "{\"type\":\"message_stop\"}")
  state.closed = true
end

local steady_kinds = {
  text = { "{\"type\":\"text_delta\",\"text\":", "}" },
  refusal = { "{\"type\":\"text_delta\",\"text\":", "}" },
  reasoning = { "{\"type\":\"thinking_delta\",\"thinking\":", "}" },
}

-- What stands around the text in the frames of a block that is being written.
function stream_out.steady(state, event)
  local part = state.parts[event.index]
  local around = part and steady_kinds[part.issued.type]
  if not around or state.closed or event.choice ~= 0 or not part.live or not part.index or part.stopped then
    return nil
  end
  local head = "{\"type\":\"content_block_delta\",\"index\":" .. part.index .. ",\"delta\":"
  return { before = "event: content_block_delta\ndata: " .. head .. around[1], after = around[2] .. "}\n\n" }
end

-- Messages has no second choice: only the first is written. Nothing follows an end or an error.
function stream_out.event(state, event)
  local handler = handlers[event.type]
  if state.closed or not handler or (event.choice or 0) ~= 0 then return "" end
  local out = {}
  handler(state, event, out)
  return table.concat(out)
end

return stream_out
