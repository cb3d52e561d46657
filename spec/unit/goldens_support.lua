-- Runs one translation case: a client body through dialect and adapter, or an upstream answer the other way.
local json = require "gateyes.json"
local support = require "messages_support"

local goldens = {}

local dialects = { text_completions = "dialects.completions", completions = "dialects.chat",
  messages = "dialects.messages", responses = "dialects.responses" }
local adapters = { completions = "adapters.openai", anthropic = "adapters.anthropic" }

local function context_of(case)
  local context = support.context { model = case.model,
    dialect = dialects[case.client_proto]:match "[^.]+$", stream = case.kind == "stream", responses = {
    get = function() end, item = function() end,
  }, provider = { preset = case.preset }, include_usage = case.include_usage }
  -- Ids that we make are masked, so that a case does not depend on how many were made.
  context.id = function(prefix) return prefix .. "[id]" end
  return context
end

local function failure_of(dialect, failure, context)
  return { error = json.decode(dialect.encode_error(failure, context)), status = failure.status }
end

local function each_frame(text, visit)
  for frame in text:gmatch("(.-)\n\n") do
    visit(frame:match("event: ([^\n]*)") or "message", frame:match("data: (.*)$"))
  end
end

-- SSE text -> list of { name, data = decoded JSON or "[DONE]" }
function goldens.events(text)
  local events = {}
  each_frame(text, function(name, data)
    events[#events + 1] = { name = name, data = data == "[DONE]" and data or json.decode(data) }
  end)
  return events
end

local runners = {}

function runners.request(case, dialect, adapter, context)
  local request, failure = dialect.decode(json.raw_text(case.client_body), context)
  if not request then return failure_of(dialect, failure, context) end
  request.model, context.request = case.model, request
  local encoded
  encoded, failure = adapter.encode(request, context)
  if not encoded then return failure_of(dialect, failure, context) end
  return { body = json.decode(encoded.body) }
end

function runners.response(case, dialect, adapter, context)
  local status = case.upstream_status or 200
  if status >= 400 then
    return failure_of(dialect, adapter.decode_error(status, {}, case.upstream_body), context)
  end
  local reply, failure = adapter.decode(case.upstream_body, context)
  if not reply then return failure_of(dialect, failure, context) end
  return { body = json.decode(dialect.encode(reply, context)) }
end

function runners.stream(case, dialect, adapter, context)
  local from, to = adapter.new_stream(context), dialect.new_stream(context)
  local out = {}
  local function pass(events)
    for _, event in ipairs(events) do
      out[#out + 1] = event.type == "error" and dialect.encode_stream_error(to, event.failure)
        or dialect.encode_event(to, event)
    end
  end
  each_frame(case.upstream_body, function(name, data) pass(adapter.decode_event(from, name, data)) end)
  pass(adapter.end_stream(from))
  return { events = goldens.events(table.concat(out)) }
end

-- -> { body | events | error, status; dropped = sorted list of reported fields }
function goldens.run(case)
  local context = context_of(case)
  local dialect, adapter = require(dialects[case.client_proto]), require(adapters[case.upstream_proto])
  local got = runners[case.kind](case, dialect, adapter, context)
  local dropped = {}
  for field in pairs(context.dropped) do dropped[#dropped + 1] = field end
  table.sort(dropped)
  got.dropped = #dropped > 0 and dropped or nil
  return got
end

function goldens.decode(line)
  return assert(json.decode(line, { client_body = true }))
end

function goldens.each(path, visit)
  for line in assert(io.open(path)):lines() do visit(goldens.decode(line)) end
end

return goldens
