-- Providers that speak OpenAI's chat completions: OpenAI, and the servers of presets.lua.
-- https://platform.openai.com/docs/api-reference/chat/create
local json = require "gateyes.json"
local openai_errors = require "gateyes.openai_errors"
local openai_reply = require "gateyes.openai_reply"
local openai_request = require "gateyes.openai_request"
local openai_stream = require "gateyes.openai_stream"
local usage = require "gateyes.usage"
local presets = require "adapters.presets"

local adapter = {
  name = "openai",
  extra_format = "chat",
  native = { chat = "/chat/completions", completions = "/completions", embeddings = "/embeddings" },
  auth = { header = "authorization", prefix = "Bearer " },
  headers = {},
  relay = { "openai-organization", "openai-project", "openai-beta" },
  limits = presets.limits(),
  takes = openai_request.takes,
  kinds = { embed = true },
}

-- An embeddings request and its reply, for bodies that somebody had to look into on the way.
local function encode_embed(request, context)
  local body = { model = context.model, input = request.input, dimensions = request.dimensions,
    encoding_format = request.encoding_format, user = request.user }
  for name, value in pairs(request.extra or {}) do body[name] = value end
  return { path = adapter.native.embeddings, body = json.encode(body), headers = {} }
end

local function decode_embed(body)
  local decoded = json.decode(body, { data = true })
  if type(decoded) ~= "table" or not decoded.data then return nil, openai_errors.decode(502, nil, body) end
  return { embeddings = json.raw(body), choices = {}, usage = usage.from_openai(decoded.usage) }
end

function adapter.encode(request, context)
  if request.kind == "embed" then return encode_embed(request, context) end
  local body, failure = openai_request.encode(request, context, presets.of(context))
  if not body then return nil, failure end
  return { path = adapter.native.chat, body = json.encode(body), headers = {} }
end

function adapter.decode(body, context)
  if context.request and context.request.kind == "embed" then return decode_embed(body) end
  return openai_reply.decode(body, context, presets.of(context))
end

function adapter.new_stream(context)
  return openai_stream.new(context, presets.of(context))
end

function adapter.decode_event(state, _, data)
  return openai_stream.decode(state, data)
end

adapter.steady = openai_stream.steady

function adapter.end_stream(state)
  return openai_stream.finish(state)
end

function adapter.decode_error(status, headers, body)
  return openai_errors.decode(status, headers, body)
end

return adapter
