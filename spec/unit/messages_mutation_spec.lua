-- Every value of a large Messages body in turn is replaced by one of each other kind, or left out: whatever a client
-- sends, each adapter gives a body or a failure, and never an error of ours.
local json = require "gateyes.json"
local messages = require "dialects.messages"
local support = require "messages_support"

local gone = {}
local strange = { gone, json.null, true, -1, 1.5, "", "text", json.array {}, {}, json.array { json.null },
  json.array { "x" }, json.array { {} }, { type = "x" }, { x = json.null } }

local body = json.decode [[{"model":"m","max_tokens":3000,"temperature":1,"top_p":1,"top_k":1,"stop_sequences":["a"],
  "system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral","ttl":"5m"}}],
  "messages":[{"role":"user","content":[{"type":"text","text":"x"},
  {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},
  {"type":"document","title":"t","context":"c","citations":{"enabled":true},"source":{"type":"content",
  "content":[{"type":"text","text":"q"}]}},
  {"type":"document","source":{"type":"url","url":"https://e/x.pdf"}},
  {"type":"search_result","title":"t","source":"s","content":[{"type":"text","text":"b"}],
  "citations":{"enabled":true}}]},
  {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"abc"},
  {"type":"redacted_thinking","data":"d"},{"type":"server_tool_use","id":"s","name":"web_search","input":{}},
  {"type":"web_search_tool_result","tool_use_id":"s","content":[]},
  {"type":"text","text":"t","citations":[{"type":"char_location","cited_text":"x"}]},
  {"type":"tool_use","id":"t1","name":"w","input":{"c":1}}]},
  {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","is_error":true,"content":[
  {"type":"text","text":"b"},{"type":"tool_reference","tool_name":"q"}]}]},{"role":"system","content":"late"}],
  "tools":[{"name":"w","description":"d","input_schema":{"type":"object","properties":{"a":{"type":"string"}}},
  "strict":true,"cache_control":{"type":"ephemeral"}},{"type":"web_search_20250305","name":"web_search","max_uses":1,
  "allowed_domains":["a"],"user_location":{"type":"approximate","country":"DE"}},
  {"type":"mcp_toolset","mcp_server_name":"m"}],
  "tool_choice":{"type":"tool","name":"w","disable_parallel_tool_use":true},
  "thinking":{"type":"enabled","budget_tokens":1024,"display":"summarized"},
  "output_config":{"effort":"low","format":{"type":"json_schema","schema":{"type":"object"}}},
  "metadata":{"user_id":"u","x":"y"},"service_tier":"auto","container":"c"}]]

local function copy(value)
  if type(value) ~= "table" or json.is_raw(value) then return value end
  local other = json.is_array(value) and json.array {} or {}
  for key, each in pairs(value) do other[key] = copy(each) end
  return other
end

local function mutate(root, node, path, visit)
  for key, value in pairs(copy(node)) do
    local where = path .. "." .. tostring(key)
    local original = node[key]
    for _, other in ipairs(strange) do
      if other ~= gone then
        node[key] = other
        visit(json.encode(root), where .. " = " .. json.encode(other))
      elseif not json.is_array(node) then
        node[key] = nil
        visit(json.encode(root), where .. " is missing")
      end
    end
    node[key] = original
    if type(value) == "table" and not json.is_raw(value) then mutate(root, node[key], where, visit) end
  end
end

local function answer(where, call, ...)
  local ok, value, failure = pcall(call, ...)
  assert.is_true(ok, where .. ": " .. tostring(value))
  if value == nil then
    assert.is_string(failure.message, where)
    assert.equal(400, failure.status, where)
  end
  return value
end

local targets = { openai = "gpt-4o", openai_responses = "gpt-5", anthropic = "claude-sonnet-4-5" }

