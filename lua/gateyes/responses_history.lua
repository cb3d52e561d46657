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

-- Body for a Responses provider: input is the whole list of items, previous_response_id is gone, every other member
-- keeps its bytes. -> text | nil, failure
function history.expand(body, context)
  local members, message_text = text.members(body)
  if not members then return nil, canonical.invalid(nil, "The body is not a JSON object: " .. message_text .. ".") end
  local items, failure = history.items(members, context)
  if not items then return nil, failure end
  local kept = {}
  for _, item in ipairs(items) do kept[#kept + 1] = history.for_provider(item) end
  return text.replace(body, { input = text.list(kept), previous_response_id = false }, { "input" })
end

return history
