-- An answer as a plan for the player: response head, framing, faults, ending. An answer is
-- { status =, headers = { name, value, ... }, frames = { frame, ... } | body = "…", format = }.
local bytes = require "mock.bytes"
local native = require "mock.native"
local sse = require "mock.sse"

local wire = {}

local REASONS = {
  [200] = "OK", [204] = "No Content", [400] = "Bad Request", [401] = "Unauthorized", [402] = "Payment Required",
  [403] = "Forbidden", [404] = "Not Found", [405] = "Method Not Allowed", [408] = "Request Timeout",
  [409] = "Conflict", [413] = "Payload Too Large", [422] = "Unprocessable Entity", [429] = "Too Many Requests",
  [500] = "Internal Server Error", [502] = "Bad Gateway", [503] = "Service Unavailable", [504] = "Gateway Timeout",
  [529] = "Overloaded",
}

local function body_segments(answer, set)
  if answer.frames then
    return sse.segments(sse.arrange(answer.frames, set, answer.format), set)
  end
  local body = answer.body or ""
  if set.malformed then body = body:sub(1, math.floor(#body / 2)) .. '"}{,' end
  return { { text = body, delay = set.delay_first } }
end

local function stall_action(set)
  return { stall = set.stall_ms or true }
end

-- Returns the segments, whether they end before the body does, and the length of the whole body.
local function apply_faults(segments, set)
  local frame_cut = set.cut_frame and bytes.total(segments, set.cut_frame)
  local frame_stall = set.stall_frame and bytes.total(segments, set.stall_frame)
  local cut, stall = set.cut or frame_cut, set.stall or frame_stall
  if set.garbage then segments = bytes.insert(segments, set.garbage, { text = bytes.garbage }) end
  if set.gzip then segments = bytes.gzip(segments) end
  local whole = bytes.total(segments)
  local is_cut = cut ~= nil and cut <= whole
  if is_cut then segments = bytes.divide(segments, cut) end
  if stall then segments = bytes.insert(segments, stall, stall_action(set)) end
  if set.burst then segments = bytes.burst(segments, set.burst) end
  if set.split then segments = bytes.split(segments, set) end
  return segments, is_cut, whole
end

local function add_header(lines, name, value)
  lines[#lines + 1] = name .. ": " .. value .. "\r\n"
end

local function http_date(ms)
  return os.date("!%a, %d %b %Y %H:%M:%S GMT", math.floor(ms / 1000))
end

local function add_limits(lines, set)
  local now = native.now_ms()
  if set.retry_after then
    local ahead = set.retry_after:match("^date:(%d+)$")
    add_header(lines, "retry-after", ahead and http_date(now + ahead * 1000) or set.retry_after)
  end
  if set.retry_after_ms then add_header(lines, "retry-after-ms", set.retry_after_ms) end
  if set.ratelimit_reset then
    add_header(lines, "x-ratelimit-reset-requests", set.ratelimit_reset)
    add_header(lines, "x-ratelimit-reset-tokens", set.ratelimit_reset)
  end
  if set.anthropic_reset then
    local at = math.floor(now / 1000 + set.anthropic_reset)
    add_header(lines, "anthropic-ratelimit-requests-reset", os.date("!%Y-%m-%dT%H:%M:%SZ", at))
  end
end

-- Headers of the answer, then the knobs' own, which replace those of the same name.
local function add_headers(lines, answer, set)
  local own = {}
  for key, value in pairs(set) do
    local name = key:match("^header%.(.+)$")
    if name then own[#own + 1] = { name:lower(), name, value } end
  end
  table.sort(own, function(a, b) return a[1] < b[1] end)
  local replaced = {}
  for _, item in ipairs(own) do replaced[item[1]] = true end
  for i = 1, #answer.headers, 2 do
    local name = answer.headers[i]
    if not replaced[name:lower()] then add_header(lines, name, answer.headers[i + 1]) end
  end
  for _, item in ipairs(own) do add_header(lines, item[2], item[3]) end
end

local function head_text(answer, set, framing)
  local lines = { (set.http10 and "HTTP/1.0 " or "HTTP/1.1 ") .. answer.status .. " "
    .. (REASONS[answer.status] or "Status") .. "\r\n" }
  add_headers(lines, answer, set)
  add_limits(lines, set)
  if set.gzip then add_header(lines, "content-encoding", "gzip") end
  if set.head_bytes then add_header(lines, "x-padding", string.rep("p", set.head_bytes)) end
  if framing.name == "chunked" then add_header(lines, "transfer-encoding", "chunked") end
  if framing.name == "length" then add_header(lines, "content-length", framing.length) end
  if set.close or set.http10 then add_header(lines, "connection", "close") end
  lines[#lines + 1] = "\r\n"
  return table.concat(lines)
end

local function choose_framing(answer, set, segments, whole)
  if set.http10 then return { name = "close" } end
  if answer.status == 204 or answer.status == 304 then return { name = "none" } end
  if answer.frames or set.chunked then return { name = "chunked" } end
  return { name = "length", length = set.clean and bytes.total(segments) or whole }
end

local function add_fill(plan, segment, chunked)
  local size = #segment.before + segment.fill + #segment.after
  plan[#plan + 1] = (chunked and string.format("%x\r\n", size) or "") .. segment.before
  plan[#plan + 1] = { "fill", "x", amount = segment.fill }
  plan[#plan + 1] = segment.after .. (chunked and "\r\n" or "")
end

local function add_segment(plan, segment, chunked)
  if segment.delay and segment.delay > 0 then plan[#plan + 1] = segment.delay end
  if segment.stall == true then
    plan[#plan + 1] = { "stall" }
  elseif segment.stall then
    plan[#plan + 1] = segment.stall
  elseif segment.fill then
    add_fill(plan, segment, chunked)
  elseif segment.text ~= "" then
    plan[#plan + 1] = chunked and string.format("%x\r\n%s\r\n", #segment.text, segment.text) or segment.text
  end
end

local function half_chunk(plan, segments)
  local last = segments[#segments]
  if not (last and last.text and last.text ~= "") then
    plan[#plan + 1] = "64\r\n"
  else
    plan[#plan] = string.format("%x\r\n%s", #last.text + 100, last.text)
  end
end

local function add_ending(plan, set, framing, is_cut, segments)
  if is_cut and not set.clean then
    if set.half_chunk and framing.name == "chunked" then half_chunk(plan, segments) end
    plan[#plan + 1] = { set.rst and "rst" or "fin" }
    return
  end
  if framing.name == "chunked" then plan[#plan + 1] = "0\r\n\r\n" end
  if framing.name == "close" then plan.close = true end
  if set.extra then plan[#plan + 1] = string.rep("X", set.extra) end
end

-- Ends the finished plan after so many bytes, whatever they are.
local function cut_plan(plan, set)
  local left = set.cut_wire
  for i, action in ipairs(plan) do
    if type(action) == "string" then
      if #action >= left then
        plan[i] = left > 0 and action:sub(1, left) or 0
        plan[i + 1] = { set.rst and "rst" or "fin" }
        for j = #plan, i + 2, -1 do plan[j] = nil end
        return
      end
      left = left - #action
    end
  end
end

local function begin(plan, set)
  if set.delay_head then plan[#plan + 1] = set.delay_head end
  if set.stall_head then plan[#plan + 1] = set.stall_ms or { "stall" } end
  if set.info then
    local line = string.format("HTTP/1.1 %d %s\r\n\r\n", set.info, set.info == 103 and "Early Hints" or "Continue")
    plan[#plan + 1] = string.rep(line, set.info_count or 1)
  end
end

function wire.plan(answer, set)
  local segments, is_cut, whole = apply_faults(body_segments(answer, set), set)
  local framing = choose_framing(answer, set, segments, whole)
  local plan = {}
  begin(plan, set)
  local head = head_text(answer, set, framing)
  local first = segments[1]
  if framing.name == "length" and first and first.text and not first.delay then
    plan[#plan + 1] = head .. first.text -- one packet, as real servers do
    segments[1] = { text = "" }
  else
    plan[#plan + 1] = head
  end
  if framing.name ~= "none" then
    for _, segment in ipairs(segments) do add_segment(plan, segment, framing.name == "chunked") end
  end
  add_ending(plan, set, framing, is_cut, segments)
  if set.cut_wire then cut_plan(plan, set) end
  if set.close or set.http10 then plan.close = true end
  plan.idle_ms = set.idle_close
  return plan
end

return wire
