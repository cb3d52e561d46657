-- One target after the other, as often as its weight says and as evenly spread as that allows: with weights 5, 1 and
-- 1 the order is a a b a c a a. Each worker counts for itself.
local routing = require "gateyes.routing"

local policy = { name = "round_robin", about = "Smooth weighted round robin." }

local credits = {} -- by model, then by target

function policy.route(request, candidates)
  local model = credits[request.model] or {}
  credits[request.model] = model
  local sum = 0
  local order = routing.by_score(candidates, function(candidate)
    local name, weight = candidate.name, candidate.weight
    local credit = (model[name] or 0) + weight
    sum = sum + weight
    model[name] = credit
    return -credit
  end)
  local chosen = order[1].name
  model[chosen] = model[chosen] - sum
  return order
end

return policy
