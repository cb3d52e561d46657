-- The response object, every field of it that Open Responses requires, in one fixed order.
-- https://platform.openai.com/docs/api-reference/responses/object
-- https://github.com/openresponses/openresponses (ResponseResource)
local json = require "gateyes.json"
local text = require "gateyes.responses_text"
local usage = require "gateyes.usage"

local object = {}

-- Request parameters that a response repeats, with what stands there when the client did not say.
local echoed = {
  { "background", "false" }, { "frequency_penalty", "0" }, { "instructions", "null" },
  { "max_output_tokens", "null" }, { "max_tool_calls", "null" }, { "metadata", "{}" },
  { "parallel_tool_calls", "true" }, { "presence_penalty", "0" }, { "previous_response_id", "null" },
  { "prompt_cache_key", "null" }, { "reasoning", '{"effort":null,"summary":null}' },
  { "safety_identifier", "null" }, { "store", "true" }, { "temperature", "1" },
  { "text", '{"format":{"type":"text"}}' }, { "tool_choice", '"auto"' }, { "tools", "[]" }, { "top_logprobs", "0" },
  { "top_p", "1" }, { "truncation", '"disabled"' }, { "user", "null" },
}

local tool_members = { "description", "parameters", "strict" }

local function whole_tool(raw)
  local members, missing = text.members(raw), {}
  if text.value(members.type) ~= "function" then return raw end
  for _, key in ipairs(tool_members) do
    if not members[key] then missing[key] = "null" end
  end
  return text.replace(raw, missing, tool_members)
end

-- Members that the object requires where the request may leave them out.
local complete = {}

function complete.tools(raw)
  local list = {}
  for i, tool in ipairs(json.elements(raw) or {}) do list[i] = whole_tool(tool) end
  return text.list(list)
end

function complete.reasoning(raw)
  local members = text.members(raw) or {}
  local summary = members.summary or members.generate_summary
  return text.object("effort", members.effort or "null", "summary", summary or "null")
end

function complete.text(raw)
  local members = text.members(raw) or {}
  local format = members.format
  if not format or format == "null" then format = '{"type":"text"}' end
  local inner = text.members(format)
  if inner and text.value(inner.type) == "json_schema" then
    format = text.object("type", '"json_schema"', "name", inner.name or '"response"', "description",
      inner.description or "null", "schema", inner.schema, "strict", inner.strict or "false")
  end
  return text.object("format", format, "verbosity", members.verbosity ~= "null" and members.verbosity or nil)
end

function complete.tool_choice(raw)
  local members = raw:sub(1, 1) == "{" and text.members(raw)
  if members and text.value(members.type) == "allowed_tools" and not members.mode then
    return text.replace(raw, { mode = '"auto"' }, { "mode" })
  end
  return raw
end

-- What to repeat of a request (key -> raw text): kept by the decoded request until the answer is written.
function object.echo(members)
  local echo = { service_tier = members.service_tier ~= "null" and members.service_tier or nil }
  for _, field in ipairs(echoed) do
    local name, raw = field[1], members[field[1]]
    if raw ~= nil and raw ~= "null" then echo[name] = complete[name] and complete[name](raw) or raw end
  end
  return echo
end

local function echo_text(echo)
  local out = {}
  for i, field in ipairs(echoed) do out[i] = '"' .. field[1] .. '":' .. (echo[field[1]] or field[2]) end
  return table.concat(out, ",")
end

-- The parts of a response that stay the same from response.created to the end.
function object.new(head, echo)
  return {
    id = head.id, created = head.created, model = head.model, service_tier = head.service_tier,
    echo = echo or {}, echo_text = echo_text(echo or {}),
  }
end

local function service_tier(base)
  if base.service_tier then return json.quote(base.service_tier) end
  local asked = base.echo.service_tier
  return asked and asked ~= '"auto"' and asked or '"default"'
end

local function error_text(failure)
  return failure and text.object("code", json.quote(failure.code), "message", json.quote(failure.message)) or "null"
end

local function incomplete_text(reason)
  return reason and text.object("reason", json.quote(reason)) or "null"
end

local function usage_text(vector)
  if not vector then return "null" end
  local counts = usage.to_responses(vector)
  local read, made = counts.input_tokens_details, counts.output_tokens_details
  return text.object("input_tokens", text.integer(counts.input_tokens),
    "input_tokens_details", text.object("cached_tokens", text.integer(read.cached_tokens),
      "cache_write_tokens", text.integer(read.cache_write_tokens)),
    "output_tokens", text.integer(counts.output_tokens),
    "output_tokens_details", text.object("reasoning_tokens", text.integer(made.reasoning_tokens)),
    "total_tokens", text.integer(counts.total_tokens))
end

-- state: { status, output = list of item texts, completed_at, usage, incomplete = reason, error = {code, message} }
function object.write(base, state)
  return table.concat {
    '{"id":', json.quote(base.id), ',"object":"response","created_at":', text.integer(base.created),
    ',"status":"', state.status, '","completed_at":', state.completed_at and text.integer(state.completed_at) or "null",
    ',"error":', error_text(state.error), ',"incomplete_details":', incomplete_text(state.incomplete),
    ',"model":', json.quote(base.model), ',"output":', text.list(state.output or {}),
    ',"service_tier":', service_tier(base), ",", base.echo_text, ',"usage":', usage_text(state.usage), "}",
  }
end

-- canonical finish -> status, reason of incomplete_details
local incomplete = {
  length = "max_output_tokens", context_length = "max_output_tokens", content_filter = "content_filter",
  pause = "pause_turn",
}

function object.status_of(finish, refused)
  if finish == "error" then return "failed" end
  if finish == "refusal" and not refused then return "incomplete", "content_filter" end
  local reason = incomplete[finish]
  return reason and "incomplete" or "completed", reason
end

-- The code of a failed response: the provider's own, else OpenAI's word for the kind of failure.
local codes = { rate_limit_error = "rate_limit_exceeded", invalid_request_error = "invalid_prompt" }

object.ended_badly = { type = "api_error", message = "The provider ended the answer with an error." }

function object.error_of(failure)
  return { code = failure.code or codes[failure.type] or "server_error", message = failure.message }
end

return object
