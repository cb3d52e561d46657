local kit = require "gateyes.kit"
local policy = require "policies.projects"

local settings = { words = { "Project Nightingale", "夜莺计划" } }

describe("projects", function()
  it("finds the names in whatever spelling", function()
    for _, text in ipairs { "How is project nightingale?", "夜莺计划进展如何", "ＰＲＯＪＥＣＴ Nightingale" } do
      assert.equal("local", kit.run(policy, { text = text, settings = settings }).residency, text)
    end
  end)

  it("looks into tool results, too", function()
    local body = { model = "m", messages = {
      { role = "user", content = "Sum up the file" },
      { role = "tool", tool_call_id = "c1", content = "Minutes of Project Nightingale" },
    } }
    assert.equal("local", kit.run(policy, { body = body, settings = settings }).residency)
  end)

  it("lets birds fly", function()
    assert.is_nil(kit.run(policy, { text = "The song of the nightingale", settings = settings }).residency)
  end)
end)
