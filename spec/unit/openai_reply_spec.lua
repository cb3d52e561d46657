local json = require "gateyes.json"
local adapter = require "adapters.openai"
local kit = require "chat_kit"

local function decode(body, overrides)
  local text = type(body) == "string" and body or json.encode(body)
  return adapter.decode(text, kit.context(overrides))
end

local function choice_of(message, reason, more)
  local choice = { index = 0, message = message, finish_reason = reason }
  for name, value in pairs(more or {}) do choice[name] = value end
  local reply, failure = decode { id = "r", choices = { choice } }
  assert(reply, failure and failure.message)
  return reply.choices[1]
end

describe("openai adapter, replies", function()
  it("reads a whole reply", function()
    local reply = decode [[{"id":"chatcmpl-9","object":"chat.completion","created":7,"model":"gpt-4o-2024",
      "service_tier":"default","system_fingerprint":"fp","citations":["u"],"nothing":null,
      "choices":[{"index":0,"message":{"role":"assistant","content":"Hi","refusal":null,"annotations":[]},
      "logprobs":{"content":[{"token":"Hi"}]},"finish_reason":"stop"}],
      "usage":{"prompt_tokens":40,"completion_tokens":4,"total_tokens":44,
      "prompt_tokens_details":{"cached_tokens":12,"cache_write_tokens":13}}}]]
    assert.equal("chatcmpl-9", reply.id)
    assert.equal("gpt-4o-2024", reply.model)
    assert.equal(7, reply.created)
    assert.equal("default", reply.service_tier)
    assert.equal("fp", reply.system_fingerprint)
    assert.same({ input = 15, cache_read = 12, cache_write_5m = 13, output = 4 }, reply.usage)
    assert.same({ { type = "text", text = "Hi" } }, reply.choices[1].parts)
    assert.equal("stop", reply.choices[1].finish)
    assert.equal('{"content":[{"token":"Hi"}]}', json.raw_text(reply.choices[1].logprobs))
    assert.same({ citations = { "u" } }, kit.plain(reply.extra))
    assert.equal("chat", reply.extra_format)
  end)

  it("takes the least that a server may send", function()
    local reply = decode '{"choices":[{"message":{"content":"This is a test."}}]}'
    assert.same({ { type = "text", text = "This is a test." } }, reply.choices[1].parts)
    assert.equal("stop", reply.choices[1].finish)
    assert.equal(0, reply.choices[1].index)
    assert.is_nil(reply.id)
    assert.is_nil(reply.usage)
  end)

  it("knows every word for an ending", function()
    local words = { stop = "stop", length = "length", content_filter = "content_filter", tool_calls = "tool_calls",
      function_call = "tool_calls", model_length = "length", eos = "stop", error = "error", abort = "error",
      insufficient_system_resource = "error", [""] = "stop", unheard_of = "stop" }
    for word, finish in pairs(words) do assert.equal(finish, choice_of({ content = "x" }, word).finish) end
    assert.equal("stop", choice_of({ content = "x" }, json.null).finish)
  end)

  it("says stop_sequence where the server names the string", function()
    local choice = choice_of({ content = "x" }, "stop", { stop_reason = "END" })
    assert.equal("stop_sequence", choice.finish)
    assert.equal("END", choice.stop_sequence)
    assert.equal("stop", choice_of({ content = "x" }, "stop", { stop_reason = 128009 }).finish)
  end)

  it("reads calls, whatever is missing", function()
    local choice = choice_of({ content = json.null, tool_calls = {
      { id = "a", type = "function", ["function"] = { name = "f", arguments = '{"x": 1}' } },
      { id = "", type = "function", ["function"] = { name = "g", arguments = { y = 2 } } },
      { type = "custom", id = "c", custom = { name = "h", input = "text" } },
      { id = "d", ["function"] = {} } } }, "stop")
    assert.equal("tool_calls", choice.finish)
    assert.same({
      { type = "tool_call", id = "a", name = "f", arguments = '{"x": 1}' },
      { type = "tool_call", id = "call_1", name = "g", arguments = '{"y":2}' },
      { type = "tool_call", id = "c", name = "h", arguments = "text", custom = true },
    }, choice.parts)
    local legacy = choice_of({ content = json.null, function_call = { name = "f", arguments = "{}" } }, "function_call")
    assert.same({ { type = "tool_call", id = "call_1", name = "f", arguments = "{}" } }, legacy.parts)
    assert.equal("tool_calls", legacy.finish)
  end)

  it("gives back free-form tools that went out as functions", function()
    local context = { provider = { preset = "vllm" }, request = { tools = { { type = "custom", name = "patch" } } } }
    local reply = decode({ choices = { { message = { tool_calls = { { id = "a", ["function"] = { name = "patch",
      arguments = '{"input":"*** Begin\\n"}' } } } } } } }, context)
    assert.same({ type = "tool_call", id = "a", name = "patch", arguments = "*** Begin\n", custom = true },
      reply.choices[1].parts[1])
  end)

  it("reads reasoning under each of its names", function()
    for _, name in ipairs { "reasoning_content", "reasoning" } do
      assert.same({ { type = "reasoning", text = "t", format = "chat" }, { type = "text", text = "x" } },
        choice_of({ content = "x", [name] = "t" }, "stop").parts)
    end
    assert.same({ { type = "reasoning", text = "t", signature = "s", format = "anthropic" },
      { type = "text", text = "x" } }, choice_of({ content = "x", reasoning = "t", reasoning_details = {
        { type = "reasoning.text", text = "t", signature = "s", format = "anthropic-claude-v1" } } }, "stop").parts)
    assert.same({ { type = "reasoning", text = "t", format = "chat" }, { type = "text", text = "x" } },
      choice_of({ content = { { type = "thinking", thinking = { { type = "text", text = "t" } } },
        { type = "text", text = "x" } } }, "stop").parts)
  end)

  it("reads refusals, audio and annotations", function()
    local choice = choice_of({ content = "x", refusal = "no", annotations = { { type = "url_citation" } },
      audio = { id = "audio_1", data = "QUJD", transcript = "hi", expires_at = 9 } }, "stop")
    assert.same({ { type = "url_citation" } }, kit.plain(choice.parts[1].annotations))
    assert.same({ type = "refusal", text = "no" }, choice.parts[2])
    assert.same({ type = "audio", id = "audio_1", data = "QUJD", transcript = "hi", expires_at = 9 }, choice.parts[3])
  end)

  it("does not take an error with status 200 for a reply", function()
    local reply, failure = decode { error = { code = 429, message = "slow down" } }
    assert.is_nil(reply)
    assert.equal(429, failure.status)
    assert.equal("rate_limit_error", failure.type)
    assert.equal("slow down", failure.message)
    for _, body in ipairs { "<html>", "{}", '{"choices":[]}', "[]" } do
      reply, failure = decode(body)
      assert.is_nil(reply)
      assert.equal("upstream_protocol", failure.code)
      assert.equal(502, failure.status)
    end
  end)
end)

