-- chat.completion.chunk frames -> canonical events, from OpenAI and from servers that follow it loosely.
-- https://platform.openai.com/docs/api-reference/chat/streaming
local json = require "gateyes.json"
local canonical = require "gateyes.canonical"
local fields = require "gateyes.fields"
local usage = require "gateyes.usage"
local chat_reasoning = require "gateyes.chat_reasoning"
local chat_words = require "gateyes.chat_words"
local openai_ids = require "gateyes.openai_ids"
local openai_reply = require "gateyes.openai_reply"

local openai_stream = {}

local text_or_nil = openai_reply.text_or_nil
local raw_keys = { logprobs = true, annotations = true }

function openai_stream.new(context, preset)
  return { context = context, customs = openai_reply.custom_names(context, preset),
    names = openai_ids.long_names(context.request), choices = {}, count = 0,
    started = false, ended = false, preset = preset }
end

local function push(events, event)
  events[#events + 1] = event
end

local function named(text)
  text = text_or_nil(text)
  return text ~= "" and text or nil
end

local function first_choice(chunk)
  return type(chunk.choices) == "table" and chunk.choices[1]
end

-- Azure begins with a chunk about its content filter, whose id and model are empty: the next one starts the reply.
local function start(state, events, chunk)
  local id, model = named(chunk.id), named(chunk.model)
  if state.started or not (id or model or type(chunk.usage) == "table" or first_choice(chunk)) then return end
  state.started = true
  push(events, { type = "start", id = id, model = model,
    created = canonical.whole(chunk.created), service_tier = openai_reply.tier(state.preset, chunk.service_tier),
    system_fingerprint = text_or_nil(chunk.system_fingerprint) })
end

local function choice_of(state, number)
  local choice = state.choices[number]
  if not choice then
    choice = { number = number, parts = 0, calls = {}, order = {}, open = nil, last = nil }
    state.choices[number] = choice
    state.count = state.count + 1
  end
  return choice
end

local function part_start(choice, events, part)
  local index = choice.parts
  choice.parts = index + 1
  push(events, { type = "part_start", index = index, choice = choice.number, part = part })
  return index
end

local function part_stop(choice, events, index)
  push(events, { type = "part_stop", index = index, choice = choice.number })
end

local function close_open(choice, events)
  if not choice.open then return end
  part_stop(choice, events, choice.open.index)
  choice.open = nil
end

-- A whole free-form text goes out at once: its encoding inside the arguments is known to be complete only here.
local function flush_custom(choice, events, call)
  local text = openai_reply.custom_input(table.concat(call.texts))
  push(events, { type = "part_delta", index = call.index, choice = choice.number, arguments = text })
end

local function close_call(choice, events, call)
  if call.closed then return end
  call.closed = true
  if call.buffered then flush_custom(choice, events, call) end
  part_stop(choice, events, call.index)
end

-- Calls may be interleaved, so one ends for certain only with the choice. But arguments that are a whole JSON object
-- cannot grow any further: closing such a call lets a client that takes one block at a time see the next one now.
local function close_whole_calls(choice, events)
  for _, call in ipairs(choice.order) do
    if not call.closed and not call.custom and json.valid(table.concat(call.texts)) then
      close_call(choice, events, call)
    end
  end
end

-- The open part of a kind; another one that is open ends.
local function open_part(choice, events, kind, id)
  local open = choice.open
  if open and open.kind == kind then return open end
  close_open(choice, events)
  close_whole_calls(choice, events)
  local part = { type = kind, id = id, format = kind == "reasoning" and (choice.format or "chat") or nil }
  choice.open = { kind = kind, index = part_start(choice, events, part) }
  return choice.open
end

local function text_delta(choice, events, kind, text, logprobs)
  if not text or text == "" and not logprobs then return end
  local open = open_part(choice, events, kind)
  push(events, { type = "part_delta", index = open.index, choice = choice.number, text = text, logprobs = logprobs })
end

-- Reasoning that its provider keeps to itself is a part of its own.
local function sealed_part(choice, events, part, data)
  close_open(choice, events)
  local index = part_start(choice, events, part)
  push(events, { type = "part_delta", index = index, choice = choice.number, encrypted = data })
  part_stop(choice, events, index)
end

-- Signatures and encrypted reasoning that OpenRouter streams; a detail's text repeats `reasoning` where there is one.
local function details_delta(choice, events, details, has_text)
  if fields.kind_of(details) ~= "list" then return end
  for _, detail in ipairs(details) do
    if type(detail) == "table" then
      if not has_text then text_delta(choice, events, "reasoning", text_or_nil(detail.text or detail.summary)) end
      local signature, encrypted = text_or_nil(detail.signature), text_or_nil(detail.data)
      if encrypted and choice.format == "anthropic" then
        sealed_part(choice, events, { type = "reasoning", format = "anthropic", redacted = true }, encrypted)
      elseif signature or encrypted then
        local open = open_part(choice, events, "reasoning")
        push(events, { type = "part_delta", index = open.index, choice = choice.number, signature = signature,
          encrypted = encrypted })
      end
    end
  end
end

local function content_delta(choice, events, content, logprobs)
  if type(content) == "string" or logprobs then
    return text_delta(choice, events, "text", text_or_nil(content) or "", logprobs)
  end
  if fields.kind_of(content) ~= "list" then return end
  for _, block in ipairs(content) do
    if type(block) == "table" and block.type == "thinking" then
      text_delta(choice, events, "reasoning", openai_reply.thinking_text(block))
    elseif type(block) == "table" then
      text_delta(choice, events, "text", text_or_nil(block.text))
    end
  end
end

local function audio_delta(choice, events, audio)
  if fields.kind_of(audio) ~= "object" then return end
  local open = open_part(choice, events, "audio", text_or_nil(audio.id))
  local data, transcript = text_or_nil(audio.data), text_or_nil(audio.transcript)
  if data or transcript then
    push(events, { type = "part_delta", index = open.index, choice = choice.number, audio = data,
      transcript = transcript })
  end
end

local function annotations_delta(choice, events, annotations)
  if fields.kind_of(annotations) ~= "list" then return end
  local open = open_part(choice, events, "text")
  for _, text in ipairs(json.elements(json.raw_text(annotations))) do
    push(events, { type = "part_delta", index = open.index, choice = choice.number, citation = json.raw(text) })
  end
end

local function new_call(state, choice, events, key, delta, called)
  local custom = type(delta.custom) == "table"
  local name = state.names and state.names[called.name] or called.name
  local call = { key = key, id = named(delta.id) or state.context.id "call_", name = name, texts = {} }
  call.buffered = not custom and state.customs and state.customs[call.name] or nil
  call.custom = custom or call.buffered
  close_open(choice, events)
  close_whole_calls(choice, events)
  local signature = chat_reasoning.signature_of_call(delta)
  if signature then sealed_part(choice, events, { type = "reasoning", format = "gemini" }, signature) end
  call.index = part_start(choice, events, { type = "tool_call", id = call.id, name = call.name, custom = call.custom })
  choice.calls[key] = call
  choice.order[#choice.order + 1] = call
  choice.last = call
  return call
end

-- Does a delta with a name begin a call beside this one? Where it has no id, arguments that are whole say so; without
-- an index, any do.
local function begins_other(call, id, key)
  if id then return id ~= call.id end
  return #call.texts > 0 and (not key or json.valid(table.concat(call.texts)))
end

-- The call that a delta belongs to. Some servers leave out the index, some the id (or send ""), and some give every
-- call index 0 with an id and name of its own.
local function call_of(state, choice, events, delta, called)
  local id, key = named(delta.id), type(delta.index) == "number" and delta.index or nil
  local name = named(called.name)
  local call = choice.last
  if key then call = choice.calls[key] end
  if call and not (name and begins_other(call, id, key)) then return call end
  if not name then return nil end
  return new_call(state, choice, events, key or #choice.order, delta, called)
end

local function call_delta(state, choice, events, delta)
  if type(delta) ~= "table" then return end
  local called = type(delta.custom) == "table" and delta.custom or delta["function"]
  if type(called) ~= "table" then return end
  local call = call_of(state, choice, events, delta, called)
  local text = text_or_nil(called.input) or openai_reply.arguments(called.arguments)
  if not call or text == "" or call.closed then return end
  call.texts[#call.texts + 1] = text
  if not call.buffered then
    push(events, { type = "part_delta", index = call.index, choice = choice.number, arguments = text })
  end
end

local function finish(choice, events, reason, stop)
  if choice.finished then return end
  choice.finished = true
  close_open(choice, events)
  for _, call in ipairs(choice.order) do close_call(choice, events, call) end
  local ending, sequence = chat_words.finish_of(reason, #choice.order > 0), nil
  if ending == "stop" and text_or_nil(stop) then ending, sequence = "stop_sequence", stop end
  push(events, { type = "finish", choice = choice.number, reason = ending, stop_sequence = sequence })
end

local function delta_events(state, choice, events, delta, logprobs)
  local reasoning = text_or_nil(delta.reasoning_content) or text_or_nil(delta.reasoning)
  choice.format = chat_reasoning.format_of(delta.reasoning_details) or choice.format
  text_delta(choice, events, "reasoning", reasoning)
  details_delta(choice, events, delta.reasoning_details, reasoning ~= nil and reasoning ~= "")
  content_delta(choice, events, delta.content, logprobs)
  text_delta(choice, events, "refusal", text_or_nil(delta.refusal))
  audio_delta(choice, events, delta.audio)
  annotations_delta(choice, events, delta.annotations)
  if type(delta.tool_calls) == "table" then
    for _, call in ipairs(delta.tool_calls) do call_delta(state, choice, events, call) end
  end
  if type(delta.function_call) == "table" then
    call_delta(state, choice, events, { index = 0, ["function"] = delta.function_call })
  end
end

local function choice_events(state, events, given)
  local choice = choice_of(state, type(given.index) == "number" and given.index or 0)
  if choice.finished then return end
  local logprobs = given.logprobs
  if fields.kind_of(logprobs) == "null" then logprobs = nil end
  -- A server may put the whole message where a delta belongs.
  local delta = type(given.delta) == "table" and given.delta or given.message
  if type(delta) == "table" then delta_events(state, choice, events, delta, logprobs) end
  local reason = text_or_nil(given.finish_reason)
  if reason and reason ~= "" then finish(choice, events, reason, given.stop_reason) end
end

local function usage_event(events, chunk)
  local body = chunk.usage
  if type(body) ~= "table" and type(chunk.x_groq) == "table" then body = chunk.x_groq.usage end
  local vector = usage.from_openai(body)
  if vector then push(events, { type = "usage", usage = vector }) end
end

local function break_off(state, events, failure)
  state.ended = true
  push(events, { type = "error", failure = failure })
  return events
end

local function cut(state, events, message, code)
  return break_off(state, events, canonical.failure(502, "api_error", message, nil, code))
end

local function done(state, events)
  if state.count == 0 then return cut(state, events, "The provider's stream had no content", "upstream_protocol") end
  for _, choice in pairs(state.choices) do finish(choice, events) end
  state.ended = true
  push(events, { type = "end" })
  return events
end

function openai_stream.decode(state, data)
  local events = {}
  if state.ended then return events end
  if data:match "^%s*%[DONE%]%s*$" then return done(state, events) end
  local chunk = json.decode(data, raw_keys)
  if fields.kind_of(chunk) ~= "object" then
    return cut(state, events, "The provider sent a chunk that is not a JSON object", "upstream_protocol")
  end
  if chunk.error and chunk.error ~= json.null then
    return break_off(state, events, openai_reply.failure_of(nil, chunk.error))
  end
  start(state, events, chunk)
  if type(chunk.choices) == "table" then
    for _, choice in ipairs(chunk.choices) do
      if type(choice) == "table" then choice_events(state, events, choice) end
    end
  end
  usage_event(events, chunk)
  return events
end

-- Deltas of the text that is open change nothing here.
function openai_stream.steady(state, event)
  local choice = state.choices[event.choice]
  local open = choice and choice.open
  if not open or open.index ~= event.index or choice.finished then return nil end
  if open.kind ~= "text" and open.kind ~= "reasoning" then return nil end
  return { format = "chat", kind = open.kind, index = choice.number }
end

-- Every server known to us says [DONE]. Without it nobody can tell a whole stream from one whose usage was lost.
function openai_stream.finish(state)
  if state.ended then return {} end
  return cut(state, {}, "The provider's stream ended before the reply was complete", "upstream_cut")
end

return openai_stream
