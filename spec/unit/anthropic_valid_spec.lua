-- Whatever a client may validly ask, Anthropic must accept what the adapter makes of it, or the adapter says why not.
-- The mock's checks of the Messages API are the judge; the requests are random, but the same each time.
local anthropic = require "adapters.anthropic"
local json = require "gateyes.json"
local support = require "messages_support"

-- The binary gives the mock its digests; a signature here only has to be the same each time.
package.preload["mock.native"] = package.preload["mock.native"] or function()
  return { sha256 = function(value) return ("%064x"):format(#value) end }
end
local judge = require "mock.messages_check"

local models = { "claude-3-5-haiku-20241022", "claude-sonnet-4-20250514", "claude-sonnet-4-5", "claude-opus-4-6",
  "claude-opus-4-7", "claude-opus-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-fable-5-1", "kimi-k2" }

local function pick(list) return list[math.random(#list)] end
local function maybe(value) if math.random(2) == 1 then return value end end

local function random_text()
  return { type = "text", text = pick { "", " ", "\n", "hello", "trailing \n", "\240\159\152\128", "{}" } }
end

local function random_part()
  return pick {
    random_text(), random_text(), { type = "image", data = "AA", media_type = "image/png" },
    { type = "image", url = "https://x.test/i.png" }, { type = "file", text = pick { "", "t" } },
    { type = "file", data = "JVBE", filename = "a.pdf" }, { type = "refusal", text = "No." },
  }
end

local function random_parts(most)
  local parts = {}
  for index = 1, math.random(0, most) do parts[index] = random_part() end
  return parts
end

local function random_reasoning()
  return pick {
    { type = "reasoning", text = "unsigned" }, { type = "reasoning", encrypted = "x", format = "responses" },
    { type = "reasoning", text = "t", signature = judge.signature "t", format = "anthropic" },
    { type = "reasoning", text = "", encrypted = "cmVkYWN0ZWQ6x", redacted = true, format = "anthropic" },
  }
end

local call_number = 0

local function random_call()
  call_number = call_number + 1
  return { type = "tool_call", id = pick { "call_", "functions.get:", "a b", ("x"):rep(90) } .. call_number,
    name = pick { "f", "g" }, arguments = pick { "", "{}", "{\"a\":1}", "[1]", "{\"a\":" }, custom = maybe(true) }
end

-- An assistant turn and, where it calls tools, the user turn that answers them.
local function add_exchange(turns)
  local said, answers = random_parts(2), random_parts(1)
  if math.random(3) == 1 then table.insert(said, 1, random_reasoning()) end
  for _ = 1, math.random(0, 2) do
    local call = random_call()
    said[#said + 1] = call
    answers[#answers + 1] = { type = "tool_result", id = call.id, parts = random_parts(2), is_error = maybe(true) }
  end
  turns[#turns + 1] = { role = "assistant", parts = said }
  turns[#turns + 1] = { role = "user", parts = answers }
end

local function random_turns()
  local turns = {}
  if math.random(4) > 1 then turns[1] = { role = "user", parts = random_parts(3) } end
  for _ = 1, math.random(0, 3) do
    add_exchange(turns)
    if math.random(3) == 1 then turns[#turns + 1] = { role = "system", parts = { random_text() } } end
    if math.random(3) == 1 then turns[#turns + 1] = { role = "user", parts = random_parts(2) } end
  end
  if math.random(5) == 1 then turns[#turns + 1] = { role = "assistant", parts = random_parts(2) } end
  if #turns == 0 then turns[1] = { role = "user", parts = random_parts(1) } end
  return turns
end

local function random_tools()
  local tools = { { type = "function", name = "f", strict = maybe(true), cache = maybe {} } }
  if maybe(true) then tools[2] = { type = "custom", name = "g" } end
  return tools
end

local function random_request()
  return {
    model = pick(models), turns = random_turns(), system = maybe { random_text(), random_text() },
    tools = maybe(random_tools()),
    tool_choice = maybe(pick { { type = "auto" }, { type = "none" }, { type = "required" },
      { type = "tool", name = "f" }, { type = "allowed", mode = "required", names = { "f" } } }),
    parallel_tool_calls = pick { true, false }, temperature = maybe(pick { 0, 1, 1.9 }), top_p = maybe(0.5),
    top_k = maybe(3), max_tokens = maybe(pick { 1, 1500, 9000 }), stop = maybe { " ", "END" },
    output = maybe(pick { { type = "text" }, { type = "json_object" },
      { type = "json_schema", schema = json.raw [[{"type":"object","properties":{}}]] } }),
    reasoning = maybe { mode = maybe(pick { "enabled", "disabled", "adaptive" }),
      effort = maybe(pick { "none", "minimal", "low", "high", "xhigh", "max" }),
      budget_tokens = maybe(pick { 5, 30000 }) },
    user = maybe "u",
  }
end

-- The mock does not know between_tools, which only the newest models take.
local function as_judged(body)
  if body.thinking and body.thinking.type == "between_tools" then body.thinking = nil end
  return body
end

local function alternates(messages)
  local last
  for _, message in ipairs(messages) do
    if message.role == last then return false end
    last = message.role
  end
  return true
end

describe("anthropic.encode with any request", function()
  it("makes one that Anthropic accepts, or says why not", function()
    math.randomseed(20)
    local refused = 0
    for _ = 1, 3000 do
      local request = random_request()
      local encoded, failure = anthropic.encode(request, support.context { info = { max_output_tokens = maybe(8192) } })
      if encoded then
        local body = json.decode(encoded.body)
        assert.is_true(alternates(body.messages))
        local wrong = judge.run(as_judged(body), { strict = true })
        assert(not wrong, wrong and wrong.message .. "\n" .. encoded.body)
      else
        refused = refused + 1
        assert.equal(400, failure.status)
        assert.is_truthy(failure.message:find("no message has any content", 1, true)
          or failure.message:find("is not among the tools", 1, true))
      end
    end
    assert.is_true(refused < 600)
  end)
end)
