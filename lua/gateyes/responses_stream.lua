-- Canonical events -> the events of a Responses stream.
-- https://platform.openai.com/docs/api-reference/responses-streaming
-- A message stays open for further text parts until an item of another kind begins. The last item's
-- output_item.done waits for the finish, which alone knows whether the item is complete.
local items = require "gateyes.responses_items"
local json = require "gateyes.json"
local object = require "gateyes.responses_object"
local text = require "gateyes.responses_text"
local usage = require "gateyes.usage"

local stream = {}

local quote, format = json.quote, string.format

function stream.new(context)
  return {
    context = context, out = {}, sequence = 0, outputs = {}, next_output = 0, parts = {},
  }
end

-- `members` is the rest of the event's object, beginning with a comma.
local function emit(state, name, members)
  local out = state.out
  out[#out + 1] = format('event: %s\ndata: {"type":"%s","sequence_number":%d', name, name, state.sequence)
  out[#out + 1] = members
  out[#out + 1] = "}\n\n"
  state.sequence = state.sequence + 1
end

local function flush(state)
  local frames = table.concat(state.out)
  state.out = {}
  return frames
end

local function begin(state, event)
  if state.base then return end
  local context = state.context
  local id = context.response_id
  if not id and event.id and event.id:sub(1, 5) == "resp_" then id = event.id end
  local head = {
    id = id or context.id("resp_gy"), model = event.model or context.model, service_tier = event.service_tier,
    created = event.created or context.now,
  }
  state.base = object.new(head, context.request and context.request.echo)
  local started = ',"response":' .. object.write(state.base, { status = "in_progress" })
  emit(state, "response.created", started)
  emit(state, "response.in_progress", started)
end

local function add_item(state, item, item_text)
  item.output_index = state.next_output
  state.next_output = state.next_output + 1
  emit(state, "response.output_item.added", format(',"output_index":%d,"item":%s', item.output_index, item_text))
  return item
end

local function item_done(state, item, item_text)
  state.outputs[item.output_index + 1] = item_text
  emit(state, "response.output_item.done", format(',"output_index":%d,"item":%s', item.output_index, item_text))
end

-- The item that has ended but whose output_item.done still waits.
local function release(state, status)
  local item = state.waiting
  state.waiting = nil
  if item then item_done(state, item, item.write(status)) end
end

local function wait(state, item)
  release(state, "completed")
  state.waiting = item
end

local function message_write(message)
  return function(status) return items.message(message.id, status, message.contents) end
end

local function close_message(state)
  local message = state.message
  if message and message.open == 0 then
    state.message = nil
    wait(state, message)
  end
end

local function place(item, index, name)
  return format(',"item_id":%s,"output_index":%d,"%s":%d', quote(item.id), item.output_index, name, index)
end

-- Text and refusal: content parts of a message.
local function content_start(state, part)
  if not state.message then
    release(state, "completed")
    local message = { id = state.context.id("msg_gy"), contents = {}, open = 0, count = 0 }
    message.write = message_write(message)
    state.message = add_item(state, message, items.message(message.id, "in_progress", {}))
  end
  local message = state.message
  local open = { kind = part.type, message = message, said = {}, length = 0, sources = {}, notes = {},
    logprobs = {} }
  open.place = place(message, message.count, "content_index")
  message.count, message.open = message.count + 1, message.open + 1
  open.slot = message.count
  local empty = open.kind == "refusal" and items.refusal_content("") or items.text_content("")
  emit(state, "response.content_part.added", open.place .. ',"part":' .. empty)
  return open
end

local function add_note(state, open, raw)
  local note = items.annotation(json.raw_text(raw), open.length)
  if not note then return end
  emit(state, "response.output_text.annotation.added",
    format('%s,"annotation_index":%d,"annotation":%s', open.place, #open.notes, note))
  open.notes[#open.notes + 1] = note
end

local function text_delta(state, open, event)
  local said = event.text or event.transcript
  local probabilities = event.logprobs and items.logprobs(event.logprobs) or {}
  if said then
    open.said[#open.said + 1] = said
    open.length = open.length + text.characters(said)
    emit(state, "response.output_text.delta",
      open.place .. ',"delta":' .. quote(said) .. ',"logprobs":' .. text.list(probabilities))
  end
  for _, one in ipairs(probabilities) do open.logprobs[#open.logprobs + 1] = one end
  if event.citation then open.sources[#open.sources + 1] = event.citation end
end

local function refusal_delta(state, open, event)
  if not event.text then return end
  open.said[#open.said + 1] = event.text
  emit(state, "response.refusal.delta", open.place .. ',"delta":' .. quote(event.text))
end

-- Sources come last: those without a span stand for the whole text.
local function text_stop(state, open, said)
  for _, source in ipairs(open.sources) do add_note(state, open, source) end
  emit(state, "response.output_text.done",
    open.place .. ',"text":' .. quote(said) .. ',"logprobs":' .. text.list(open.logprobs))
  return items.text_content(said, open.notes, open.logprobs)
end

local function refusal_stop(state, open, said)
  state.refused = true
  emit(state, "response.refusal.done", open.place .. ',"refusal":' .. quote(said))
  return items.refusal_content(said)
end

local function content_stop(state, open)
  local stop = open.kind == "refusal" and refusal_stop or text_stop
  local content, message = stop(state, open, table.concat(open.said)), open.message
  emit(state, "response.content_part.done", open.place .. ',"part":' .. content)
  message.contents[open.slot] = content
  message.open = message.open - 1
  if state.message ~= message and message.open == 0 then wait(state, message) end
end

-- Another kind of item begins: the message takes no further part.
local function leave_message(state)
  close_message(state)
  state.message = nil
end

local function call_start(state, part)
  leave_message(state)
  release(state, "completed")
  local id = state.context.id
  local open = {
    id = part.item_id or id(part.custom and "ctc_gy" or "fc_gy"), call_id = part.id or id("call_"),
    name = part.name or "", custom = part.custom, said = {},
  }
  open.event = open.custom and "response.custom_tool_call_input" or "response.function_call_arguments"
  add_item(state, open, items.call(open, "in_progress", ""))
  open.place = format(',"item_id":%s,"output_index":%d', quote(open.id), open.output_index)
  open.write = function(status) return items.call(open, status, open.arguments) end
  return open
end

local function call_delta(state, open, event)
  if not event.arguments or event.arguments == "" then return end
  open.said[#open.said + 1] = event.arguments
  emit(state, open.event .. ".delta", open.place .. ',"delta":' .. quote(event.arguments))
end

local function call_stop(state, open)
  if not open.custom and #open.said == 0 then call_delta(state, open, { arguments = "{}" }) end
  open.arguments = table.concat(open.said)
  local key = open.custom and ',"input":' or format(',"name":%s,"arguments":', quote(open.name))
  emit(state, open.event .. ".done", open.place .. key .. quote(open.arguments))
  wait(state, open)
end

local function reasoning_start(state, part)
  leave_message(state)
  release(state, "completed")
  local open = { id = part.id or state.context.id("rs_gy"), part = { format = part.format, redacted = part.redacted } }
  add_item(state, open, items.reasoning(open.id, {}))
  open.part.encrypted, open.part.signature = part.encrypted, part.signature
  open.write = function() return items.reasoning(open.id, open.part) end
  return open
end

-- Two voices of a reasoning item, each opened by its first delta.
local voices = {
  summary = {
    index = "summary_index", added = "response.reasoning_summary_part.added",
    done = "response.reasoning_summary_part.done", event = "response.reasoning_summary_text", part = items.summary_part,
  },
  content = {
    index = "content_index", added = "response.content_part.added", done = "response.content_part.done",
    event = "response.reasoning_text", part = items.reasoning_content,
  },
}

local function speak(state, open, name, said)
  if said == "" then return end
  local voice = voices[name]
  local spoken = open[name]
  if not spoken then
    spoken = { place = place(open, 0, voice.index), said = {} }
    open[name] = spoken
    emit(state, voice.added, spoken.place .. ',"part":' .. voice.part(""))
  end
  spoken.said[#spoken.said + 1] = said
  emit(state, voice.event .. ".delta", spoken.place .. ',"delta":' .. quote(said))
end

local function reasoning_delta(state, open, event)
  local part = open.part
  if event.text then speak(state, open, part.format == "anthropic" and "summary" or "content", event.text) end
  if event.summary then speak(state, open, "summary", event.summary) end
  if event.signature then part.signature = (part.signature or "") .. event.signature end
  if event.encrypted then part.encrypted = (part.encrypted or "") .. event.encrypted end
end

local function hush(state, open, name)
  local voice, spoken = voices[name], open[name]
  if not spoken then return nil end
  local said = table.concat(spoken.said)
  emit(state, voice.event .. ".done", spoken.place .. ',"text":' .. quote(said))
  emit(state, voice.done, spoken.place .. ',"part":' .. voice.part(said))
  return said
end

local function reasoning_stop(state, open)
  local summary, said = hush(state, open, "summary"), hush(state, open, "content")
  if open.part.format == "anthropic" then
    open.part.text = summary
  else
    open.part.summary, open.part.text = summary and { summary }, said
  end
  wait(state, open)
end

local function raw_start(state, part)
  if part.format ~= "responses" or not part.raw then return { ignored = true } end
  leave_message(state)
  release(state, "completed")
  local raw = json.raw_text(part.raw)
  local open = add_item(state, { write = function() return raw end }, raw)
  return open
end

local function ignore() end

local starts = {
  text = content_start, refusal = content_start, tool_call = call_start, reasoning = reasoning_start, raw = raw_start,
  audio = function(state) return content_start(state, { type = "text" }) end,
}
local handlers = {
  text = { text_delta, content_stop }, audio = { text_delta, content_stop }, refusal = { refusal_delta, content_stop },
  tool_call = { call_delta, call_stop }, reasoning = { reasoning_delta, reasoning_stop },
  raw = { ignore, function(state, open) if not open.ignored then wait(state, open) end end },
}

local function stop_part(state, index)
  local open = state.parts[index]
  if not open then return end
  state.parts[index] = nil
  handlers[open.type][2](state, open)
end

-- An adapter that stops without part_stop leaves none of its parts open here.
local function stop_all(state)
  local open = {}
  for index in pairs(state.parts) do open[#open + 1] = index end
  table.sort(open)
  for _, index in ipairs(open) do stop_part(state, index) end
end

local function fail(state, failure)
  begin(state, {})
  local done = {}
  for i = 1, state.next_output do done[#done + 1] = state.outputs[i] end
  state.final_text = object.write(state.base, {
    status = "failed", output = done, error = object.error_of(failure), usage = state.usage,
  })
  state.ended = true
  emit(state, "response.failed", ',"response":' .. state.final_text)
end

local function finish(state)
  if state.ended then return end
  begin(state, {})
  local status, reason = object.status_of(state.finish, state.refused)
  stop_all(state)
  close_message(state)
  release(state, status == "completed" and status or "incomplete")
  if status == "failed" then
    return fail(state, object.ended_badly)
  end
  state.final_text = object.write(state.base, {
    status = status, incomplete = reason, output = state.outputs, usage = state.usage,
    completed_at = status == "completed" and state.context.now or nil,
  })
  state.ended = true
  emit(state, "response." .. status, ',"response":' .. state.final_text)
end

local on = {}

on.start = begin

function on.part_start(state, event)
  begin(state, {})
  local start = starts[event.part.type]
  if not start then return end
  local open = start(state, event.part)
  open.type = event.part.type
  state.parts[event.index] = open
  local whole = { text = event.part.text, arguments = event.part.arguments, transcript = event.part.transcript }
  if next(whole) then handlers[open.type][1](state, open, whole) end
end

function on.part_delta(state, event)
  local open = state.parts[event.index]
  if open then handlers[open.type][1](state, open, event) end
end

function on.part_stop(state, event)
  stop_part(state, event.index)
end

function on.usage(state, event)
  state.usage = usage.merge(state.usage, event.usage)
end

function on.finish(state, event)
  state.finish = event.reason
end

function on.error(state, event)
  if not state.ended then fail(state, event.failure) end
end

on["end"] = finish

function on.ping(state)
  state.out[#state.out + 1] = ": ping\n\n"
end

-- What stands around the text in the deltas of an open part, and the number that each of them has.
function stream.steady(state, event)
  local open = state.parts[event.index]
  if (event.choice or 0) ~= 0 or not open or open.type ~= "text" then return nil end
  local name = "response.output_text.delta"
  return {
    before = format('event: %s\ndata: {"type":"%s","sequence_number":', name, name), number = state.sequence,
    middle = open.place .. ',"delta":', after = ',"logprobs":' .. text.list({}) .. "}\n\n", counted = true, kept = true,
  }
end

function stream.catch_up(state, event, missed)
  local open = state.parts[event.index]
  state.sequence = state.sequence + missed.events
  open.said[#open.said + 1] = missed.text
  open.length = open.length + missed.characters
end

-- One canonical event -> frames. A response has one choice: the first.
function stream.encode_event(state, event)
  local handle = on[event.type]
  if handle and (event.choice or 0) == 0 then handle(state, event) end
  return flush(state)
end

function stream.encode_error(state, failure)
  on.error(state, { failure = failure })
  return flush(state)
end

-- Stands in for the context of a response that never began: nothing of it is stored.
local unborn = { now = 0, model = "", id = function(prefix) return prefix .. "none" end }

-- The end of a relayed stream that broke: `created` is the data of its last response.created or response.in_progress
-- (or nil), `sequence` the number of the next event; context may be nil. -> frames
function stream.failed_frames(created, sequence, failure, context)
  local state = stream.new(context or unborn)
  state.sequence = sequence
  local members = created and text.members(created)
  local response = members and members.response
  if not response or not text.members(response) then
    fail(state, failure)
    return flush(state)
  end
  local why = object.error_of(failure)
  local error_text = text.object("code", quote(why.code), "message", quote(why.message))
  response = text.replace(response, { status = '"failed"', error = error_text }, { "status", "error" })
  emit(state, "response.failed", ',"response":' .. response)
  return flush(state)
end

return stream
