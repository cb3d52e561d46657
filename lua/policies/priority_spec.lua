local kit = require "gateyes.kit"
local policy = require "policies.priority"

local function route(gpu, settings)
  gpu.name, gpu.residency = "gpu/m", "local"
  local candidates = { { name = "openai/m", residency = "cloud" }, gpu, { name = "azure/m", residency = "cloud" } }
  return kit.run(policy, { candidates = candidates, settings = settings }).route
end

describe("priority", function()
  it("goes local first", function()
    assert.same({ "gpu/m", "openai/m", "azure/m" }, route {})
  end)

  it("goes to the cloud when the engine is full", function()
    assert.same({ "openai/m", "azure/m", "gpu/m" }, route { queue = 8 })
    assert.same({ "openai/m", "azure/m", "gpu/m" }, route { kv_usage = 0.96 })
    assert.same({ "gpu/m", "openai/m", "azure/m" }, route { queue = 7, kv_usage = 0.5 })
  end)

  it("counts open requests where it is told to", function()
    assert.equal("gpu/m", route({ inflight = 500 })[1])
    assert.equal("openai/m", route({ inflight = 32 }, { inflight = 32 })[1])
    assert.equal("gpu/m", route({ inflight = 32, weight = 2 }, { inflight = 32 })[1])
  end)

  it("follows the list", function()
    assert.same({ "azure/m", "gpu/m", "openai/m" }, route({}, { order = { "azure", "gpu/*" } }))
  end)
end)
