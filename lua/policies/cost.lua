-- The cheapest target that can do it: the price of this prompt and of the answer it may get. Targets whose
-- capabilities or context are known not to suffice are left out; those without a price come last.
local gateyes = require "gateyes"
local needs = require "gateyes.needs"
local routing = require "gateyes.routing"

local policy = {
  name = "cost",
  about = "Chooses the cheapest target that meets the request.",
  settings = {
    output_tokens = {
      type = "integer", default = 500, min = 0,
      about = "Tokens that an answer is expected to have; at most what the request allows.",
    },
    unpriced = {
      type = "string", default = "last", one_of = { "last", "never" },
      about = "Targets without a price.",
    },
  },
}

local function can_serve(candidate, needed, tokens)
  if candidate.context_tokens and candidate.context_tokens < tokens then
    candidate:note("its context is too short")
    return false
  end
  if #candidate.capabilities == 0 then return true end -- nothing is known
  for _, capability in ipairs(needed) do
    if not candidate:has(capability) then
      candidate:note("has no " .. capability)
      return false
    end
  end
  return true
end

function policy.route(request, candidates, context)
  local settings = context.settings
  local input = gateyes.tokens.count(request)
  local output = math.min(needs.output_tokens(request) or settings.output_tokens, settings.output_tokens)
  local needed = needs.capabilities(request)
  local able = routing.prefer(candidates, function(candidate)
    if settings.unpriced == "never" and not candidate.input_price then return false end
    return can_serve(candidate, needed, input + output)
  end, true)
  return routing.by_score(able, function(candidate)
    if not candidate.input_price then return math.huge end
    return input * candidate.input_price + output * candidate.output_price
  end)
end

return policy
