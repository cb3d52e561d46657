-- What clients of POST /v1/chat/completions speak. https://platform.openai.com/docs/api-reference/chat
local json = require "gateyes.json"
local chat_reply = require "gateyes.chat_reply"
local chat_request = require "gateyes.chat_request"
local chat_stream = require "gateyes.chat_stream"
local chat_words = require "gateyes.chat_words"

local dialect = { name = "chat" }

function dialect.decode(body)
  return chat_request.decode(body)
end

function dialect.encode(reply, context)
  return chat_reply.encode(reply, context)
end

function dialect.new_stream(context)
  return chat_stream.new(context)
end

function dialect.encode_event(state, event)
  if event.type == "error" then return dialect.encode_stream_error(state, event.failure) end
  return chat_stream.encode(state, event)
end

dialect.steady, dialect.catch_up = chat_stream.steady, chat_stream.catch_up

function dialect.encode_error(failure)
  return json.encode { error = {
    message = failure.message,
    type = chat_words.error_type(failure),
    param = failure.param or json.null,
    code = failure.code or json.null,
  } }
end

-- No [DONE] follows: a client that waits for it must not take the stream for a whole one.
function dialect.encode_stream_error(_, failure)
  return "data: " .. dialect.encode_error(failure) .. "\n\n"
end

return dialect
