-- GET /v1/models and /v1/models/{id}, in the OpenAI shape, or Anthropic's when its header is there.
local failure = require "mock.failure"
local text = require "mock.text"

local models = {}

local NAMES = {
  "gpt-4o", "gpt-4o-mini", "mock-tool", "mock-parallel", "mock-reason", "claude-sonnet-4-5", "text-embedding-3-small",
}

local function is_anthropic(request)
  for i = 1, #request.lines, 2 do
    if request.lines[i]:lower() == "anthropic-version" then return true end
  end
end

local function entry(name, request)
  if is_anthropic(request) then
    return text.object("type", '"model"', "id", text.quote(name), "display_name", text.quote(name),
      "created_at", '"2025-01-01T00:00:00Z"')
  end
  return text.object("id", text.quote(name), "object", '"model"', "created", "1735689600", "owned_by", '"mock"')
end

models.list = { error_body = failure.openai, no_body = true }

function models.list.direct(_, _, _, request)
  local items = {}
  for i, name in ipairs(NAMES) do items[i] = entry(name, request) end
  if is_anthropic(request) then
    return text.object("data", text.array(items), "has_more", "false", "first_id", text.quote(NAMES[1]),
      "last_id", text.quote(NAMES[#NAMES]))
  end
  return text.object("object", '"list"', "data", text.array(items))
end

models.one = { error_body = failure.openai, no_body = true }

function models.one.direct(_, _, route, request)
  for _, name in ipairs(NAMES) do
    if name == route.model then return entry(name, request) end
  end
  return nil, { status = 404, message = "The model '" .. route.model .. "' does not exist", code = "model_not_found",
    param = "model" }
end

return models
