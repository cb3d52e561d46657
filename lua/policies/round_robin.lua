-- One target after the other, as often as its weight says and as evenly spread as that allows: with weights 5, 1 and
-- 1 the order is a a b a c a a. Each worker counts for itself.
local policy = { name = "round_robin", about = "Smooth weighted round robin." }

local credits = {} -- by model, then by target

local function is_before(a, b)
  return a.credit > b.credit or (a.credit == b.credit and a.place < b.place)
end

function policy.route(request, candidates)
  local model = credits[request.model] or {}
  credits[request.model] = model
  local items, sum = {}, 0
  for place, candidate in ipairs(candidates) do
    local credit = (model[candidate.name] or 0) + candidate.weight
    items[place] = { candidate = candidate, credit = credit, place = place }
    sum = sum + candidate.weight
    model[candidate.name] = credit
  end
  table.sort(items, is_before)
  model[items[1].candidate.name] = items[1].credit - sum
  for place, item in ipairs(items) do items[place] = item.candidate end
  return items
end

return policy
