-- Replies and errors of Anthropic -> the canonical form.
-- Source: https://docs.anthropic.com/en/api/messages (Message) and https://docs.anthropic.com/en/api/errors
local blocks = require "gateyes.anthropic_blocks"
local canonical = require "gateyes.canonical"
local json = require "gateyes.json"
local stream_in = require "gateyes.anthropic_stream_in"
local usage = require "gateyes.usage"
local words = require "gateyes.anthropic_words"

local decode = {}

local given = blocks.given

-- The call that stands for a JSON answer becomes the text that it is.
local function reveal_answer(parts)
  local answered, called = false, false
  for index, part in ipairs(parts) do
    if part.type == "tool_call" and part.name == words.answer_tool then
      parts[index] = { type = "text", text = part.arguments }
      answered = true
    elseif part.type == "tool_call" then
      called = true
    end
  end
  return answered, called
end

function decode.reply(body, context)
  local message = json.decode(body, { content = true })
  if type(message) ~= "table" then
    return nil, canonical.failure(502, "api_error", "Anthropic's reply is not a JSON object.", nil, "upstream_protocol")
  end
  if message.type == "error" then return nil, stream_in.failure_of(message) end
  local parts, failure = blocks.parts(message.content, "content", context)
  if failure then
    return nil, canonical.failure(502, "api_error", "Anthropic's reply cannot be read: " .. failure.message, nil,
      "upstream_protocol")
  end
  local answered, called = reveal_answer(parts)
  local refusal = stream_in.refusal_of(message)
  if refusal then parts[#parts + 1] = { type = "refusal", text = refusal } end
  local counted = given(message.usage)
  return {
    id = stream_in.word(message.id), model = stream_in.word(message.model), created = context.now,
    choices = { {
      index = 0, parts = parts, finish = stream_in.finish_of(given(message.stop_reason), answered, called),
      stop_sequence = stream_in.word(message.stop_sequence),
    } },
    usage = usage.from_anthropic(counted),
    service_tier = type(counted) == "table" and words.tier_of_reply(given(counted.service_tier)) or nil,
  }
end

-- `headers` may be a map of lower-case names or nil.
function decode.error(status, headers, body)
  local decoded = json.decode(body or "")
  local failure = stream_in.failure_of(decoded, status)
  if type(decoded) ~= "table" then failure.message = canonical.plain_message(status, body or "") end
  failure.request_id = failure.request_id or headers and headers["request-id"] or nil
  return failure
end

return decode
