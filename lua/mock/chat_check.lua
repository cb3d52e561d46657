-- What the chat endpoint refuses. Source: OpenAI API reference and the messages its server sends.
local check = require "mock.check"
local failure = require "mock.failure"
local openai = require "mock.openai"

local chat_check = {}

local FIELDS = " messages model audio frequency_penalty function_call functions logit_bias logprobs "
  .. "max_completion_tokens max_tokens metadata modalities moderation n parallel_tool_calls prediction "
  .. "presence_penalty prompt_cache_key prompt_cache_options prompt_cache_retention reasoning_effort response_format "
  .. "safety_identifier seed service_tier stop store stream stream_options temperature tool_choice tools top_logprobs "
  .. "top_p user verbosity web_search_options "

local ROLES = { system = true, developer = true, user = true, assistant = true, tool = true, ["function"] = true }

local function check_calls(message, at, open)
  for i, call in ipairs(message.tool_calls) do
    local param = ("messages[%d].tool_calls[%d].id"):format(at - 1, i - 1)
    local wrong = check.identifier(call.id, param)
    if wrong then return wrong end
    open[call.id] = true
  end
end

-- open: ids of calls that still need their result.
local function check_message(message, at, open)
  if type(message) ~= "table" or not ROLES[message.role] then
    return failure.bad(("Invalid value for 'messages[%d].role'."):format(at - 1), "messages", "invalid_value")
  end
  if message.role == "tool" then
    if not open[message.tool_call_id] then
      return failure.bad("Invalid parameter: messages with role 'tool' must be a response to a preceeding message "
        .. "with 'tool_calls'.", ("messages.[%d].role"):format(at - 1))
    end
    open[message.tool_call_id] = nil
    return nil
  end
  local missing = next(open)
  if missing then
    return failure.bad("An assistant message with 'tool_calls' must be followed by tool messages responding to each "
      .. "'tool_call_id'. The following tool_call_ids did not have response messages: " .. missing, "messages")
  end
  if message.role == "assistant" and type(message.tool_calls) == "table" then
    return check_calls(message, at, open)
  end
  if message.role == "user" and type(message.content) ~= "string" and type(message.content) ~= "table" then
    return failure.bad("Invalid value for 'content': expected a string, got null.",
      ("messages.[%d].content"):format(at - 1))
  end
end

local function check_messages(messages)
  if not check.array(messages) then
    return failure.bad("Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty "
      .. "array instead.", "messages", "empty_array")
  end
  local open = {}
  for i, message in ipairs(messages) do
    local wrong = check_message(message, i, open)
    if wrong then return wrong end
  end
  local missing = next(open)
  if missing then
    return failure.bad("An assistant message with 'tool_calls' must be followed by tool messages responding to each "
      .. "'tool_call_id'. The following tool_call_ids did not have response messages: " .. missing, "messages")
  end
end

local function check_tools(tools)
  if tools == nil then return nil end
  if not check.array(tools) then
    return failure.bad("Invalid 'tools': empty array.", "tools", "empty_array")
  end
  for i, tool in ipairs(tools) do
    local inner = type(tool) == "table" and (tool["function"] or tool.custom)
    if type(inner) ~= "table" then
      return failure.bad(("Missing required parameter: 'tools[%d].function'."):format(i - 1), "tools",
        "missing_required_parameter")
    end
    local wrong = check.tool_name(inner.name, ("tools[%d].function.name"):format(i - 1))
    if wrong then return wrong end
  end
end

local function has_tool(tools, name)
  for _, tool in ipairs(tools) do
    local inner = tool["function"] or tool.custom
    if inner and inner.name == name then return true end
  end
end

local function check_tool_choice(body)
  local choice = body.tool_choice
  if choice == nil then return nil end
  if not body.tools then
    return failure.bad("Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
      "tool_choice")
  end
  if type(choice) == "string" then
    if choice == "auto" or choice == "none" or choice == "required" then return nil end
    return failure.bad("Invalid value: '" .. choice .. "'. Supported values are: 'none', 'auto', and 'required'.",
      "tool_choice", "invalid_value")
  end
  local inner = type(choice) == "table" and (choice["function"] or choice.custom)
  if inner and not has_tool(body.tools, inner.name) then
    return failure.bad("Invalid value for 'tool_choice': no tool named '" .. tostring(inner.name) .. "'.",
      "tool_choice")
  end
  if not inner and not (type(choice) == "table" and choice.allowed_tools) then
    return failure.bad("Invalid value for 'tool_choice'.", "tool_choice", "invalid_value")
  end
end

local function check_format(body)
  local format = body.response_format
  if format == nil then return nil end
  if type(format) ~= "table" then
    return failure.bad("Invalid type for 'response_format': expected an object.", "response_format", "invalid_type")
  end
  if format.type == "json_schema" and not (type(format.json_schema) == "table" and format.json_schema.name) then
    return failure.bad("Missing required parameter: 'response_format.json_schema'.", "response_format.json_schema",
      "missing_required_parameter")
  end
  if format.type ~= "json_object" then return nil end
  for _, message in ipairs(body.messages) do
    if openai.content(message.content):lower():find("json", 1, true) then return nil end
  end
  return failure.bad("'messages' must contain the word 'json' in some form, to use 'response_format' of type "
    .. "'json_object'.", "messages")
end

local function check_limits(body)
  if body.max_tokens and body.max_completion_tokens then
    return failure.bad("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
      "max_tokens", "invalid_parameter_combination")
  end
  if body.stream_options and body.stream ~= true then
    return failure.bad("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
  end
  if body.top_logprobs and not body.logprobs then
    return failure.bad("'logprobs' must be set to true if 'top_logprobs' is used.", "top_logprobs")
  end
  if type(body.stop) == "table" and #body.stop > 4 then
    return failure.bad("Invalid 'stop': array too long. Expected an array with maximum length 4.", "stop",
      "array_above_max_length")
  end
  return check.first(check.number(body, "temperature", 0, 2), check.number(body, "top_p", 0, 1),
    check.number(body, "presence_penalty", -2, 2), check.number(body, "frequency_penalty", -2, 2),
    check.integer(body, "n", 1, 128), check.integer(body, "max_tokens", 1),
    check.integer(body, "max_completion_tokens", 1), check.integer(body, "top_logprobs", 0, 20))
end

function chat_check.run(body, set)
  return check.required(body, { "model", "messages" })
    or (set.strict and check.unknown(body, FIELDS))
    or check_messages(body.messages)
    or check_tools(body.tools)
    or check_tool_choice(body)
    or check_format(body)
    or check_limits(body)
end

return chat_check
