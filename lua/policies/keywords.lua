-- Words of one's own: project names, classification labels, whatever may not leave. lists = { labels = { words =
-- { "机密", "CONFIDENTIAL" }, exceptions = { "confidential computing" }, partners = { … }, parts = false } }; an action
-- for each list stands in actions = { labels = "local" }.
local compliance = require "gateyes.compliance"

local fields = { words = "table", exceptions = "table", partners = "table", parts = "boolean" }

local function list_of(name, list)
  if type(list) ~= "table" then error("lists." .. name .. " is { words = { … } }", 0) end
  if list[1] ~= nil then return { name = name, words = list } end
  for key, value in pairs(list) do
    if type(value) ~= fields[key] then
      error("lists." .. name .. "." .. tostring(key) .. " is not known, or of another type; a list has words, "
        .. "exceptions, partners and parts", 0)
    end
  end
  if not list.words then error("lists." .. name .. " has no words", 0) end
  return { name = name, words = list.words, exceptions = list.exceptions, partners = list.partners, parts = list.parts }
end

local function lists_of(settings)
  local lists, names = {}, {}
  for name in pairs(settings.lists) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do lists[#lists + 1] = list_of(name, settings.lists[name]) end
  return lists
end

return compliance.hooks({
  name = "keywords",
  about = "Finds words of the tenant's own lists in requests and replies.",
  wakes = compliance.wakes,
  settings = compliance.default(compliance.settings {
    lists = { type = "map", required = true, about = "Lists of words by name." },
  }, { action = "block" }),
}, lists_of)
