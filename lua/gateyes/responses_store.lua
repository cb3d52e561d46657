-- The state behind POST /v1/responses: what is kept of an answer, and the endpoints that read it.
-- https://platform.openai.com/docs/api-reference/responses (get, delete, cancel, input items)
-- Everything is asked for by owner; with another owner an id is not found. A request with store = false leaves nothing.
local canonical = require "gateyes.canonical"
local history = require "gateyes.responses_history"
local json = require "gateyes.json"
local object = require "gateyes.responses_object"
local replay = require "gateyes.responses_replay"
local store = require "gateyes.responses"
local text = require "gateyes.responses_text"

local responses_store = {}

local quote = json.quote

-- What context.responses has to be for the dialect.
function responses_store.of_owner(owner)
  return {
    get = function(id) return store.get(owner, id) end,
    item = function(id) return store.item(owner, id) end,
  }
end

-- Recording.

local block_types = { assistant = "output_text" }

local function whole_content(content, role)
  if content:sub(1, 1) ~= '"' then return content end
  return text.list { text.object("type", quote(block_types[role] or "input_text"), "text", content) }
end

-- An input item as the input_items endpoint lists it: with type, id, and content as a list of blocks.
local function whole_item(raw, id)
  local members = text.members(raw)
  if not members then return raw, nil end
  local changes = {}
  local kind = text.value(members.type)
  if kind == nil or kind == "message" then
    changes.type = '"message"'
    changes.content = members.content and whole_content(members.content, text.value(members.role))
  end
  local own = text.string(text.value(members.id))
  if not own then
    own = (changes.type and "msg_" or "item_") .. history.mark .. id
    changes.id = quote(own)
  end
  return text.replace(raw, changes, { "id", "type" }), own
end

