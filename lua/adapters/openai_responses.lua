-- Providers that speak the Responses API. For a client of another dialect nothing is stored there: what has to come
-- back on the next turn (encrypted reasoning) travels through the client.
local body = require "gateyes.responses_body"
local events = require "gateyes.responses_events"
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
  decode_error = openai_errors.decode,
}

function adapter.encode(request, context)
  return { path = adapter.native.responses, body = body.encode(request, context), headers = {} }
end

return adapter
