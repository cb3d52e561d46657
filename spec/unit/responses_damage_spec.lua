-- Values of any type in any place: a failure may come of it, a Lua error may not.
local adapter = require "adapters.openai_responses"
local dialect = require "dialects.responses"
local json = require "gateyes.json"
local runner = require "golden_runner"
local support = require "responses_support"

local odd = { "null", "true", "7", "-1.5", '""', '"x"', "[]", "{}", "[1]", '["x"]', '[null]', '{"a":1}', '[{}]',
  '{"type":"x"}', '[{"type":"message"}]', '{"type":7}', "[[]]" }

-- Every text that comes of putting an odd value in the place of one value inside `text`.
local function damaged(text)
  local list = {}
  local function walk(raw, put)
    for _, value in ipairs(odd) do list[#list + 1] = put(value) end
    local first = raw:sub(1, 1)
    if first == "{" then
      for _, member in ipairs(json.members(raw)) do
        local at, stop = raw:find(member[2], raw:find(json.quote(member[1]), 1, true) + #member[1], true)
        walk(member[2], function(value) return put(raw:sub(1, at - 1) .. value .. raw:sub(stop + 1)) end)
      end
    elseif first == "[" then
      local from = 1
      for _, element in ipairs(json.elements(raw)) do
        local at, stop = raw:find(element, from, true)
        from = stop + 1
        walk(element, function(value) return put(raw:sub(1, at - 1) .. value .. raw:sub(stop + 1)) end)
      end
    end
  end
  walk(text, function(value) return value end)
  return list
end

local request = '{"model":"m","instructions":"i","input":[{"role":"developer","content":"d"},'
  .. '{"type":"message","role":"user","content":[{"type":"input_text","text":"a","cache_control":{"ttl":"1h"}},'
  .. '{"type":"input_image","image_url":"data:image/png;base64,QQ==","detail":"low"},'
  .. '{"type":"input_file","filename":"f.pdf","file_data":"QQ=="},{"type":"input_audio","input_audio":{"data":"b"}}]},'
  .. '{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"s"}],"encrypted_content":"g"},'
  .. '{"type":"message","role":"assistant","content":[{"type":"output_text","text":"t","annotations":[{}]},'
  .. '{"type":"refusal","refusal":"r"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},'
  .. '{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"o"}]}],'
  .. '"tools":[{"type":"function","name":"f","parameters":{},"strict":true},{"type":"custom","name":"g",'
  .. '"format":{"type":"grammar","syntax":"lark"}},{"type":"mcp","server_label":"l"}],'
  .. '"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"}]},'
  .. '"text":{"format":{"type":"json_schema","name":"n","schema":{},"strict":true},"verbosity":"low"},'
  .. '"reasoning":{"effort":"low","summary":"auto"},"include":["x"],"metadata":{"a":"b"},"stream_options":{},'
  .. '"previous_response_id":null,"max_output_tokens":5,"temperature":1}'

local reply = '{"id":"resp_1","created_at":5,"model":"m","status":"incomplete","incomplete_details":{"reason":"x"},'
  .. '"output":[{"type":"reasoning","id":"rs","summary":[{"text":"s"}],"content":[{"text":"c"}],"encrypted_content":"e"'
  .. '},{"type":"message","content":[{"type":"output_text","text":"t","annotations":[{"url":"u"}],"logprobs":[{}]},'
  .. '{"type":"refusal","refusal":"r"}]},{"type":"function_call","id":"f","call_id":"c","name":"n","arguments":"{}"}],'
  .. '"usage":{"input_tokens":1,"input_tokens_details":{"cached_tokens":1},"output_tokens":1},"error":{"code":"x"}}'

local stream = '[{"type":"response.created","response":{"id":"r","model":"m","created_at":5}},'
  .. '{"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"rs"}},'
  .. '{"type":"response.reasoning_summary_part.added","output_index":0,"summary_index":1},'
  .. '{"type":"response.reasoning_summary_text.delta","output_index":0,"delta":"s"},'
  .. '{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","encrypted_content":"e"}},'
  .. '{"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"t","logprobs":[{}]},'
  .. '{"type":"response.output_text.annotation.added","output_index":1,"content_index":0,"annotation":{"url":"u"}},'
  .. '{"type":"response.output_item.done","output_index":1,"item":{"type":"message","content":[{"type":"output_text"}]}'
  .. '},{"type":"response.output_item.added","output_index":2,"item":{"type":"function_call","call_id":"c",'
  .. '"name":"n"}},{"type":"response.function_call_arguments.delta","output_index":2,"delta":"{}"},'
  .. '{"type":"response.completed","response":{"output":[{"type":"x"}],"usage":{"input_tokens":1},'
  .. '"incomplete_details":{"reason":"x"}}},{"type":"error","error":{"message":"m"}},'
  .. '{"type":"response.failed","response":{"error":{"code":"x"}}}]'

describe("damaged", function()
  it("requests give a request or a failure, and what is a request can be sent on", function()
    local count = 0
    for _, body in ipairs(damaged(request)) do
      local context = support.context()
      local made, failure = dialect.decode(body, context)
      assert(made or failure and failure.status == 400, body)
      if made then
        count = count + 1
        context.request = made
        assert(json.valid(adapter.encode(made, context).body), body)
        assert(json.valid(dialect.queued(made, context)), body)
      end
      local expanded, refused = dialect.expand(body, support.context())
      assert(expanded and json.valid(expanded) or refused and refused.status == 400, body)
    end
    assert.is_true(count > 500)
  end)

  it("replies give a reply or a failure, and what is a reply can be written", function()
    for _, body in ipairs(damaged(reply)) do
      local got, failure = adapter.decode(body, support.context())
      assert(got or failure and failure.status >= 400, body)
      if got then assert(json.valid(dialect.encode(got, support.context())), body) end
      assert(adapter.decode_error(500, {}, body).message)
    end
  end)

  it("streams end in an end or an error, and the client's stays readable", function()
    for _, list in ipairs(damaged(stream)) do
      local context = support.context()
      local reader, writer, last = adapter.new_stream(context), dialect.new_stream(context), nil
      local frames = {}
      local function pass(events)
        for _, event in ipairs(events) do
          frames[#frames + 1], last = dialect.encode_event(writer, event), event.type
        end
      end
      for _, data in ipairs(json.elements(list) or { list }) do pass(adapter.decode_event(reader, "message", data)) end
      pass(adapter.end_stream(reader))
      assert(last == "end" or last == "error", list)
      runner.events(table.concat(frames))
    end
  end)
end)
