-- Azure OpenAI: OpenAI's formats behind one path per deployment.
-- https://learn.microsoft.com/azure/ai-services/openai/reference
local openai = require "adapters.openai"

local adapter = {}
for name, value in pairs(openai) do adapter[name] = value end

adapter.name = "azure_openai"
adapter.native = {
  chat = "/openai/deployments/{model}/chat/completions?api-version={api_version}",
  completions = "/openai/deployments/{model}/completions?api-version={api_version}",
  embeddings = "/openai/deployments/{model}/embeddings?api-version={api_version}",
}
adapter.auth = { header = "api-key", prefix = "" }
adapter.relay = {}

function adapter.encode(request, context)
  local call, failure = openai.encode(request, context)
  if not call then return nil, failure end
  call.path = request.kind == "embed" and adapter.native.embeddings or adapter.native.chat
  return call
end

return adapter
