local kit = require "gateyes.kit"
local policy = require "policies.complexity"

local candidates = { { name = "gpu/m", residency = "local" }, { name = "openai/m", residency = "cloud" } }

local function run(options)
  options.candidates = candidates
  return kit.run(policy, options)
end

local function level(text) return run({ text = text }).tags.complexity end

describe("complexity", function()
  before_each(function() kit.reset() end)

  for _, text in ipairs {
    "Hi there!", "Thanks", "What is the capital of France?", "Translate 'good morning' into Spanish.",
    "你好", "谢谢！", "“苹果”用英语怎么说？请翻译", "こんにちは", "Summarize: the meeting is at 3 pm.", "",
  } do
    it("calls simple: " .. text, function() assert.equal("simple", level(text)) end)
  end

  for _, text in ipairs {
    "Prove step by step that the algorithm is correct, and derive its worst case.",
    "Refactor this function, then add a unit test:\n```python\nimport os\ndef f(x): return x\n```",
    "请逐步证明这个定理，并分析算法的复杂度。",
    "Compare and contrast a distributed database with a single one; justify the trade offs in latency and throughput.",
    "このアルゴリズムの計算量を段階的に証明してください。",
  } do
    it("calls hard: " .. text, function() assert.equal("hard", level(text)) end)
  end

  it("finds words of one script amid those of another", function()
    assert.equal("hard", level("请用python写一个function，然后debug并refactor"))
  end)

  it("sends simple tasks home and hard ones away", function()
    assert.same({ "gpu/m", "openai/m" }, run({ text = "hi" }).route)
    local hard = "Prove step by step why the algorithm and its proof hold"
    assert.same({ "openai/m", "gpu/m" }, run({ text = hard }).route)
  end)

  it("says why", function()
    local why
    for _, line in ipairs(run({ text = "Prove it step by step." }).trace) do
      why = (why or "") .. (line.why or "")
    end
    assert.is_truthy(why:find("words of reasoning", 1, true))
  end)

  it("looks at the conversation", function()
    local tools = {}
    for i = 1, 12 do
      tools[i] = { type = "function", ["function"] = { name = "tool" .. i, parameters = { type = "object" } } }
    end
    local content = { { type = "text", text = "Analyze this" },
                      { type = "image_url", image_url = { url = "data:image/png;base64,AAAA" } } }
    local body = { model = "m", tools = tools, response_format = { type = "json_object" },
                   messages = { { role = "user", content = content } } }
    assert.equal("hard", run({ body = body }).tags.complexity)
  end)

  it("keeps a session at the strong model while the score is near", function()
    local hard = { text = "Refactor this function: ```def f(): return 1``` and prove it step by step.", session = "s" }
    assert.equal("hard", run(hard).tags.complexity)
    assert.equal("hard", run({ text = "Debug the code: ```x```", session = "s" }).tags.complexity)
    assert.equal("simple", run({ text = "thanks", session = "s" }).tags.complexity)
    assert.equal("simple", run({ text = "Debug the code: ```x```", session = "other" }).tags.complexity)
  end)

  it("does not go down while the history holds tool calls", function()
    local call = { id = "c", type = "function", ["function"] = { name = "f", arguments = "{}" } }
    local messages = {
      { role = "user", content = "Look it up" }, { role = "assistant", content = "", tool_calls = { call } },
      { role = "tool", tool_call_id = "c", content = "42" }, { role = "user", content = "thanks" },
    }
    assert.equal("hard", run({ body = { model = "m", messages = messages } }).tags.complexity)
  end)

  it("takes words of the operator", function()
    local settings = { hard_words = { "project borealis" } }
    assert.equal("hard", run({ text = "Tell me of Project Borealis", settings = settings }).tags.complexity)
  end)

  it("can leave the other side out", function()
    assert.same({ "gpu/m" }, run({ text = "hi", settings = { only = true } }).route)
  end)
end)
