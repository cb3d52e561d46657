-- The input of a Responses request as a list of raw items, with the state that the gateway owns put in:
-- previous_response_id becomes the earlier items, item_reference becomes the item. Raw text throughout, so that
-- what a provider gets is what its own earlier answer said.
local canonical = require "gateyes.canonical"
local json = require "gateyes.json"
local seal = require "gateyes.responses_seal"
local text = require "gateyes.responses_text"

local history = {}

-- Ids that the gateway made up itself start like this after their kind: msg_gy…, rs_gy…, fc_gy….
history.mark = "gy"

local function owned(id)
  return id:match("^%l+_" .. history.mark) ~= nil
end

function history.not_found(id)
  return canonical.failure(400, "invalid_request_error", "Previous response with id '" .. id .. "' not found.",
    "previous_response_id", "previous_response_not_found")
end

local function item_not_found(id)
  return canonical.failure(400, "invalid_request_error", "Item with id '" .. id .. "' not found.", "input",
    "item_not_found")
end

local function append(items, list)
  for _, item in ipairs(list) do items[#items + 1] = item end
end

local function earlier(id, context, items)
  local stored = context.responses
  local response, input = nil, nil
  if stored then response, input = stored.get(id) end
  local members = response and text.members(response)
  if not members then return history.not_found(id) end
  append(items, json.elements(input) or {})
  append(items, json.elements(members.output or "[]") or {})
end

-- An item_reference says so, or is an object with nothing but an id.
local function reference_of(item)
  local members = text.members(item)
  if not members or not members.id then return nil end
  local kind = text.value(members.type)
  if kind == "item_reference" or (kind == nil and not members.role) then return text.string(text.value(members.id)) end
end

local function resolve(item, context)
  local id = reference_of(item)
  if not id then return item end
  local found = context.responses and context.responses.item(id)
  if not found then return nil, item_not_found(id) end
  return found
end

local function message(role, content)
  return '{"type":"message","role":"' .. role .. '","content":' .. content .. "}"
end

-- members: key -> raw text of the request. -> list of raw items | nil, failure
function history.items(members, context)
  local items = {}
  local id = text.value(members.previous_response_id)
  if id ~= nil then
    if type(id) ~= "string" then
      return nil, canonical.invalid("previous_response_id", "'previous_response_id' must be a string.")
    end
    local failure = earlier(id, context, items)
    if failure then return nil, failure end
  end
  local input = members.input
  if input == nil or input == "null" then return items end
  if input:sub(1, 1) == '"' then
    items[#items + 1] = message("user", '[{"type":"input_text","text":' .. input .. "}]")
    return items
  end
  local elements = json.elements(input)
  if not elements then return nil, canonical.invalid("input", "'input' must be a string or a list of items.") end
  for _, element in ipairs(elements) do
    local item, failure = resolve(element, context)
    if not item then return nil, failure end
    items[#items + 1] = item
  end
  return items
end

-- An item for a provider that never saw the gateway's own ids and cannot open what the gateway sealed; nil when
-- nothing of it is left. Items of the provider's own making stay as they are.
function history.for_provider(item)
  if not item:find("_" .. history.mark, 1, true) and not item:find("gateyes.v1.", 1, true) then return item end
  local members = text.members(item)
  if not members then return item end
  local encrypted = text.string(text.value(members.encrypted_content))
  if encrypted and seal.is_sealed(encrypted) then return nil end
  local id = text.string(text.value(members.id))
  if not id or not owned(id) then return item end
  if text.value(members.type) == "reasoning" and not encrypted then return nil end
  return text.replace(item, { id = false })
end

-- Neither the request nor one of its items stands for anything else.
local function names_nothing(members, items)
  if text.value(members.previous_response_id) ~= nil then return false end
  if not members.input or members.input:sub(1, 1) ~= "[" then return true end
  local elements = json.elements(members.input)
  if #elements ~= #items then return false end
  for i, element in ipairs(elements) do
    if element ~= items[i] then return false end
  end
  return true
end

-- Body for a Responses provider: where it names state of the gateway's, input is the whole list of items,
-- previous_response_id is gone, and every other member keeps its bytes. -> text | nil, failure
function history.expand(body, context)
  local members, message_text = text.members(body)
  if not members then return nil, canonical.invalid(nil, "The body is not a JSON object: " .. message_text .. ".") end
  local items, failure = history.items(members, context)
  if not items then return nil, failure end
  local kept = {}
  for _, item in ipairs(items) do kept[#kept + 1] = history.for_provider(item) end
  if names_nothing(members, kept) then return body end
  return text.replace(body, { input = text.list(kept), previous_response_id = false }, { "input" })
end

-- Items that say all they mean themselves. Others the provider looks up by their id: a picture of its own making, the
-- thoughts of an earlier turn, what a search has found.
local whole = {
  message = true, function_call = true, function_call_output = true, custom_tool_call = true,
  custom_tool_call_output = true, local_shell_call_output = true, shell_call_output = true,
  apply_patch_call_output = true, computer_call_output = true, item_reference = true,
}

local carriers = { reasoning = "encrypted_content", compaction = "encrypted_content", image_generation_call = "result" }

local function is_carried(kind, members)
  local carried = carriers[kind] and text.value(members[carriers[kind]])
  return type(carried) == "string" and carried ~= ""
end

-- Which of two the provider would take, nobody knows.
local function says_twice(element)
  local seen = {}
  for _, member in ipairs(json.members(element)) do
    local key = member[1]
    if seen[key] and (key == "type" or key == "id") then return true end
    seen[key] = true
  end
  return false
end

-- The id of an item that only the provider could fill, and that no answer to this owner has held; else nil.
function history.foreign(body, context)
  local members = text.members(body)
  local input = members and members.input
  if not input or input:sub(1, 1) ~= "[" then return nil end
  for _, element in ipairs(json.elements(input) or {}) do
    local item = element:find('"', 1, true) and text.members(element)
    local id, kind = item and text.string(text.value(item.id)), item and text.value(item.type)
    local is_whole = kind == nil or whole[kind] or is_carried(kind, item) or owned(id or "")
    if id and (says_twice(element) or not (is_whole or context.responses.item(id))) then return id end
  end
end

return history
