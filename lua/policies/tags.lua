-- Targets by tag: { name = "tags", targets = { premium = { "openai" }, batch = { "gpu/*" } } }. The tags are those of
-- the key, those that earlier policies have set, and, when the tenant trusts its clients, those of a header.
local routing = require "gateyes.routing"

local policy = {
  name = "tags",
  about = "Chooses targets by the request's tags.",
  settings = {
    targets = { type = "map", required = true, about = "Targets, or a list of them, by tag." },
    match = {
      type = "string", default = "any", one_of = { "any", "all" },
      about = "Whether a target serves any of the tags, or must serve all.",
    },
    header = { type = "string", about = "Header with tags of the client, split by commas." },
    otherwise = { type = "list", default = {}, about = "Targets of requests without a known tag; empty: all." },
    strict = { type = "boolean", default = false, about = "Only these targets, with no other to fall back to." },
  },
}

local function list_of(value)
  return type(value) == "string" and { value } or value
end

function policy.check(settings)
  for tag, targets in pairs(settings.targets) do
    local list = list_of(targets)
    if type(list) ~= "table" or #list == 0 then return ("targets[%q]: name a target, or a list of them"):format(tag) end
    for _, target in ipairs(list) do
      if type(target) ~= "string" then return ("targets[%q]: a target is text"):format(tag) end
    end
  end
end

local function tags_of(request, context)
  local tags = {}
  for _, tag in ipairs(context.principal.tags) do tags[tag] = true end
  for name, value in pairs(context.tags) do
    tags[name] = true
    tags[name .. "=" .. value] = true
  end
  local header = context.settings.header and request:header(context.settings.header)
  for tag in (header or ""):gmatch "[^,%s]+" do tags[tag] = true end
  return tags
end

function policy.route(request, candidates, context)
  local settings, wanted = context.settings, {}
  for tag in pairs(tags_of(request, context)) do
    if settings.targets[tag] then wanted[#wanted + 1] = list_of(settings.targets[tag]) end
  end
  if #wanted == 0 then
    if #settings.otherwise == 0 then return nil end
    wanted[1] = settings.otherwise
  end
  return routing.prefer(candidates, function(candidate)
    local count = 0
    for _, list in ipairs(wanted) do
      if candidate:matches(list) then count = count + 1 end
    end
    if settings.match == "all" then return count == #wanted end
    return count > 0
  end, settings.strict)
end

return policy
