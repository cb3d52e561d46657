-- Reads the frames of a Responses stream the way the official SDK's accumulator does, and checks what it takes for
-- granted: the first event creates, sequence numbers count from 0, indices point at things that exist, what is done
-- equals what was built from deltas.
local json = require "gateyes.json"
local schema = require "open_responses"

local fold = {}

function fold.events(frames)
  local events = {}
  for frame in frames:gmatch("(.-)\n\n") do
    local name, data = frame:match("^event: ([^\n]+)\ndata: ([^\n]*)$")
    if name then
      local event = assert(json.decode(data))
      assert(event.type == name, "event name and type differ")
      events[#events + 1] = event
    else -- no [DONE] either: OpenAI's streams have none
      assert(frame:sub(1, 1) == ":", "unknown frame: " .. frame)
    end
  end
  return events
end

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in pairs(a) do
    if not same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

local function item_of(response, event)
  return assert(response.output[event.output_index + 1], "missing output at " .. event.output_index)
end

local function part_of(list, index)
  return assert(list and list[index + 1], "missing part at index " .. tostring(index))
end

local fields = {
  ["response.output_text"] = { "content", "content_index", "text" },
  ["response.refusal"] = { "content", "content_index", "refusal" },
  ["response.reasoning_text"] = { "content", "content_index", "text" },
  ["response.reasoning_summary_text"] = { "summary", "summary_index", "text" },
}
local calls = {
  ["response.function_call_arguments"] = "arguments", ["response.custom_tool_call_input"] = "input",
}

local on = {}

on["response.output_item.added"] = function(response, event)
  assert(event.output_index == #response.output, "items are added in order")
  response.output[#response.output + 1] = event.item
end

on["response.output_item.done"] = function(response, event)
  local built, item = item_of(response, event), event.item
  for _, key in ipairs { "id", "content", "summary", "arguments", "input", "name", "call_id" } do
    if built[key] ~= nil or key == "content" then assert(same(built[key], item[key]), "item differs in " .. key) end
  end
  response.output[event.output_index + 1] = item
end

local function add_part(response, event, list, index)
  local item = item_of(response, event)
  item[list] = item[list] or json.array {}
  assert(event[index] == #item[list], "parts are added in order")
  item[list][#item[list] + 1] = event.part
end

on["response.content_part.added"] = function(response, event) add_part(response, event, "content", "content_index") end
on["response.reasoning_summary_part.added"] = function(response, event)
  add_part(response, event, "summary", "summary_index")
end
on["response.content_part.done"] = function(response, event)
  local content = item_of(response, event).content
  local built = part_of(content, event.content_index)
  assert((built.text or built.refusal) == (event.part.text or event.part.refusal), "part differs from its deltas")
  assert(#(built.annotations or {}) == #(event.part.annotations or {}), "annotations differ")
  content[event.content_index + 1] = event.part
end
on["response.reasoning_summary_part.done"] = function(response, event)
  assert(same(part_of(item_of(response, event).summary, event.summary_index), event.part), "summary differs")
end
on["response.output_text.annotation.added"] = function(response, event)
  local notes = part_of(item_of(response, event).content, event.content_index).annotations
  assert(event.annotation_index == #notes, "annotations are added in order")
  notes[#notes + 1] = event.annotation
end

local function apply_text(response, event, base, verb)
  local list, index, key = unpack(fields[base])
  local item = item_of(response, event)
  assert(event.item_id == item.id, "item_id differs")
  local part = part_of(item[list], event[index])
  if verb == "delta" then part[key] = part[key] .. event.delta
  else assert(part[key] == event[key], "done differs from its deltas") end
end

local function apply_call(response, event, base, verb)
  local key, item = calls[base], item_of(response, event)
  assert(event.item_id == item.id, "item_id differs")
  if verb == "delta" then item[key] = item[key] .. event.delta
  else assert(item[key] == event[key], "arguments differ from their deltas") end
end

-- Frames of one whole stream -> final response, list of events, has it ended well
function fold.response(frames)
  local events = fold.events(frames)
  local response
  for i, event in ipairs(events) do
    local wrong = schema.event(event)
    assert(#wrong == 0, table.concat(wrong, "; "))
    assert(event.sequence_number == i - 1, "sequence_number counts from 0")
    assert(i > 1 or event.type == "response.created", "the first event is response.created")
    local base, verb = event.type:match("^(.*)%.(%l+)$")
    if event.response then
      if event.type == "response.completed" or event.type == "response.incomplete" then
        for n, item in ipairs(response.output) do
          assert(item.id == event.response.output[n].id, "final output differs from the stream")
        end
        assert(#response.output == #event.response.output, "final output has other items than the stream")
      end
      response = event.response
    elseif on[event.type] then on[event.type](response, event)
    elseif fields[base] then apply_text(response, event, base, verb)
    elseif calls[base] then apply_call(response, event, base, verb)
    else error("unhandled event " .. event.type) end
  end
  local last = events[#events].type
  return response, events, last == "response.completed" or last == "response.incomplete"
end

return fold