describe("whatever a Messages client sends", function()
  it("gives a body or a refusal for each adapter", function()
    local asked = 0
    mutate(body, body, "body", function(text, where)
      local request = answer(where, messages.decode, text, support.context())
      for name, model in pairs(request and targets or {}) do
        local context = support.context { adapter = name, model = model, request = request }
        local encoded = copy(request)
        encoded.model = model
        local call = answer(where .. " for " .. name, require("adapters." .. name).encode, encoded, context)
        assert.is_true(call == nil or json.valid(call.body), where)
        asked = asked + 1
      end
    end)
    assert.is_true(asked > 1000)
  end)
end)

local events = json.decode [=[[{"type":"message_start","message":{"id":"msg_1","model":"c","content":[],
  "usage":{"input_tokens":1,"output_tokens":1,"cache_creation":{"ephemeral_5m_input_tokens":3},
  "service_tier":"standard"}}},
  {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}},
  {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}},
  {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"S"}},
  {"type":"content_block_stop","index":0},
  {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}},
  {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"hello"}},
  {"type":"content_block_delta","index":1,"delta":{"type":"citations_delta",
  "citation":{"type":"web_search_result_location","url":"u","title":"t"}}},
  {"type":"content_block_stop","index":1},
  {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t","name":"w","input":{}}},
  {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}},
  {"type":"content_block_stop","index":2},
  {"type":"message_delta","delta":{"stop_reason":"refusal","stop_sequence":"x",
  "stop_details":{"type":"refusal","explanation":"e"}},"usage":{"output_tokens":3}},
  {"type":"message_stop"}]]=]

local whole = json.decode [[{"id":"msg_1","type":"message","role":"assistant","model":"c","stop_reason":"refusal",
  "stop_sequence":"x","stop_details":{"type":"refusal","explanation":"e"},
  "content":[{"type":"thinking","thinking":"hm","signature":"S"},{"type":"redacted_thinking","data":"d"},
  {"type":"text","text":"t","citations":[{"type":"web_search_result_location","url":"u","title":"t"}]},
  {"type":"tool_use","id":"t","name":"w","input":{"a":1}}],
  "usage":{"input_tokens":1,"output_tokens":1,"service_tier":"standard"}}]]

describe("whatever an Anthropic server answers", function()
  local anthropic = require "adapters.anthropic"
  local dialects = { "chat", "responses", "completions" }

  local function context_of(name)
    return support.context { dialect = name, request = { fields = {} }, include_usage = true }
  end

  local function play(texts, name)
    local context, dialect = context_of(name), require("dialects." .. name)
    local state, client = anthropic.new_stream(context), dialect.new_stream(context)
    for _, text in ipairs(texts) do
      for _, event in ipairs(anthropic.decode_event(state, "message", text)) do
        assert(type(dialect.encode_event(client, event)) == "string")
      end
    end
  end

  it("makes a stream or an error of each stream", function()
    local texts = {}
    for i, event in ipairs(events) do texts[i] = json.encode(event) end
    for i, event in ipairs(events) do
      local own = texts[i]
      mutate(event, event, "event " .. i, function(text, where)
        texts[i] = text
        for _, name in ipairs(dialects) do
          local ok, message = pcall(play, texts, name)
          assert.is_true(ok, where .. " for " .. name .. ": " .. tostring(message))
        end
      end)
      texts[i] = own
    end
  end)

  it("makes an answer or an error of each body", function()
    mutate(whole, whole, "body", function(text, where)
      for _, name in ipairs(dialects) do
        local context = context_of(name)
        local ok, reply, failure = pcall(anthropic.decode, text, context)
        assert.is_true(ok, where .. ": " .. tostring(reply))
        if reply == nil then
          assert.equal("string", type(failure.message), where)
        else
          local fine, encoded = pcall(require("dialects." .. name).encode, reply, context)
          assert.is_true(fine and json.valid(encoded), where .. " for " .. name .. ": " .. tostring(encoded))
        end
      end
    end)
  end)
end)
