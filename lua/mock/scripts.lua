-- Recorded answers: POST /mock/script {"match":{"path","model","method"},"times":n,
-- "reply":{"status","headers","body"|"body_b64"|"frames","delay_ms"}}. The first that matches wins.
local json = require "gateyes.json"
local knobs = require "mock.knobs"
local native = require "mock.native"

local scripts = {}

local list = {}

-- The value of that key when it has the type, else nil.
local function field(map, key, kind)
  local value = map[key]
  if type(value) == kind and value ~= json.null then return value end
end

function scripts.clear()
  list = {}
end

-- Returns the number of scripts, or nil and a sentence.
function scripts.add(script)
  if type(script) ~= "table" or type(script.reply) ~= "table" then return nil, "a script needs a reply" end
  local reply, match = script.reply, field(script, "match", "table") or {}
  local body = field(reply, "body_b64", "string")
  body = body and native.base64_decode(body) or field(reply, "body", "string")
  if not body then body = field(reply, "body", "table") and json.encode(reply.body) or "" end
  list[#list + 1] = {
    method = field(match, "method", "string"), path = field(match, "path", "string"),
    model = field(match, "model", "string"), left = field(script, "times", "number"),
    status = field(reply, "status", "number") or 200, headers = field(reply, "headers", "table") or {}, body = body,
    frames = field(reply, "frames", "table"), delay_ms = field(reply, "delay_ms", "number"),
  }
  return #list
end

local function matches(script, request, path, model)
  if script.left == 0 then return false end
  if script.method and script.method ~= request.method then return false end
  if script.path and path:sub(-#script.path) ~= script.path then return false end
  return not script.model or script.model == model
end

-- Recorded frames are complete SSE texts: they go out one chunk each, untouched.
local function raw_format_frames(frames)
  local out = {}
  for i, frame in ipairs(frames) do out[i] = { raw = tostring(frame) } end
  return out
end

local function headers_of(script)
  local lines, has_type = {}, false
  for name, value in pairs(script.headers) do
    lines[#lines + 1], lines[#lines + 2] = name, tostring(value)
    has_type = has_type or name:lower() == "content-type"
  end
  if not has_type then
    lines[#lines + 1] = "content-type"
    lines[#lines + 1] = script.frames and "text/event-stream" or "application/json"
  end
  return lines
end

-- The answer of the first script that matches, or nil. A model's knobs are added to the set.
function scripts.find(request, path, set)
  if #list == 0 then return nil end
  local body = json.decode(request.body)
  local model = type(body) == "table" and type(body.model) == "string" and body.model or nil
  local tail
  if model then model, tail = knobs.split_model(model) end
  for _, script in ipairs(list) do
    if matches(script, request, path, model) then
      if script.left then script.left = script.left - 1 end
      if tail then knobs.parse(tail, set) end
      set.delay_first = set.delay_first or script.delay_ms
      request.record.model = model
      return { status = script.status, headers = headers_of(script), body = script.body,
        frames = script.frames and raw_format_frames(script.frames), format = {} }
    end
  end
end

return scripts
