-- Everything that busted's users reach for; it must pass under busted and under `gateyes test` alike.
local words = require "lib.words"

describe("the spec kit", function()
  local log = {}

  setup(function() log[#log + 1] = "setup" end)
  teardown(function() log[#log + 1] = "teardown" end)
  before_each(function() log[#log + 1] = "before" end)
  after_each(function() log[#log + 1] = "after" end)

  it("runs setup once and before_each each time", function()
    assert.same({ "setup", "before" }, log)
  end)

  context("nested", function()
    lazy_setup(function() log[#log + 1] = "lazy" end)
    before_each(function() log[#log + 1] = "inner before" end)
    after_each(function() log[#log + 1] = "inner after" end)

    it("runs the outer before the inner", function()
      assert.same({ "setup", "before", "after", "lazy", "before", "inner before" }, log)
    end)

    it("runs the inner after_each first", function()
      assert.same({ "inner after", "after", "before", "inner before" },
        { log[#log - 3], log[#log - 2], log[#log - 1], log[#log] })
    end)
  end)

  it("asserts as luassert does", function()
    assert(true)
    assert.equal(3, words.count "a b c")
    assert.are_not.equal(2, words.count "a b c")
    assert.is_true(1 == 1)
    assert.is_nil(nil)
    assert.is_table {}
    assert.is.truthy "x"
    assert.near(1.0, 1.01, 0.1)
    assert.has_error(function() error("no", 0) end, "no")
    assert.has_no.errors(function() words.count "" end)
    assert.error_matches(function() error "what is wrong" end, "is wrong")
    assert.matches("%d+", "abc 12")
    assert.unique { 1, 2, 3 }
    assert.same({ a = { b = { 1, 2 } } }, { a = { b = { 1, 2 } } })
    assert.is_not.same({ 1 }, { 2 })
    assert.returned_arguments(2, (function() return 1, 2 end)())
  end)

  it("says what was expected", function()
    local ok, message = pcall(function() assert.equal("one", "two") end)
    assert.is_false(ok)
    if type(message) == "table" then message = message.message end
    assert.matches("words_spec%.lua:%d+: Expected objects to be equal", tostring(message))
    assert.matches("%(string%) 'two'", tostring(message))
  end)

  it("spies", function()
    local seen = spy.new(function() end)
    words.each("x y", seen)
    assert.spy(seen).was.called(2)
    assert.spy(seen).was.called_with "x"
    assert.spy(seen).was_not.called_with "z"
    assert.spy(seen).was_called_with(match.is_string())
    local on = spy.on(words, "count")
    assert.equal(2, words.count "a b")
    assert.spy(on).was_called(1)
    words.count:revert()
  end)

  it("stubs and mocks", function()
    stub(words, "count").returns(42)
    assert.equal(42, words.count "a")
    assert.stub(words.count).was.called_with "a"
    words.count:revert()
    assert.equal(1, words.count "a")
    local fake = mock({ run = function() return 7 end }, true)
    fake.run "now"
    assert.stub(fake.run).was.called_with "now"
    mock.revert(fake)
  end)

  it("takes snapshots back", function()
    local snapshot = assert:snapshot()
    stub(words, "count")
    snapshot:revert()
    assert.equal(2, words.count "a b")
  end)

  local finished
  it("calls finally", function()
    finally(function() finished = true end)
    assert.is_nil(finished)
  end)
  it("called finally", function() assert.is_true(finished) end)

  it("extends assert", function()
    assert:register("assertion", "even", function(_, arguments) return arguments[1] % 2 == 0 end,
      "assertion.same.positive", "assertion.same.negative")
    assert.even(2)
    assert.is_not.even(3)
  end)

  pending("is not written yet", function() end)
  it("is not ready", function() pending "later" end)
end)

insulate("globals of an insulated block", function()
  _G.left_behind = true
  it("are seen inside", function() assert.is_true(_G.left_behind) end)
end)

describe("globals of an insulated block", function()
  it("are gone outside", function() assert.is_nil(_G.left_behind) end)
end)
