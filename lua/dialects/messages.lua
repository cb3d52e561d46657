-- Anthropic's Messages API as clients speak it.
-- Source: https://docs.anthropic.com/en/api/messages
local json = require "gateyes.json"
local reply = require "gateyes.anthropic_reply"
local request = require "gateyes.anthropic_request"
local stream_out = require "gateyes.anthropic_stream_out"

local messages = { name = "messages" }

function messages.decode(body, context)
  return request.decode(body, context, false)
end

-- POST /v1/messages/count_tokens: the same body without max_tokens, answered with one number.
function messages.decode_count(body, context)
  return request.decode(body, context, true)
end

function messages.encode_count(input_tokens)
  return json.encode({ input_tokens = input_tokens })
end

messages.encode = reply.encode
messages.new_stream = stream_out.new
messages.encode_event = stream_out.event

function messages.encode_error(failure, context)
  return stream_out.error_body(failure, context and context.request_id)
end

function messages.encode_stream_error(state, failure)
  return stream_out.event(state, { type = "error", failure = failure })
end

return messages
