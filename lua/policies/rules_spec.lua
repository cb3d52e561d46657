local kit = require "gateyes.kit"
local policy = require "policies.rules"

local candidates = { { name = "gpu/m" }, { name = "openai/m" }, { name = "legal/m" } }

local function first(rules, options, settings)
  options = options or {}
  options.candidates = candidates
  options.settings = settings or {}
  options.settings.rules = rules
  return kit.run(policy, options).route[1]
end

local function holds(when, options)
  return first({ { when = when, targets = "legal" } }, options) == "legal/m"
end

local function problem(rules, settings)
  local _, why = pcall(first, rules, {}, settings)
  return tostring(why)
end

local TOOLS = { { type = "function", ["function"] = { name = "search", parameters = { type = "object" } } } }

describe("rules", function()
  after_each(function() kit.reset() end)

  it("matches names", function()
    assert.is_true(holds({ model = "gpt-*" }, { model = "gpt-4o" }))
    assert.is_false(holds({ model = "gpt-*" }, { model = "claude" }))
    assert.is_true(holds({ model = { "x", "m.1" } }, { model = "m.1" }))
    assert.is_false(holds({ model = "m.1" }, { model = "mx1" }))
    assert.is_true(holds({ user = "ann" }, { user = "ann" }))
    assert.is_false(holds({ user = "ann" }, {}))
    assert.is_true(holds({ key = "ci-*", project = "p" }, { key = "ci-1", project = "p" }))
    assert.is_true(holds({ role = "developer" }, { roles = { "viewer", "developer" } }))
  end)

  it("matches tags and headers", function()
    assert.is_true(holds({ tags = "batch" }, { tags = { "batch" } }))
    assert.is_false(holds({ tags = { "batch", "night" } }, { tags = { "batch" } }))
    assert.is_true(holds({ header = { ["x-team"] = "res*" } }, { headers = { ["x-team"] = "research" } }))
    assert.is_false(holds({ header = { ["x-team"] = "res*" } }, {}))
  end)

  it("matches sizes", function()
    local long = { text = ("word "):rep(2000) }
    assert.is_true(holds({ min_tokens = 1000 }, long))
    assert.is_false(holds({ max_tokens = 1000 }, long))
    assert.is_true(holds({ max_tokens = 1000, min_turns = 1 }, { text = "hi" }))
  end)

  it("matches what is asked for", function()
    local body = { model = "m", tools = TOOLS, response_format = { type = "json_object" },
                   messages = { { role = "user", content = "hi" } } }
    assert.is_true(holds({ tools = true, stream = true, structured_output = true, images = false },
      { body = body, stream = true }))
    assert.is_true(holds({ tools = "sea*" }, { body = body }))
    assert.is_false(holds({ tools = "calculator" }, { body = body }))
    assert.is_true(holds({ tools = false, stream = false, structured_output = false }, { text = "hi" }))
  end)

  it("matches the time", function()
    kit.now(1767222000) -- Wednesday, 2025-12-31 23:00 UTC
    assert.is_true(holds { hours = "22:00-06:00", days = "wed" })
    assert.is_false(holds { hours = "06:00-22:00" })
    assert.is_true(holds { hours = "00:00-24:00" })
    assert.is_true(holds { hours = "22:00-24:00" } ~= holds { hours = "00:00-22:00" })
    assert.equal("legal/m", first({ { when = { hours = "06:30-07:30", days = { "thu" } }, targets = "legal" } }, {},
      { utc_offset = "+08:00" }))
  end)

  it("matches text", function()
    assert.is_true(holds({ text = { "Contract", "合同" } }, { text = "Read this CONTRACT" }))
    assert.is_true(holds({ text = "合同" }, { text = "请看合同" }))
    assert.is_false(holds({ text = "合同" }, { text = "contract" }))
  end)

  it("lets the first row decide, or all", function()
    local rules = { { when = { stream = true }, targets = "gpu" }, { targets = "legal" }, { targets = "openai" } }
    assert.equal("legal/m", first(rules))
    local options = { candidates = candidates, settings = { rules = rules, match = "all" } }
    assert.same({ "legal/m", "openai/m", "gpu/m" }, kit.run(policy, options).route)
  end)

  it("narrows with only", function()
    local rules = { { targets = { "openai", "legal" }, only = true } }
    local options = { candidates = candidates, settings = { rules = rules } }
    assert.same({ "openai/m", "legal/m" }, kit.run(policy, options).route)
  end)

  it("reads JSON", function()
    assert.equal("openai/m", first('[{"when":{"tools":false},"targets":"openai"}]', { text = "hi" }))
    assert.is_truthy(problem("[{"):find("no JSON", 1, true))
  end)

  it("says what is wrong", function()
    local function says(part, rules, settings)
      assert.is_truthy(problem(rules, settings):find(part, 1, true))
    end
    says("rules[1].when.tokens: is no condition", { { when = { tokens = 5 }, targets = "gpu" } })
    says("rules[1].when.hours", { { when = { hours = "25:00-26:00" }, targets = "gpu" } })
    says("rules[1].targets", { { when = {} } })
    says("rules[1].target: is not known", { { target = "gpu", targets = "gpu" } })
    says("utc_offset", { { targets = "gpu" } }, { utc_offset = "8" })
    says("at least one", {})
  end)
end)
