-- Anthropic's Messages API as a provider. base_url is "https://api.anthropic.com".
-- Source: https://docs.anthropic.com/en/api/messages
local decode = require "gateyes.anthropic_decode"
local encode = require "gateyes.anthropic_encode"
local stream_in = require "gateyes.anthropic_stream_in"

return {
  name = "anthropic",
  native = { messages = "/v1/messages", count_tokens = "/v1/messages/count_tokens" },
  auth = { header = "x-api-key", prefix = "" },
  headers = { ["anthropic-version"] = "2023-06-01" },
  relay = { "anthropic-beta", "anthropic-version" },
  takes = {
    model = true, stream = true, system = true, turns = true, tools = true, tool_choice = true,
    parallel_tool_calls = true, output = true, temperature = true, top_p = true, top_k = true, n = true, stop = true,
    max_tokens = true, reasoning = true, user = true, safety_identifier = true, service_tier = true,
    include_usage = true, extra = true,
  },
  extra_format = "messages",
  encode = encode.request,
  decode = decode.reply,
  new_stream = stream_in.new,
  decode_event = stream_in.event,
  steady = stream_in.steady,
  end_stream = stream_in.finish,
  decode_error = decode.error,
}
