local json = require "gateyes.json"

local function round(text)
  return json.encode(assert(json.decode(text)))
end

local function nested(depth)
  return string.rep("[", depth) .. string.rep("]", depth)
end

describe("json.decode", function()
  it("reads every kind of value", function()
    local v = json.decode [[ {"s":"a\"b\\\/\b\f\n\r\t\u00e9\ud83d\ude00",
      "n":-1.5e2,"t":true,"f":false,"z":null,"l":[1,"x"]} ]]
    assert.equal("a\"b\\/\b\f\n\r\t\195\169\240\159\152\128", v.s)
    assert.equal(-150, v.n)
    assert.is_true(v.t)
    assert.is_false(v.f)
    assert.equal(json.null, v.z)
    assert.same({ 1, "x" }, v.l)
    assert.is_true(json.is_array(v.l))
    assert.is_false(json.is_array(v))
  end)

  it("takes the last of duplicate keys, also across a long object", function()
    assert.equal(2, json.decode('{"a":1,"a":2}').a)
    local members = { '"k":"first"' }
    for i = 1, 60 do members[#members + 1] = ('"m%d":%d'):format(i, i) end
    members[#members + 1] = '"k":"last"'
    local v = json.decode("{" .. table.concat(members, ",") .. "}")
    assert.equal("last", v.k)
    assert.equal(60, v.m60)
  end)

  it("reads long lists in order", function()
    local list = {}
    for i = 1, 1000 do list[i] = tostring(i) end
    local v = json.decode("[" .. table.concat(list, ",") .. "]")
    assert.equal(1000, #v)
    for i = 1, 1000 do assert.equal(i, v[i]) end
  end)

  it("says what is wrong and where", function()
    local v, message, offset = json.decode '{"a": tru}'
    assert.is_nil(v)
    assert.equal("a value is expected here", message)
    assert.equal(7, offset)
  end)

  it("refuses what the grammar refuses", function()
    for _, text in ipairs {
      "", " ", "{", "[", "[1,]", "[,1]", '{"a":1,}', "{a:1}", "{'a':1}", "01", "-", "1.", ".5", "1e", "+1", "NaN",
      "Infinity", "0x10", "[1 2]", '{"a" 1}', '"\\x41"', '"\\u12g4"', '"\\', '"a', '"\1"', "\239\187\191{}", "nul",
      "true false", "[1]]", '"\192\128"', '"\237\160\128"', '"\255"', "{}\0", '{"a":}', "[}", "{]", "/*x*/1",
    } do
      local v, message = json.decode(text)
      assert.is_nil(v, text)
      assert.is_string(message)
      assert.is_false((json.valid(text)))
    end
  end)

  it("allows 128 levels and no more", function()
    assert.is_table(json.decode(nested(128)))
    assert.is_nil(json.decode(nested(129)))
    assert.is_nil(json.decode(string.rep("[", 1000000)))
    assert.is_nil(json.decode(string.rep('{"a":', 100000)))
  end)

  it("turns lone surrogates into U+FFFD", function()
    assert.equal("\239\191\189x", json.decode [["\ud800x"]])
    assert.equal("\239\191\189\239\191\189", json.decode [["\udc00\ud800"]])
    assert.equal("\239\191\189A", json.decode [["\ud800\u0041"]])
    assert.equal("a\0b", json.decode [["a\u0000b"]])
  end)

  it("keeps numbers that a double would damage as text", function()
    for _, text in ipairs {
      "9007199254740993", "-9007199254740993", "123456789012345678901234567890", "1e400", "100000000000000000000",
      "0.1234567890123456789", "9007199254740992", "5e-324",
    } do
      local v = json.decode(text)
      assert.is_true(json.is_raw(v), text)
      assert.equal(text, json.raw_text(v))
      assert.equal("[" .. text .. "]", round("[" .. text .. "]"))
    end
    for _, text in ipairs { "0.30000000000000004", "1e-7", "0.7", "9007199254740991", "1.5E+3", "-0", "0.0" } do
      assert.is_number(json.decode(text), text)
    end
  end)

  it("leaves members with a raw key as they are, at any depth", function()
    local text = '{"tools":[{"parameters":{"z":[],"a":{},"n":1e400,"i":12345678901234567890}}],"parameters":[1, 2]}'
    local v = json.decode(text, { parameters = true })
    assert.equal('{"z":[],"a":{},"n":1e400,"i":12345678901234567890}', json.raw_text(v.tools[1].parameters))
    assert.equal("[1, 2]", json.raw_text(v.parameters))
    assert.equal('{"parameters":[1, 2],"tools":[{"parameters":{"z":[],"a":{},"n":1e400,"i":12345678901234567890}}]}',
      json.encode(v))
    assert.is_nil(json.decode('{"parameters":[1,}', { parameters = true }))
    assert.is_nil(json.decode('{"parameters":' .. nested(128) .. "}", { parameters = true }))
    assert.same({ b = 1 }, json.decode(json.raw '{"b":1}'))
  end)
end)

describe("json.encode", function()
  it("keeps empty lists and empty objects apart", function()
    assert.equal('{"a":[],"b":{}}', round '{"b":{},"a":[]}')
    assert.equal("[]", json.encode(json.array {}))
    assert.equal("{}", json.encode {})
    assert.equal("[1,2]", json.encode { 1, 2 })
  end)

  it("sorts keys by bytes", function()
    local members, want = {}, {}
    for i = 1, 40 do members[("k%02d"):format(i)] = i end
    for i = 1, 40 do want[i] = ('"k%02d":%d'):format(i, i) end
    assert.equal("{" .. table.concat(want, ",") .. "}", json.encode(members))
    assert.equal('{"A":1,"a":2,"aa":3,"b":4}', json.encode { b = 4, aa = 3, a = 2, A = 1 })
  end)

  it("writes numbers that read back as the same", function()
    for number, text in pairs {
      [0.1] = "0.1", [0.7] = "0.7", [1] = "1", [-1] = "-1", [1e15] = "1000000000000000",
      [0.30000000000000004] = "0.30000000000000004",
      [1e300] = "1e+300", [5e-324] = "4.94065645841247e-324", [-2.25] = "-2.25",
      [0.0001] = "0.0001", [1 / 3] = "0.3333333333333333",
    } do
      assert.equal(text, json.encode(number))
      assert.equal(number, json.decode(text))
    end
    for _ = 1, 2000 do
      local number = (math.random() - 0.5) * 10 ^ math.random(-20, 15)
      assert.equal(number, json.decode(json.encode(number)))
    end
    assert.equal("-0", json.encode(-0.0))
  end)

  it("escapes what must be and nothing else", function()
    assert.equal([["\"\\/\b\f\n\r\t\u0000\u001f]] .. '\127\226\128\168é"',
      json.encode("\"\\/\b\f\n\r\t\0\31\127\226\128\168é"))
    assert.equal('"a\239\191\189b"', json.encode "a\255b")
    assert.equal(json.encode "x/y", json.quote "x/y")
  end)

  it("refuses what has no JSON form", function()
    local cycle = {}
    cycle[1] = cycle
    local deep = {}
    for _ = 1, 128 do deep = { deep } end
    for _, v in ipairs {
      0 / 0, 1 / 0, print, cycle, deep, { [1] = 1, x = 2 }, { [2] = 1 }, { [true] = 1 }, { [1.5] = 1 },
      json.array { 1, nil, 3 }, json.array { x = 1 }, json.raw("{", true), coroutine.create(print),
    } do
      assert.is_false((pcall(json.encode, v)))
    end
    assert.is_false((pcall(json.encode)))
    assert.equal('"fine"', json.encode "fine")
  end)

  it("stops before a small value becomes a huge text", function()
    local v = { string.rep("x", 1000) }
    for _ = 1, 60 do v = { v, v } end
    assert.is_false((pcall(json.encode, v)))
  end)

  it("runs no metamethod", function()
    local trap = setmetatable({ a = 1 }, {
      __index = function() error "called" end,
      __len = function() error "called" end,
      __pairs = function() error "called" end,
    })
    assert.equal('{"a":1}', json.encode(trap))
  end)
end)

describe("json's smaller functions", function()
  it("makes raw values only from JSON", function()
    assert.equal('{"a":[ ]}', json.encode { a = json.raw "[ ]" })
    local v, message = json.raw "[1"
    assert.is_nil(v)
    assert.is_string(message)
    assert.is_false(json.is_raw {})
    assert.is_false((pcall(json.raw_text, {})))
  end)

  it("lists members and elements as text, in order", function()
    assert.same({ { "b", "[1, 2]" }, { "a\n", '"x"' }, { "b", "null" } },
      json.members ' { "b" : [1, 2], "a\\n":"x","b":null } ')
    assert.same({ "1", "[ ]", "{}" }, json.elements "[1,[ ],{} ]")
    assert.same({}, json.members "{}")
    assert.same({}, json.elements "[]")
    assert.is_nil((json.members "[1]"))
    assert.is_nil((json.elements '{"a":1'))
  end)

  it("gives the same text for what it has read", function()
    local text = '{"empty":[],"list":[{"a":null},[],{}],"long":12345678901234567890,"text":"h\\u0000é"}'
    assert.equal(text, round(text))
  end)

  it("survives damaged text", function()
    local text = '{"model":"m","messages":[{"role":"user",' ..
      '"content":[{"type":"text","text":"\\u00e9\\ud83d\\ude00"}]}],"t":0.7}'
    for cut = 0, #text - 1 do assert.is_nil((json.decode(text:sub(1, cut)))) end
    for at = 1, #text do
      for _, byte in ipairs { "\0", '"', "\\", "{", "]", "\200", "9" } do
        local damaged = text:sub(1, at - 1) .. byte .. text:sub(at + 1)
        local v = json.decode(damaged)
        assert.equal(v ~= nil, json.valid(damaged))
        if v then assert.equal(json.encode(v), round(json.encode(v))) end
      end
    end
  end)
end)
