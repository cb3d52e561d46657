local json = require "gateyes.json"
local dialect = require "dialects.chat"
local kit = require "chat_kit"

local function encode(reply, overrides)
  return kit.json(dialect.encode(reply, kit.context(overrides)))
end

local function one(parts, finish, more)
  local reply = { id = "r", model = "m", created = 5, choices = { { index = 0, parts = parts, finish = finish } } }
  for name, value in pairs(more or {}) do reply[name] = value end
  return reply
end

local function stream(events, overrides)
  return kit.encode_all(dialect, kit.context(overrides), events)
end

describe("chat dialect, replies", function()
  it("writes the object that OpenAI documents", function()
    local text = dialect.encode(one({ { type = "text", text = "a" }, { type = "text", text = "b" } }, "stop",
      { usage = { input = 15, cache_read = 12, cache_write_5m = 13, output = 4 }, service_tier = "default",
        system_fingerprint = "fp" }), kit.context())
    assert.is_truthy(text:find('"refusal":null', 1, true))
    assert.is_truthy(text:find('"logprobs":null', 1, true))
    assert.same({
      id = "r", object = "chat.completion", created = 5, model = "m", service_tier = "default",
      system_fingerprint = "fp",
      choices = { { index = 0, message = { role = "assistant", content = "ab" }, finish_reason = "stop" } },
      usage = { prompt_tokens = 40, completion_tokens = 4, total_tokens = 44,
        prompt_tokens_details = { cached_tokens = 12, cache_write_tokens = 13 } },
    }, kit.json(text))
  end)

  it("makes up an id and a date where the provider gave none", function()
    local body = encode { choices = { { index = 0, parts = {}, finish = "stop" } } }
    assert.equal("chatcmpl-1", body.id)
    assert.equal(1700000000, body.created)
    assert.equal("gpt-4o", body.model)
  end)

  it("knows a word for every finish", function()
    local words = { stop = "stop", stop_sequence = "stop", pause = "stop", length = "length",
      context_length = "length", tool_calls = "tool_calls", content_filter = "content_filter",
      refusal = "content_filter", error = "error" }
    for finish, word in pairs(words) do
      assert.equal(word, encode(one({ { type = "text", text = "x" } }, finish)).choices[1].finish_reason)
    end
  end)

  it("writes calls, with an empty object for arguments that are missing", function()
    local text = dialect.encode(one({ { type = "tool_call", id = "a", name = "f", arguments = "" },
      { type = "tool_call", id = "b", name = "g", arguments = "x = 1", custom = true } }, "tool_calls"), kit.context())
    assert.is_truthy(text:find('"content":null', 1, true))
    assert.same({ { id = "a", type = "function", ["function"] = { name = "f", arguments = "{}" } },
      { id = "b", type = "custom", custom = { name = "g", input = "x = 1" } } },
      kit.json(text).choices[1].message.tool_calls)
  end)

  it("answers a client of functions with function_call", function()
    local body = encode(one({ { type = "tool_call", id = "a", name = "f", arguments = "{}" } }, "tool_calls"),
      { request = { fields = { tools = "functions" } } })
    assert.same({ name = "f", arguments = "{}" }, body.choices[1].message.function_call)
    assert.is_nil(body.choices[1].message.tool_calls)
    assert.equal("function_call", body.choices[1].finish_reason)
  end)

  it("carries reasoning so that the next turn gives back the same parts", function()
    local parts = {
      { type = "reasoning", text = "thought", signature = "sig", format = "anthropic" },
      { type = "reasoning", text = "", encrypted = "red", redacted = true, format = "anthropic" },
      { type = "reasoning", text = "", id = "rs_1", summary = { "s1", "s2" }, encrypted = "e", format = "responses" },
      { type = "text", text = "so" },
    }
    local message = encode(one(parts, "stop")).choices[1].message
    assert.equal("thought\n\ns1\n\ns2", message.reasoning_content)
    message.reasoning_details = json.array(message.reasoning_details)
    local request = assert(dialect.decode(json.encode { model = "m", messages = { { role = "user", content = "?" },
      message } }))
    assert.same(parts, request.turns[2].parts)
  end)

  it("leaves reasoning that nothing has to be kept of without details", function()
    local message = encode(one({ { type = "reasoning", text = "t", format = "chat" }, { type = "text", text = "x" } },
      "stop")).choices[1].message
    assert.equal("t", message.reasoning_content)
    assert.is_nil(message.reasoning_details)
  end)

  it("writes refusal, audio and log probabilities", function()
    local reply = one({ { type = "refusal", text = "no" },
      { type = "audio", id = "audio_1", data = "QUJD", transcript = "hi", expires_at = 9 } }, "stop")
    reply.choices[1].logprobs = json.raw '{"content":[]}'
    local choice = encode(reply).choices[1]
    assert.equal("no", choice.message.refusal)
    assert.same({ id = "audio_1", data = "QUJD", transcript = "hi", expires_at = 9 }, choice.message.audio)
    assert.same({ content = {} }, choice.logprobs)
  end)

  it("brings sources of every form into that of annotations", function()
    local chat = '{"type":"url_citation","url_citation":{"url":"u1","title":"t","start_index":0,"end_index":1}}'
    local flat = '{"type":"url_citation","url":"u2","title":"t","start_index":1,"end_index":2}'
    local anthropic = '{"type":"web_search_result_location","url":"u3","title":"t","cited_text":"c"}'
    local body = encode(one({ { type = "text", text = "aé", annotations = json.raw("[" .. chat .. "," .. flat .. "]") },
      { type = "text", text = "bc", citations = json.raw("[" .. anthropic .. ',{"type":"char_location"}]') } }, "stop"))
    local annotations = body.choices[1].message.annotations
    assert.equal(3, #annotations)
    assert.equal("u2", annotations[2].url_citation.url)
    assert.same({ url = "u3", title = "t", start_index = 2, end_index = 4 }, annotations[3].url_citation)
  end)

  it("passes the provider's extra fields on only when they are of this format", function()
    local extra = { citations = json.raw '["u"]', id = json.raw '"other"' }
    local body = encode(one({}, "stop", { extra = extra, extra_format = "chat" }))
    assert.same({ "u" }, body.citations)
    assert.equal("r", body.id)
    assert.is_nil(encode(one({}, "stop", { extra = extra, extra_format = "messages" })).citations)
  end)
end)

describe("chat dialect, errors", function()
  it("writes its own word for each type", function()
    local words = { invalid_request_error = "invalid_request_error", authentication_error = "invalid_request_error",
      billing_error = "insufficient_quota", permission_error = "permission_error",
      not_found_error = "invalid_request_error", request_too_large = "invalid_request_error",
      rate_limit_error = "rate_limit_error", timeout_error = "server_error", api_error = "server_error",
      overloaded_error = "server_error" }
    for kind, word in pairs(words) do
      assert.equal(word, kit.json(dialect.encode_error { type = kind, message = "m", status = 400 }).error.type)
    end
  end)

  it("writes nulls where nothing is known, and ends a stream without [DONE]", function()
    local text = dialect.encode_error { type = "api_error", message = "m", status = 502 }
    assert.equal('{"error":{"code":null,"message":"m","param":null,"type":"server_error"}}', text)
    local frames = stream { { type = "start", id = "r" }, { type = "error", failure = { type = "api_error",
      message = "gone", code = "upstream_cut" } } }
    assert.same({ { error = { message = "gone", type = "server_error", code = "upstream_cut" } } }, kit.chunks(frames))
  end)
end)

describe("chat dialect, streams", function()
  local start = { type = "start", id = "r", model = "m", created = 5, service_tier = "default" }

  it("writes role, deltas, finish, usage and [DONE] in OpenAI's order", function()
    local frames = stream({ start, { type = "ping" },
      { type = "part_start", index = 0, choice = 0, part = { type = "text" } },
      { type = "part_delta", index = 0, choice = 0, text = "Hi" },
      { type = "part_delta", index = 0, choice = 0, text = "" },
      { type = "part_stop", index = 0, choice = 0 },
      { type = "usage", usage = { input = 3, output = 1 } }, { type = "finish", choice = 0, reason = "stop" },
      { type = "usage", usage = { output = 2 } }, { type = "end" } }, { include_usage = true })
    local head = { id = "r", object = "chat.completion.chunk", created = 5, model = "m", service_tier = "default" }
    local function chunk(delta, reason)
      local whole = { choices = { { index = 0, delta = delta, finish_reason = reason } } }
      for name, value in pairs(head) do whole[name] = value end
      return whole
    end
    local last = { choices = {}, usage = { prompt_tokens = 3, completion_tokens = 2, total_tokens = 5 } }
    for name, value in pairs(head) do last[name] = value end
    assert.same({ chunk { role = "assistant", content = "" }, chunk { content = "Hi" }, chunk({}, "stop"), last,
      "[DONE]" }, kit.chunks(frames))
    assert.is_truthy(frames:find('"finish_reason":null}],"usage":null}\n\n', 1, true))
  end)

  it("leaves usage out where it was not asked for", function()
    local frames = stream { start, { type = "usage", usage = { input = 3, output = 1 } },
      { type = "finish", choice = 0, reason = "stop" }, { type = "end" } }
    assert.is_nil(frames:find("usage", 1, true))
    assert.is_truthy(frames:find("data: [DONE]\n\n", 1, true))
  end)

  it("numbers tool calls among themselves and keeps interleaved ones apart", function()
    local events = { start,
      { type = "part_start", index = 0, choice = 0, part = { type = "reasoning" } },
      { type = "part_delta", index = 0, choice = 0, text = "hm" }, { type = "part_stop", index = 0, choice = 0 },
      { type = "part_start", index = 1, choice = 0, part = { type = "tool_call", id = "a", name = "f" } },
      { type = "part_start", index = 2, choice = 0, part = { type = "tool_call", id = "b", name = "g" } },
      { type = "part_delta", index = 2, choice = 0, arguments = '{"y":' },
      { type = "part_delta", index = 1, choice = 0, arguments = '{"x":1}' },
      { type = "part_delta", index = 2, choice = 0, arguments = "2}" },
      { type = "part_stop", index = 1, choice = 0 }, { type = "part_stop", index = 2, choice = 0 },
      { type = "part_start", index = 3, choice = 0, part = { type = "tool_call", id = "c", name = "h" } },
      { type = "part_stop", index = 3, choice = 0 },
      { type = "finish", choice = 0, reason = "tool_calls" }, { type = "end" } }
    local frames = stream(events)
    local message = kit.fold(frames)[0]
    assert.equal("hm", message.reasoning_content)
    assert.same({ { id = "a", name = "f", arguments = '{"x":1}' }, { id = "b", name = "g", arguments = '{"y":2}' },
      { id = "c", name = "h", arguments = "{}" } }, message.calls)
    assert.equal("tool_calls", message.finish)
    local first = kit.chunks(frames)[3].choices[1].delta.tool_calls[1]
    assert.same({ index = 0, id = "a", type = "function", ["function"] = { name = "f", arguments = "" } }, first)
  end)

  it("keeps choices apart, each with its own role", function()
    local events = { start }
    for choice = 0, 2 do
      events[#events + 1] = { type = "part_start", index = 0, choice = choice, part = { type = "text" } }
    end
    for choice = 2, 0, -1 do
      events[#events + 1] = { type = "part_delta", index = 0, choice = choice, text = "c" .. choice }
      events[#events + 1] = { type = "part_stop", index = 0, choice = choice }
      events[#events + 1] = { type = "finish", choice = choice, reason = "stop" }
    end
    local choices = kit.fold(stream(events))
    for choice = 0, 2 do assert.equal("c" .. choice, choices[choice].content) end
  end)

  it("gives what has to come back of reasoning whole, when it is known", function()
    local message = kit.fold(stream { start,
      { type = "part_start", index = 0, choice = 0, part = { type = "reasoning", format = "anthropic" } },
      { type = "part_delta", index = 0, choice = 0, text = "a" },
      { type = "part_delta", index = 0, choice = 0, text = "b" },
      { type = "part_delta", index = 0, choice = 0, signature = "sig" },
      { type = "part_stop", index = 0, choice = 0 },
      { type = "part_start", index = 1, choice = 0, part = { type = "reasoning", format = "anthropic", encrypted = "r",
        redacted = true } },
      { type = "part_stop", index = 1, choice = 0 },
      { type = "finish", choice = 0, reason = "stop" } })[0]
    assert.equal("ab", message.reasoning_content)
    assert.same({
      { type = "reasoning.text", text = "ab", signature = "sig", format = "anthropic-claude-v1", index = 0 },
      { type = "reasoning.encrypted", data = "r", format = "anthropic-claude-v1", index = 1 },
    }, message.details)
  end)

  it("streams function_call to a client of functions", function()
    local frames = stream({ start,
      { type = "part_start", index = 0, choice = 0, part = { type = "tool_call", id = "a", name = "f" } },
      { type = "part_delta", index = 0, choice = 0, arguments = "{}" }, { type = "part_stop", index = 0, choice = 0 },
      { type = "finish", choice = 0, reason = "tool_calls" } }, { request = { fields = { tools = "functions" } } })
    local chunks = kit.chunks(frames)
    assert.same({ name = "f", arguments = "" }, chunks[2].choices[1].delta.function_call)
    assert.same({ arguments = "{}" }, chunks[3].choices[1].delta.function_call)
    assert.equal("function_call", chunks[4].choices[1].finish_reason)
  end)

  it("streams custom tools, refusals, audio, log probabilities and sources", function()
    local chunks = kit.chunks(stream { start,
      { type = "part_start", index = 0, choice = 0, part = { type = "tool_call", id = "a", name = "f",
        custom = true } },
      { type = "part_delta", index = 0, choice = 0, arguments = "x" }, { type = "part_stop", index = 0, choice = 0 },
      { type = "part_start", index = 1, choice = 0, part = { type = "refusal" } },
      { type = "part_delta", index = 1, choice = 0, text = "no", logprobs = json.raw '{"refusal":[]}' },
      { type = "part_start", index = 2, choice = 0, part = { type = "audio", id = "audio_1" } },
      { type = "part_delta", index = 2, choice = 0, transcript = "hi" },
      { type = "part_start", index = 3, choice = 0, part = { type = "text" } },
      { type = "part_delta", index = 3, choice = 0, citation = json.raw
        '{"type":"url_citation","url":"u","title":"t","start_index":1,"end_index":2}' } })
    local function delta(i) return chunks[i].choices[1].delta end
    assert.same({ index = 0, id = "a", type = "custom", custom = { name = "f", input = "" } }, delta(2).tool_calls[1])
    assert.same({ index = 0, custom = { input = "x" } }, delta(3).tool_calls[1])
    assert.equal("no", delta(4).refusal)
    assert.same({ refusal = {} }, chunks[4].choices[1].logprobs)
    assert.same({ id = "audio_1", transcript = "hi" }, delta(5).audio)
    assert.equal("u", delta(6).annotations[1].url_citation.url)
  end)
end)
