local kit = require "gateyes.kit"
local policy = require "policies.least_load"

local function route(candidates) return kit.run(policy, { candidates = candidates }).route end

describe("least_load", function()
  it("counts what is open where engines say nothing", function()
    assert.same({ "b/m", "a/m" }, route { { name = "a/m", inflight = 3 }, { name = "b/m", inflight = 1 } })
  end)

  it("counts what waits in the engine", function()
    assert.same({ "b/m", "a/m" },
      route { { name = "a/m", inflight = 1, queue = 9 }, { name = "b/m", inflight = 3, queue = 0 } })
  end)

  it("gives a bigger target more", function()
    assert.same({ "b/m", "a/m" }, route { { name = "a/m", inflight = 2 }, { name = "b/m", inflight = 3, weight = 4 } })
  end)

  it("puts an engine with a full cache last, and one without weight behind it", function()
    assert.same({ "c/m", "a/m" },
      route { { name = "a/m", kv_usage = 0.97 }, { name = "c/m", inflight = 50, kv_usage = 0.3 } })
    assert.same({ "a/m", "c/m" }, route { { name = "c/m", weight = 0 }, { name = "a/m", inflight = 50 } })
  end)

  it("keeps the order of equals", function()
    assert.same({ "a/m", "b/m", "c/m" }, route { { name = "a/m" }, { name = "b/m" }, { name = "c/m" } })
  end)
end)
