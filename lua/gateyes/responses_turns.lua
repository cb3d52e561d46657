-- Raw Responses items -> canonical system parts and turns.
-- Items of one assistant answer (reasoning, message, calls) stand beside each other in the API; the canonical form
-- has them as parts of one turn, since providers demand that a call is part of the message that made it.
local canonical = require "gateyes.canonical"
local content = require "gateyes.responses_content"
local json = require "gateyes.json"
local seal = require "gateyes.responses_seal"
local text = require "gateyes.responses_text"

local turns = {}

local function last_turn(state, role)
  local turn = state.turns[#state.turns]
  return turn and turn.role == role and turn or nil
end

local function new_turn(state, role, parts)
  local turn = { role = role, parts = parts or {} }
  state.turns[#state.turns + 1] = turn
  state.has_message, state.open_calls = false, 0
  return turn
end

-- A further message or thought of the assistant begins a turn of its own after a message, unless a call before it
-- still waits for its output.
local function assistant_turn(state, begins)
  local turn = last_turn(state, "assistant")
  if not turn or (begins and state.has_message and state.open_calls == 0) then turn = new_turn(state, "assistant") end
  return turn.parts
end

local function add(parts, more)
  for _, part in ipairs(more) do parts[#parts + 1] = part end
end

local roles = { user = true, assistant = true, system = true, developer = true }

local function on_message(state, item, members)
  local role = item.role
  if not roles[role] then
    local allowed = "'assistant', 'system', 'developer' and 'user'."
    return canonical.invalid(state.where .. ".role", "'" .. state.where .. ".role' must be one of " .. allowed)
  end
  local parts, failure = content.parts(members.content, state.where .. ".content")
  if not parts then return failure end
  if item.phase ~= nil and item.phase ~= json.null then state.has_phase = true end
  if role == "assistant" then
    add(assistant_turn(state, true), parts)
    state.has_message = true
  elseif role == "user" then
    new_turn(state, "user", parts)
  elseif #state.turns == 0 then
    add(state.system, parts)
  else
    new_turn(state, "system", parts)
  end
end

local function call_id_of(state, item)
  local id = text.string(item.call_id)
  local where = state.where .. ".call_id"
  if not id then return nil, canonical.invalid(where, "'" .. where .. "' is missing.") end
  return id
end

local function on_call(state, item)
  local id, failure = call_id_of(state, item)
  if not id then return failure end
  if type(item.name) ~= "string" then
    return canonical.invalid(state.where .. ".name", "'" .. state.where .. ".name' is missing.")
  end
  local custom = item.type == "custom_tool_call" or nil
  local parts = assistant_turn(state, false)
  state.names[id] = item.name
  state.open_calls = state.open_calls + 1
  parts[#parts + 1] = {
    type = "tool_call", id = id, name = item.name, custom = custom, item_id = text.string(item.id),
    arguments = text.string(custom and item.input or item.arguments) or "",
  }
end

-- Items that a provider ran or that only OpenAI's own tools know.
local function on_other(state, raw, kind, item)
  local part = { type = "raw", format = "responses", kind = kind, raw = json.raw(raw, true) }
  if kind:find("_output$") or kind == "mcp_approval_response" or kind == "additional_tools" then
    local turn = last_turn(state, "user")
    if not turn or not state.outputs then turn = new_turn(state, "user") end
    turn.parts[#turn.parts + 1] = part
    state.outputs = true
  else
    if type(item.call_id) == "string" then state.foreign[item.call_id] = true end
    local parts = assistant_turn(state, false)
    parts[#parts + 1] = part
  end
end

local function on_output(state, item, members, raw)
  local id, failure = call_id_of(state, item)
  if not id then return failure end
  -- The output of a call that others do not get would be one without a call.
  if state.foreign[id] then return on_other(state, raw, item.type, item) end
  local parts, bad = content.parts(members.output, state.where .. ".output")
  if not parts then return bad end
  local turn = last_turn(state, "user")
  if not turn or not state.outputs then turn = new_turn(state, "user") end
  turn.parts[#turn.parts + 1] = { type = "tool_result", id = id, parts = parts, name = state.names[id] }
  state.outputs = true
end

local function texts_of(list)
  local found = {}
  for _, block in ipairs(type(list) == "table" and list or {}) do
    if type(block) == "table" and type(block.text) == "string" then found[#found + 1] = block.text end
  end
  return found
end

local function on_reasoning(state, item)
  local summary, said = texts_of(item.summary), table.concat(texts_of(item.content))
  local encrypted = text.string(item.encrypted_content)
  local visible = said ~= "" and said or table.concat(summary)
  local part = encrypted and seal.open(encrypted, visible)
  if not part then
    part = {
      type = "reasoning", text = said ~= "" and said or nil, summary = #summary > 0 and summary or nil,
      encrypted = encrypted, format = encrypted and "responses" or nil,
    }
  end
  part.id = text.string(item.id)
  local parts = assistant_turn(state, true)
  parts[#parts + 1] = part
end

local kinds = {
  message = on_message,
  function_call = on_call, custom_tool_call = on_call,
  function_call_output = on_output, custom_tool_call_output = on_output,
  reasoning = on_reasoning,
}

local function on_item(state, raw)
  local members = text.members(raw)
  local item = members and json.decode(raw)
  if not item then return canonical.invalid(state.where, "'" .. state.where .. "' must be an object.") end
  local kind = text.string(item.type) or (item.role ~= nil and "message")
  if not kind then return canonical.invalid(state.where .. ".type", "'" .. state.where .. ".type' is missing.") end
  local handle = kinds[kind]
  if handle ~= on_output and handle then state.outputs = false end
  if handle then return handle(state, item, members, raw) end
  return on_other(state, raw, kind, item)
end

-- -> { system = parts, turns = turns, has_phase = bool } | nil, failure
function turns.read(items)
  local state = { system = {}, turns = {}, names = {}, foreign = {}, open_calls = 0, has_message = false,
    outputs = false }
  for i, raw in ipairs(items) do
    state.where = "input[" .. (i - 1) .. "]"
    local failure = on_item(state, raw)
    if failure then return nil, failure end
  end
  return state
end

return turns
