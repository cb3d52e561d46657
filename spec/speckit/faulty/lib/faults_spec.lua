-- Every way in which a spec goes wrong; busted and `gateyes test` must agree on each.
local never = nil

describe("faults", function()
  it("fails", function()
    assert.equal(1, 2)
  end)

  it("raises", function()
    error "broken"
  end)

  it("calls nil", function()
    never()
  end)

  it("raises a table", function()
    error { message = "in a table" }
  end)

  it("passes", function() end)

  it("fails with a message", function()
    assert.is_true(false, "not this time")
  end)

  it("fails in a helper", function()
    local function helper(value) assert.is_nil(value) end
    helper(5)
  end)

  it("defines a test inside", function()
    it("inner", function() end)
  end)

  it("fails in finally", function()
    finally(function() error "late" end)
  end)

  describe("with a broken before_each", function()
    before_each(function() error "not ready" end)
    it("never runs", function() end)
  end)

  describe("with a broken setup", function()
    setup(function() error "no setup" end)
    it("never runs either", function() end)
  end)

  describe("with a broken after_each", function()
    after_each(function() error "not clean" end)
    it("passes all the same", function() end)
  end)

  describe("that breaks", function()
    it("is not reached", function() end)
    error "half way"
  end)

  it("runs after them all", function() end)
end)
