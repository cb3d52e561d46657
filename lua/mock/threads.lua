-- Conversations that the server holds between requests (Anthropic's beta field `thread`): the SDK's
-- tool runner sends only the new messages. Source: @anthropic-ai/sdk, BetaMessageThreadParam.
local failure = require "mock.failure"
local json = require "gateyes.json"

local threads = {}

local KEPT_MAX = 1000
local kept, order = {}, {}

local function refusal(message, code, unsupported)
  local wrong = failure.bad(message)
  wrong.details = { error_code = code, unsupported = unsupported }
  return wrong
end

-- The body as if it had been sent whole, or nil and a failure.
function threads.open(body, set)
  local thread = body.thread
  if type(thread) ~= "table" then return body end
  if set.no_thread then
    return nil, refusal("thread: not supported", "thread_unsupported_request", json.array { "thread" })
  end
  if thread.type ~= "continue" then return body end
  local earlier = kept[thread.previous_message_id]
  if not earlier then return nil, refusal("thread: not found", "thread_not_found") end
  local whole = {}
  for key, value in pairs(earlier) do whole[key] = value end
  for key, value in pairs(body) do whole[key] = value end
  whole.messages = {}
  for _, message in ipairs(earlier.messages) do whole.messages[#whole.messages + 1] = message end
  for _, message in ipairs(body.messages or {}) do whole.messages[#whole.messages + 1] = message end
  return whole
end

-- content is the JSON of the answer's blocks.
function threads.keep(ask, id, content)
  if type(ask.body.thread) ~= "table" then return end
  local body = {}
  for key, value in pairs(ask.body) do body[key] = value end
  body.messages = {}
  for _, message in ipairs(ask.body.messages) do body.messages[#body.messages + 1] = message end
  body.messages[#body.messages + 1] = { role = "assistant", content = json.decode(content) }
  kept[id] = body
  order[#order + 1] = id
  if #order > KEPT_MAX then kept[table.remove(order, 1)] = nil end
end

return threads
