local fold = require "response_fold"
local json = require "gateyes.json"
local support = require "responses_support"

-- The store in Lua, with the rules of the native one.
local function fake_store()
  local kept, items = {}, {}
  local fake = {}
  local function key(owner, id) return owner .. "\0" .. id end
  function fake.put(owner, id, response, input, input_index, output_index)
    kept[key(owner, id)] = { response, input }
    for text, index in pairs { [input] = input_index or {}, [response] = output_index or {} } do
      for _, one in ipairs(index) do items[key(owner, one[1])] = { text:sub(one[2], one[3]), key(owner, id) } end
    end
    return true
  end
  function fake.get(owner, id) return unpack(kept[key(owner, id)] or {}) end
  function fake.item(owner, id)
    local one = items[key(owner, id)]
    return one and kept[one[2]] and one[1]
  end
  function fake.delete(owner, id)
    local had = kept[key(owner, id)] ~= nil
    kept[key(owner, id)] = nil
    return had
  end
  return fake
end

describe("responses store", function()
  local store, dialect
  local preloaded = package.preload["gateyes.responses"]

  before_each(function()
    package.preload["gateyes.responses"] = fake_store
    package.loaded["gateyes.responses"], package.loaded["gateyes.responses_store"] = nil, nil
    store, dialect = require "gateyes.responses_store", require "dialects.responses"
  end)

  after_each(function()
    package.preload["gateyes.responses"] = preloaded
    package.loaded["gateyes.responses"], package.loaded["gateyes.responses_store"] = nil, nil
  end)

  local function answer_to(request, said, context)
    context = context or support.context()
    context.request = assert(dialect.decode(request, context))
    return dialect.encode({ id = "x", model = "m", created = 5, choices = {
      { index = 0, finish = "stop", parts = { { type = "text", text = said } } } } }, context)
  end

  -- One turn: answered and recorded, for one owner. -> id
  local function turn(request, said, owner)
    owner = owner or "acme/k1"
    local response = answer_to(request, said, support.context { responses = store.of_owner(owner) })
    assert.is_true(store.record(owner, request, response))
    return json.decode(response).id, response
  end

  local function get(path, query, owner)
    local status, body, kind = store.answer(owner or "acme/k1", "GET", "/v1/responses/" .. path, query)
    return status, kind == "text/event-stream" and body or json.decode(body), body
  end

  it("gives back what the client got, to its owner only", function()
    local id, response = turn('{"input":"one"}', "two")
    local status, _, body = get(id)
    assert.equal(200, status)
    assert.equal(response, body)
    local lost, problem = get(id, nil, "other/k9")
    assert.equal(404, lost)
    assert.same({ message = "Response with id '" .. id .. "' not found.", type = "invalid_request_error",
      param = json.null, code = json.null }, problem.error)
  end)

  it("keeps nothing when the client says so", function()
    local request = '{"input":"one","store":false}'
    assert.is_false(store.record("o", request, answer_to(request, "two")))
    assert.is_false(store.record("o", "{", "{}"))
  end)

  it("carries a conversation over three turns", function()
    local first = turn('{"input":"one","instructions":"be"}', "two")
    local more = '{"previous_response_id":"' .. first .. '","input":[{"role":"user","content":"three"}]}'
    local second = turn(more, "four")
    local context = support.context { responses = store.of_owner("acme/k1") }
    local request = dialect.decode('{"previous_response_id":"' .. second .. '","input":"five"}', context)
    local said = {}
    for i, one in ipairs(request.turns) do said[i] = one.parts[1].text end
    assert.same({ "one", "two", "three", "four", "five" }, said)
    context.responses = store.of_owner("other/k9")
    local _, failure = dialect.decode('{"previous_response_id":"' .. second .. '","input":"five"}', context)
    assert.equal("previous_response_not_found", failure.code)
  end)

  it("lists input items in pages, newest first unless asked otherwise", function()
    local id = turn([[{"input":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},
      {"type":"message","id":"msg_mine","role":"user","content":[{"type":"input_text","text":"c"}]},
      {"type":"function_call","call_id":"c1","name":"f","arguments":"{}"},
      {"type":"function_call_output","call_id":"c1","output":"x"}]}]], "y")
    local status, page = get(id .. "/input_items", "order=asc&limit=3")
    assert.equal(200, status)
    assert.same({ "list", true, "msg_mine" }, { page.object, page.has_more, page.last_id })
    assert.same({ { type = "input_text", text = "a" } }, page.data[1].content)
    assert.same({ { type = "output_text", text = "b" } }, page.data[2].content)
    assert.equal("message", page.data[1].type)
    assert.equal(page.data[1].id, page.first_id)
    local _, rest = get(id .. "/input_items", "order=asc&after=msg_mine")
    assert.same({ "function_call", "function_call_output" }, { rest.data[1].type, rest.data[2].type })
    assert.is_false(rest.has_more)
    local _, newest = get(id .. "/input_items", "limit=1")
    assert.equal("function_call_output", newest.data[1].type)
    assert.equal(404, (get(id .. "/input_items", "after=nope")))
    assert.equal(400, (get(id .. "/input_items", "limit=0")))
    assert.equal(400, (get(id .. "/input_items", "limit=101")))
    assert.equal(400, (get(id .. "/input_items", "order=up")))
    assert.equal(404, (get("resp_x/input_items")))
    local _, none = get(id .. "/input_items", "after=" .. page.first_id)
    assert.same({ {}, json.null, false }, { none.data, none.first_id, none.has_more })
  end)

  it("resolves references to input and output items", function()
    local id, response = turn('{"input":"one"}', "tw\"o")
    local _, page = get(id .. "/input_items")
    local output_id = json.decode(response).output[1].id
    local context = support.context { responses = store.of_owner("acme/k1") }
    local request = dialect.decode('{"input":[{"type":"item_reference","id":"' .. page.data[1].id
      .. '"},{"type":"item_reference","id":"' .. output_id .. '"}]}', context)
    assert.equal("one", request.turns[1].parts[1].text)
    assert.equal("tw\"o", request.turns[2].parts[1].text)
  end)

  it("deletes", function()
    local id = turn('{"input":"one"}', "two")
    local status, body = store.answer("acme/k1", "DELETE", "/v1/responses/" .. id)
    assert.equal(200, status)
    assert.equal('{"id":"' .. id .. '","object":"response","deleted":true}', body)
    assert.equal(404, (get(id)))
    assert.equal(404, (store.answer("acme/k1", "DELETE", "/v1/responses/" .. id)))
  end)

  it("replays a stored response as a stream", function()
    local id, response = turn('{"input":"one"}', "two")
    local _, frames = get(id, "stream=true&include%5B%5D=x")
    local folded, events, done = fold.response(frames)
    assert.same(json.decode(response), folded)
    assert.is_true(done)
    local _, later = get(id, "stream=true&starting_after=" .. (#events - 2))
    assert.equal(1, #fold.events(later))
  end)

  it("does not cancel what was not in the background", function()
    local id = turn('{"input":"one"}', "two")
    local status, body = store.answer("acme/k1", "POST", "/v1/responses/" .. id .. "/cancel")
    assert.equal(400, status)
    assert.equal("Cannot cancel a synchronous response.", json.decode(body).error.message)
  end)

  describe("in the background", function()
    local request = '{"input":"one","background":true}'
    local function queue(id)
      local context = support.context { response_id = id }
      context.request = dialect.decode(request, context)
      assert.is_true(store.record("o", request, dialect.queued(context.request, context)))
      return context
    end
    local function status_of(id)
      local _, body = store.answer("o", "GET", "/v1/responses/" .. id)
      return json.decode(body).status
    end

    it("gives the queued response, then the finished one under the same id", function()
      queue "resp_gy1"
      assert.equal("queued", status_of "resp_gy1")
      assert.is_true(store.finish("o", "resp_gy1", answer_to('{"input":"one"}', "two")))
      local _, body = store.answer("o", "GET", "/v1/responses/resp_gy1")
      local response = json.decode(body)
      assert.same({ "resp_gy1", "completed", true }, { response.id, response.status, response.background })
      local _, page = store.answer("o", "GET", "/v1/responses/resp_gy1/input_items")
      assert.equal(1, #json.decode(page).data)
    end)

    it("begins as running, with a queued answer that repeats the request", function()
      local queued = store.begin("o", "resp_gy3", '{"input":"one","background":true,"temperature":0.5}', "m", 7)
      local response = json.decode(queued)
      assert.same({ "resp_gy3", "queued", true, 0.5, "m", 7 }, { response.id, response.status, response.background,
        response.temperature, response.model, response.created_at })
      assert.equal("in_progress", status_of "resp_gy3")
      local _, _, _, stop = store.answer("o", "DELETE", "/v1/responses/resp_gy3")
      assert.equal("resp_gy3", stop)
      local none, failure = store.begin("o", "resp_gy4", '{"input":"x","previous_response_id":"resp_no"}', "m", 7)
      assert.is_nil(none)
      assert.equal("previous_response_not_found", failure.code)
    end)

    it("cancels once and for good", function()
      queue "resp_gy1"
      local status, body, _, stop = store.answer("o", "POST", "/v1/responses/resp_gy1/cancel")
      assert.same({ 200, "cancelled", "resp_gy1" }, { status, json.decode(body).status, stop })
      assert.is_false(store.finish("o", "resp_gy1", answer_to(request, "two")))
      assert.equal("cancelled", status_of "resp_gy1")
      local again, _, _, stop_again = store.answer("o", "POST", "/v1/responses/resp_gy1/cancel")
      assert.same({ 200 }, { again, stop_again })
    end)

    it("fails, and forgets what was deleted meanwhile", function()
      queue "resp_gy1"
      assert.is_true(store.fail("o", "resp_gy1", { type = "rate_limit_error", message = "slow" }))
      assert.equal("failed", status_of "resp_gy1")
      queue "resp_gy2"
      store.answer("o", "DELETE", "/v1/responses/resp_gy2")
      assert.is_false(store.finish("o", "resp_gy2", answer_to(request, "two")))
      assert.is_false(store.fail("o", "resp_gy2", { type = "api_error", message = "x" }))
    end)
  end)

  it("knows its endpoints", function()
    assert.equal(405, (store.answer("o", "PUT", "/v1/responses/resp_1")))
    assert.equal(405, (store.answer("o", "GET", "/v1/responses/resp_1/cancel")))
    assert.equal(404, (store.answer("o", "GET", "/v1/responses/resp_1/other")))
    assert.equal(404, (store.answer("o", "POST", "/v1/responses/resp_1/cancel")))
  end)
end)
