-- What the Responses endpoint refuses. Source: OpenAI API reference and its server's messages.
local check = require "mock.check"
local failure = require "mock.failure"
local native = require "mock.native"
local text = require "mock.text"

local responses_check = {}

local FIELDS = " access_programs background context_management conversation image include input instructions "
  .. "max_output_tokens max_tool_calls metadata model moderation parallel_tool_calls previous_response_id prompt "
  .. "prompt_cache_key prompt_cache_options prompt_cache_retention reasoning safety_identifier service_tier store "
  .. "stream stream_options temperature text tool_choice tools top_logprobs top_p truncation user "

local OUTPUT_MIN = 16

-- Reasoning that only its issuer can read: the text and a mark that shows any change.
function responses_check.encrypt(thought)
  return "enc-" .. native.base64(thought) .. "-" .. text.hash("enc" .. thought, 16)
end

local function is_own(encrypted)
  local data = type(encrypted) == "string" and encrypted:match("^enc%-([%w+/=]*)%-%x+$")
  local thought = data and native.base64_decode(data)
  return thought ~= nil and responses_check.encrypt(thought) == encrypted
end

local function check_call(item, at, calls)
  local where = ("input[%d]"):format(at - 1)
  if type(item.call_id) ~= "string" or item.call_id == "" then
    return failure.bad(("Missing required parameter: '%s.call_id'."):format(where), where .. ".call_id",
      "missing_required_parameter")
  end
  if #item.call_id > 64 then
    return failure.bad(("Invalid '%s.call_id': string too long. Expected a string with maximum length 64, but got a "
      .. "string with length %d instead."):format(where, #item.call_id), where .. ".call_id", "string_above_max_length")
  end
  local prefix = item.type == "function_call" and "fc" or "ctc"
  if type(item.id) == "string" and item.id:sub(1, #prefix) ~= prefix then
    return failure.bad(("Invalid '%s.id': '%s'. Expected an ID that begins with '%s'."):format(where, item.id, prefix),
      where .. ".id", "invalid_value")
  end
  calls[item.call_id] = "open"
end

local ITEMS = {
  function_call = check_call,
  custom_tool_call = check_call,
  function_call_output = function(item, _, calls, state)
    if not calls[item.call_id] and not state.earlier then
      return failure.bad("No tool call found for function call output with call_id " .. tostring(item.call_id) .. ".",
        "input")
    end
    calls[item.call_id] = "answered"
  end,
  reasoning = function(item, at)
    if type(item.summary) ~= "table" then
      return failure.bad(("Missing required parameter: 'input[%d].summary'."):format(at - 1),
        ("input[%d].summary"):format(at - 1), "missing_required_parameter")
    end
    if type(item.encrypted_content) == "string" and not is_own(item.encrypted_content) then
      return failure.bad("The encrypted content for item " .. tostring(item.id) .. " could not be verified.", nil,
        "invalid_encrypted_content")
    end
  end,
}
ITEMS.custom_tool_call_output = ITEMS.function_call_output

local function check_message(item, at)
  local role = item.role
  if role ~= "user" and role ~= "assistant" and role ~= "system" and role ~= "developer" then
    return failure.bad(("Invalid value for 'input[%d]'."):format(at - 1), "input", "invalid_value")
  end
  for i, part in ipairs(type(item.content) == "table" and item.content or {}) do
    local kind = type(part) == "table" and part.type
    local fits = role == "assistant" and (kind == "output_text" or kind == "refusal")
      or role ~= "assistant" and type(kind) == "string" and kind:find("^input_") ~= nil
    if not fits then
      return failure.bad(("Invalid value: '%s'. Supported values are: %s."):format(tostring(kind),
        role == "assistant" and "'output_text' and 'refusal'" or "'input_text', 'input_image', 'input_file'"),
        ("input[%d].content[%d]"):format(at - 1, i - 1), "invalid_value")
    end
  end
end

local function check_input(body)
  if type(body.input) == "string" then return nil end
  if body.input == nil and (body.previous_response_id or body.prompt or body.conversation) then return nil end
  if type(body.input) ~= "table" then
    return failure.bad("One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation_id' must be "
      .. "provided.", "input", "missing_required_parameter")
  end
  local calls, state = {}, { earlier = body.previous_response_id ~= nil or body.conversation ~= nil }
  for i, item in ipairs(body.input) do
    local run = ITEMS[item.type]
    local plain = item.type == nil or item.type == "message"
    local wrong = run and run(item, i, calls, state) or plain and check_message(item, i) or nil
    if wrong then return wrong end
  end
  for id, how in pairs(calls) do
    if how == "open" then return failure.bad("No tool output found for function call " .. id .. ".", "input") end
  end
end

local function check_earlier(body)
  local id = body.previous_response_id
  if id == nil or (type(id) == "string" and id:find("^resp_mock")) then return nil end
  return failure.bad("Previous response with id '" .. tostring(id) .. "' not found.", "previous_response_id",
    "previous_response_not_found")
end

local function check_tools(body)
  local names = {}
  for i, tool in ipairs(type(body.tools) == "table" and body.tools or {}) do
    if type(tool) ~= "table" or type(tool.type) ~= "string" then
      return failure.bad(("Missing required parameter: 'tools[%d].type'."):format(i - 1), "tools",
        "missing_required_parameter")
    end
    if tool.type == "function" or tool.type == "custom" then
      if tool.name == nil then
        local param = ("tools[%d].name"):format(i - 1)
        return failure.bad("Missing required parameter: '" .. param .. "'.", param, "missing_required_parameter")
      end
      local wrong = check.tool_name(tool.name, ("tools[%d].name"):format(i - 1))
      if wrong then return wrong end
      names[tool.name] = true
    end
  end
  local choice = body.tool_choice
  if type(choice) == "string" and choice ~= "auto" and choice ~= "none" and choice ~= "required" then
    return failure.bad("Invalid value: '" .. choice .. "'.", "tool_choice", "invalid_value")
  end
  if choice == "required" and not next(names) and not check.array(body.tools) then
    return failure.bad("Tool choice 'required' must be specified with 'tools' parameter.", "tool_choice")
  end
  if type(choice) == "table" and choice.type == "function" and not names[choice.name] then
    return failure.bad("Tool choice 'function' not found in 'tools' parameter.", "tool_choice")
  end
end

local function check_text(body)
  local format = type(body.text) == "table" and body.text.format
  if type(format) ~= "table" or format.type ~= "json_schema" then return nil end
  if not format.name then
    return failure.bad("Missing required parameter: 'text.format.name'.", "text.format.name",
      "missing_required_parameter")
  end
  if not format.schema then
    return failure.bad("Missing required parameter: 'text.format.schema'.", "text.format.schema",
      "missing_required_parameter")
  end
end

function responses_check.run(body, set)
  return check.required(body, { "model" })
    or (set.strict and check.unknown(body, FIELDS))
    or check_earlier(body)
    or check_input(body)
    or check_tools(body)
    or check_text(body)
    or check.first(check.number(body, "temperature", 0, 2), check.number(body, "top_p", 0, 1),
      check.integer(body, "max_output_tokens", OUTPUT_MIN), check.integer(body, "top_logprobs", 0, 20))
end

return responses_check
