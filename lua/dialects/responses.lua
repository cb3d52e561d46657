-- The OpenAI Responses dialect, as Open Responses fixes it: https://www.openresponses.org
-- Beyond the common functions of a dialect it offers what the state behind POST /v1/responses needs:
--   expand(body, context)        -> body with the gateway's own state put into `input` | nil, failure
--   foreign(body, context)       -> id of an item that only the provider could fill, unknown to the owner | nil
--   queued(request, context)     -> response object of a request that runs in the background
--   failed_frames(created_text, sequence, failure, context) -> the end of a relayed stream that broke
-- The answer repeats parameters of the request: context.request is the request that decode gave. context.response_id,
-- where set, is the id that the answer must have. After the "end" event state.final_text is the finished response.
local chat_words = require "gateyes.chat_words"
local history = require "gateyes.responses_history"
local items = require "gateyes.responses_items"
local json = require "gateyes.json"
local object = require "gateyes.responses_object"
local request = require "gateyes.responses_request"
local stream = require "gateyes.responses_stream"
local text = require "gateyes.responses_text"

local dialect = {
  name = "responses",
  decode = request.decode,
  new_stream = stream.new,
  encode_event = stream.encode_event,
  encode_stream_error = stream.encode_error,
  failed_frames = stream.failed_frames,
  steady = stream.steady,
  catch_up = stream.catch_up,
  expand = history.expand,
  foreign = history.foreign,
}

local function base_of(context, reply)
  local id = context.response_id
  if not id and reply.id and reply.id:sub(1, 5) == "resp_" then id = reply.id end
  return object.new({
    id = id or context.id("resp_gy"), created = reply.created or context.now, model = reply.model or context.model,
    service_tier = reply.service_tier,
  }, context.request and context.request.echo)
end

local function refuses(parts)
  for _, part in ipairs(parts) do
    if part.type == "refusal" then return true end
  end
  return false
end

function dialect.encode(reply, context)
  local choice = reply.choices[1]
  local status, reason = object.status_of(choice.finish, refuses(choice.parts))
  return object.write(base_of(context, reply), {
    status = status, incomplete = reason, usage = reply.usage,
    output = items.of_choice(choice, status == "completed" and status or "incomplete", context.id),
    error = status == "failed" and object.error_of(object.ended_badly) or nil,
    completed_at = status == "completed" and context.now or nil,
  })
end

function dialect.queued(_, context)
  return object.write(base_of(context, {}), { status = "queued" })
end

function dialect.encode_error(failure)
  return text.object("error", text.object("message", json.quote(failure.message),
    "type", json.quote(chat_words.error_type(failure)), "param", text.quote_or_null(failure.param),
    "code", text.quote_or_null(failure.code)))
end

return dialect
