-- What the routing policies share: naming targets, and putting candidates in order.
local routing = {}

local expressions = {} -- compiled once

-- Text that a pattern with `*` describes, such as a model's or a user's name.
function routing.is_like(text, pattern)
  if not pattern:find("*", 1, true) then return text == pattern end
  local expression = expressions[pattern]
  if not expression then
    expression = "^" .. pattern:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*") .. "$"
    expressions[pattern] = expression
  end
  return text:find(expression) ~= nil
end

local FEW = 12 -- up to here, moving places costs less than sorting

local function sorted(candidates, score)
  local items = {}
  for i, candidate in ipairs(candidates) do
    items[i] = { candidate = candidate, score = score(candidate, i), place = i }
  end
  table.sort(items, function(a, b)
    if a.score ~= b.score then return a.score < b.score end
    return a.place < b.place
  end)
  for i, item in ipairs(items) do items[i] = item.candidate end
  return items
end

-- The candidates with the smallest score first; equals keep their order.
function routing.by_score(candidates, score)
  local order, scores = {}, {}
  if #candidates > FEW then return sorted(candidates, score) end
  for i = 1, #candidates do
    local candidate, at = candidates[i], i
    local own = score(candidate, i)
    while at > 1 and scores[at - 1] > own do
      order[at], scores[at] = order[at - 1], scores[at - 1]
      at = at - 1
    end
    order[at], scores[at] = candidate, own
  end
  return order
end

-- Those that match come first, the others behind them, both in their order; only: the others go.
function routing.prefer(candidates, matches, only)
  local first, rest, count, others = {}, {}, 0, 0
  for i = 1, #candidates do
    local candidate = candidates[i]
    if matches(candidate) then
      count = count + 1
      first[count] = candidate
    else
      others = others + 1
      rest[others] = candidate
    end
  end
  if only then return first end
  for i = 1, others do first[count + i] = rest[i] end
  return first
end

-- Draws without putting back: each place in the order goes by the weights that are left.
function routing.shuffle(candidates, weight_of)
  local count, sum, order, weights = #candidates, 0, {}, {}
  for i = 1, count do
    order[i], weights[i] = candidates[i], weight_of(candidates[i])
    sum = sum + weights[i]
  end
  for place = 1, count - 1 do
    local draw, chosen = math.random() * sum, place
    while sum > 0 and chosen < count and draw >= weights[chosen] do
      draw = draw - weights[chosen]
      chosen = chosen + 1
    end
    local candidate, weight = order[chosen], weights[chosen]
    for i = chosen, place + 1, -1 do order[i], weights[i] = order[i - 1], weights[i - 1] end
    order[place], weights[place] = candidate, weight
    sum = sum - weight
  end
  return order
end

return routing
