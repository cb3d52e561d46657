local kit = require "gateyes.kit"
local policy = require "policies.stay_home"

local settings = { kinds = { "cn_resident_id", "payment_card", "iban" } }

local function residency(options)
  options.settings = settings
  return kit.run(policy, options).residency
end

describe("stay_home", function()
  it("keeps cards and identity numbers here", function()
    assert.equal("local", residency { text = "卡号 4539 1488 0343 6467 的额度是多少?" })
    assert.equal("local", residency { text = "身份证 11010519491231002X" })
  end)

  it("lets everything else go where it likes", function()
    assert.is_nil(residency { text = "What is a covered bond?" })
    assert.is_nil(residency { text = "Invoice 4539 1488 0343 6468 is no card: its check digit is wrong" })
  end)

  it("keeps the rest of the session here, too", function()
    assert.equal("local", residency { text = "IBAN GB29 NWBK 6016 1331 9268 19", session = "s-1" })
    assert.equal("local", residency { text = "And the fee?", session = "s-1" })
    assert.is_nil(residency { text = "And the fee?", session = "s-2" })
  end)
end)
