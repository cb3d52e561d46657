local anthropic = require "adapters.anthropic"
local json = require "gateyes.json"
local support = require "messages_support"

local function text(value) return { type = "text", text = value } end
local function user(...) return { role = "user", parts = { ... } } end
local function assistant(...) return { role = "assistant", parts = { ... } } end
local function system(value) return { role = "system", parts = { text(value) } } end

local function encode(fields, context)
  local request = { model = "claude-sonnet-4-5", stream = false, turns = { user(text "hi") } }
  for name, value in pairs(fields) do request[name] = value end
  context = context or support.context()
  local encoded, failure = anthropic.encode(request, context)
  if not encoded then return nil, failure, context end
  assert.equal("/v1/messages", encoded.path)
  return json.decode(encoded.body), nil, context, encoded.body
end

local function turns(...)
  return encode { turns = { ... } }
end

local function content(...)
  local body, failure, context = turns(user(...))
  return body and body.messages[1].content, failure, context
end

local function call(id, name, arguments)
  return { type = "tool_call", id = id, name = name, arguments = arguments }
end

local function result(id, ...)
  return { type = "tool_result", id = id, parts = { ... } }
end

describe("anthropic.encode, messages", function()
  it("writes the least request", function()
    assert.same({
      model = "claude-sonnet-4-5", max_tokens = 4096, messages = { { role = "user", content = { text "hi" } } },
    }, (encode {}))
  end)

  it("takes the token limit of the model where the client gives none", function()
    local body = encode({}, support.context { info = { max_output_tokens = 64000 } })
    assert.equal(64000, body.max_tokens)
    assert.equal(5, encode({ max_tokens = 5 }).max_tokens)
  end)

  it("writes the system prompt as text, or as blocks where it is cached", function()
    assert.equal("s", encode({ system = { text "s", text "  " } }).system)
    assert.same({ { type = "text", text = "s", cache_control = { type = "ephemeral", ttl = "1h" } } },
      encode({ system = { { type = "text", text = "s", cache = { ttl = "1h" } } } }).system)
  end)

  it("makes turns alternate and begin with the user", function()
    local body = turns(assistant(text "a"), assistant(text "b"), user(text "c"), user(text "d"))
    assert.same({
      { role = "user", content = { text "." } },
      { role = "assistant", content = { text "a", text "b" } },
      { role = "user", content = { text "c", text "d" } },
    }, body.messages)
  end)

  it("removes what is empty", function()
    local body = turns(user(text "", text " \n", text "x"), assistant(text ""), user(text "y"))
    assert.same({ { role = "user", content = { text "x", text "y" } } }, body.messages)
  end)

  it("refuses a request that says nothing", function()
    local _, failure = turns(user(text " "))
    assert.same({ 400, "messages" }, { failure.status, failure.param })
  end)

  it("turns a lone system prompt into the user's turn", function()
    local body = encode { system = { text "do it" }, turns = { user(text "") } }
    assert.is_nil(body.system)
    assert.same({ { role = "user", content = { text "do it" } } }, body.messages)
  end)

  it("puts tool results first in their turn", function()
    local body = turns(user(text "q"), assistant(call("c1", "f", "{\"a\":1}"), call("c2", "f", "")),
      user(text "and"), user(result("c1", text "r1")), user(result("c2"), text "more"))
    assert.same({
      { type = "tool_use", id = "c1", name = "f", input = { a = 1 } },
      { type = "tool_use", id = "c2", name = "f", input = {} },
    }, body.messages[2].content)
    assert.same({
      { type = "tool_result", tool_use_id = "c1", content = "r1" }, { type = "tool_result", tool_use_id = "c2" },
      text "and", text "more",
    }, body.messages[3].content)
  end)

  it("keeps images and errors in tool results", function()
    local part = result("c1", text "see", { type = "image", data = "AA", media_type = "image/png" })
    part.is_error = true
    local body = turns(user(text "q"), assistant(call("c1", "f", "{}")), user(part))
    assert.same({ {
      type = "tool_result", tool_use_id = "c1", is_error = true, content = {
        text "see", { type = "image", source = { type = "base64", media_type = "image/png", data = "AA" } },
      },
    } }, body.messages[3].content)
  end)

  it("trims the end of a prefill only", function()
    local body = turns(user(text "q"), assistant(text "a \n"), user(text "r "), assistant(text "The answer is \n\t"))
    assert.equal("a \n", body.messages[2].content[1].text)
    assert.equal("r ", body.messages[3].content[1].text)
    assert.equal("The answer is", body.messages[4].content[1].text)
  end)

  it("makes tool ids acceptable, the same way at both ends", function()
    local body = turns(user(text "q"), assistant(call("functions.get:0", "f", "{}"), call("functions_get_0",
      "f", "{}")),
      user(result "functions.get:0", result "functions_get_0"))
    local first, second = body.messages[2].content[1].id, body.messages[2].content[2].id
    assert.is_truthy(first:find("^[%w_-]+$"))
    assert.equal("functions_get_0", second)
    assert.are_not.equal(first, second)
    assert.equal(first, body.messages[3].content[1].tool_use_id)
    local long = turns(user(text "q"), assistant(call(("x"):rep(300), "f", "{}")), user(result(("x"):rep(300))))
    assert.is_true(#long.messages[2].content[1].id <= 64)
    assert.equal(long.messages[2].content[1].id, long.messages[3].content[1].tool_use_id)
  end)

  it("keeps broken arguments readable", function()
    local body = turns(user(text "q"), assistant(call("c", "f", "{\"a\":")), user(result "c"))
    assert.same({ raw_arguments = "{\"a\":" }, body.messages[2].content[1].input)
  end)

  it("writes arguments byte for byte", function()
    local _, _, _, raw = turns(user(text "q"), assistant(call("c", "f", "{\"z\":[],\"a\":1.50}")), user(result "c"))
    assert.is_truthy(raw:find("{\"z\":[],\"a\":1.50}", 1, true))
  end)

  it("sends a later system message as such where the model takes it", function()
    local list = { user(text "a"), system "be brief", assistant(text "b"), user(text "c"), system "now long" }
    local body = encode { model = "claude-opus-4-8", turns = list }
    local roles = {}
    for index, message in ipairs(body.messages) do roles[index] = message.role end
    assert.same({ "user", "system", "assistant", "user", "system" }, roles)
    assert.same({ text "be brief" }, body.messages[2].content)
  end)

  it("puts a later system message into a user turn elsewhere", function()
    local marked = text "<system>\nbe brief\n</system>"
    local body = turns(user(text "a"), system "be brief", assistant(text "b"), user(text "c"))
    assert.same({ text "a", marked }, body.messages[1].content)
    body = encode { model = "claude-opus-4-8", turns = { user(text "a"), system "be brief", user(text "c") } }
    assert.same({ { role = "user", content = { text "a", marked, text "c" } } }, body.messages)
  end)
end)

describe("anthropic.encode, media", function()
  it("writes images from every source", function()
    assert.same({
      { type = "image", source = { type = "base64", media_type = "image/png", data = "AA" } },
      { type = "image", source = { type = "base64", media_type = "image/jpeg", data = "BB" } },
      { type = "image", source = { type = "url", url = "https://x.test/i.png" } },
      { type = "image", source = { type = "file", file_id = "file_1" } },
      { type = "image", source = { type = "base64", media_type = "image/webp", data = "CC" } },
    }, (content({ type = "image", data = "AA", media_type = "image/png" },
      { type = "image", url = "data:image/jpeg;base64,BB" }, { type = "image", url = "https://x.test/i.png" },
      { type = "image", file_id = "file_1" }, { type = "file", data = "CC", media_type = "image/webp" })))
  end)

  it("writes documents from every source", function()
    assert.same({
      { type = "document", title = "a.pdf", source = { type = "base64", media_type = "application/pdf",
        data = "JVBE" } },
      { type = "document", title = "T", context = "C", source = { type = "text", media_type = "text/plain",
        data = "t" } },
      { type = "document", source = { type = "url", url = "https://x.test/a.pdf" } },
      { type = "document", title = "n.txt", source = { type = "text", media_type = "text/plain",
        data = "Hello, w\226\130\172" } },
    }, (content({ type = "file", data = "JVBE", filename = "a.pdf" },
      { type = "file", text = "t", title = "T", filename = "f", context = "C" },
      { type = "file", url = "https://x.test/a.pdf" },
      { type = "file", data = "SGVsbG8sIHfigqw=", filename = "n.txt" })))
  end)

  it("refuses what the model cannot read, and names the field", function()
    local refused = {
      { type = "audio", data = "AA", format = "wav" }, { type = "file", file_id = "file-openai" },
      { type = "image", file_id = "file-openai" }, { type = "image" }, { type = "file" },
      { type = "file", data = "AA", media_type = "application/vnd.ms-excel" },
    }
    for _, part in ipairs(refused) do
      local body, failure = content(text "x", part)
      assert.is_nil(body)
      assert.same({ 400, "invalid_request_error", "messages" }, { failure.status, failure.type, failure.param })
    end
  end)

  it("reports history that another provider keeps", function()
    local _, _, context = turns(user(text "a"), assistant(text "b", { type = "audio", id = "audio_1" },
      { type = "raw", format = "responses", raw = json.raw "{}" }), user(text "c"))
    assert.is_string(context.dropped.messages)
  end)
end)

describe("anthropic.encode, tools", function()
  local schema = json.raw [[{"type":"object","properties":{"b":{},"a":{}},"required":[]}]]
  local f = { type = "function", name = "f", description = "d", parameters = schema }
  local g = { type = "function", name = "g" }

  it("writes functions, with a schema even where there is none", function()
    local body, _, _, raw = encode { tools = { f, g, { type = "function", name = "h", parameters = json.raw "{}" },
      { type = "function", name = "i", parameters = json.raw [[{"properties":{}}]] } } }
    assert.is_truthy(raw:find(json.raw_text(schema), 1, true))
    assert.equal("d", body.tools[1].description)
    assert.same({ type = "object", properties = {} }, body.tools[2].input_schema)
    assert.same({ type = "object", properties = {} }, body.tools[3].input_schema)
    assert.same({ type = "object", properties = {} }, body.tools[4].input_schema)
    assert.is_nil(body.tool_choice)
  end)

  it("writes every tool choice", function()
    local function choice(value, parallel, tools)
      return encode({ tools = tools or { f, g }, tool_choice = value, parallel_tool_calls = parallel }).tool_choice
    end
    assert.same({ type = "auto" }, choice { type = "auto" })
    assert.same({ type = "any" }, choice { type = "required" })
    assert.same({ type = "none" }, choice { type = "none" })
    assert.same({ type = "tool", name = "f" }, choice { type = "tool", name = "f" })
    assert.same({ type = "auto", disable_parallel_tool_use = true }, choice(nil, false))
    assert.same({ type = "any", disable_parallel_tool_use = true }, choice({ type = "required" }, false))
    assert.same({ type = "none" }, choice({ type = "none" }, false))
    assert.is_nil(encode({ tool_choice = { type = "auto" } }).tool_choice)
  end)

  it("narrows the list to the allowed tools", function()
    local body = encode { tools = { f, g }, tool_choice = { type = "allowed", mode = "required", names = { "g" } } }
    assert.same({ "g", nil }, { body.tools[1].name, body.tools[2] })
    assert.same({ type = "any" }, body.tool_choice)
  end)

  it("refuses to force a tool that is not there", function()
    local _, failure = encode { tools = { f }, tool_choice = { type = "tool", name = "nope" } }
    assert.same({ 400, "tool_choice" }, { failure.status, failure.param })
  end)

  it("does not force tools on models that always think", function()
    local body, _, context = encode { model = "claude-opus-5-5", tools = { f }, tool_choice = { type = "required" } }
    assert.same({ type = "auto" }, body.tool_choice)
    assert.is_string(context.dropped.tool_choice)
  end)

  it("sends its own server tools and reports those of others", function()
    local body, _, context = encode { tools = { f,
      { type = "provider", format = "anthropic", name = "web_search",
        raw = json.raw [[{"type":"web_search_20250305","name":"web_search"}]] },
      { type = "provider", format = "responses", name = "file_search", raw = json.raw "{}" } } }
    assert.equal(2, #body.tools)
    assert.equal("web_search_20250305", body.tools[2].type)
    assert.is_truthy(context.dropped.tools:find("file_search", 1, true))
  end)

  it("makes a function of a free-form tool", function()
    local body, _, context = encode {
      tools = { { type = "custom", name = "patch", description = "Edits.",
        format = json.raw [[{"type":"grammar","syntax":"lark","definition":"start: X"}]] } },
      turns = { user(text "q"), assistant { type = "tool_call", id = "c", name = "patch", arguments = "*** a",
        custom = true },
        user(result "c") },
    }
    assert.same({ "freeform_input" }, body.tools[1].input_schema.required)
    assert.is_truthy(body.tools[1].description:find("start: X", 1, true))
    assert.is_string(context.dropped.tools)
    assert.same({ freeform_input = "*** a" }, body.messages[2].content[1].input)
  end)

  it("declares tools that only the history knows", function()
    local body = turns(user(text "q"), assistant(call("c", "f", "{}")), user(result "c"))
    assert.same({ { name = "f", input_schema = { type = "object", properties = {} } } }, body.tools)
    assert.same({ type = "none" }, body.tool_choice)
  end)

  it("closes the schema of strict tools, and reports strict where the model has none", function()
    local tool = { type = "function", name = "f", parameters = schema, strict = true }
    local body = encode { tools = { tool } }
    assert.is_true(body.tools[1].strict)
    assert.is_false(body.tools[1].input_schema.additionalProperties)
    local older, _, context = encode { model = "claude-3-5-haiku-20241022", tools = { tool } }
    assert.is_nil(older.tools[1].strict)
    assert.is_string(context.dropped.tools)
  end)

  it("keeps at most four cache breakpoints, the last ones", function()
    local function cached(value) return { type = "text", text = value, cache = {} } end
    local body, _, context = encode {
      tools = { { type = "function", name = "f", cache = {} } }, system = { cached "s1", cached "s2" },
      turns = { user(cached "a", cached "b", cached "c") },
    }
    assert.is_nil(body.tools[1].cache_control)
    assert.is_nil(body.system[1].cache_control)
    assert.same({ type = "ephemeral" }, body.system[2].cache_control)
    for index = 1, 3 do assert.is_table(body.messages[1].content[index].cache_control) end
    assert.is_string(context.dropped.messages)
  end)
end)

describe("anthropic.encode, output", function()
  local schema = json.raw [==[{"type":"object","properties":{"n":{"type":"integer","minimum":1,"description":"count"},
    "l":{"type":"array","items":{"type":"object","properties":{"e":{"type":"string","format":"regex"}}}},
    "u":{"oneOf":[{"type":"string","maxLength":3},{"type":"null"}]}},"required":["n"]}]==]
  local output = { type = "json_schema", name = "answer", schema = schema, strict = true }

  it("uses structured outputs where the model has them", function()
    local body = encode { output = output }
    local sent = body.output_config.format
    assert.equal("json_schema", sent.type)
    assert.is_false(sent.schema.additionalProperties)
    assert.is_false(sent.schema.properties.l.items.additionalProperties)
    assert.same({ type = "integer", description = "count\n\n{minimum: 1}" }, sent.schema.properties.n)
    assert.same({ anyOf = { { type = "string", description = "{maxLength: 3}" }, { type = "null" } } },
      sent.schema.properties.u)
    assert.equal("{format: \"regex\"}", sent.schema.properties.l.items.properties.e.description)
    assert.is_nil(body.tools)
  end)

  it("keeps the order of the schema", function()
    local _, _, _, raw = encode { output = { type = "json_schema",
      schema = json.raw [[{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"}}}]] } }
    assert.is_true(raw:find("\"z\"", 1, true) < raw:find("\"a\"", 1, true))
  end)

  it("asks for the answer through a tool elsewhere", function()
    local body = encode { model = "claude-3-5-haiku-20241022", output = output }
    assert.same({ type = "tool", name = "gateyes_json_answer" }, body.tool_choice)
    assert.equal(1, body.tools[1].input_schema.properties.n.minimum)
    body = encode { model = "claude-3-5-haiku-20241022", output = output, tools = { { type = "function",
      name = "f" } } }
    assert.same({ type = "any" }, body.tool_choice)
    assert.equal(2, #body.tools)
  end)

  it("asks for a JSON object in words", function()
    local body = encode { system = { text "s" }, output = { type = "json_object" } }
    assert.equal("s", body.system[1].text)
    assert.is_truthy(body.system[2].text:find("JSON object", 1, true))
    assert.is_nil(encode({ output = { type = "text" } }).system)
  end)
end)

describe("anthropic.encode, other fields", function()
  it("reports that there is one choice only", function()
    local body, _, context = encode { n = 2, fields = { n = "n" } }
    assert.is_nil(body.n)
    assert.is_string(context.dropped.n)
    body, _, context = encode { n = 1 }
    assert.is_nil(body.n)
    assert.is_nil(context.dropped.n)
  end)

  it("drops stop sequences of white space", function()
    local body, _, context = encode { stop = { "\n\n", "END" }, fields = { stop = "stop" } }
    assert.same({ "END" }, body.stop_sequences)
    assert.is_string(context.dropped.stop)
    assert.is_nil(encode({ stop = { " " } }).stop_sequences)
  end)

  it("names the user", function()
    assert.same({ user_id = "u" }, encode({ user = "u" }).metadata)
    assert.same({ user_id = "s" }, encode({ safety_identifier = "s" }).metadata)
    local body, _, context = encode { user = "u", safety_identifier = "s" }
    assert.same({ user_id = "u" }, body.metadata)
    assert.is_string(context.dropped.safety_identifier)
  end)

  it("maps the service tier", function()
    assert.equal("auto", encode({ service_tier = "auto" }).service_tier)
    assert.equal("standard_only", encode({ service_tier = "default" }).service_tier)
    local body, _, context = encode { service_tier = "flex" }
    assert.is_nil(body.service_tier)
    assert.is_string(context.dropped.service_tier)
  end)

  it("passes a Messages client's own fields, and reports those of others", function()
    local extra = { container = json.raw "\"c\"", speed = json.raw "\"fast\"" }
    local body = encode { extra = extra, extra_format = "messages" }
    assert.same({ "c", "fast" }, { body.container, body.speed })
    local other, _, context = encode { extra = { web_search_options = json.raw "{}" }, extra_format = "chat" }
    assert.is_nil(other.web_search_options)
    assert.is_string(context.dropped.web_search_options)
  end)

  it("streams when asked to", function()
    assert.is_true(encode({ stream = true }).stream)
    assert.is_nil(encode({ stream = false }).stream)
  end)

  it("does not change its request", function()
    local part = { type = "text", text = "x ", cache = {} }
    local request = { model = "claude-sonnet-4-5", turns = { user(text "q"), assistant(part) } }
    anthropic.encode(request, support.context())
    assert.same({ type = "text", text = "x ", cache = {} }, part)
    assert.is_nil(request.max_tokens)
  end)
end)
