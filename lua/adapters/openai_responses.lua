-- Providers that speak the Responses API. For a client of another dialect nothing is stored there: what has to come
-- back on the next turn (encrypted reasoning) travels through the client.
local body = require "gateyes.responses_body"
local events = require "gateyes.responses_events"
local json = require "gateyes.json"
local openai_errors = require "gateyes.openai_errors"
local reply = require "gateyes.responses_reply"

local adapter = {
  name = "openai_responses",
  extra_format = "responses",
  native = { responses = "/responses" },
  auth = { header = "authorization", prefix = "Bearer " },
  headers = {},
  relay = { "openai-organization", "openai-project", "openai-beta" },
  takes = body.takes,
  decode = reply.decode,
  new_stream = events.new,
  decode_event = events.decode,
  end_stream = events.finish,
}

-- A failure inside a stream comes as the data of its event: OpenAI's error event has its fields at the top. One that
-- comes with status 200 is a whole response that failed.
function adapter.decode_error(status, headers, text)
  local event = json.decode(text or "")
  if type(event) == "table" and event.type == "response.failed" and type(event.response) == "table" then
    return reply.failure(event.response.error)
  end
  if type(event) == "table" and event.type == "error" and event.error == nil then return reply.failure(event) end
  if type(event) == "table" and event.object == "response" and type(event.error) == "table" then
    return reply.failure(event.error)
  end
  return openai_errors.decode(status, headers, text)
end

function adapter.encode(request, context)
  local text, failure = body.encode(request, context)
  if not text then return nil, failure end
  return { path = adapter.native.responses, body = text, headers = {} }
end

return adapter
