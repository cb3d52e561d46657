-- Words of the Messages API that its dialect and its adapter share: stop reasons, error types, service tiers,
-- and how reasoning issued by somebody else travels inside a thinking signature.
-- Source: https://docs.anthropic.com/en/api/messages and https://docs.anthropic.com/en/api/errors
local words = {}

local finish_of_stop = {
  end_turn = "stop", max_tokens = "length", stop_sequence = "stop_sequence", tool_use = "tool_calls",
  pause_turn = "pause", compaction = "pause", refusal = "refusal", model_context_window_exceeded = "context_length",
}

local stop_of_finish = {
  stop = "end_turn", length = "max_tokens", stop_sequence = "stop_sequence", tool_calls = "tool_use",
  pause = "pause_turn", refusal = "refusal", content_filter = "refusal",
  context_length = "model_context_window_exceeded", error = "end_turn",
}

function words.finish_of_stop(stop_reason)
  return finish_of_stop[stop_reason] or "stop"
end

function words.stop_of_finish(finish)
  return stop_of_finish[finish] or "end_turn"
end

local status_of_type = {
  invalid_request_error = 400, authentication_error = 401, billing_error = 402, permission_error = 403,
  not_found_error = 404, conflict_error = 409, request_too_large = 413, rate_limit_error = 429,
  api_error = 500, timeout_error = 504, overloaded_error = 529,
}

local type_of_status = {
  [401] = "authentication_error", [402] = "billing_error", [403] = "permission_error", [404] = "not_found_error",
  [408] = "timeout_error", [413] = "request_too_large", [429] = "rate_limit_error", [503] = "overloaded_error",
  [504] = "timeout_error", [529] = "overloaded_error",
}

function words.status_of_type(error_type)
  return status_of_type[error_type] or 500
end

-- The form knows fewer types than Anthropic has: a type it does not know is named by its status.
function words.error_type(error_type, status)
  if status_of_type[error_type] and error_type ~= "conflict_error" then return error_type end
  if type_of_status[status] then return type_of_status[status] end
  return status and status >= 400 and status < 500 and "invalid_request_error" or "api_error"
end

-- The form uses OpenAI's names of service tiers.
local request_tiers = { auto = "auto", standard_only = "default" }
local provider_tiers = { auto = "auto", default = "standard_only", priority = "auto" }
local reply_tiers = { standard = "default", priority = "priority", batch = "batch" }
local client_tiers = { default = "standard", priority = "priority", batch = "batch" }

function words.tier_of_client(tier) return request_tiers[tier] or tier end
function words.tier_for_provider(tier) return provider_tiers[tier] end
function words.tier_of_reply(tier) return reply_tiers[tier] end
function words.tier_for_client(tier) return client_tiers[tier] end

-- A Messages client can only keep { thinking, signature } of a reasoning part. What another provider issued is put
-- into the signature behind a mark, so that it comes back on the next turn and reaches its issuer again.
local mark = "gateyes."

function words.signature_of(part)
  if part.format == "anthropic" or not part.format then return part.signature or "" end
  if not part.signature and not part.encrypted and not part.id then return "" end
  return mark .. part.format .. "." .. (part.id or "") .. "." .. (part.signature and "s" or "e") .. "."
    .. (part.signature or part.encrypted or "")
end

function words.is_marked(signature)
  return signature:sub(1, #mark) == mark
end

-- The reasoning fields that a signature stands for. An empty signature gives none: the text is unsigned.
function words.read_signature(signature)
  if not signature or signature == "" then return {} end
  if not words.is_marked(signature) then return { signature = signature, format = "anthropic" } end
  local format_end = signature:find(".", #mark + 1, true)
  local id_end = format_end and signature:find(".", format_end + 1, true)
  local kind_end = id_end and signature:find(".", id_end + 1, true)
  if not kind_end then return {} end
  local id, kind = signature:sub(format_end + 1, id_end - 1), signature:sub(id_end + 1, kind_end - 1)
  local value = signature:sub(kind_end + 1)
  if value == "" then value = nil end
  return {
    format = signature:sub(#mark + 1, format_end - 1),
    id = id ~= "" and id or nil,
    signature = kind == "s" and value or nil,
    encrypted = kind == "e" and value or nil,
  }
end

-- Custom (free-form) tools do not exist at Anthropic: they become functions of one string under this name, by which
-- a call is known again without any state.
words.custom_input = "freeform_input"

-- The tool that stands for a JSON answer on models without structured output.
words.answer_tool = "gateyes_json_answer"

-- Where Anthropic has only a sentence, OpenAI has a code that clients act on.
local sentences = {
  invalid_request_error = {
    ["prompt is too long"] = "context_length_exceeded", ["exceed context limit"] = "context_length_exceeded",
    ["credit balance is too low"] = "insufficient_quota",
  },
  not_found_error = { ["model:"] = "model_not_found" },
}

function words.error_code(kind, message)
  for sentence, code in pairs(sentences[kind] or {}) do
    if message:find(sentence, 1, true) then return code end
  end
end

return words
