-- Every value of a large body in turn is replaced by one of each other kind: whatever comes, there is an answer, and
-- never an error of ours.
local json = require "gateyes.json"
local openai = require "adapters.openai"
local anthropic = require "adapters.anthropic"
local chat = require "dialects.chat"
local completions = require "dialects.completions"
local embeddings = require "dialects.embeddings"
local kit = require "chat_kit"

local strange = { json.null, true, -1, 1.5, 1e300, "", "text", json.array {}, {}, json.array { json.null },
  json.array { "x" }, { x = json.null }, json.raw "123456789012345678901234567890" }

local function copy(value)
  if type(value) ~= "table" or json.is_raw(value) then return value end
  local other = json.is_array(value) and json.array {} or {}
  for key, each in pairs(value) do other[key] = copy(each) end
  return other
end

-- Calls visit(text, where) for each mutation; the body is put right again after each.
local function mutate(root, node, path, visit)
  for key, value in pairs(copy(node)) do
    local where = path .. "." .. tostring(key)
    local original = node[key]
    for _, other in ipairs(strange) do
      node[key] = other
      visit(json.encode(root), where .. " = " .. json.encode(other))
    end
    node[key] = original
    if type(value) == "table" and not json.is_raw(value) then mutate(root, node[key], where, visit) end
  end
end

local function answers(where, call, ...)
  local ok, value, failure = pcall(call, ...)
  assert.is_true(ok, where .. ": " .. tostring(value))
  if value == nil then
    assert.is_table(failure, where)
    assert.is_string(failure.message, where)
    assert.is_number(failure.status, where)
  end
  return value
end

local request_text = [[{"model":"m","temperature":1,"n":1,"stop":["a"],"seed":1,"max_tokens":5,"logit_bias":{"1":2},
  "stream":true,"stream_options":{"include_usage":true},"user":"u","metadata":{"a":"b"},"reasoning_effort":"low",
  "reasoning":{"max_tokens":2000},"thinking":{"type":"enabled"},"modalities":["text"],"verbosity":"low",
  "functions":[{"name":"f"}],"function_call":{"name":"f"},
  "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"},"strict":true},
  "cache_control":{"type":"ephemeral","ttl":"1h"}},{"type":"custom","custom":{"name":"g","format":{"type":"text"}}}],
  "tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function",
  "function":{"name":"f"}}]}},"response_format":{"type":"json_schema","json_schema":{"name":"r","schema":{}}},
  "messages":[{"role":"system","content":"s"},{"role":"user","name":"n","content":[{"type":"text","text":"t"},
  {"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD","detail":"low"}},
  {"type":"input_audio","input_audio":{"data":"QUJD","format":"wav"}},
  {"type":"file","file":{"filename":"a.pdf","file_data":"QUJD"}}]},
  {"role":"assistant","content":[{"type":"text","text":"t"},{"type":"refusal","refusal":"r"}],"reasoning_content":"r",
  "reasoning_details":[{"type":"reasoning.text","text":"t","signature":"s","id":"i","format":"anthropic-claude-v1"},
  {"type":"reasoning.summary","summary":"t","id":"i"},{"type":"reasoning.encrypted","data":"d"}],
  "annotations":[{"type":"url_citation"}],"audio":{"id":"a"},"refusal":"r","function_call":{"name":"f","arguments":""},
  "tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},
  {"id":"b","type":"custom","custom":{"name":"g","input":"x"}}]},
  {"role":"function","name":"f","content":"1"},
  {"role":"tool","tool_call_id":"a","content":[{"type":"text","text":"1"}]}]}]]

local reply_text = [[{"id":"r","object":"chat.completion","created":1,"model":"m","service_tier":"default",
  "choices":[{"index":0,"finish_reason":"stop","stop_reason":"E","logprobs":{"content":[{"token":"a","logprob":-1,
  "top_logprobs":[{"token":"b","logprob":-2}]}]},
  "message":{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]},
  {"type":"text","text":"x"}],"refusal":"r","reasoning":"t","reasoning_details":[{"type":"reasoning.text","text":"t",
  "signature":"s"}],"annotations":[{"type":"url_citation","url_citation":{"url":"u"}},{"url":"u","start_index":0,
  "end_index":1,"title":"t"}],"audio":{"id":"a","data":"d","transcript":"t","expires_at":1},
  "function_call":{"name":"f","arguments":"{}"},
  "tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},
  {"id":"b","custom":{"name":"g","input":"x"}}]}}],
  "usage":{"prompt_tokens":5,"completion_tokens":5,"total_tokens":20,"prompt_tokens_details":{"cached_tokens":1},
  "completion_tokens_details":{"reasoning_tokens":1}},"error":{"message":"m","code":"c"}}]]

describe("whatever a client sends", function()
  it("gets an answer", function()
    local body = assert(json.decode(request_text))
    for _, target in ipairs { { openai, "gpt-5" }, { openai, "local", "vllm" }, { openai, "m", "openrouter" },
      { anthropic, "claude-sonnet-4-5" } } do
      local adapter, model, preset = target[1], target[2], target[3]
      mutate(body, body, "", function(text, where)
        local context = kit.context { model = model, provider = { preset = preset } }
        local request = answers(where, chat.decode, text, context)
        if not request then return end
        context.request = request
        request.model = model
        local call = answers(where, adapter.encode, request, context)
        assert.is_true(call == nil or json.valid(call.body), where)
      end)
    end
  end)

  it("gets an answer from completions and embeddings, too", function()
    local body = assert(json.decode [[{"model":"m","prompt":["x"],"stop":"a","logprobs":1,"echo":true,"n":1,
      "stream_options":{"include_usage":true},"logit_bias":{}}]])
    mutate(body, body, "", function(text, where)
      local context = kit.context()
      local request = answers(where, completions.decode, text, context)
      if request then answers(where, openai.encode, request, context) end
    end)
    body = assert(json.decode '{"model":"m","input":["a",["b"]],"dimensions":1,"encoding_format":"float"}')
    mutate(body, body, "", function(text, where) answers(where, embeddings.decode, text, kit.context()) end)
  end)
end)

describe("whatever a provider sends", function()
  it("is a reply or a failure", function()
    local body = assert(json.decode(reply_text))
    mutate(body, body, "", function(text, where)
      local context = kit.context { request = { turns = {}, fields = {}, logprobs = true } }
      local reply = answers(where, openai.decode, text, context)
      if reply then
        for _, dialect in ipairs { chat, completions } do
          assert.is_true(json.valid(answers(where, dialect.encode, reply, context)), where)
        end
      end
      local failure = answers(where, openai.decode_error, 500, {}, text)
      assert.is_true(json.valid(chat.encode_error(failure)), where)
    end)
  end)

  it("is a stream that ends or breaks", function()
    local body = assert(json.decode(reply_text))
    body.error = nil
    local choice = body.choices[1]
    choice.delta, choice.message = choice.message, nil
    choice.delta.tool_calls[1].index = 0
    mutate(body, body, "", function(text, where)
      for _, dialect in ipairs { chat, completions } do
        local context = kit.context { include_usage = true, request = { turns = {}, fields = {}, logprobs = true } }
        local events = answers(where, kit.events, openai, context, { text, text, "[DONE]" })
        local last = events[#events]
        assert.is_true(last.type == "end" or last.type == "error", where)
        kit.chunks(answers(where, kit.encode_all, dialect, context, events))
      end
    end)
  end)
end)