describe("openai adapter, errors", function()
  local function failure(status, body)
    return adapter.decode_error(status, {}, type(body) == "string" and body or json.encode(body))
  end

  it("keeps status, message, param and code", function()
    assert.same({ status = 400, type = "invalid_request_error", message = "too long", param = "messages",
      code = "context_length_exceeded" }, failure(400, { error = { message = "too long", param = "messages",
      type = "invalid_request_error", code = "context_length_exceeded" } }))
  end)

  it("gives every status its meaning", function()
    local types = { [400] = "invalid_request_error", [401] = "authentication_error", [402] = "billing_error",
      [403] = "permission_error", [404] = "not_found_error", [408] = "timeout_error", [409] = "invalid_request_error",
      [413] = "request_too_large", [422] = "invalid_request_error", [429] = "rate_limit_error", [500] = "api_error",
      [502] = "api_error", [503] = "overloaded_error", [504] = "timeout_error" }
    for status, kind in pairs(types) do
      local got = failure(status, { error = { message = "m" } })
      assert.equal(kind, got.type)
      assert.equal(status, got.status)
    end
  end)

  it("tells a quota that is used up from a rate", function()
    assert.equal("billing_error", failure(429, { error = { message = "m", type = "insufficient_quota",
      code = "insufficient_quota" } }).type)
  end)

  it("reads the forms of other servers", function()
    assert.equal("model not found", failure(404, { error = "model not found" }).message)
    assert.equal("bad", failure(400, { object = "error", message = "bad", code = 400 }).message)
    assert.is_nil(failure(400, { object = "error", message = "bad", code = 400 }).code)
    assert.equal("bad", failure(400, "[" .. json.encode { error = { code = 400, message = "bad" } } .. "]").message)
    assert.equal("Not Found", failure(404, { detail = "Not Found" }).message)
    local invalid = failure(422, { detail = { { loc = { "body", "messages", 0 }, msg = "field required" } } })
    assert.equal("field required", invalid.message)
    assert.equal("messages.0", invalid.param)
  end)

  it("keeps pages of HTML from the client", function()
    assert.equal("The provider answered with status 502", failure(502, "<html><body>Bad gateway</body></html>").message)
    assert.equal("The provider answered with status 500", failure(500, "").message)
    assert.equal("The provider answered with status 503", failure(503, "no answer from 10.1.2.3:8000\n").message)
    assert.equal("prompt too long", failure(400, "prompt too long\n").message)
    assert.equal("The provider answered with status 500", failure(500, ("x"):rep(5000)).message)
  end)
end)
