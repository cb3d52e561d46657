-- Which format a path speaks. Any prefix may stand before the last part, so that one mock serves
-- every provider's layout: /v1/..., /openai/v1/..., /openai/deployments/{name}/..., /anthropic/v1/...
local answer = require "mock.answer"
local failure = require "mock.failure"
local text = require "mock.text"

local chat = require "mock.chat"
local completions = require "mock.completions"
local embeddings = require "mock.embeddings"
local messages = require "mock.messages"
local models = require "mock.models"
local responses = require "mock.responses"

local routes = { fallback = { error_body = failure.openai } }

local POST = {
  { "/chat/completions$", chat }, { "/completions$", completions }, { "/responses$", responses },
  { "/messages$", messages }, { "/messages/count_tokens$", messages.counter }, { "/embeddings$", embeddings },
  { ":rawPredict$", messages }, { ":streamRawPredict$", messages, stream = true },
}

local GET = { { "/models$", models.list }, { "/models/.+$", models.one } }

-- { format =, path =, model = | nil, stream = | nil } or nil.
function routes.find(method, path)
  for _, row in ipairs(method == "POST" and POST or method == "GET" and GET or {}) do
    if path:find(row[1]) then
      local model = path:match("/deployments/([^/]+)/") or path:match("/models/([^/:]+):%a+$")
        or path:match("/models/([^/]+)$")
      return { format = row[2], path = path, model = model and text.url_decode(model), stream = row.stream }
    end
  end
end

local function plain(body)
  return { status = 200, headers = { "content-type", "application/json" }, body = body }
end

-- An answer for wire.plan, or nil and a failure.
function routes.answer(route, body, set, request)
  local format = route.format
  if format.direct then
    local content, wrong = format.direct(body, set, route, request)
    if not content then return nil, wrong end
    return plain(content)
  end
  local ask, wrong = format.read(body, set, request.body)
  if not ask then return nil, wrong end
  ask.id, ask.created = "mock" .. request.id, math.floor(request.time_ms / 1000)
  local choices, usage = answer.make(ask, set)
  if not ask.stream then return plain(format.reply(ask, choices, usage, set)) end
  return {
    status = 200, format = format, frames = format.stream(ask, choices, usage, set),
    headers = { "content-type", "text/event-stream; charset=utf-8", "cache-control", "no-cache" },
  }
end

return routes
