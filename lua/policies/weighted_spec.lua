local kit = require "gateyes.kit"
local policy = require "policies.weighted"

describe("weighted", function()
  local candidates = { { name = "gpu/m" }, { name = "cloud/m" }, { name = "spare/m" } }

  it("draws by shares", function()
    local settings, count = { shares = { ["gpu/*"] = 9, cloud = 1, spare = 0 } }, { 0, 0, 0 }
    for _ = 1, 1000 do
      local name = kit.run(policy, { candidates = candidates, settings = settings }).route[1]
      local place = name == "gpu/m" and 1 or name == "cloud/m" and 2 or 3
      count[place] = count[place] + 1
    end
    assert.equal(0, count[3])
    assert.is_true(count[1] > 850 and count[1] < 945) -- 900 expected, 9.5 the deviation
  end)

  it("keeps targets without a share for failover", function()
    local settings = { shares = { gpu = 1, ["*"] = 0 } }
    local route = kit.run(policy, { candidates = candidates, settings = settings }).route
    assert.equal(3, #route)
    assert.equal("gpu/m", route[1])
  end)

  it("refuses what is no share", function()
    assert.has_error(function() kit.run(policy, { candidates = candidates, settings = { shares = { gpu = -1 } } }) end)
  end)
end)
