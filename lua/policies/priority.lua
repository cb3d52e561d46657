-- In the order of the list; a target that is full waits behind those that are not. Without a list: residency local
-- first, the cloud when that is full.
local routing = require "gateyes.routing"

local policy = {
  name = "priority",
  about = "Local first, cloud when full.",
  settings = {
    order = {
      type = "list", default = { "residency:local", "*" },
      about = "Targets, first choice first: `provider/model`, `provider`, `residency:local`, `*`.",
    },
    inflight = {
      type = "integer", default = 0, min = 0,
      about = "Open requests, for each unit of weight, at which a target is full; 0: any number.",
    },
    queue = { type = "number", default = 8, min = 0, about = "Requests waiting in the engine at which it is full." },
    kv_usage = {
      type = "number", default = 0.95, min = 0, max = 1,
      about = "Share of its KV cache at which it is full.",
    },
  },
}

local function why_full(candidate, settings)
  if settings.inflight > 0 and candidate.inflight >= settings.inflight * math.max(candidate.weight, 1) then
    return candidate.inflight .. " requests are open there"
  end
  if candidate.queue and candidate.queue >= settings.queue then
    return candidate.queue .. " requests wait there"
  end
  if candidate.kv_usage and candidate.kv_usage >= settings.kv_usage then return "its KV cache is full" end
end

local function rank(candidate, order)
  for place, pattern in ipairs(order) do
    if candidate:matches(pattern) then return place end
  end
  return #order + 1
end

function policy.route(_, candidates, context)
  local settings = context.settings
  return routing.by_score(candidates, function(candidate)
    local why = why_full(candidate, settings)
    if why then candidate:note("is full: " .. why) end
    return rank(candidate, settings.order) + (why and 1e6 or 0)
  end)
end

return policy
