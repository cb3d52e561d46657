-- What the Messages endpoint refuses. Source: Anthropic API reference and its error messages.
local check = require "mock.check"
local failure = require "mock.failure"
local text = require "mock.text"

local messages_check = {}

local FIELDS = " model messages max_tokens cache_control container context_management diagnostics inference_geo "
  .. "mcp_servers metadata output_config output_format service_tier speed stop_sequences stream system temperature "
  .. "thinking thread tool_choice tools top_k top_p user_profile_id workspace_id betas anthropic_version "

-- Thinking is signed so that it can come back; this is the mock's signature of it.
function messages_check.signature(thought)
  return "sig-" .. text.hash(thought, 32)
end

local function bad(message, ...)
  return failure.bad(message:format(...))
end

local BLOCKS = {
  text = function(block, where)
    if type(block.text) ~= "string" then return bad("%s.text.text: Field required", where) end
    if block.text == "" then return bad("messages: text content blocks must be non-empty") end
    if not block.text:find("%S") then return bad("messages: text content blocks must contain non-whitespace text") end
  end,
  image = function(block, where)
    if type(block.source) ~= "table" then return bad("%s.image.source: Field required", where) end
  end,
  thinking = function(block, where)
    if type(block.thinking) ~= "string" or block.signature ~= messages_check.signature(block.thinking) then
      return bad("%s: Invalid `signature` in `thinking` block", where)
    end
  end,
  redacted_thinking = function(block, where)
    if type(block.data) ~= "string" or not block.data:find("^cmVkYWN0ZWQ6") then
      return bad("%s: Invalid `data` in `redacted_thinking` block", where)
    end
  end,
  tool_use = function(block, where)
    if type(block.id) ~= "string" or not block.id:match("^[%w_%-]+$") then
      return bad("%s.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'", where)
    end
    if type(block.input) ~= "table" then return bad("%s.tool_use.input: Input should be a valid dictionary", where) end
  end,
  tool_result = function(block, where)
    if type(block.tool_use_id) ~= "string" then return bad("%s.tool_result.tool_use_id: Field required", where) end
  end,
}

-- calls: ids of the tool_use blocks of the message before. Returns failure | nil, ids of this one.
local function check_blocks(message, at, calls)
  local own, answered = {}, {}
  for i, block in ipairs(message.content) do
    local where = ("messages.%d.content.%d"):format(at - 1, i - 1)
    if type(block) ~= "table" or type(block.type) ~= "string" then return bad("%s.type: Field required", where) end
    local run = BLOCKS[block.type]
    local wrong = run and run(block, where)
    if wrong then return wrong end
    if block.type == "tool_use" then own[block.id] = true end
    if block.type == "tool_result" then
      if not calls[block.tool_use_id] then
        return bad("%s: unexpected `tool_use_id` found in `tool_result` blocks: %s. Each `tool_result` block must have "
          .. "a corresponding `tool_use` block in the previous message.", where, block.tool_use_id)
      end
      answered[block.tool_use_id] = true
    end
  end
  for id in pairs(calls) do
    if not answered[id] then
      return bad("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s. Each "
        .. "`tool_use` block must have a corresponding `tool_result` block in the next message.", at - 2, id)
    end
  end
  return nil, own
end

-- Models since Opus 4.8 take a system message between a user turn and an assistant turn or the end.
local function system_belongs(list, i)
  local before, after = list[i - 1], list[i + 1]
  return before and before.role == "user" and (not after or after.role == "assistant")
end

