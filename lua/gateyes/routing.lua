-- What the routing policies share: naming targets, and putting candidates in order.
local routing = {}

local patterns = {} -- compiled once

local function compile(pattern)
  local provider_only = not pattern:find("/", 1, true)
  local residency = pattern:match("^residency:(.+)$")
  local text = pattern:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*")
  return { residency = residency, provider_only = provider_only, expression = "^" .. text .. "$" }
end

-- Does a target go by that name: `provider/model`, `provider`, or `residency:local`, with `*` for anything?
function routing.matches(candidate, pattern)
  local compiled = patterns[pattern]
  if not compiled then
    compiled = compile(pattern)
    patterns[pattern] = compiled
  end
  if compiled.residency then return candidate.residency == compiled.residency end
  local name = compiled.provider_only and candidate.provider or candidate.name
  return name:find(compiled.expression) ~= nil
end

function routing.matches_any(candidate, list)
  for _, pattern in ipairs(list) do
    if routing.matches(candidate, pattern) then return true end
  end
  return false
end

-- Text that a pattern with `*` describes, such as a model's or a user's name.
function routing.is_like(text, pattern)
  local expression = pattern:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*")
  return text:find("^" .. expression .. "$") ~= nil
end

-- The candidates with the smallest score first; equals keep their order.
function routing.by_score(candidates, score)
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

-- Those that match come first, the others behind them, both in their order; only: the others go.
function routing.prefer(candidates, matches, only)
  local first, rest = {}, {}
  for _, candidate in ipairs(candidates) do
    if matches(candidate) then first[#first + 1] = candidate else rest[#rest + 1] = candidate end
  end
  if only then return first end
  for _, candidate in ipairs(rest) do first[#first + 1] = candidate end
  return first
end

-- Draws without putting back: each place in the order goes by the weights that are left.
function routing.shuffle(candidates, weight_of)
  local left, sum, order = {}, 0, {}
  for i, candidate in ipairs(candidates) do
    left[i] = { candidate = candidate, weight = weight_of(candidate) }
    sum = sum + left[i].weight
  end
  while #left > 0 do
    local draw, chosen = math.random() * sum, 1
    while chosen < #left and draw >= left[chosen].weight do
      draw = draw - left[chosen].weight
      chosen = chosen + 1
    end
    if sum <= 0 then chosen = 1 end
    local item = table.remove(left, chosen)
    sum = sum - item.weight
    order[#order + 1] = item.candidate
  end
  return order
end

return routing
