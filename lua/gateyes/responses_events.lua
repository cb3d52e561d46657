-- Events of a provider's Responses stream -> canonical events.
-- https://platform.openai.com/docs/api-reference/responses-streaming
-- Servers leave out events: a delta may come without its part having been added, a part may be done without a delta,
-- an item may stand in the final response only. Parts are opened by whatever names them first.
local canonical = require "gateyes.canonical"
local json = require "gateyes.json"
local openai_ids = require "gateyes.openai_ids"
local reply = require "gateyes.responses_reply"
local text = require "gateyes.responses_text"

local events = {}

function events.new(context)
  return { context = context, names = openai_ids.long_names(context.request), parts = {}, open = {}, count = 0,
    started = false, ended = false, calls = false }
end

local function push(out, event)
  event.choice = 0
  out[#out + 1] = event
end

local function number(value)
  return type(value) == "number" and value or 0
end

local function start(state, out, response)
  if state.started then return end
  state.started = true
  response = type(response) == "table" and response or {}
  local id = text.string(response.id)
  out[#out + 1] = {
    type = "start", id = id ~= "" and id or nil, model = text.string(response.model),
    created = canonical.whole(response.created_at),
    service_tier = text.string(response.service_tier),
  }
end

-- The part that `key` names; made with part_start when it is new.
local function open_part(state, out, key, part)
  local known = state.parts[key]
  if known then return known end
  known = { index = state.count, key = key, type = part.type, said = {} }
  state.count = state.count + 1
  state.parts[key] = known
  state.open[#state.open + 1] = known
  push(out, { type = "part_start", index = known.index, part = part })
  return known
end

local function delta(out, part, field, value)
  if part.stopped or value == nil or value == "" then return end
  push(out, { type = "part_delta", index = part.index, [field] = value })
end

local function stop_part(state, out, part)
  if part.stopped then return end
  part.stopped = true
  push(out, { type = "part_stop", index = part.index })
  for i, one in ipairs(state.open) do
    if one == part then return table.remove(state.open, i) end
  end
end

local function content_key(event)
  return number(event.output_index) .. "/" .. number(event.content_index)
end

local function item_key(event)
  return tostring(number(event.output_index))
end

local function logprobs_of(event)
  if type(event.logprobs) == "table" and #event.logprobs > 0 then return reply.logprobs(json.encode(event.logprobs)) end
end

-- What a done event holds beyond the deltas that came before it: the whole, for a server that sends no deltas.
local function catch_up(out, part, field, whole)
  if type(whole) ~= "string" or #part.said > 0 or part.whole then return end
  part.whole = true
  delta(out, part, field, whole)
end

local function said(out, part, field, value)
  if type(value) ~= "string" or value == "" then return end
  part.said[1] = true
  delta(out, part, field, value)
end

local function content_part(state, out, event, kind)
  return open_part(state, out, content_key(event), { type = kind })
end

local function reasoning_part(state, out, event, item)
  item = type(item) == "table" and item or {}
  local id = text.string(item.id) or text.string(event.item_id)
  if id == "" then id = nil end
  return open_part(state, out, item_key(event), { type = "reasoning", id = id, format = "responses" })
end

local function call_part(state, out, event, item)
  state.calls = true
  local made = reply.call_part(item, state.names)
  made.arguments = nil
  return open_part(state, out, item_key(event), made)
end

local is_call = { function_call = true, custom_tool_call = true }

local on = {}

on["response.created"] = function(state, out, event) start(state, out, event.response) end
on["response.queued"] = on["response.created"]
on["response.in_progress"] = on["response.created"]

on["response.output_item.added"] = function(state, out, event)
  local item = event.item
  if type(item) ~= "table" then return end
  if is_call[item.type] then
    call_part(state, out, event, item)
  elseif item.type == "reasoning" then
    reasoning_part(state, out, event, item)
  end
end

on["response.content_part.added"] = function(state, out, event)
  local kind = type(event.part) == "table" and event.part.type
  if kind == "output_text" then content_part(state, out, event, "text") end
  if kind == "refusal" then content_part(state, out, event, "refusal") end
end

on["response.output_text.delta"] = function(state, out, event)
  local part = content_part(state, out, event, "text")
  local probabilities = logprobs_of(event)
  if probabilities and not part.stopped then
    part.said[1] = true
    local words = text.string(event.delta) or ""
    push(out, { type = "part_delta", index = part.index, text = words, logprobs = probabilities })
  else
    said(out, part, "text", event.delta)
  end
end

on["response.output_text.done"] = function(state, out, event)
  catch_up(out, content_part(state, out, event, "text"), "text", event.text)
end

on["response.output_text.annotation.added"] = function(state, out, event)
  if type(event.annotation) ~= "table" then return end
  delta(out, content_part(state, out, event, "text"), "citation", json.raw(json.encode(event.annotation)))
end

on["response.refusal.delta"] = function(state, out, event)
  said(out, content_part(state, out, event, "refusal"), "text", event.delta)
end

on["response.refusal.done"] = function(state, out, event)
  catch_up(out, content_part(state, out, event, "refusal"), "text", event.refusal)
end

on["response.content_part.done"] = function(state, out, event)
  local part = state.parts[content_key(event)]
  if part then stop_part(state, out, part) end
end

local function call_delta(state, out, event)
  local part = state.parts[item_key(event)]
  if part then said(out, part, "arguments", event.delta) end
end

on["response.function_call_arguments.delta"] = call_delta
on["response.custom_tool_call_input.delta"] = call_delta

local function call_done(state, out, event)
  local part = state.parts[item_key(event)]
  if part then catch_up(out, part, "arguments", event.arguments or event.input) end
end

on["response.function_call_arguments.done"] = call_done
on["response.custom_tool_call_input.done"] = call_done

on["response.reasoning_summary_part.added"] = function(state, out, event)
  local part = reasoning_part(state, out, event)
  if number(event.summary_index) > 0 then delta(out, part, "summary", "\n\n") end
end

on["response.reasoning_summary_text.delta"] = function(state, out, event)
  said(out, reasoning_part(state, out, event), "summary", event.delta)
end

on["response.reasoning_text.delta"] = function(state, out, event)
  said(out, reasoning_part(state, out, event), "text", event.delta)
end

local function reasoning_done(state, out, event, item)
  local part, whole = reasoning_part(state, out, event, item), reply.reasoning_part(item)
  if #part.said == 0 then
    delta(out, part, "summary", whole.summary and table.concat(whole.summary, "\n\n"))
    delta(out, part, "text", whole.text)
  end
  delta(out, part, "encrypted", whole.encrypted)
  stop_part(state, out, part)
end

-- A message of which some part was never streamed.
local function message_done(state, out, event, item)
  for i, block in ipairs(text.table(item.content)) do
    block = text.table(block)
    local at = { output_index = event.output_index, content_index = i - 1 }
    local refused = block.type == "refusal"
    if refused or block.type == "output_text" then
      local part = content_part(state, out, at, refused and "refusal" or "text")
      catch_up(out, part, "text", block.refusal or block.text)
      stop_part(state, out, part)
    end
  end
  local prefix = item_key(event) .. "/"
  for i = #state.open, 1, -1 do
    local part = state.open[i]
    if part.key:sub(1, #prefix) == prefix then stop_part(state, out, part) end
  end
end

local function item_done(state, out, event, raw)
  local item = event.item
  if type(item) ~= "table" or state.parts[item_key(event) .. "!"] then return end
  state.parts[item_key(event) .. "!"] = true
  if item.type == "message" then
    message_done(state, out, event, item)
  elseif item.type == "reasoning" then
    reasoning_done(state, out, event, item)
  elseif is_call[item.type] then
    local part = call_part(state, out, event, item)
    catch_up(out, part, "arguments", item.arguments or item.input)
    stop_part(state, out, part)
  else
    local part = { type = "raw", format = "responses", raw = json.raw(raw, true) }
    stop_part(state, out, open_part(state, out, item_key(event), part))
  end
end

on["response.output_item.done"] = function(state, out, event, data)
  item_done(state, out, event, text.members(data).item)
end

-- Whatever the final response holds that the events did not tell.
local function finish(state, out, event, data)
  local response = type(event.response) == "table" and event.response or {}
  start(state, out, response)
  local members = text.members(text.members(data).response or "{}") or {}
  for i, raw in ipairs(members.output and json.elements(members.output) or {}) do
    item_done(state, out, { output_index = i - 1, item = json.decode(raw) }, raw)
  end
  while state.open[1] do stop_part(state, out, state.open[1]) end
  local vector = reply.usage(members)
  if vector then out[#out + 1] = { type = "usage", usage = vector } end
  local status = event.type:match("%l+$")
  push(out, { type = "finish", reason = reply.finish(status, response.incomplete_details, state.calls) })
  state.ended = true
  out[#out + 1] = { type = "end" }
end

on["response.completed"] = finish
on["response.incomplete"] = finish

local function break_off(state, out, failure)
  state.ended = true
  out[#out + 1] = { type = "error", failure = failure }
end

on["response.failed"] = function(state, out, event)
  local response = type(event.response) == "table" and event.response or {}
  break_off(state, out, reply.failure(response.error))
end

on["response.cancelled"] = on["response.failed"]

-- OpenAI has the fields at the top, Open Responses in `error`.
function on.error(state, out, event)
  break_off(state, out, reply.failure(type(event.error) == "table" and event.error or event))
end

function events.decode(state, name, data)
  local out = {}
  if state.ended or data:match("^%s*%[DONE%]%s*$") then return out end
  local event = json.decode(data)
  if type(event) ~= "table" then
    local message = "The provider sent an event that is not a JSON object"
    break_off(state, out, canonical.failure(502, "api_error", message, nil, "upstream_protocol"))
    return out
  end
  local handle = on[text.string(event.type) or name]
  if handle then handle(state, out, event, data) end
  if out[1] and not state.started and not state.ended then
    table.insert(out, 1, { type = "start" })
    state.started = true
  end
  return out
end

function events.finish(state)
  if state.ended then return {} end
  state.ended = true
  local message = "The provider's stream ended before the response was complete"
  return { { type = "error", failure = canonical.failure(502, "api_error", message, nil, "upstream_cut") } }
end

return events
