local json = require "gateyes.json"
local openai_schema = require "gateyes.openai_schema"

local function fits(text) return openai_schema.fits(json.raw(text)) end

local closed = '{"type":"object","properties":{"a":%s},"required":["a"],"additionalProperties":false}'

describe("what OpenAI's strict mode takes", function()
  it("is closed objects whose properties are all required", function()
    assert.is_true(fits(closed:format '{"type":"string"}'))
    assert.is_true(fits(closed:format '{"type":["string","null"],"enum":["x",null]}'))
    assert.is_true(fits '{"type":"object","properties":{},"additionalProperties":false}')
    assert.is_false(fits '{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}')
    assert.is_false(fits '{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}')
    assert.is_false(fits '{"type":"object"}')
  end)

  it("is looked for at any depth", function()
    local open = '{"type":"object","properties":{"b":{"type":"string"}}}'
    assert.is_false(fits(closed:format(open)))
    assert.is_false(fits(closed:format('{"type":"array","items":' .. open .. "}")))
    assert.is_false(fits(closed:format('{"anyOf":[{"type":"null"},' .. open .. "]}")))
    assert.is_false(fits('{"$defs":{"x":' .. open .. "}," .. closed:format('{"$ref":"#/$defs/x"}'):sub(2)))
    assert.is_true(fits(closed:format('{"type":"array","items":' .. closed:format '{"type":"number"}' .. "}")))
  end)

  it("has an object at its root and none of the refused keywords", function()
    assert.is_false(fits '{"type":"string"}')
    assert.is_false(fits('{"anyOf":[' .. closed:format '{"type":"string"}' .. "]}"))
    assert.is_false(fits(closed:format '{"allOf":[{"type":"string"}]}'))
    assert.is_false(fits(closed:format '{"type":"array","uniqueItems":true,"items":{"type":"string"}}'))
  end)

  it("survives schemas that are none", function()
    for _, text in ipairs { "null", "[]", "1", '"x"', "{}", '{"type":"object","properties":null}',
      '{"type":"object","properties":{"a":null},"required":"a","additionalProperties":false}' } do
      assert.is_false(fits(text), text)
    end
  end)

  it("matters to clients of Messages only: others said strict in OpenAI's sense", function()
    local open = json.raw '{"type":"object"}'
    assert.is_nil(openai_schema.strict({ dialect = "messages" }, true, open))
    assert.is_nil(openai_schema.strict({ dialect = "messages" }, true, nil))
    assert.is_true(openai_schema.strict({ dialect = "chat" }, true, open))
    assert.is_false(openai_schema.strict({ dialect = "messages" }, false, open))
  end)
end)
