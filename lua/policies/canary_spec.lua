local kit = require "gateyes.kit"
local policy = require "policies.canary"

local candidates = { { name = "old/m" }, { name = "new/m" } }

local function first(options, percent)
  options.candidates = candidates
  options.settings = options.settings or { target = "new", percent = percent }
  return kit.run(policy, options).route[1]
end

describe("canary", function()
  it("goes to its share of the users", function()
    local count = 0
    for i = 1, 2000 do
      if first({ user = "user" .. i }, 10) == "new/m" then count = count + 1 end
    end
    assert.is_true(count > 140 and count < 260) -- 200 expected, 13.4 the deviation
  end)

  it("stays with a user, and with those chosen before when it grows", function()
    for i = 1, 50 do
      local few = first({ user = "user" .. i }, 20)
      assert.equal(few, first({ user = "user" .. i }, 20))
      if few == "new/m" then assert.equal("new/m", first({ user = "user" .. i }, 40)) end
    end
  end)

  it("ends at none and at all, and keeps the other for failover", function()
    assert.equal("old/m", first({ user = "a" }, 0))
    assert.equal("new/m", first({ user = "a" }, 100))
    assert.equal(2, #kit.run(policy, { candidates = candidates, settings = { target = "new" } }).route)
  end)

  it("is there for named users and for a header", function()
    local settings = { target = "new", percent = 0, users = { "ann" }, header = "x-canary" }
    assert.equal("new/m", first({ user = "ann", settings = settings }))
    assert.equal("old/m", first({ user = "bob", settings = settings }))
    assert.equal("new/m", first({ user = "bob", headers = { ["x-canary"] = "1" }, settings = settings }))
  end)
end)