local function check_messages(list)
  if not check.array(list) then return bad("messages: at least one message is required") end
  local calls = {}
  for i, message in ipairs(list) do
    local role = type(message) == "table" and message.role
    if role ~= "user" and role ~= "assistant" and not (role == "system" and system_belongs(list, i)) then
      return bad("messages.%d.role: Input should be 'user' or 'assistant'", i - 1)
    end
    local content = message.content
    if content == nil or content == "" or (type(content) == "table" and #content == 0 and i < #list) then
      return bad("messages.%d: all messages must have non-empty content except for the optional final assistant "
        .. "message", i - 1)
    end
    local wrong, own = check_blocks({ content = type(content) == "table" and content or {} }, i, calls)
    if wrong then return wrong end
    calls = own
  end
  if list[1].role ~= "user" then return bad("messages: first message must use the \"user\" role") end
end

local function check_thinking(body)
  local thinking = body.thinking
  if type(thinking) ~= "table" or thinking.type == "disabled" then return nil end
  if thinking.type ~= "enabled" and thinking.type ~= "adaptive" then
    return bad("thinking: Input tag '%s' found using 'type' does not match any of the expected tags: 'adaptive', "
      .. "'disabled', 'enabled'", tostring(thinking.type))
  end
  if thinking.type == "enabled" then
    local budget = thinking.budget_tokens
    if type(budget) ~= "number" then return bad("thinking.enabled.budget_tokens: Field required") end
    if budget < 1024 then
      return bad("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    end
    if budget >= body.max_tokens then return bad("`max_tokens` must be greater than `thinking.budget_tokens`.") end
  end
  local choice = type(body.tool_choice) == "table" and body.tool_choice.type
  if choice == "any" or choice == "tool" then
    return bad("Thinking may not be enabled when tool_choice forces tool use.")
  end
  if body.temperature and body.temperature ~= 1 then
    return bad("`temperature` may only be set to 1 when thinking is enabled.")
  end
end

local function check_tools(body)
  local names = {}
  for i, tool in ipairs(type(body.tools) == "table" and body.tools or {}) do
    if check.tool_name(tool.name, "name") then
      return bad("tools.%d.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'", i - 1)
    end
    if not tool.input_schema and (tool.type == nil or tool.type == "custom") then
      return bad("tools.%d.custom.input_schema: Field required", i - 1)
    end
    if names[tool.name] then return bad("tools: Tool names must be unique.") end
    names[tool.name] = true
  end
  local choice = body.tool_choice
  if choice == nil then return nil end
  local kind = type(choice) == "table" and choice.type
  if kind ~= "auto" and kind ~= "any" and kind ~= "tool" and kind ~= "none" then
    return bad("tool_choice: Input should be a valid dictionary with type 'auto', 'any', 'tool' or 'none'")
  end
  if not body.tools and kind ~= "none" then return bad("tool_choice may only be specified while providing tools.") end
  if kind == "tool" and not names[choice.name] then
    return bad("Tool '%s' not found in provided tools", tostring(choice.name))
  end
end

local function check_system(system)
  if type(system) ~= "table" then return nil end
  for i, block in ipairs(system) do
    if type(block) ~= "table" or block.type ~= "text" then
      return bad("system.%d.type: Input should be 'text'", i - 1)
    end
    if block.text == "" then return bad("system: text content blocks must be non-empty") end
  end
end

local function check_sampling(body)
  if body.max_tokens == nil then return bad("max_tokens: Field required") end
  if type(body.max_tokens) ~= "number" or body.max_tokens < 1 then
    return bad("max_tokens: Input should be greater than or equal to 1")
  end
  if type(body.temperature) == "number" and body.temperature > 1 then return bad("temperature: range: 0..1") end
  if type(body.top_p) == "number" and body.top_p > 1 then return bad("top_p: range: 0..1") end
  for _, sequence in ipairs(type(body.stop_sequences) == "table" and body.stop_sequences or {}) do
    if not sequence:find("%S") then return bad("stop_sequences: each stop sequence must contain non-whitespace") end
  end
end

local function check_fields(body, set)
  if type(body.model) ~= "string" then return bad("model: Field required") end
  if body.messages == nil then return bad("messages: Field required") end
  local unknown = set.strict and check.unknown(body, FIELDS)
  return unknown and bad("%s: Extra inputs are not permitted", unknown.param)
end

function messages_check.count(body, set)
  return check_fields(body, set) or check_system(body.system) or check_messages(body.messages) or check_tools(body)
end

function messages_check.run(body, set)
  return check_fields(body, set) or check_sampling(body) or check_system(body.system)
    or check_messages(body.messages) or check_tools(body) or check_thinking(body)
end

return messages_check
