-- Any target, as often as its weight says; the order of the others is drawn, too.
local routing = require "gateyes.routing"

local policy = { name = "random", about = "Draws the target by weight." }

function policy.route(_, candidates)
  return routing.shuffle(candidates, function(candidate) return candidate.weight end)
end

return policy
