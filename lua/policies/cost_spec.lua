local kit = require "gateyes.kit"
local policy = require "policies.cost"

local local_gpu = { name = "gpu/m", input_price = 100, output_price = 100, context_tokens = 8192 }
local cheap_input = { name = "in/m", input_price = 10, output_price = 10000 }
local cheap_output = { name = "out/m", input_price = 1000, output_price = 200 }
local unknown = { name = "free/m" }

local function route(options) return kit.run(policy, options).route end

describe("cost", function()
  it("chooses the cheapest", function()
    assert.same({ "gpu/m", "out/m", "in/m" },
      route { text = "hi", candidates = { cheap_input, cheap_output, local_gpu } })
  end)

  it("looks at how long the answer may be", function()
    local body = { model = "m", max_tokens = 1, messages = { { role = "user", content = ("word "):rep(2000) } } }
    assert.equal("in/m", route { body = body, candidates = { cheap_output, cheap_input } }[1])
  end)

  it("leaves out a context that is too short", function()
    assert.same({ "out/m" }, route { text = ("word "):rep(20000), candidates = { local_gpu, cheap_output } })
  end)

  it("leaves out what lacks a capability", function()
    local tools = { { type = "function", ["function"] = { name = "f", parameters = { type = "object" } } } }
    local body = { model = "m", tools = tools, messages = { { role = "user", content = "hi" } } }
    local plain = { name = "plain/m", input_price = 1, output_price = 1, capabilities = { "images" } }
    local able = { name = "able/m", input_price = 9, output_price = 9, capabilities = { "tools" } }
    assert.same({ "able/m" }, route { body = body, candidates = { plain, able } })
    assert.same({ "plain/m", "able/m" }, route { text = "hi", candidates = { able, plain } })
  end)

  it("puts targets without a price last, or nowhere", function()
    assert.same({ "gpu/m", "free/m" }, route { text = "hi", candidates = { unknown, local_gpu } })
    local settings = { unpriced = "never" }
    assert.same({ "gpu/m" }, route { text = "hi", candidates = { unknown, local_gpu }, settings = settings })
  end)
end)
