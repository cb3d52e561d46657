-- Errors in the providers' own shapes. A failure is { status, message, type, code, param }.
-- Sources: the error tables of the OpenAI and Anthropic API references.
local json = require "gateyes.json"
local text = require "mock.text"

local failure = {}

local OPENAI = {
  [401] = { "invalid_request_error", "invalid_api_key" }, [403] = { "invalid_request_error", "permission_denied" },
  [404] = { "invalid_request_error", "model_not_found" }, [409] = { "conflict_error" },
  [429] = { "requests", "rate_limit_exceeded" }, [503] = { "service_unavailable_error" },
}

local ANTHROPIC = {
  [400] = "invalid_request_error", [401] = "authentication_error", [402] = "billing_error",
  [403] = "permission_error", [404] = "not_found_error", [413] = "request_too_large", [429] = "rate_limit_error",
  [504] = "timeout_error", [529] = "overloaded_error",
}

local MESSAGES = {
  [401] = "Incorrect API key provided", [403] = "Not allowed", [404] = "The model or path does not exist",
  [413] = "Request too large", [429] = "Rate limit reached", [500] = "The server had an error",
  [503] = "The server is overloaded", [529] = "Overloaded",
}

-- What the knobs ask for.
function failure.of_knobs(set, status)
  return { status = status, message = set.message or MESSAGES[status] or ("Mock error " .. status), type = set.type,
    code = set.code, param = set.param }
end

function failure.bad(message, param, code)
  return { status = 400, message = message, param = param, code = code }
end

function failure.openai(f)
  local known = OPENAI[f.status] or (f.status >= 500 and { "server_error" }) or { "invalid_request_error" }
  local code = f.code or known[2]
  return text.object("error", text.object("message", text.quote(f.message), "type", text.quote(f.type or known[1]),
    "param", text.value(f.param), "code", text.value(code)))
end

function failure.anthropic(f, request_id)
  local kind = f.type or ANTHROPIC[f.status] or (f.status >= 500 and "api_error") or "invalid_request_error"
  return text.object("type", '"error"', "error",
    text.object("type", text.quote(kind), "message", text.quote(f.message),
      "details", f.details and json.encode(f.details)),
    "request_id", request_id and text.quote(request_id))
end

return failure
