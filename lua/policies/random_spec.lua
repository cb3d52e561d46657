local kit = require "gateyes.kit"
local policy = require "policies.random"

describe("random", function()
  local candidates = { { name = "a/m", weight = 3 }, { name = "b/m", weight = 1 }, { name = "c/m", weight = 0 } }

  it("keeps every target, once", function()
    local route = kit.run(policy, { candidates = candidates }).route
    table.sort(route)
    assert.same({ "a/m", "b/m", "c/m" }, route)
  end)

  it("draws by weight", function()
    local first = { ["a/m"] = 0, ["b/m"] = 0, ["c/m"] = 0 }
    for _ = 1, 1000 do
      local name = kit.run(policy, { candidates = candidates }).route[1]
      first[name] = first[name] + 1
    end
    assert.equal(0, first["c/m"])
    assert.is_true(first["a/m"] > 670 and first["a/m"] < 830) -- 750 expected, 13.7 the deviation
  end)
end)
