-- Anthropic's Messages API as clients speak it.
-- Source: https://docs.anthropic.com/en/api/messages
local reply = require "gateyes.anthropic_reply"
local request = require "gateyes.anthropic_request"
local stream_out = require "gateyes.anthropic_stream_out"

local messages = { name = "messages" }

messages.decode = request.decode
messages.encode = reply.encode
messages.new_stream = stream_out.new
messages.encode_event = stream_out.event
messages.steady = stream_out.steady

function messages.encode_error(failure, context)
  return stream_out.error_body(failure, context and context.request_id)
end

function messages.encode_stream_error(state, failure)
  return stream_out.event(state, { type = "error", failure = failure })
end

return messages
