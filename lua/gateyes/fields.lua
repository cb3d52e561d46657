-- Typed reading of a decoded client body. The first thing wrong is kept as `failure`, with the dotted path of the
-- field ("messages.2.content.0.image_url.url", indices from 0 as in JSON); later calls then no longer matter, so a
-- decoder reads straight on and looks at `failure` once.
local json = require "gateyes.json"
local canonical = require "gateyes.canonical"

local fields = {}
local reader = {}
reader.__index = reader

local articles = {
  string = "a string", number = "a number", integer = "a whole number", long = "a whole number",
  boolean = "true or false",
  list = "an array", object = "an object", null = "null",
}

local raw_kinds = { ["{"] = "object", ["["] = "list", ['"'] = "string", t = "boolean", f = "boolean", n = "null" }

function fields.kind_of(value)
  if value == nil or value == json.null then return "null" end
  if json.is_raw(value) then return raw_kinds[json.raw_text(value):match "^%s*(.)"] or "number" end
  if type(value) ~= "table" then return type(value) end
  return json.is_array(value) and "list" or "object"
end

-- Numbers that a Lua number cannot hold exactly come as raw text: "long" keeps them so, the others round them.
local function numeric(value, kind)
  local number = json.is_raw(value) and tonumber(json.raw_text(value)) or value
  if number - number ~= 0 or kind ~= "number" and number ~= math.floor(number) then return nil end
  return kind == "long" and value or number
end

-- The value if it is of the kind, else nil.
local function fitting(value, kind)
  local found = fields.kind_of(value)
  if kind == "number" or kind == "integer" or kind == "long" then
    return found == "number" and numeric(value, kind) or nil
  end
  if found == kind then return value end
end

-- What the object has beside the known members and says yes to: names as the client would find them, or nil.
function fields.others(object, known, path)
  local names
  for name, value in pairs(object) do
    if not known[name] and value ~= json.null and value ~= false then
      names = names or {}
      names[#names + 1] = path .. "." .. name
    end
  end
  return names
end

function fields.reader()
  return setmetatable({ path = {} }, reader)
end

function reader:enter(name)
  self.path[#self.path + 1] = name
end

function reader:leave()
  self.path[#self.path] = nil
end

-- `name` may be nil: then the value that was entered is meant.
function reader:where(name)
  local path = table.concat(self.path, ".")
  if name == nil then return path end
  return path == "" and tostring(name) or path .. "." .. name
end

-- `message` follows the path, as in "messages.0.role must be …: …". Returns nil.
function reader:refuse(name, message, code)
  if self.failure then return nil end
  local where = self:where(name)
  local text = where .. " " .. message
  self.failure = canonical.failure(400, "invalid_request_error", text, where, code or "invalid_value")
  return nil
end

-- A missing or null value gives nil, a wrong type a refusal and nil. `remedy` says what to send instead, may be nil.
function reader:check(value, kind, name, remedy)
  if value == nil or value == json.null then return nil end
  local fit = fitting(value, kind)
  if fit ~= nil then return fit end
  local found = articles[fields.kind_of(value)]
  local message = "must be " .. articles[kind] .. ", not " .. found
  return self:refuse(name, remedy and message .. ": " .. remedy or message, "invalid_type")
end

function reader:get(object, kind, name, remedy)
  return self:check(object[name], kind, name, remedy)
end

function reader:need(object, kind, name, remedy)
  local value = object[name]
  if value == nil or value == json.null then
    return self:refuse(name, remedy and "is missing: " .. remedy or "is missing", "missing_required_parameter")
  end
  return self:check(value, kind, name, remedy)
end

-- One of the words of `known`, a map from the client's word to ours.
function reader:word(value, known, name)
  local word = self:check(value, "string", name)
  if not word or known[word] ~= nil then return word and known[word] end
  local words = {}
  for each in pairs(known) do words[#words + 1] = "'" .. each .. "'" end
  table.sort(words)
  return self:refuse(name, "must be one of " .. table.concat(words, ", ") .. ", not '" .. word .. "'")
end

-- Calls each(element, position from 0) for the objects of a list, standing in the path of each.
function reader:each(list, name, each)
  if not list then return end
  self:enter(name)
  for i = 1, #list do
    self:enter(i - 1)
    local element = self:check(list[i], "object")
    if element then
      each(element, i - 1)
    else
      self:refuse(nil, "must be an object, not null", "invalid_type")
    end
    self:leave()
    if self.failure then break end
  end
  self:leave()
end

-- A list of strings, or nil.
function reader:strings(value, name)
  local list = self:check(value, "list", name)
  if not list then return nil end
  local strings = {}
  self:enter(name)
  for i = 1, #list do
    if fields.kind_of(list[i]) == "string" then
      strings[i] = list[i]
    else
      self:refuse(i - 1, "must be a string, not " .. articles[fields.kind_of(list[i])], "invalid_type")
    end
  end
  self:leave()
  return strings
end

-- Splits a JSON object into its members without interpreting them: name -> raw text, and the names in order.
-- On bad JSON or another kind of value: nil and a failure.
function fields.members(body)
  local members, message, offset = json.members(body)
  if not members then
    local where = offset and " at byte " .. offset or ""
    local text = "The request body is not a JSON object: " .. (message or "it is another kind of value") .. where
    return nil, canonical.failure(400, "invalid_request_error", text, nil, "invalid_json")
  end
  local texts, names = {}, {}
  for _, member in ipairs(members) do
    if not texts[member[1]] then names[#names + 1] = member[1] end
    texts[member[1]] = member[2]
  end
  return texts, names
end

return fields
