local kit = require "gateyes.kit"
local json = require "gateyes.json"
local pii = require "policies.pii"

local mail, card = "jane@corp-mail.de", "4111 1111 1111 1111"
local arguments = '{"card":4111111111111111,"note":"mail \\"jane@corp-mail.de\\""}'

local function run(options)
  options.settings = options.settings or {}
  return kit.run(pii, options)
end

local function call(name, text)
  return { role = "assistant", tool_calls = { { id = "a", type = "function",
    ["function"] = { name = name, arguments = text } } } }
end

local function said(result) return result.body.messages[1].content end

-- The reply in one piece, and cut at every byte: what the client reads has to be the same.
local function everywhere(options, reply)
  options.deltas = { reply }
  local whole = run(options)
  for at = 1, #reply - 1 do
    options.deltas = { reply:sub(1, at), reply:sub(at + 1) }
    local cut = run(options)
    assert.equal(whole.code, cut.code)
    if whole.kind == "pass" then assert.equal(whole.output, cut.output) end
  end
  local bytes = {}
  for at = 1, #reply do bytes[at] = reply:sub(at, at) end
  options.deltas = bytes
  local single = run(options)
  assert.equal(whole.code, single.code)
  if whole.kind == "pass" then assert.equal(whole.output, single.output) end
  options.deltas = nil
  options.reply = { reply }
  local complete = run(options)
  assert.equal(whole.code, complete.code)
  if whole.kind == "pass" then assert.equal(whole.output, complete.reply[1]) end
  return whole
end

describe("pii in requests", function()
  it("masks", function()
    local result = run { text = "mail " .. mail .. " or " .. card .. "!" }
    assert.equal("mail [EMAIL] or [PAYMENT_CARD]!", said(result))
    assert.equal("email payment_card", result.tags.pii)
  end)

  it("leaves clean requests as they are", function()
    local result = run { text = "What is the capital of France?" }
    assert.is_false(result.edited)
    assert.is_nil(result.tags.pii)
  end)

  it("keeps JSON of tools JSON", function()
    local result = run { body = { model = "m", messages = { call("f", arguments) } } }
    local text = result.body.messages[1].tool_calls[1]["function"].arguments
    assert.same({ card = "[PAYMENT_CARD]", note = 'mail "[EMAIL]"' }, json.decode(text))
  end)

  it("looks at every place where words are", function()
    for _, body in ipairs {
      { messages = { { role = "system", content = mail }, { role = "user", content = "hi" } } },
      { messages = { { role = "user", content = mail }, { role = "assistant", content = "ok" },
        { role = "user", content = "hi" } } },
      { messages = { { role = "tool", tool_call_id = "a", content = mail } } },
      { messages = { { role = "user", content = { { type = "text", text = mail } } } } },
      { messages = {}, tools = { { type = "function", ["function"] = { name = "f", description = mail } } } },
      { messages = {}, tools = { { type = "function", ["function"] = { name = "f",
        parameters = { type = "object", properties = { a = { type = "string", default = mail } } } } } } },
      { messages = { { role = "user", content = "hi" } }, metadata = { note = mail } },
    } do
      body.model = "m"
      assert.equal("pii_blocked", run({ body = body, settings = { action = "block" } }).code)
    end
    local file = { model = "m", max_tokens = 1, messages = { { role = "user", content = { { type = "document",
      source = { type = "text", media_type = "text/plain", data = mail } } } } } }
    assert.equal("pii_blocked", run({ body = file, dialect = "messages", settings = { action = "block" } }).code)
    local input = { model = "m", input = { "a", mail } }
    assert.equal("pii_blocked", run({ body = input, dialect = "embeddings", settings = { action = "block" } }).code)
  end)

  it("sees through other spellings", function()
    for _, text in ipairs { "４１１１１１１１１１１１１１１１", "4111-1111-1111-1111", "4111\226\128\1391111 1111 1111" } do
      assert.equal("pii_blocked", run({ text = text, settings = { action = "block" } }).code)
    end
  end)

  it("has an action for each kind", function()
    local settings = { action = "audit", actions = { payment_card = "block", email = "mask" } }
    assert.equal("[EMAIL]", said(run { text = mail, settings = settings }))
    assert.equal("pii_blocked", run({ text = card, settings = settings }).code)
    assert.is_false(run({ text = "DE89370400440532013000", settings = settings }).edited)
    assert.has_error(function() run { text = mail, settings = { actions = { email = "hide" } } } end)
  end)

  it("keeps requests and their sessions local", function()
    local settings = { action = "local" }
    assert.equal("local", run({ text = mail, session = "s1", settings = settings }).residency)
    assert.equal("local", run({ text = "and now?", session = "s1", settings = settings }).residency)
    assert.is_nil(run({ text = "and now?", session = "s2", settings = settings }).residency)
  end)

  it("holds for the models and endpoints that it is for", function()
    local settings = { models = { "gpt-*" }, endpoints = { "chat" } }
    assert.is_true(run({ text = mail, model = "gpt-4o", settings = settings }).edited)
    assert.is_false(run({ text = mail, model = "llama", settings = settings }).edited)
    local body = { model = "gpt-4o", input = mail }
    assert.is_false(run({ body = body, dialect = "responses", settings = settings }).edited)
  end)

  it("reports pictures as unscanned", function()
    local body = { model = "m", messages = { { role = "user", content = { { type = "image_url",
      image_url = { url = "data:image/png;base64,AAAA" } } } } } }
    local result = run { body = body }
    assert.equal("1", result.tags.unscanned)
    assert.equal("pii_unscanned", run({ body = body, settings = { images = "block" } }).code)
    assert.equal("local", run({ body = body, settings = { images = "local" } }).residency)
  end)

  it("writes no value into the trace", function()
    for _, action in ipairs { "audit", "tag", "local", "token", "hash", "mask", "block" } do
      local result = run { text = "mail " .. mail .. " " .. mail, settings = { action = action } }
      local rows = json.encode(result.trace) .. json.encode(result.tags) .. (result.message or "")
      assert.is_nil(rows:find("jane", 1, true))
      assert.is_truthy(rows:find("email count=2 at user/1@6 ", 1, true))
    end
  end)
end)

