-- A stored response as the stream that would have given it: GET /v1/responses/{id}?stream=true. Every item comes
-- whole, which the official accumulator takes; sequence numbers are those of this replay.
local json = require "gateyes.json"
local text = require "gateyes.responses_text"

local replay = {}

local finals = { completed = true, incomplete = true, failed = true }
local active = { queued = true, in_progress = true }

-- starting_after: number of the last event that the client has, or nil. Of a stream that was given with other numbers
-- the client gets the end in any case. -> frames, does the response still run?
function replay.frames(response, starting_after)
  local out, sequence = {}, 0
  local function emit(name, members)
    if sequence > (starting_after or -1) then
      out[#out + 1] = string.format('event: %s\ndata: {"type":"%s","sequence_number":%d%s}\n\n', name, name, sequence,
        members)
    end
    sequence = sequence + 1
  end
  local members = text.members(response)
  local begun = text.replace(response, { status = '"in_progress"', output = "[]", usage = "null", completed_at = "null",
    error = "null", incomplete_details = "null" })
  emit("response.created", ',"response":' .. begun)
  emit("response.in_progress", ',"response":' .. begun)
  local status = text.value(members.status)
  if active[status] then return table.concat(out), true end
  for i, item in ipairs(members.output and json.elements(members.output) or {}) do
    local place = string.format(',"output_index":%d,"item":%s', i - 1, item)
    emit("response.output_item.added", place)
    emit("response.output_item.done", place)
  end
  sequence = math.max(sequence, (starting_after or -1) + 1)
  if finals[status] then emit("response." .. status, ',"response":' .. response) end
  return table.concat(out)
end

return replay
