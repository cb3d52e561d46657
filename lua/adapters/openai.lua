-- Providers that speak OpenAI's chat completions: OpenAI, and the servers of presets.lua.
-- https://platform.openai.com/docs/api-reference/chat/create
local json = require "gateyes.json"
local openai_errors = require "gateyes.openai_errors"
local openai_reply = require "gateyes.openai_reply"
local openai_request = require "gateyes.openai_request"
local openai_stream = require "gateyes.openai_stream"
local presets = require "adapters.presets"

local adapter = {
  name = "openai",
  format = "chat",
  native = { chat = "/chat/completions", completions = "/completions", embeddings = "/embeddings" },
  auth = { header = "authorization", prefix = "Bearer " },
  headers = {},
  relay = { "openai-organization", "openai-project", "openai-beta" },
  takes = openai_request.takes,
}

function adapter.encode(request, context)
  local body, failure = openai_request.encode(request, context, presets.of(context))
  if not body then return nil, failure end
  return { path = adapter.native.chat, body = json.encode(body), headers = {} }
end

function adapter.decode(body, context)
  return openai_reply.decode(body, context, presets.of(context))
end

function adapter.new_stream(context)
  return openai_stream.new(context, presets.of(context))
end

function adapter.decode_event(state, _, data)
  return openai_stream.decode(state, data)
end

function adapter.end_stream(state)
  return openai_stream.finish(state)
end

function adapter.decode_error(status, headers, body)
  return openai_errors.decode(status, headers, body)
end

return adapter