-- JSON array of the items, and where those with an id lie in it.
local function list_items(items, response_id)
  local seed = response_id:gsub("^resp_", ""):gsub("^" .. history.mark, "")
  local texts, index, position = {}, {}, 2
  for i, raw in ipairs(items) do
    local item, id = whole_item(raw, seed .. "x" .. i)
    texts[i] = item
    if id then index[#index + 1] = { id, position, position + #item - 1 } end
    position = position + #item + 1
  end
  return text.list(texts), index
end

local function index_output(response, output)
  local index, from = {}, 1
  for _, raw in ipairs(output and json.elements(output) or {}) do
    local first, last = response:find(raw, from, true)
    local members = text.members(raw)
    local id = members and text.string(text.value(members.id))
    if id and id ~= "" then index[#index + 1] = { id, first, last } end
    from = last + 1
  end
  return index
end

local function keep(owner, id, response, items)
  local listed, input_index = list_items(items, id)
  return store.put(owner, id, response, listed, input_index, index_output(response, text.members(response).output))
end

-- Keeps a finished answer. request and response are the body texts that the client sent and got. -> was it kept?
function responses_store.record(owner, request, response)
  local asked, given = text.members(request), text.members(response)
  if not asked or not given or asked.store == "false" then return false end
  local id = text.string(text.value(given.id))
  if not id or id == "" then return false end
  local items = history.items(asked, { responses = responses_store.of_owner(owner) })
  return items ~= nil and keep(owner, id, response, items)
end

-- A background request: kept as running from here on. -> the queued response for the client | nil, failure
function responses_store.begin(owner, id, request, model, now)
  local asked = text.members(request)
  local items, failure = history.items(asked, { responses = responses_store.of_owner(owner) })
  if not items then return nil, failure end
  local context = { response_id = id, model = model, now = now, request = { echo = object.echo(asked) } }
  local queued = require("dialects.responses").queued(nil, context)
  if not keep(owner, id, text.replace(queued, { status = '"in_progress"' }), items) then
    return nil, canonical.invalid("background", "This request is too large to be kept, as background needs it.")
  end
  return queued
end

-- The outcome of a background request: under the id that the client was given, unless that was cancelled or deleted.
-- A relayed answer has its provider's id and says nothing of a background. -> was it kept?
function responses_store.finish(owner, id, response)
  local current, items = store.get(owner, id)
  local members = current and text.members(current)
  if not members or text.value(members.status) == "cancelled" or not text.members(response) then return false end
  response = text.replace(response, { id = quote(id), background = "true" }, { "background" })
  return keep(owner, id, response, json.elements(items))
end

-- The end of a background request that came to nothing.
function responses_store.fail(owner, id, failure)
  local current = store.get(owner, id)
  if not current then return false end
  local why = object.error_of(failure)
  local problem = text.object("code", quote(why.code), "message", quote(why.message))
  return responses_store.finish(owner, id, text.replace(current, { status = '"failed"', error = problem }, { "error" }))
end

-- Endpoints.

local function problem(status, message, param)
  return status, text.object("error", text.object("message", quote(message), "type", '"invalid_request_error"',
    "param", text.quote_or_null(param), "code", "null"))
end

local function not_found(id)
  return problem(404, "Response with id '" .. id .. "' not found.")
end

local function unescape(value)
  return (value:gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function parse(query)
  local fields = {}
  for name, value in (query or ""):gmatch("([^&=]+)=?([^&]*)") do fields[unescape(name)] = unescape(value) end
  return fields
end

local function retrieve(owner, id, query)
  local response = store.get(owner, id)
  if not response then return not_found(id) end
  if query.stream ~= "true" then return 200, response end
  local frames, still_runs = replay.frames(response, tonumber(query.starting_after))
  return 200, frames, "text/event-stream", nil, id, still_runs
end

local function delete(owner, id)
  if not store.delete(owner, id) then return not_found(id) end
  return 200, text.object("id", quote(id), "object", '"response"', "deleted", "true"), "application/json", id
end

local active = { queued = true, in_progress = true }

local function cancel(owner, id)
  local response, items = store.get(owner, id)
  if not response then return not_found(id) end
  local members = text.members(response)
  if members.background ~= "true" then
    return problem(400, "Cannot cancel a synchronous response.", "response_id")
  end
  if not active[text.value(members.status)] then return 200, response end
  local cancelled = text.replace(response, { status = '"cancelled"' })
  keep(owner, id, cancelled, json.elements(items))
  return 200, cancelled, "application/json", id
end

local function id_of(item)
  return text.string(text.value((text.members(item) or {}).id))
end

-- Items in the asked order, and how many of them come before the page.
local function page_start(list, after)
  if not after then return 0 end
  for i, item in ipairs(list) do
    if id_of(item) == after then return i end
  end
end

local function reversed(list)
  local out = {}
  for i = #list, 1, -1 do out[#out + 1] = list[i] end
  return out
end

local function input_items(owner, id, query)
  local _, items = store.get(owner, id)
  if not items then return not_found(id) end
  local limit = query.limit and tonumber(query.limit) or 20
  if not (limit and limit >= 1 and limit <= 100 and limit == math.floor(limit)) then
    return problem(400, "'limit' must be a whole number from 1 to 100.", "limit")
  end
  if query.order and query.order ~= "asc" and query.order ~= "desc" then
    return problem(400, "'order' must be 'asc' or 'desc'.", "order")
  end
  local list = json.elements(items)
  if query.order ~= "asc" then list = reversed(list) end
  local before = page_start(list, query.after)
  if not before then return problem(404, "Item with id '" .. query.after .. "' not found.", "after") end
  local page = { unpack(list, before + 1, math.min(before + limit, #list)) }
  return 200, text.object("object", '"list"', "data", text.list(page),
    "first_id", page[1] and text.quote_or_null(id_of(page[1])) or "null",
    "last_id", page[1] and text.quote_or_null(id_of(page[#page])) or "null",
    "has_more", tostring(before + #page < #list))
end

local routes = {
  ["GET "] = retrieve, ["DELETE "] = delete, ["POST cancel"] = cancel, ["GET input_items"] = input_items,
}

-- A request below /v1/responses/. -> status, body [, content type [, id of a response to stop if it still runs
-- [, id of the response that the body is the stream of [, does that still run?]]]]
-- path: "/v1/responses/resp_1/input_items"; query: the text after "?", or nil.
function responses_store.answer(owner, method, path, query)
  local id, rest = path:match("^/v1/responses/([^/]+)/?([^/]*)$")
  local route = id and routes[method .. " " .. rest]
  if route then return route(owner, unescape(id), parse(query)) end
  if id and (rest == "" or rest == "cancel" or rest == "input_items") then
    return problem(405, "This method is not allowed here.")
  end
  return problem(404, "No such endpoint: " .. path)
end

return responses_store
