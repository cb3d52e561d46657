-- Routing as a table, for whoever does not want to write code:
--   { name = "rules", rules = {
--       { when = { model = "gpt-*", max_tokens = 2000, tools = false }, targets = "gpu/*" },
--       { when = { hours = "22:00-06:00", days = { "sat", "sun" } },     targets = "batch", only = true },
--       { when = { text = { "contract", "合同" } },                      targets = { "legal/*", "openai" } },
--   } }
-- All conditions of a row must hold; of a list in one condition, any (of `tags`, all). The rows may also be JSON text.
local gateyes = require "gateyes"
local conditions = require "gateyes.rule_conditions"
local routing = require "gateyes.routing"

local policy = {
  name = "rules",
  about = "Targets by a table of conditions.",
  settings = {
    rules = {
      type = "any", required = true,
      about = "Rows of `when`, `targets`, `only` and `name`: a list, or JSON text of one.",
    },
    match = {
      type = "string", default = "first", one_of = { "first", "all" },
      about = "Whether the first row that holds decides, or all of them add their targets.",
    },
    utc_offset = { type = "string", default = "+00:00", about = "Of `hours` and `days`, such as `+08:00`." },
  },
}

local ROW = { name = true, when = true, targets = true, only = true }

local function offset_of(text)
  local sign, hours, minutes = text:match "^([%+%-])(%d%d):(%d%d)$"
  if not sign or tonumber(hours) > 14 or tonumber(minutes) > 59 then return nil end
  local offset = hours * 60 + minutes
  return sign == "-" and -offset or offset
end

local function names(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return table.concat(list, ", ")
end

local function rows_of(settings)
  local rows = settings.rules
  if type(rows) ~= "string" then return rows end
  local decoded, why = gateyes.json.decode(rows)
  if decoded == nil then return nil, "rules: is no JSON: " .. tostring(why) end
  return decoded
end

local function check_when(when, at, problems)
  if type(when) ~= "table" then
    problems[#problems + 1] = at .. ": expects a table of conditions"
    return
  end
  for name, value in pairs(when) do
    local condition = conditions[name]
    local why = "is no condition; there are " .. names(conditions)
    if condition then why = condition.check(value) end
    if why then problems[#problems + 1] = ("%s.%s: %s"):format(at, tostring(name), why) end
  end
end

local function check_targets(targets, at, problems)
  local list = type(targets) == "table" and targets or { targets }
  local fine = #list > 0
  for _, target in ipairs(list) do fine = fine and type(target) == "string" and target ~= "" end
  if not fine then problems[#problems + 1] = at .. ": name a target, such as \"gpu/*\", or a list of them" end
end

local function check_row(row, at, problems)
  if type(row) ~= "table" then
    problems[#problems + 1] = at .. ": expects a row such as { when = { … }, targets = \"gpu/*\" }"
    return
  end
  for name in pairs(row) do
    if not ROW[name] then
      problems[#problems + 1] = ("%s.%s: is not known; a row has %s"):format(at, tostring(name), names(ROW))
    end
  end
  if row.when ~= nil then check_when(row.when, at .. ".when", problems) end
  if row.only ~= nil and type(row.only) ~= "boolean" then
    problems[#problems + 1] = at .. ".only: expects true or false"
  end
  check_targets(row.targets, at .. ".targets", problems)
end

function policy.check(settings)
  local problems = {}
  local rows, why = rows_of(settings)
  if why then return why end
  if type(rows) ~= "table" or #rows == 0 then return "rules: expects a list of rows, at least one" end
  if not offset_of(settings.utc_offset) then problems[1] = "utc_offset: expects an offset such as +08:00" end
  for i, row in ipairs(rows) do check_row(row, ("rules[%d]"):format(i), problems) end
  if #problems > 0 then return table.concat(problems, "\n") end
end

local decoded = setmetatable({}, { __mode = "k" }) -- rows by settings

local function facts_of(request, context)
  local facts = { request = request, context = context, offset = offset_of(context.settings.utc_offset) }
  local tokens, text
  function facts.tokens()
    tokens = tokens or gateyes.tokens.count(request)
    return tokens
  end
  function facts.text()
    text = text or gateyes.text.fold(request.last_user_text)
    return text
  end
  return facts
end

local function holds(row, facts)
  for name, value in pairs(row.when or {}) do
    if not conditions[name].meets(value, facts) then return false end
  end
  return true
end

local function rank(candidate, targets)
  for place, pattern in ipairs(targets) do
    if candidate:matches(pattern) then return place end
  end
  return math.huge
end

function policy.route(request, candidates, context)
  local settings = context.settings
  local rows = decoded[settings] or rows_of(settings)
  decoded[settings] = rows
  local facts, targets, only = facts_of(request, context), {}, false
  for i, row in ipairs(rows) do
    if holds(row, facts) then
      context:trace("rule " .. (row.name or i) .. " holds")
      for _, target in ipairs(type(row.targets) == "table" and row.targets or { row.targets }) do
        targets[#targets + 1] = target
      end
      only = only or row.only
      if settings.match == "first" then break end
    end
  end
  if #targets == 0 then return nil end
  local order = routing.by_score(candidates, function(candidate) return rank(candidate, targets) end)
  if not only then return order end
  return routing.prefer(order, function(candidate) return rank(candidate, targets) < math.huge end, true)
end

return policy
