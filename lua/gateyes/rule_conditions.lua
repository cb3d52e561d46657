-- The conditions that a row of the policy `rules` may have: how each is checked when it is loaded, and how it is met.
local gateyes = require "gateyes"
local needs = require "gateyes.needs"
local routing = require "gateyes.routing"

local conditions = {}

local DAYS = { sun = 0, mon = 1, tue = 2, wed = 3, thu = 4, fri = 5, sat = 6 }

local function list_of(value)
  return type(value) == "table" and value or { value }
end

local function is_texts(value)
  if type(value) == "string" then return value ~= "" end
  if type(value) ~= "table" or #value == 0 then return false end
  for _, item in ipairs(value) do
    if type(item) ~= "string" or item == "" then return false end
  end
  return true
end

local function texts(value)
  return not is_texts(value) and "expects text, or a list of texts" or nil
end

local function yes_or_no(value)
  return type(value) ~= "boolean" and "expects true or false" or nil
end

local function number(value)
  return (type(value) ~= "number" or value < 0) and "expects a number, 0 or more" or nil
end

local function like_any(text, patterns)
  if not text then return false end
  for _, pattern in ipairs(list_of(patterns)) do
    if routing.is_like(text, pattern) then return true end
  end
  return false
end

local function minutes(text)
  local hour, minute = text:match "^(%d%d):(%d%d)$"
  hour, minute = tonumber(hour), tonumber(minute)
  if hour == 24 and minute == 0 then return 1440 end -- the end of a day, as people write it
  return hour and hour < 24 and minute < 60 and hour * 60 + minute or nil
end

local function span(value)
  local from, to = value:match "^(%d%d:%d%d)%-(%d%d:%d%d)$"
  return from and minutes(from), to and minutes(to)
end

local function now_at(offset_minutes)
  return math.floor(gateyes.now() / 60) + offset_minutes
end

local function named(path)
  return { check = texts, meets = function(value, facts) return like_any(facts.context[path], value) end }
end

conditions.model = { check = texts, meets = function(value, facts) return like_any(facts.request.model, value) end }
conditions.dialect = { check = texts, meets = function(value, facts) return like_any(facts.request.dialect, value) end }
conditions.user = named "user"
conditions.project = named "project"
conditions.key = named "key"

conditions.role = {
  check = texts,
  meets = function(value, facts)
    for _, role in ipairs(facts.context.roles) do
      if like_any(role, value) then return true end
    end
    return false
  end,
}

conditions.tags = {
  check = texts,
  meets = function(value, facts)
    for _, tag in ipairs(list_of(value)) do
      local name, wanted = tag:match "^([^=]+)=(.*)$"
      local set = facts.context.tags[name or tag]
      local found = wanted and set == wanted or (not wanted and set ~= nil)
      for _, own in ipairs(facts.context.principal.tags) do found = found or own == tag end
      if not found then return false end
    end
    return true
  end,
}

conditions.min_tokens = { check = number, meets = function(value, facts) return facts:tokens() >= value end }
conditions.max_tokens = { check = number, meets = function(value, facts) return facts:tokens() <= value end }
conditions.min_turns = { check = number, meets = function(value, facts) return facts.request.turns >= value end }

conditions.tools = {
  check = function(value)
    return type(value) ~= "boolean" and not is_texts(value) and "expects true, false, or names of tools" or nil
  end,
  meets = function(value, facts)
    local tools = facts.request.tools
    if type(value) == "boolean" then return value == (#tools > 0) end
    for _, tool in ipairs(tools) do
      if like_any(tool.name, value) then return true end
    end
    return false
  end,
}

conditions.images = {
  check = yes_or_no,
  meets = function(value, facts) return value == (facts.request.attachments > 0) end,
}
conditions.stream = { check = yes_or_no, meets = function(value, facts) return value == facts.request.stream end }
conditions.structured_output = {
  check = yes_or_no,
  meets = function(value, facts) return value == (needs.output_format(facts.request) ~= nil) end,
}

conditions.hours = {
  check = function(value)
    local from, to = nil, nil
    if type(value) == "string" then from, to = span(value) end
    return not (from and to) and "expects a span such as 22:00-06:00" or nil
  end,
  meets = function(value, facts)
    local from, to = span(value)
    local now = now_at(facts.offset) % 1440
    if from < to then return now >= from and now < to end
    return now >= from or now < to
  end,
}

conditions.days = {
  check = function(value)
    if not is_texts(value) then return "expects days such as { \"sat\", \"sun\" }" end
    for _, day in ipairs(list_of(value)) do
      if not DAYS[day] then return ("%q is none of mon, tue, wed, thu, fri, sat, sun"):format(day) end
    end
  end,
  meets = function(value, facts)
    local today = (math.floor(now_at(facts.offset) / 1440) + 4) % 7 -- 1970 began on a Thursday
    for _, day in ipairs(list_of(value)) do
      if DAYS[day] == today then return true end
    end
    return false
  end,
}

conditions.header = {
  check = function(value)
    if type(value) ~= "table" or next(value) == nil then
      return "expects a table such as { [\"x-team\"] = \"research\" }"
    end
    for name, pattern in pairs(value) do
      if type(name) ~= "string" or not is_texts(pattern) then return "expects text, or a list of texts, by header" end
    end
  end,
  meets = function(value, facts)
    for name, pattern in pairs(value) do
      if not like_any(facts.request:header(name), pattern) then return false end
    end
    return true
  end,
}

local folded = {} -- once for each word of the rows

local function fold(word)
  local form = folded[word]
  if not form then
    form = gateyes.text.fold(word)
    folded[word] = form
  end
  return form
end

conditions.text = {
  check = texts,
  meets = function(value, facts)
    local text = facts:text()
    for _, word in ipairs(list_of(value)) do
      if text:find(fold(word), 1, true) then return true end
    end
    return false
  end,
}

return conditions
