-- Azure's Responses behind its dated API versions; its v1 API is adapter openai_responses with a base_url that ends in
-- /openai/v1. https://learn.microsoft.com/azure/ai-services/openai/how-to/responses
local responses = require "adapters.openai_responses"

local adapter = {}
for name, value in pairs(responses) do adapter[name] = value end

adapter.name = "azure_responses"
adapter.native = { responses = "/openai/responses?api-version={api_version}" }
adapter.auth = { header = "api-key", prefix = "" }
adapter.relay = {}

function adapter.encode(request, context)
  local call, failure = responses.encode(request, context)
  if not call then return nil, failure end
  call.path = adapter.native.responses
  return call
end

return adapter
