local kit = require "gateyes.kit"
local policy = require "policies.tags"

local candidates = { { name = "gpu/m" }, { name = "openai/m" }, { name = "azure/m" } }
local settings = { targets = { premium = { "openai", "azure" }, europe = "azure" } }

local function route(options)
  options.candidates = candidates
  options.settings = options.settings or settings
  return kit.run(policy, options).route
end

describe("tags", function()
  it("follows the tags of the key", function()
    assert.same({ "openai/m", "azure/m", "gpu/m" }, route { tags = { "premium" } })
    assert.same({ "gpu/m", "openai/m", "azure/m" }, route { tags = { "unknown" } })
    assert.same({ "gpu/m", "openai/m", "azure/m" }, route {})
  end)

  it("can want all of them", function()
    local all = { targets = settings.targets, match = "all", strict = true }
    assert.same({ "azure/m" }, route { tags = { "premium", "europe" }, settings = all })
  end)

  it("leaves out the others when strict", function()
    assert.same({ "openai/m", "azure/m" },
      route { tags = { "premium" }, settings = { targets = settings.targets, strict = true } })
  end)

  it("reads a header only where it may", function()
    local headers = { ["x-tags"] = "a, europe" }
    assert.equal("gpu/m", route({ headers = headers })[1])
    local trusting = { targets = settings.targets, header = "x-tags" }
    assert.equal("azure/m", route({ headers = headers, settings = trusting })[1])
  end)

  it("has targets for the others", function()
    assert.equal("azure/m", route({ settings = { targets = settings.targets, otherwise = { "azure" } } })[1])
  end)

  it("refuses a tag without targets", function()
    assert.has_error(function() route { settings = { targets = { premium = {} } } } end)
  end)
end)
