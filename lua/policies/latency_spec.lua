local kit = require "gateyes.kit"
local policy = require "policies.latency"

local function share_of(name, candidates)
  local count = 0
  for _ = 1, 300 do
    if kit.run(policy, { candidates = candidates }).route[1] == name then count = count + 1 end
  end
  return count / 300
end

describe("latency", function()
  it("never chooses the slowest", function()
    local candidates = {
      { name = "a/m", ewma_ttft_ms = 100 }, { name = "b/m", ewma_ttft_ms = 200 }, { name = "c/m", ewma_ttft_ms = 900 },
    }
    assert.equal(0, share_of("c/m", candidates))
    assert.is_true(share_of("a/m", candidates) > 0.5) -- two thirds expected
  end)

  it("weighs what is open", function()
    assert.equal(1, share_of("b/m", {
      { name = "a/m", ewma_ttft_ms = 100, inflight = 9 }, { name = "b/m", ewma_ttft_ms = 300 },
    }))
  end)

  it("avoids what fails", function()
    assert.equal(1, share_of("b/m", {
      { name = "a/m", ewma_ttft_ms = 100, error_rate = 0.9 }, { name = "b/m", ewma_ttft_ms = 300 },
    }))
  end)

  it("tries what is new as if it were the best", function()
    assert.equal(1, share_of("b/m", { { name = "a/m", ewma_ttft_ms = 100, inflight = 1 }, { name = "b/m" } }))
  end)

  it("keeps the others for failover, and a target without weight as the last", function()
    local route = kit.run(policy, { candidates = { { name = "a/m", weight = 0, ewma_ttft_ms = 1 },
                                                   { name = "b/m", ewma_ttft_ms = 500 } } }).route
    assert.same({ "b/m", "a/m" }, route)
    assert.same({ "a/m" }, kit.run(policy, { candidates = { { name = "a/m" } } }).route)
  end)
end)
