-- The target that has least to do: what waits in the engine, where it says, and what this gateway has open there, for
-- each unit of weight. A full KV cache makes an engine put requests aside, so such a target comes last.
local routing = require "gateyes.routing"

local policy = {
  name = "least_load",
  about = "Chooses the least loaded target.",
  settings = {
    kv_usage = {
      type = "number", default = 0.95, min = 0, max = 1,
      about = "From this share of its KV cache on, an engine is full.",
    },
  },
}

local FULL = 1e9

function policy.route(_, candidates, context)
  local full_at = context.settings.kv_usage
  return routing.by_score(candidates, function(candidate)
    local load = ((candidate.queue or 0) + candidate.inflight + 1) / math.max(candidate.weight, 1)
    if candidate.weight == 0 then load = load + FULL end
    if candidate.kv_usage and candidate.kv_usage >= full_at then
      candidate:note("its KV cache is full")
      load = load + FULL
    end
    return load
  end)
end

return policy
