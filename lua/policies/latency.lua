-- The faster of two targets drawn at random (power of two choices): what the first token has lately taken, times what
-- is open there. The average jumps up with a slow answer and comes down slowly, so a target that stalls is left at
-- once; without news it halves every 5 seconds, so that one that is well again is found. Drawing two keeps the workers
-- from all running to the same one.
local routing = require "gateyes.routing"

local policy = { name = "latency", about = "Chooses the faster of two random targets." }

local function fastest_known(candidates)
  local best
  for _, candidate in ipairs(candidates) do
    local ms = candidate.ewma_ttft_ms
    if ms and (not best or ms < best) then best = ms end
  end
  return best or 1
end

function policy.route(_, candidates)
  local best = fastest_known(candidates) -- who is new is as good as the best until it has shown otherwise
  local function cost(candidate)
    local failed = math.min(candidate.error_rate or 0, 0.99)
    return (candidate.ewma_ttft_ms or best) * (candidate.inflight + 1) / (1 - failed)
  end
  local order = routing.shuffle(candidates, function(candidate) return candidate.weight end)
  if #order < 2 then return order end
  local first, second = order[1], order[2]
  if second.weight > 0 and cost(second) < cost(first) then order[1], order[2] = second, first end
  return order
end

return policy
