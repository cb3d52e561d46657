-- The `messages` of a chat request -> system parts and turns.
local json = require "gateyes.json"
local fields = require "gateyes.fields"
local chat_parts = require "gateyes.chat_parts"
local chat_reasoning = require "gateyes.chat_reasoning"

local chat_messages = {}

chat_messages.raw_keys = { annotations = true }

local function append(list, more)
  for _, each in ipairs(more) do list[#list + 1] = each end
end

-- A hint on a whole message is a hint on its last part.
local function hint(read, message, parts)
  local cache = chat_parts.cache_of(read, message)
  local last = parts[#parts]
  if cache and last and not last.cache then last.cache = cache end
end

local function add_turn(state, role, parts, name)
  if #parts == 0 then return end
  state.turns[#state.turns + 1] = { role = role, parts = parts, name = name }
end

local function add_system(read, message, state)
  local parts = chat_parts.decode(read, message, chat_parts.kinds.text, true)
  hint(read, message, parts)
  if message.role == "developer" then state.developer = true end
  if #state.turns > 0 then return add_turn(state, "system", parts, read:get(message, "string", "name")) end
  for _, part in ipairs(parts) do part.name = read:get(message, "string", "name") end
  append(state.system, parts)
end

local function add_user(read, message, state)
  local parts = chat_parts.decode(read, message, chat_parts.kinds.any, true)
  hint(read, message, parts)
  add_turn(state, "user", parts, read:get(message, "string", "name"))
end

local function function_call(read, call)
  local named = read:need(call, "object", "function", "send { \"name\": …, \"arguments\": \"<JSON text>\" }")
  if not named then return nil end
  read:enter "function"
  local part = { type = "tool_call", name = read:need(named, "string", "name"),
    arguments = read:get(named, "string", "arguments", "send the arguments as JSON text") or "" }
  read:leave()
  return part
end

local function custom_call(read, call)
  local named = read:need(call, "object", "custom", "send { \"name\": …, \"input\": \"…\" }")
  if not named then return nil end
  read:enter "custom"
  local part = { type = "tool_call", custom = true, name = read:need(named, "string", "name"),
    arguments = read:get(named, "string", "input") or "" }
  read:leave()
  return part
end

local call_decoders = { ["function"] = function_call, custom = custom_call }

local function add_calls(read, message, parts)
  read:each(read:get(message, "list", "tool_calls"), "tool_calls", function(call)
    local id = read:need(call, "string", "id", "send the id that the tool message answers")
    local decode = call.type == nil and function_call or read:word(call.type, call_decoders, "type")
    local part = decode and decode(read, call)
    if not part then return end
    part.id, part.cache = id, chat_parts.cache_of(read, call)
    parts[#parts + 1] = part
  end)
end

-- Calls of the deprecated form have no id: they are numbered, and a function message answers the last of its name.
local function add_legacy_call(read, message, parts, state)
  local call = read:get(message, "object", "function_call")
  if not call then return end
  read:enter "function_call"
  local name = read:need(call, "string", "name")
  local arguments = read:get(call, "string", "arguments", "send the arguments as JSON text") or ""
  read:leave()
  if not name then return end
  state.legacy_calls = state.legacy_calls + 1
  local id = "call_" .. name .. "_" .. state.legacy_calls
  state.legacy_ids[name] = id
  parts[#parts + 1] = { type = "tool_call", id = id, name = name, arguments = arguments }
end

local function add_annotations(message, parts)
  if fields.kind_of(message.annotations) ~= "list" then return end
  for _, part in ipairs(parts) do
    if part.type == "text" then
      part.annotations = message.annotations
      return
    end
  end
end

local function add_assistant(read, message, state)
  local parts = chat_reasoning.decode(message)
  append(parts, chat_parts.decode(read, message, chat_parts.kinds.assistant, false))
  local refusal = read:get(message, "string", "refusal")
  if refusal then parts[#parts + 1] = { type = "refusal", text = refusal } end
  local audio = read:get(message, "object", "audio")
  if audio then
    read:enter "audio"
    parts[#parts + 1] = { type = "audio", id = read:need(audio, "string", "id") }
    read:leave()
  end
  add_annotations(message, parts)
  add_calls(read, message, parts)
  add_legacy_call(read, message, parts, state)
  hint(read, message, parts)
  add_turn(state, "assistant", parts, read:get(message, "string", "name"))
end

local function add_result(state, result)
  local last = state.turns[#state.turns]
  if last and last.role == "user" and last.parts[#last.parts].type == "tool_result" then
    last.parts[#last.parts + 1] = result
  else
    add_turn(state, "user", { result })
  end
end

local function add_tool(read, message, state)
  local id = read:need(message, "string", "tool_call_id", "send the id of the call that this answers")
  local parts = chat_parts.decode(read, message, chat_parts.kinds.any, true)
  add_result(state, { type = "tool_result", id = id, parts = parts, name = read:get(message, "string", "name"),
    cache = chat_parts.cache_of(read, message) })
end

local function add_function(read, message, state)
  local name = read:need(message, "string", "name", "send the name of the function that this answers")
  local parts = chat_parts.decode(read, message, chat_parts.kinds.text, false)
  local id = name and state.legacy_ids[name]
  if name and not id then return read:refuse("name", "'" .. name .. "' answers no function_call before it") end
  add_result(state, { type = "tool_result", id = id, name = name, parts = parts })
end

local roles = { system = add_system, developer = add_system, user = add_user, assistant = add_assistant,
  tool = add_tool, ["function"] = add_function }

-- Fills request.system, request.turns and request.fields.system.
function chat_messages.decode(read, text, request)
  local list = read:check(json.decode(text, chat_messages.raw_keys), "list", "messages", "send an array of messages")
  if not list then return end
  local state = { system = {}, turns = {}, legacy_ids = {}, legacy_calls = 0 }
  read:each(list, "messages", function(message)
    local add = read:need(message, "string", "role") and read:word(message.role, roles, "role")
    if add then add(read, message, state) end
  end)
  if state.developer then request.fields.system = "developer" end
  -- OpenAI answers a lone system message; other providers want something to answer.
  if #state.turns == 0 and #state.system > 0 then
    add_turn(state, "user", state.system)
    state.system = {}
  end
  if #state.turns == 0 then read:refuse("messages", "is empty: send at least one message with content") end
  request.system = state.system[1] and state.system or nil
  request.turns = state.turns
end

return chat_messages
