local kit = require "gateyes.kit"
local text = require "gateyes.text"

describe("text.words", function()
  local words = text.words {
    hard = { "step by step", "Prove", "step", "证明", "AI模型", "докажи" }, easy = { "hi", "!" }, none = {},
  }

  local function hard(line) return words:count(line).hard end

  it("counts each word once", function()
    assert.same({ hard = 2, easy = 1, none = 0 }, words:count("Hi: prove it, PROVE it step after step. hi"))
    assert.same({ hard = 0, easy = 0, none = 0 }, words:count "")
  end)

  it("takes whole words only, and any separators between their parts", function()
    assert.equal(0, hard "steps improve")
    assert.equal(2, hard "step-by - step")
    assert.equal(1, hard "step bystep")
    assert.equal(1, hard "step by")
    assert.equal(1, hard "“step”")
  end)

  it("finds words of CJK scripts anywhere, mixed ones too", function()
    assert.equal(1, hard "请证明这个")
    assert.equal(2, hard "用ai模型来证明")
    assert.equal(1, hard "请prove一下")
    assert.equal(0, hard "证")
    assert.equal(0, hard "\228\184")
  end)

  it("knows capital letters beyond ASCII", function() assert.equal(1, hard "ДОКАЖИ это") end)

  it("refuses what is no list of words", function()
    assert.has_error(function() text.words { hard = { 7 } } end)
    assert.has_error(function() text.words { "hard" } end)
    assert.has_error(function() text.words() end)
    assert.has_error(function() words.count({}, "x") end)
  end)
end)

describe("a request", function()
  it("tells its turns and members without decoding all of them", function()
    local seen = {}
    local policy = { name = "looks" }
    function policy.on_request(request)
      seen.turns = { request.turns, #request.messages }
      seen.got, seen.none = {}, {}
      for _, path in ipairs { "metadata.team", "messages.2.content", "n", "stop.2" } do
        seen.got[#seen.got + 1] = request:get(path)
      end
      for _, path in ipairs { "", "n.x", "metadata.x", "x" } do
        seen.none[#seen.none + 1] = request:get(path) == nil
      end
      request:set("metadata.team", "b")
      seen.after = request:get "metadata.team"
    end
    local messages = {}
    for i, said in ipairs { "s", "u", "v" } do
      messages[i] = { role = i == 1 and "system" or "user", content = said }
    end
    kit.run(policy, { body = { n = 3, stop = { "x", "y" }, metadata = { team = "a" }, messages = messages } })
    assert.same({ turns = { 3, 3 }, got = { "a", "u", 3, "y" }, none = { true, true, true, true }, after = "b" }, seen)
  end)
end)

describe("a candidate", function()
  it("goes by provider, model, residency and what * stands for", function()
    local seen = {}
    local policy = { name = "looks" }
    function policy.route(_, candidates)
      for _, pattern in ipairs { "gpu", "g*", "gpu/*", "*/llama*b", "residency:local", "*" } do
        assert.is_true(candidates[1]:matches(pattern), pattern)
      end
      for _, pattern in ipairs { "gpu/llama", "gp", "residency:cloud", "" } do
        assert.is_false(candidates[1]:matches(pattern), pattern)
      end
      seen[#seen + 1] = candidates[1]:matches { "cloud", "gpu" }
      seen[#seen + 1] = candidates[1]:matches {}
      seen[#seen + 1] = candidates[1]:affinity "k" == candidates[1]:affinity "k"
    end
    kit.run(policy, { text = "x", candidates = { { name = "gpu/llama-3-70b", residency = "local" } } })
    assert.same({ true, false, true }, seen)
  end)
end)
