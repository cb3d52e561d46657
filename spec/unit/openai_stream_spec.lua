local json = require "gateyes.json"
local adapter = require "adapters.openai"
local dialect = require "dialects.chat"
local kit = require "chat_kit"

local function chunk(delta, reason, more)
  local choice = { index = 0, delta = delta, finish_reason = reason }
  for name, value in pairs(more or {}) do choice[name] = value end
  return json.encode { id = "r", created = 5, model = "m", choices = { choice } }
end

local function call(index, id, name, arguments)
  return { tool_calls = { { index = index, id = id, type = "function",
    ["function"] = { name = name, arguments = arguments } } } }
end

local function events(frames, overrides)
  return kit.events(adapter, kit.context(overrides), frames)
end

-- Through the adapter and out to a chat client, as that client understands it.
local function folded(frames, overrides)
  return kit.fold(kit.encode_all(dialect, kit.context { include_usage = true }, events(frames, overrides)))
end

local function kinds(list)
  local names = {}
  for i, event in ipairs(list) do names[i] = event.type end
  return names
end

describe("openai adapter, streams", function()
  it("gives one event after the other", function()
    assert.same({
      { type = "start", id = "r", model = "m", created = 5 },
      { type = "part_start", index = 0, choice = 0, part = { type = "text" } },
      { type = "part_delta", index = 0, choice = 0, text = "Hi" },
      { type = "part_delta", index = 0, choice = 0, text = " you" },
      { type = "part_stop", index = 0, choice = 0 },
      { type = "finish", choice = 0, reason = "stop" },
      { type = "usage", usage = { input = 10, output = 3 } },
      { type = "end" },
    }, events { chunk { role = "assistant", content = "" }, chunk { content = "Hi" }, chunk { content = " you" },
      chunk({}, "stop"), '{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":3}}', "[DONE]" })
  end)

  it("takes usage from the last chunk, from its own, and from x_groq", function()
    local usage = '"usage":{"prompt_tokens":10,"completion_tokens":3}'
    for _, last in ipairs {
      '{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],' .. usage .. "}",
      '{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"q",' .. usage .. "}}",
    } do
      local _, seen = folded { chunk { content = "x" }, last, "[DONE]" }
      assert.same({ prompt_tokens = 10, completion_tokens = 3, total_tokens = 13 }, seen)
    end
  end)

  it("keeps the order of reasoning, text and calls", function()
    local list = events { chunk { reasoning_content = "a" }, chunk { reasoning_content = "b" },
      chunk { content = "c" }, chunk(call(0, "t", "f", "{}")), chunk({}, "tool_calls"), "[DONE]" }
    assert.same({ "start", "part_start", "part_delta", "part_delta", "part_stop", "part_start", "part_delta",
      "part_stop", "part_start", "part_delta", "part_stop", "finish", "end" }, kinds(list))
    assert.equal("reasoning", list[2].part.type)
    assert.equal(2, list[9].index)
    assert.equal("tool_calls", list[12].reason)
  end)

  it("reads reasoning under its other names, with what has to come back", function()
    local message = folded({ chunk { reasoning = "a", reasoning_details = { { type = "reasoning.text", text = "a",
      index = 0 } } }, chunk { reasoning_details = { { type = "reasoning.text", signature = "sig", index = 0 } } },
      chunk { content = "x" }, chunk({}, "stop"), "[DONE]" })[0]
    assert.equal("a", message.reasoning_content)
    assert.equal("sig", message.details[1].signature)
    message = folded({ chunk { reasoning_details = { { type = "reasoning.summary", summary = "s" } } },
      chunk { content = { { type = "thinking", thinking = { { type = "text", text = "t" } } } } },
      chunk { content = { { type = "text", text = "x" } } }, chunk({}, "stop"), "[DONE]" })[0]
    assert.equal("st", message.reasoning_content)
    assert.equal("x", message.content)
  end)

  it("keeps interleaved calls apart", function()
    local message = folded({ chunk(call(0, "a", "f", "")), chunk(call(1, "b", "g", "")),
      chunk(call(1, nil, nil, '{"y":')), chunk(call(0, nil, nil, '{"x":1}')), chunk(call(1, nil, nil, "2}")),
      chunk({}, "tool_calls"), "[DONE]" })[0]
    assert.same({ { id = "a", name = "f", arguments = '{"x":1}' }, { id = "b", name = "g", arguments = '{"y":2}' } },
      message.calls)
  end)

  it("ends a call as soon as the next begins and its arguments are whole", function()
    local list = events { chunk(call(0, "a", "f", '{"x":1}')), chunk(call(1, "b", "g", "{}")),
      chunk({}, "tool_calls"), "[DONE]" }
    assert.same({ "start", "part_start", "part_delta", "part_stop", "part_start", "part_delta", "part_stop", "finish",
      "end" }, kinds(list))
  end)

  it("makes up ids and finds the call where index or id is missing", function()
    local message = folded({ chunk { tool_calls = { { ["function"] = { name = "f", arguments = '{"x":' } } } },
      chunk { tool_calls = { { ["function"] = { arguments = "1}" } } } },
      chunk { tool_calls = { { ["function"] = { name = "g", arguments = "{}" } } } },
      chunk({}, "tool_calls"), "[DONE]" })[0]
    assert.same({ { id = "call_1", name = "f", arguments = '{"x":1}' }, { id = "call_2", name = "g",
      arguments = "{}" } }, message.calls)
  end)

  it("tells whole calls apart that all have index 0", function()
    local message = folded({ chunk(call(0, "a", "f", '{"x":1}')), chunk(call(0, "b", "f", '{"x":2}')),
      chunk({}, "tool_calls"), "[DONE]" })[0]
    assert.same({ { id = "a", name = "f", arguments = '{"x":1}' }, { id = "b", name = "f", arguments = '{"x":2}' } },
      message.calls)
  end)

  it("takes an id and a name that are repeated for the same call", function()
    local message = folded({ chunk(call(0, "a", "f", '{"x":')), chunk(call(0, "a", "f", "1}")),
      chunk({}, "tool_calls"), "[DONE]" })[0]
    assert.same({ { id = "a", name = "f", arguments = '{"x":1}' } }, message.calls)
  end)

  it("streams a deprecated function_call as a call", function()
    local message = folded({ chunk { function_call = { name = "f", arguments = "" } },
      chunk { function_call = { arguments = "{}" } }, chunk({}, "function_call"), "[DONE]" })[0]
    assert.same({ { id = "call_1", name = "f", arguments = "{}" } }, message.calls)
    assert.equal("tool_calls", message.finish)
  end)

  it("gives back free-form tools that went out as functions", function()
    local list = events({ chunk(call(0, "a", "patch", '{"inp')), chunk(call(0, nil, nil, 'ut":"x\\ny"}')),
      chunk({}, "tool_calls"), "[DONE]" }, { provider = { preset = "vllm" }, request = { tools = { { type = "custom",
      name = "patch" } } } })
    assert.is_true(list[2].part.custom)
    assert.same({ type = "part_delta", index = 0, choice = 0, arguments = "x\ny" }, list[3])
    assert.equal("part_stop", list[4].type)
  end)

  it("keeps choices apart and waits for all of them", function()
    local frames = { chunk({ content = "a" }, nil, { index = 0 }), chunk({ content = "b" }, nil, { index = 1 }),
      chunk({}, "stop", { index = 1 }) }
    local list = events(frames)
    assert.equal("error", list[#list].type)
    frames[4] = chunk({}, "length", { index = 0 })
    local choices = folded(frames)
    assert.equal("a", choices[0].content)
    assert.equal("length", choices[0].finish)
    assert.equal("b", choices[1].content)
    assert.equal("stop", choices[1].finish)
  end)

  it("passes refusals, audio, log probabilities and annotations on", function()
    local list = events { chunk({ content = "x" }, nil, { logprobs = { content = json.array {} } }),
      chunk { annotations = { { type = "url_citation", url_citation = { url = "u" } } } }, chunk { refusal = "no" },
      chunk { audio = { id = "audio_1", transcript = "hi" } }, chunk { audio = { data = "QUJD" } },
      chunk({}, "stop"), "[DONE]" }
    assert.equal('{"content":[]}', json.raw_text(list[3].logprobs))
    assert.equal("u", kit.plain(list[4].citation).url_citation.url)
    assert.equal("refusal", list[6].part.type)
    assert.same({ type = "audio", id = "audio_1" }, list[9].part)
    assert.equal("hi", list[10].transcript)
    assert.equal("QUJD", list[11].audio)
  end)
end)

describe("openai adapter, ends of streams", function()
  it("takes a stream without [DONE] for a cut one, whatever finish_reason came", function()
    local list = events { chunk { content = "x" }, chunk({}, "stop") }
    assert.equal("error", list[#list].type)
    assert.equal("upstream_cut", list[#list].failure.code)
  end)

  it("takes [DONE] for the end where no finish_reason came, or an empty one", function()
    for _, reason in ipairs { "", false } do
      local frames = { chunk { content = "x" }, chunk({}, reason or nil), "[DONE]" }
      local list = events(frames)
      assert.same({ "finish", "end" }, { list[#list - 1].type, list[#list].type })
    end
    local list = events { chunk(call(0, "a", "f", "{}")), " [DONE] " }
    assert.equal("tool_calls", list[#list - 1].reason)
  end)

  it("says that a stream was cut", function()
    for _, frames in ipairs { {}, { chunk { content = "x" } }, { chunk { role = "assistant", content = "" } } } do
      local list = events(frames)
      assert.equal("error", list[#list].type)
      assert.equal("upstream_cut", list[#list].failure.code)
    end
  end)

  it("ends with an error of the provider, and with nothing after it", function()
    local list = events { chunk { content = "x" }, '{"error":{"message":"overloaded","code":503}}',
      chunk { content = "y" }, "[DONE]" }
    assert.equal("error", list[#list].type)
    assert.equal("overloaded", list[#list].failure.message)
    assert.equal(503, list[#list].failure.status)
    list = events { '{"error":"boom"}' }
    assert.equal("boom", list[1].failure.message)
    assert.equal(1, #list)
  end)

  it("does not take rubbish for a chunk", function()
    for _, data in ipairs { "{", "[]", "null", "hello", '"x"' } do
      local list = events { data }
      assert.equal("error", list[1].type)
      assert.equal("upstream_protocol", list[1].failure.code)
      assert.equal(1, #list)
    end
    local list = events { "[DONE]" }
    assert.equal("upstream_protocol", list[1].failure.code)
  end)

  it("ignores what follows a finish_reason", function()
    local list = events { chunk { content = "x" }, chunk({}, "stop"), chunk({ content = "y" }, "stop"), "[DONE]" }
    assert.same({ "start", "part_start", "part_delta", "part_stop", "finish", "end" }, kinds(list))
  end)
end)

describe("openai adapter, any interleaving", function()
  -- Splits each call's arguments into pieces and deals the pieces out in a random order that keeps each call's own.
  local function deal(calls, random)
    local frames, queues = {}, {}
    for i, each in ipairs(calls) do
      local queue = { call(i - 1, each.id, each.name, "") }
      local at = 1
      while at <= #each.arguments do
        local size = 1 + random() % 4
        queue[#queue + 1] = call(i - 1, nil, nil, each.arguments:sub(at, at + size - 1))
        at = at + size
      end
      queues[i] = queue
    end
    while #queues > 0 do
      local pick = 1 + random() % #queues
      frames[#frames + 1] = chunk(table.remove(queues[pick], 1))
      if #queues[pick] == 0 then table.remove(queues, pick) end
    end
    frames[#frames + 1] = chunk({}, "tool_calls")
    return frames
  end

  it("arrives whole, each part started once and stopped once before the finish", function()
    for seed = 1, 200 do
      local random = kit.random(seed, 1000)
      local calls = {}
      for i = 1, 1 + random() % 5 do
        calls[i] = { id = "id" .. i, name = "f" .. random() % 3,
          arguments = json.encode { n = random(), t = "a}{\"\\" } }
      end
      local frames = deal(calls, random)
      local open, finished = {}, false
      for _, event in ipairs(events(frames)) do
        if event.type == "part_start" then
          assert.is_nil(open[event.index])
          open[event.index] = "open"
        elseif event.type == "part_delta" then
          assert.equal("open", open[event.index])
        elseif event.type == "part_stop" then
          assert.equal("open", open[event.index])
          open[event.index] = "stopped"
        elseif event.type == "finish" then
          finished = true
          for _, state in pairs(open) do assert.equal("stopped", state) end
        end
      end
      assert.is_true(finished)
      local order = {}
      for i, each in ipairs(calls) do order[each.id] = calls[i] end
      for _, got in ipairs(folded(frames)[0].calls) do
        assert.same(order[got.id], got)
        order[got.id] = nil
      end
      assert.is_nil(next(order))
    end
  end)
end)
