-- A client's POST /v1/messages body -> the canonical request.
-- Source: https://docs.anthropic.com/en/api/messages
local blocks = require "gateyes.anthropic_blocks"
local canonical = require "gateyes.canonical"
local json = require "gateyes.json"
local web_search = require "gateyes.web_search"
local words = require "gateyes.anthropic_words"

local given, invalid, raw_or_nil = blocks.given, blocks.invalid, blocks.raw_or_nil

local fields = {
  max_tokens = "max_tokens", temperature = "temperature", top_p = "top_p", top_k = "top_k", stop = "stop_sequences",
  tools = "tools", tool_choice = "tool_choice", parallel_tool_calls = "tool_choice.disable_parallel_tool_use",
  reasoning = "thinking", output = "output_config.format", user = "metadata.user_id", metadata = "metadata",
  service_tier = "service_tier", stream = "stream", system = "system", turns = "messages",
}

local fields_of_effort = {}
for canonical_name, name in pairs(fields) do fields_of_effort[canonical_name] = name end
fields_of_effort.reasoning = "output_config.effort"

-- Read by this file; every other member of the body goes into `extra` as it is.
local known = {
  model = true, messages = true, system = true, tools = true, tool_choice = true, max_tokens = true,
  temperature = true, top_p = true, top_k = true, stop_sequences = true, stream = true, metadata = true,
  service_tier = true, thinking = true, output_config = true, output_format = true, thread = true,
}

local left_raw = {
  messages = true, system = true, tools = true, metadata = true, schema = true, task_budget = true,
}

local function number_in(root, name, low, high)
  local value = given(root[name])
  if value == nil then return nil end
  if type(value) ~= "number" then return nil, invalid(name, "Input should be a valid number") end
  if low and value < low then return nil, invalid(name, "Input should be greater than or equal to " .. low) end
  if high and value > high then return nil, invalid(name, "Input should be less than or equal to " .. high) end
  return value
end

local least_and_most = { temperature = { 0, 1 }, top_p = { 0, 1 }, top_k = { 0 }, max_tokens = { 0 } }

local function read_numbers(root, request)
  for name, range in pairs(least_and_most) do
    if root[name] ~= nil then
      local value, failure = number_in(root, name, range[1], range[2])
      if failure then return failure end
      request[name] = value
    end
  end
  if request.max_tokens and request.max_tokens % 1 ~= 0 then
    return invalid("max_tokens", "Input should be a valid integer")
  end
end

-- Claude Code's note to Anthropic's billing, one line that differs with each request: for others it says nothing, and
-- in front of the prompt it makes every cached prefix useless.
local billing = "x-anthropic-billing-header:"

