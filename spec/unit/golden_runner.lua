-- Runs one translation case (a line of spec/goldens/*.jsonl) through a dialect and an adapter.
--   request:  client_body -> what the provider gets          want_upstream
--   response: upstream_body -> what the client gets          want_client
--   stream:   upstream_body (frames) -> events of the client  want_client_events
local json = require "gateyes.json"

local runner = {}

local dialects = { completions = "dialects.chat", messages = "dialects.messages", responses = "dialects.responses" }
local adapters = {
  completions = "adapters.openai", openai = "adapters.openai", messages = "adapters.anthropic",
  anthropic = "adapters.anthropic", responses = "adapters.openai_responses",
}
local adapter_dialect = { ["adapters.openai"] = "openai", ["adapters.anthropic"] = "anthropic",
  ["adapters.openai_responses"] = "openai_responses" }

function runner.context(case)
  local count = 0
  local adapter = adapters[case.upstream_proto]
  local context = {
    dialect = case.client_proto, adapter = adapter_dialect[adapter], model = "m", public_model = "m", now = 1700000000,
    stream = case.kind == "stream", include_usage = false, provider = { name = "p" }, dropped = {},
    info = { capabilities = {} }, responses = { get = function() end, item = function() end },
  }
  function context.id(prefix)
    count = count + 1
    return prefix .. count
  end
  function context.drop(field, reason) context.dropped[field] = reason end
  return context, require(dialects[case.client_proto]), require(adapter)
end

-- The client's request of a case, decoded; a case without one gets the least there is.
local function decode_request(case, dialect, context, raw)
  local body = raw or '{"model":"m","max_tokens":16,"input":"q","messages":[{"role":"user","content":"q"}]}'
  if case.client_proto ~= "responses" then body = body:gsub('"input":"q",', "") end
  local request, failure = dialect.decode(body, context)
  if not request then return nil, failure end
  if raw and not case.keep_model then context.model = request.model or context.model end
  context.request = request
  return request
end

function runner.request(case, raw_body)
  local context, dialect, adapter = runner.context(case)
  local request, failure = decode_request(case, dialect, context, raw_body)
  if not request then return nil, failure, context end
  request.model = context.model
  local made, refused = adapter.encode(request, context)
  if not made then return nil, refused, context end
  return made.body, nil, context
end

function runner.response(case, raw_body)
  local context, dialect, adapter = runner.context(case)
  decode_request(case, dialect, context, raw_body)
  if case.upstream_status and case.upstream_status >= 400 then
    return dialect.encode_error(adapter.decode_error(case.upstream_status, {}, case.upstream_body), context)
  end
  local reply, failure = adapter.decode(case.upstream_body, context)
  if not reply then return dialect.encode_error(failure, context) end
  return dialect.encode(reply, context)
end

function runner.frames(text)
  local frames = {}
  for frame in (text:gsub("\r\n", "\n") .. "\n\n"):gmatch("(.-)\n\n+") do
    local name, data = frame:match("event: ?([^\n]+)") or "message", {}
    for line in frame:gmatch("data: ?([^\n]*)") do data[#data + 1] = line end
    if #data > 0 then frames[#frames + 1] = { name, table.concat(data, "\n") } end
  end
  return frames
end

function runner.stream(case, raw_body)
  local context, dialect, adapter = runner.context(case)
  decode_request(case, dialect, context, raw_body)
  local reader, writer, out = adapter.new_stream(context), dialect.new_stream(context), {}
  local function pass(events)
    for _, event in ipairs(events) do out[#out + 1] = dialect.encode_event(writer, event) end
  end
  for _, frame in ipairs(runner.frames(case.upstream_body)) do
    pass(adapter.decode_event(reader, frame[1], frame[2]))
  end
  pass(adapter.end_stream(reader))
  return table.concat(out), context
end

-- Decoded data of a client's stream, [DONE] as a string.
function runner.events(text)
  local events = {}
  for _, frame in ipairs(runner.frames(text)) do
    events[#events + 1] = frame[2] == "[DONE]" and "[DONE]" or assert(json.decode(frame[2]))
  end
  return events
end

return runner
