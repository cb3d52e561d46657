-- Frames of an event stream as bytes, with every oddity the format allows (WHATWG HTML, 9.2) and
-- some it does not. A frame is { data =, event = | nil, mark = "end" | nil, delay = ms | nil }, or
-- { raw = "whole text" }, { comment = }, { fill = bytes }.
local sse = {}

local NEWLINES = { lf = "\n", crlf = "\r\n", cr = "\r" }
local BOM = "\239\187\191"

local function without_end_marks(frames)
  local out = {}
  for _, frame in ipairs(frames) do
    if frame.mark ~= "end" then out[#out + 1] = frame end
  end
  return out
end

local function broken(data)
  return data:sub(1, math.floor(#data / 2)) .. '"}{,'
end

local function add_pings(frames, count, event_pings)
  for _ = 1, count do
    table.insert(frames, 1, event_pings and { event = "ping", data = '{"type":"ping"}' } or { comment = "ping" })
  end
end

-- What the knobs change in the list of frames itself. format.error_frames(set, frames) gives
-- the provider's own error events.
function sse.arrange(frames, set, format)
  if set.no_done then frames = without_end_marks(frames) end
  if set.error_frame and format.error_frames then
    for i = #frames, set.error_frame + 1, -1 do frames[i] = nil end
    for _, frame in ipairs(format.error_frames(set, frames)) do frames[#frames + 1] = frame end
  end
  if set.huge_line then
    table.insert(frames, math.min(set.huge_at or 1, #frames) + 1, { fill = set.huge_line })
  end
  if set.malformed and frames[set.malformed] and frames[set.malformed].data then
    local frame = frames[set.malformed]
    frames[set.malformed] = { event = frame.event, data = broken(frame.data), mark = frame.mark }
  end
  if set.pings then add_pings(frames, set.pings, format.event_pings) end
  return frames
end

local function frame_text(frame, newline, colon, multiline)
  if frame.raw then return frame.raw end
  if frame.comment then return ": " .. frame.comment .. newline .. newline end
  local data = frame.data
  if multiline and data:sub(1, 1) == "{" then data = "{" .. newline .. "data" .. colon .. data:sub(2) end
  local event = frame.event and ("event" .. colon .. frame.event .. newline) or ""
  return event .. "data" .. colon .. data .. newline .. newline
end

-- One segment per frame: { text =, delay = } or { fill = bytes, before =, after = }.
function sse.segments(frames, set)
  local newline = NEWLINES[set.newline] or "\n"
  local colon = set.space == 0 and ":" or ": "
  local out = {}
  for i, frame in ipairs(frames) do
    local delay = (frame.delay or 0) + (i == 1 and (set.delay_first or 0) or (set.delay_frame or 0))
    if frame.fill then
      out[i] = { fill = frame.fill, before = "data" .. colon, after = newline .. newline, delay = delay }
    else
      local written = frame_text(frame, newline, colon, set.multiline)
      if set.comments then written = ": comment " .. i .. newline .. written end
      if i == 1 and set.bom then written = BOM .. written end
      out[i] = { text = written, delay = delay }
    end
  end
  return out
end

return sse
