-- Canonical system parts and turns -> chat messages.
local json = require "gateyes.json"
local canonical = require "gateyes.canonical"
local chat_reasoning = require "gateyes.chat_reasoning"
local openai_ids = require "gateyes.openai_ids"
local openai_models = require "gateyes.openai_models"
local openai_parts = require "gateyes.openai_parts"

local openai_messages = {}

local function push(writer, message)
  if message.name and writer.preset.names_messages == false then
    openai_parts.drop(writer, "messages.name", "the provider takes no names on messages")
    message.name = nil
  end
  writer.messages[#writer.messages + 1] = message
end

local function system_role(writer)
  local said = writer.request.fields and writer.request.fields.system
  return said == "developer" and writer.preset.developer ~= false and "developer" or "system"
end

local function add_system(writer, parts, name)
  local content = openai_parts.content(writer, openai_parts.blocks(writer, parts))
  if content then push(writer, { role = system_role(writer), content = content, name = name }) end
end

-- A cache hint on the whole result is one on its last text.
local function hint_last(texts, cache)
  if not cache then return end
  local last = texts[#texts] or { text = "" }
  texts[math.max(#texts, 1)] = { type = "text", text = last.text, cache = last.cache or cache }
end

-- Tool messages hold text only. What else a tool returned goes into `rest`, for the user message that follows.
local function add_result(writer, part, rest)
  local texts, others = {}, {}
  for _, inner in ipairs(part.is_error and canonical.marked_error(part.parts) or part.parts or {}) do
    local list = inner.type == "text" and texts or others
    list[#list + 1] = inner
  end
  hint_last(texts, part.cache)
  local list = openai_parts.blocks(writer, texts)
  local id = openai_ids.call_id(part.id, writer.preset.call_id)
  push(writer, { role = "tool", tool_call_id = id, content = openai_parts.content(writer, list) or "" })
  local blocks = openai_parts.blocks(writer, others)
  if #blocks > 0 then rest[#rest + 1] = { type = "text", text = "Returned by tool call " .. id .. ":" } end
  for _, block in ipairs(blocks) do rest[#rest + 1] = block end
end

-- Consecutive user turns: the results first, for tool messages have to follow the assistant's calls directly.
local function add_users(writer, turns)
  local rest = {}
  for _, turn in ipairs(turns) do
    for _, part in ipairs(turn.parts) do
      if part.type == "tool_result" then add_result(writer, part, rest) end
    end
  end
  if #rest > 0 then push(writer, { role = "user", content = json.array(rest) }) end
  for _, turn in ipairs(turns) do
    local content = openai_parts.content(writer, openai_parts.blocks(writer, turn.parts))
    if content then push(writer, { role = "user", content = content, name = turn.name }) end
  end
end

-- Only Gemini's endpoint takes it; to names that are OpenAI's own it does not go.
local function takes_signatures(writer)
  local preset = writer.preset
  return preset.signatures or preset.models and openai_models.reasons(writer.context.model) == nil
end

local function tool_call(writer, part)
  local id, name = openai_ids.call_id(part.id, writer.preset.call_id), openai_ids.tool_name(part.name)
  if part.cache then openai_parts.drop(writer, "cache_control", "the provider takes no cache hints on tool calls") end
  if part.custom and writer.preset.custom ~= false then
    return { id = id, type = "custom", custom = { name = name, input = part.arguments } }
  end
  local arguments = part.arguments
  if part.custom then arguments = json.encode { input = arguments } end
  if arguments == nil or arguments == "" then arguments = "{}" end
  return { id = id, type = "function", ["function"] = { name = name, arguments = arguments } }
end

-- Earlier reasoning goes back to servers that take it, under the names that they know. To others it is no loss:
-- they would not read it, and it is nothing that the client wrote.
local function add_reasoning(writer, message, parts)
  local texts = {}
  for _, part in ipairs(parts) do
    local text = part.type == "reasoning" and chat_reasoning.visible(part) or ""
    if text ~= "" then texts[#texts + 1] = text end
  end
  local text = texts[1] and table.concat(texts, "\n\n")
  -- Calls that another model made, or that a client sends back without the thoughts, are refused without the field.
  if not text and writer.preset.keeps_reasoning and message.tool_calls then text = "" end
  for _, name in ipairs(writer.preset.history or {}) do
    if name == "reasoning_details" then
      message[name] = chat_reasoning.details(parts)
    else
      message[name] = text
    end
  end
end

local function add_assistant(writer, turn)
  local message, calls, said = { role = "assistant", name = turn.name }, {}, {}
  local signature
  for _, part in ipairs(turn.parts) do
    if part.type == "tool_call" then
      local call = tool_call(writer, part)
      call.extra_content, signature = signature and chat_reasoning.extra_content(signature), nil
      calls[#calls + 1] = call
    elseif part.type == "reasoning" then
      said[#said + 1] = part
      signature = part.format == "gemini" and takes_signatures(writer) and part.encrypted or nil
    elseif part.type == "audio" and part.id then
      message.audio = { id = part.id }
    elseif part.type == "refusal" and writer.preset.refusal ~= false then
      message.refusal = (message.refusal or "") .. part.text
    elseif part.type ~= "image" and part.type ~= "audio" then
      said[#said + 1] = part
    else
      openai_parts.drop(writer, "assistant " .. part.type, "the provider takes none from an assistant")
    end
  end
  message.content = openai_parts.content(writer, openai_parts.blocks(writer, said))
  message.tool_calls = calls[1] and json.array(calls) or nil
  add_reasoning(writer, message, turn.parts)
  if message.content or message.tool_calls or message.audio or message.refusal then push(writer, message) end
end

-- -> array for `messages`, or nil and a failure.
function openai_messages.encode(writer)
  local request = writer.request
  writer.messages = {}
  if request.system then add_system(writer, request.system, request.system[1].name) end
  local turns, i = request.turns, 1
  while turns[i] do
    local turn = turns[i]
    if turn.role == "user" then
      local group = {}
      while turns[i] and turns[i].role == "user" do
        group[#group + 1] = turns[i]
        i = i + 1
      end
      add_users(writer, group)
    else
      local add = turn.role == "assistant" and add_assistant
      if add then add(writer, turn) else add_system(writer, turn.parts, turn.name) end
      i = i + 1
    end
  end
  if #writer.messages == 0 then
    openai_parts.refuse(writer, writer.input .. " has no content that this model takes: send text, images or files")
  end
  if writer.failure then return nil, writer.failure end
  return json.array(writer.messages)
end

return openai_messages
