local kit = require "gateyes.kit"
local policy = require "policies.translations"

local candidates = {
  { name = "openai/gpt-4o", residency = "cloud" }, { name = "gpu/llama-3.1-8b-instruct", residency = "local" },
}

local function first(text)
  return kit.run(policy, { text = text, candidates = candidates }).route[1]
end

describe("translations", function()
  it("go to our own model", function()
    assert.equal("gpu/llama-3.1-8b-instruct", first "Translate this contract into German: ...")
    assert.equal("gpu/llama-3.1-8b-instruct", first "请翻译下面的合同")
  end)

  it("leave everything else as it was", function()
    assert.equal("openai/gpt-4o", first "Which translations of Faust are there?")
  end)
end)
