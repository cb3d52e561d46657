-- Shares of the requests, set here instead of at the targets:
--   { name = "weighted", shares = { ["gpu/*"] = 9, cloud = 1 } }
-- A target that nothing names has its own weight; a share of 0 keeps it for when the others have failed.
local routing = require "gateyes.routing"

local policy = {
  name = "weighted",
  about = "Draws the target by shares.",
  settings = {
    shares = {
      type = "map", default = {},
      about = "Share by target (`provider/model`, `provider`, `*` for anything).",
    },
  },
}

function policy.check(settings)
  for pattern, share in pairs(settings.shares) do
    if type(share) ~= "number" or share < 0 then
      return ("shares[%q]: a share is a number, 0 or more"):format(pattern)
    end
  end
end

local function share_of(candidate, shares)
  if shares[candidate.name] then return shares[candidate.name] end
  local found, length = candidate.weight, -1
  for pattern, share in pairs(shares) do -- the longest that matches says most
    if #pattern > length and candidate:matches(pattern) then found, length = share, #pattern end
  end
  return found
end

function policy.route(_, candidates, context)
  return routing.shuffle(candidates, function(candidate) return share_of(candidate, context.settings.shares) end)
end

return policy
