-- Our own translation cases between Messages and the other protocols: spec/goldens/messages.jsonl.
local goldens = require "goldens_support"

describe("translation case", function()
  goldens.each("spec/goldens/messages.jsonl", function(case)
    it(case.id, function()
      local got = goldens.run(case)
      assert.same(case.want_dropped, got.dropped)
      assert.same(case.want_upstream, got.error == nil and case.kind == "request" and got.body or nil)
      if case.want_client then assert.same(case.want_client, got.error or got.body) end
      assert.equal(case.want_status, got.status)
      if case.want_client_sse then assert.same(goldens.events(case.want_client_sse), got.events) end
    end)
  end)
end)
