local kit = require "gateyes.kit"
local policy = require "policies.customers_in_europe"

describe("customers_in_europe", function()
  it("keeps projects below eu/ in Europe", function()
    assert.equal("eu", kit.run(policy, { text = "hi", project = "eu/shop" }).residency)
  end)

  it("leaves the others alone", function()
    assert.is_nil(kit.run(policy, { text = "hi", project = "shop" }).residency)
    assert.is_nil(kit.run(policy, { text = "hi", project = "europe" }).residency)
    assert.is_nil(kit.run(policy, { text = "hi" }).residency)
  end)
end)