local function has_billing(parts)
  for _, part in ipairs(parts) do
    if part.text:sub(1, #billing) == billing then return true end
  end
end

local function without_billing(parts, context)
  if not has_billing(parts) then return parts end
  local kept = {}
  for _, part in ipairs(parts) do
    if part.text:sub(1, #billing) == billing then
      context.drop("system.x-anthropic-billing-header", "a note to Anthropic's billing")
      local line_end = part.text:find("\n", 1, true)
      part.text = line_end and part.text:sub(line_end + 1) or ""
      if part.text ~= "" then kept[#kept + 1] = part end
    else
      kept[#kept + 1] = part
    end
  end
  return kept
end

local function read_system(root, request, context)
  if not raw_or_nil(root.system) then return end
  local parts, failure = blocks.parts(root.system, "system", context)
  if failure then return failure end
  for index, part in ipairs(parts) do
    if part.type ~= "text" then return invalid("system." .. index - 1, "Input should be a text block") end
  end
  parts = without_billing(parts, context)
  request.system = #parts > 0 and parts or nil
end

local roles = { user = true, assistant = true, system = true }

local raw_in_turn = { content = true, output_config = true }
local of_one_message = { "clear_at", "output_config" }

local function read_turn(text, path, context)
  local message = json.decode(text, raw_in_turn)
  if type(message) ~= "table" then return nil, invalid(path, "Input should be an object") end
  local role = given(message.role)
  if not roles[role] then
    return nil, invalid(path .. ".role", "Input should be 'user', 'assistant' or 'system'")
  end
  for _, name in ipairs(of_one_message) do
    if given(message[name]) ~= nil then
      context.drop(path .. "." .. name, "only Anthropic applies it to a single message")
    end
  end
  if role == "system" and not raw_or_nil(message.content) then return { role = role, parts = {} } end
  local parts, failure = blocks.parts(message.content, path .. ".content", context)
  if failure then return nil, failure end
  local unknown = role == "user" and blocks.unknown_kind(parts)
  if unknown then
    return nil, invalid(path .. ".content", "Input tag '" .. unknown .. "' does not match any of the expected tags of "
      .. "content blocks, such as 'text', 'image', 'document', 'tool_use' or 'tool_result'")
  end
  return { role = role, parts = parts }
end

local function append(list, items)
  for _, item in ipairs(items) do list[#list + 1] = item end
end

local function read_turns(root, request, context)
  if not raw_or_nil(root.messages) then return invalid("messages", "Field required") end
  local elements = json.elements(json.raw_text(root.messages))
  if not elements then return invalid("messages", "Input should be a valid list") end
  request.turns = {}
  for index, text in ipairs(elements) do
    local turn, failure = read_turn(text, "messages." .. index - 1, context)
    if failure then return failure end
    if turn.role == "system" and #request.turns == 0 then
      request.system = request.system or {}
      append(request.system, turn.parts)
    else
      request.turns[#request.turns + 1] = turn
    end
  end
  if #request.turns == 0 then return invalid("messages", "at least one message is required") end
end

-- What tools have everywhere. Their other options change what the model may do, and no other provider has them.
local tool_members = {
  type = true, name = true, description = true, input_schema = true, strict = true, cache_control = true,
}

local function read_tool(text, path, context)
  local tool = json.decode(text, { input_schema = true, input_examples = true })
  if type(tool) ~= "table" then return nil, invalid(path, "Input should be an object") end
  local name, description, failure
  name, failure = blocks.string_or_nil(tool, "name", path)
  if failure then return nil, failure end
  local kind = given(tool.type)
  if kind and kind ~= "custom" then
    local search = web_search.of_tool(tool)
    return { type = "provider", format = "anthropic", raw = json.raw(text), search = search,
      name = name or search and web_search.name or nil }
  end
  if not name then return nil, invalid(path .. ".name", "Field required") end
  description, failure = blocks.string_or_nil(tool, "description", path)
  if failure then return nil, failure end
  local schema = raw_or_nil(tool.input_schema)
  if not schema then return nil, invalid(path .. ".input_schema", "Field required") end
  for option, value in pairs(tool) do
    if not tool_members[option] and given(value) ~= nil and value ~= false then
      context.drop(path .. "." .. option, "only Anthropic has it")
    end
  end
  return {
    type = "function", name = name, description = description, parameters = schema,
    strict = given(tool.strict), cache = blocks.cache_of(tool),
  }
end

local function read_tools(root, request, context)
  if not raw_or_nil(root.tools) then return end
  local elements = json.elements(json.raw_text(root.tools))
  if not elements then return invalid("tools", "Input should be a valid list") end
  local tools = {}
  for index, text in ipairs(elements) do
    local tool, failure = read_tool(text, "tools." .. index - 1, context)
    if failure then return failure end
    tools[index] = tool
  end
  request.tools = #tools > 0 and tools or nil
end

local choice_types = { auto = "auto", any = "required", none = "none", tool = "tool" }

local function read_tool_choice(root, request)
  local choice = given(root.tool_choice)
  if choice == nil then return end
  if type(choice) ~= "table" or not choice_types[choice.type] then
    return invalid("tool_choice.type", "Input should be 'auto', 'any', 'tool' or 'none'")
  end
  if choice.type == "tool" and type(choice.name) ~= "string" then
    return invalid("tool_choice.name", "Field required")
  end
  request.tool_choice = { type = choice_types[choice.type], name = choice.type == "tool" and choice.name or nil }
  if given(choice.disable_parallel_tool_use) ~= nil then
    request.parallel_tool_calls = not choice.disable_parallel_tool_use
  end
end

local thinking_modes = { enabled = true, disabled = true, adaptive = true }

local function read_thinking(root, request)
  local thinking = given(root.thinking)
  if thinking == nil then return end
  if type(thinking) ~= "table" or type(given(thinking.type)) ~= "string" then
    return invalid("thinking.type", "Field required")
  end
  -- between_tools has no word in the form; it thinks, and how much is the model's own choice.
  local mode = thinking_modes[thinking.type] and thinking.type or "adaptive"
  local budget = given(thinking.budget_tokens)
  if mode == "enabled" then
    if type(budget) ~= "number" then return invalid("thinking.enabled.budget_tokens", "Field required") end
    if budget < 1024 then
      return invalid("thinking.enabled.budget_tokens", "Input should be greater than or equal to 1024")
    end
  end
  request.reasoning = { mode = mode, budget_tokens = budget, display = given(thinking.display) }
end

local function read_format(format, path, request)
  if format == nil then return end
  if type(format) ~= "table" or format.type ~= "json_schema" then
    return invalid(path .. ".type", "Input should be 'json_schema'")
  end
  if not raw_or_nil(format.schema) then return invalid(path .. ".schema", "Field required") end
  request.output = { type = "json_schema", schema = format.schema, strict = true }
end

local function read_output(root, request)
  if root.output_config == nil and root.output_format == nil then return end
  local config = given(root.output_config) or {}
  if type(config) ~= "table" then return invalid("output_config", "Input should be an object") end
  local effort = given(config.effort)
  if effort ~= nil then
    if type(effort) ~= "string" then return invalid("output_config.effort", "Input should be a valid string") end
    if not request.reasoning then
      request.reasoning, request.fields = {}, fields_of_effort
    end
    request.reasoning.effort = effort
  end
  if raw_or_nil(config.task_budget) then request.extra["output_config.task_budget"] = config.task_budget end
  local failure = read_format(given(config.format), "output_config.format", request)
  -- The older place of the same thing, from when it was a beta. Words in it were never Anthropic's.
  local older = given(root.output_format)
  if type(older) == "string" then
    request.extra.output_format, older = json.raw(json.quote(older)), nil
  end
  return failure or read_format(older, "output_format", request)
end

local function read_stop(root, request)
  local stop = given(root.stop_sequences)
  if stop == nil then return end
  if type(stop) ~= "table" then return invalid("stop_sequences", "Input should be a valid list") end
  local copy = {}
  for index, text in ipairs(stop) do
    if type(text) ~= "string" then
      return invalid("stop_sequences." .. index - 1, "Input should be a valid string")
    end
    copy[index] = text
  end
  request.stop = #copy > 0 and copy or nil
end

-- OpenAI's metadata is another thing (strings kept with a stored answer), but it is the only other place for the
-- members that a client adds beside user_id.
local function read_metadata(root, request)
  local raw = raw_or_nil(root.metadata)
  if not raw then return end
  local metadata = json.decode(json.raw_text(raw))
  if type(metadata) ~= "table" then return invalid("metadata", "Input should be an object") end
  request.user = type(metadata.user_id) == "string" and metadata.user_id or nil
  for name in pairs(metadata) do
    if name ~= "user_id" then request.metadata = raw end
  end
end

local function read_extra(body, root, request)
  for name in pairs(root) do
    if not known[name] then
      for _, member in ipairs(json.members(body)) do
        if not known[member[1]] and member[2] ~= "null" then request.extra[member[1]] = json.raw(member[2]) end
      end
      return
    end
  end
end

-- Threads (beta message-threads-2026-08-12) live at Anthropic. The official client replays a lost thread in full and
-- then stops using threads, if it is answered in these two words.
local function refuse_thread(root)
  local thread = given(root.thread)
  if type(thread) ~= "table" then return end
  if thread.type == "continue" then
    return canonical.failure(404, "not_found_error",
      "thread: no state is kept for this conversation; send it in full", "thread", "thread_not_found")
  end
  return canonical.failure(400, "invalid_request_error",
    "thread: this model does not support threads; send the full conversation without `thread`", "thread",
    "thread_unsupported_request")
end

local function read_plain(root, request)
  if type(given(root.model)) ~= "string" then return invalid("model", "Field required") end
  request.model = root.model
  request.stream = given(root.stream) == true
  local tier = given(root.service_tier)
  request.service_tier = type(tier) == "string" and words.tier_of_client(tier) or nil
end

local readers = {
  refuse_thread, read_plain, read_numbers, read_system, read_turns, read_tools, read_tool_choice, read_thinking,
  read_output, read_stop, read_metadata,
}

local anthropic_request = {}

function anthropic_request.decode(body, context)
  local root, message = json.decode(body, left_raw)
  if root == nil then
    return nil, canonical.invalid(nil, "The request body is not valid JSON: " .. tostring(message))
  end
  if type(root) ~= "table" or json.is_array(root) then
    return nil, canonical.invalid(nil, "The request body should be a JSON object")
  end
  local request = { extra = {}, extra_format = "messages", fields = fields }
  for _, read in ipairs(readers) do
    local failure = read(root, request, context)
    if failure then return nil, failure end
  end
  if not request.max_tokens then return nil, invalid("max_tokens", "Field required") end
  read_extra(body, root, request)
  if not next(request.extra) then request.extra = nil end
  return request
end

return anthropic_request
