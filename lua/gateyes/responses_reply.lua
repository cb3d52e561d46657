-- A response object of a provider -> canonical reply.
-- https://platform.openai.com/docs/api-reference/responses/object
local canonical = require "gateyes.canonical"
local chat_words = require "gateyes.chat_words"
local json = require "gateyes.json"
local openai_ids = require "gateyes.openai_ids"
local text = require "gateyes.responses_text"
local usage = require "gateyes.usage"

local reply = {}

local function texts_of(list)
  local found = {}
  for _, block in ipairs(type(list) == "table" and list or {}) do
    if type(block) == "table" and type(block.text) == "string" then found[#found + 1] = block.text end
  end
  return found
end

local function id_of(value)
  return value ~= "" and text.string(value) or nil
end

function reply.reasoning_part(item)
  local said, summary = table.concat(texts_of(item.content)), texts_of(item.summary)
  return {
    type = "reasoning", id = id_of(item.id), text = said ~= "" and said or nil,
    summary = #summary > 0 and summary or nil, encrypted = text.string(item.encrypted_content), format = "responses",
  }
end

-- names: what openai_ids.long_names gave for the request, or nil.
function reply.call_part(item, names)
  local custom = item.type == "custom_tool_call" or nil
  return {
    type = "tool_call", id = text.string(item.call_id) or text.string(item.id) or "", custom = custom,
    name = names and names[item.name] or text.string(item.name) or "", item_id = id_of(item.id),
    arguments = text.string(custom and item.input or item.arguments) or "",
  }
end

local function list_of(members, name)
  local raw = members[name]
  if not raw or raw:sub(1, 1) ~= "[" or not raw:find("{", 1, true) then return nil end
  return json.raw(raw, true)
end

-- Log probabilities (JSON text of a list) as chat has them, which is what the canonical form has.
function reply.logprobs(list)
  return json.raw('{"content":' .. list .. ',"refusal":null}', true)
end

local function message_parts(raw, found)
  local blocks = text.members(raw).content
  for _, block_raw in ipairs(blocks and json.elements(blocks) or {}) do
    local members = text.members(block_raw) or {}
    local kind = text.value(members.type)
    if kind == "output_text" then
      found.parts[#found.parts + 1] = { type = "text", text = text.string(text.value(members.text)) or "",
        annotations = list_of(members, "annotations") }
      local listed = list_of(members, "logprobs")
      found.logprobs = found.logprobs or listed and reply.logprobs(json.raw_text(listed))
    elseif kind == "refusal" then
      found.parts[#found.parts + 1] = { type = "refusal", text = text.string(text.value(members.refusal)) or "" }
    end
  end
end

-- One output item, raw -> its parts are appended to found.parts.
function reply.item(raw, found)
  local item = json.decode(raw)
  if type(item) ~= "table" then return end
  if item.type == "message" then
    message_parts(raw, found)
  elseif item.type == "reasoning" then
    found.parts[#found.parts + 1] = reply.reasoning_part(item)
  elseif item.type == "function_call" or item.type == "custom_tool_call" then
    found.parts[#found.parts + 1] = reply.call_part(item, found.names)
    found.calls = true
  else
    found.parts[#found.parts + 1] = { type = "raw", format = "responses", raw = json.raw(raw, true) }
  end
end

-- How a response of that status ended. has_calls: did it call functions of the client?
function reply.finish(status, details, has_calls)
  if status == "incomplete" then
    local reason = type(details) == "table" and details.reason
    return reason == "content_filter" and "content_filter" or "length"
  end
  return has_calls and "tool_calls" or "stop"
end

-- Codes of a response that failed after its head was sent, where OpenAI gives no status: what each means.
local kinds = {
  rate_limit_exceeded = { 429, "rate_limit_error" }, insufficient_quota = { 429, "billing_error" },
  invalid_prompt = { 400, "invalid_request_error" }, context_length_exceeded = { 400, "invalid_request_error" },
  server_is_overloaded = { 503, "overloaded_error" }, slow_down = { 503, "overloaded_error" },
}

-- The `error` member of a response or an error event (decoded) -> failure.
function reply.failure(problem)
  problem = type(problem) == "table" and problem or {}
  local code, message = text.string(problem.code), text.string(problem.message)
  message = message and message ~= "" and message or "The provider's answer failed"
  local kind = kinds[code]
  if not kind and code and (code:find("image", 1, true) or code:find("^invalid_")) then
    kind = kinds.invalid_prompt
  end
  if kind then return canonical.failure(kind[1], kind[2], message, text.string(problem.param), code) end
  return chat_words.failure_of(nil, text.string(problem.type), code, message, text.string(problem.param))
end

function reply.usage(members)
  return usage.from_responses(text.value(members.usage))
end

function reply.decode(body, context)
  local members = text.members(body)
  if not members then
    local message = "The provider's answer is not a JSON object"
    return nil, canonical.failure(502, "api_error", message, nil, "upstream_protocol")
  end
  local status = text.value(members.status)
  local problem = text.value(members.error)
  if status == "failed" or status == "cancelled" or type(problem) == "table" then return nil, reply.failure(problem) end
  if not members.output and type(status) ~= "string" then
    return nil, canonical.failure(502, "api_error", "The provider's answer is no response", nil, "upstream_protocol")
  end
  local found = { parts = {}, names = openai_ids.long_names(context and context.request) }
  for _, item in ipairs(members.output and json.elements(members.output) or {}) do reply.item(item, found) end
  return {
    id = id_of(text.value(members.id)), model = text.string(text.value(members.model)),
    created = canonical.whole(text.value(members.created_at)),
    service_tier = text.string(text.value(members.service_tier)),
    usage = reply.usage(members),
    choices = { {
      index = 0, parts = found.parts, logprobs = found.logprobs,
      finish = reply.finish(status, text.value(members.incomplete_details), found.calls),
    } },
  }
end

return reply
