-- Words that OpenAI uses for how a reply ended and for what went wrong, both ways.
-- https://platform.openai.com/docs/api-reference/chat/object (finish_reason), /docs/guides/error-codes
local canonical = require "gateyes.canonical"

local chat_words = {}

-- "error" is OpenRouter's word: a reply that broke off must not look like one that ended.
local finish_words = {
  stop = "stop", stop_sequence = "stop", pause = "stop", length = "length", context_length = "length",
  tool_calls = "tool_calls", content_filter = "content_filter", refusal = "content_filter", error = "error",
}

-- Beside OpenAI's words those of vLLM (abort), Mistral (model_length, error), DeepSeek, Together (eos) and Groq.
local finishes = {
  stop = "stop", eos = "stop", end_turn = "stop", length = "length", max_tokens = "length", model_length = "length",
  tool_calls = "tool_calls", function_call = "tool_calls", tool_use = "tool_calls",
  content_filter = "content_filter", error = "error", abort = "error", insufficient_system_resource = "error",
}

function chat_words.finish_reason(finish)
  return finish_words[finish] or "stop"
end

-- A server that names no reason, or one that nobody knows, still ended its reply: by its calls, or by itself.
function chat_words.finish_of(reason, has_calls)
  local finish = finishes[reason] or "stop"
  if finish == "stop" and has_calls then return "tool_calls" end
  return finish
end

local error_types = {
  authentication_error = "invalid_request_error", not_found_error = "invalid_request_error",
  request_too_large = "invalid_request_error", billing_error = "insufficient_quota",
  timeout_error = "server_error", api_error = "server_error", overloaded_error = "server_error",
}

function chat_words.error_type(failure)
  return error_types[failure.type] or failure.type
end

local by_status = {
  [400] = "invalid_request_error", [401] = "authentication_error", [402] = "billing_error", [403] = "permission_error",
  [404] = "not_found_error", [408] = "timeout_error", [413] = "request_too_large", [422] = "invalid_request_error",
  [429] = "rate_limit_error", [498] = "overloaded_error", [503] = "overloaded_error", [504] = "timeout_error",
  [529] = "overloaded_error",
}

-- What a provider's status and words mean. `status` may be nil: an error inside a stream has none of its own.
function chat_words.failure_of(status, type_word, code, message, param)
  local kind = by_status[status] or "api_error"
  if status and status >= 400 and status < 500 then kind = by_status[status] or "invalid_request_error" end
  if code == "insufficient_quota" or type_word == "insufficient_quota" then
    kind = "billing_error"
  elseif not status and type_word == "invalid_request_error" then
    status, kind = 400, type_word
  elseif not status and (type_word == "rate_limit_error" or code == "rate_limit_exceeded") then
    status, kind = 429, "rate_limit_error"
  elseif not status and type_word == "overloaded_error" then
    status, kind = 503, type_word
  end
  return canonical.failure(status or 502, kind, message, param, code)
end

return chat_words
