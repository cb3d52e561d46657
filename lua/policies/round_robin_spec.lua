local kit = require "gateyes.kit"
local policy = require "policies.round_robin"

local function firsts(count, options)
  local names = {}
  for i = 1, count do names[i] = kit.run(policy, options).route[1]:sub(1, 1) end
  return table.concat(names)
end

describe("round_robin", function()
  it("spreads weights evenly", function()
    local candidates = { { name = "a/m", weight = 5 }, { name = "b/m", weight = 1 }, { name = "c/m", weight = 1 } }
    assert.equal("aabacaaaabacaa", firsts(14, { model = "smooth", candidates = candidates }))
  end)

  it("takes turns without weights, each model for itself", function()
    local candidates = { { name = "a/m" }, { name = "b/m" } }
    assert.equal("aba", firsts(3, { model = "one", candidates = candidates }))
    assert.equal("aba", firsts(3, { model = "two", candidates = candidates }))
    assert.equal("bab", firsts(3, { model = "one", candidates = candidates }))
  end)

  it("goes on with those that are left", function()
    assert.equal("aaa", firsts(3, { model = "three", candidates = { { name = "a/m" } } }))
  end)
end)