describe("pii in replies", function()
  it("masks, however the text is cut", function()
    local result = everywhere({ text = "hi" }, "Ask " .. mail .. ", card " .. card .. ".")
    assert.equal("Ask [EMAIL], card [PAYMENT_CARD].", result.output)
  end)

  it("blocks, however the text is cut", function()
    local result = everywhere({ text = "hi", settings = { output = "block" } }, "It is " .. card .. ".")
    assert.equal("pii_blocked", result.code)
  end)

  it("turns tokens back, however the text is cut", function()
    local settings = { action = "token", output = "none" }
    local token = said(run { text = mail, settings = settings })
    assert.is_truthy(token:find("^%[EMAIL_%x%x%x%x%x%x%x%x%]$"))
    local result = everywhere({ text = mail, settings = settings }, "To " .. token .. " [EMAIL_ [" .. token .. "]")
    assert.equal("To " .. mail .. " [EMAIL_ [" .. mail .. "]", result.output)
    assert.equal("[EMAIL_00000000] " .. mail,
      everywhere({ text = mail, settings = settings }, "[EMAIL_00000000] " .. token).output)
  end)

  it("does not mask what it turns back", function()
    local settings = { action = "token" }
    local token = said(run { text = mail, settings = settings })
    local result = everywhere({ text = mail, settings = settings }, token .. " or joe@other-mail.de.")
    assert.equal(mail .. " or [EMAIL].", result.output)
  end)

  it("says nothing about what another request had", function()
    local settings = { action = "token" }
    local token = said(run { text = mail, settings = settings })
    assert.equal("It was " .. token, everywhere({ text = "hi", settings = settings }, "It was " .. token).output)
  end)

  it("hashes equal values equally", function()
    local settings = { action = "hash" }
    local result = everywhere({ text = "hi", settings = settings }, mail .. " " .. mail .. " x@other-mail.de ")
    local first, second, third = result.output:match("^(%[EMAIL:%x+%]) (%[EMAIL:%x+%]) (%[EMAIL:%x+%])")
    assert.equal(first, second)
    assert.not_equal(first, third)
  end)
end)
