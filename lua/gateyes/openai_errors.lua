-- Error bodies of chat completions servers -> failure. OpenAI sends { error = { … } }, Ollama { error = "…" }, Mistral
-- and vLLM { message = … } at the top, FastAPI { detail = … }, Google's endpoint an array around one of these.
local canonical = require "gateyes.canonical"
local json = require "gateyes.json"
local fields = require "gateyes.fields"
local chat_words = require "gateyes.chat_words"
local openai_reply = require "gateyes.openai_reply"

local openai_errors = {}

-- FastAPI: a text, or a list of { loc = { … }, msg = "…" }.
local function detail_of(detail)
  if type(detail) == "string" then return { message = detail } end
  if type(detail) ~= "table" then return nil end
  local first = detail[1] or detail
  if type(first) ~= "table" or type(first.msg or first.message) ~= "string" then return nil end
  local path = {}
  for i, step in ipairs(type(first.loc) == "table" and first.loc or {}) do path[i] = tostring(step) end
  if path[1] == "body" then table.remove(path, 1) end
  local param = path[1] and table.concat(path, ".") or nil
  return { message = first.msg or first.message, param = param }
end

local function problem_of(body)
  if fields.kind_of(body) == "list" then body = body[1] end
  if fields.kind_of(body) ~= "object" then return nil end
  if body.error and body.error ~= json.null then
    return type(body.error) == "table" and body.error or { message = body.error }
  end
  if type(body.message) == "string" then return body end
  return detail_of(body.detail or body.message)
end

function openai_errors.decode(status, _, body)
  local problem = problem_of(json.decode(body or "") or nil)
  if problem then return openai_reply.failure_of(status, problem) end
  return chat_words.failure_of(status, nil, nil, canonical.plain_message(status, body or ""))
end

return openai_errors
