-- Our own translation cases of chat completions and completions: spec/goldens/chat.jsonl.
local goldens = require "goldens_support"

local function at(value, path)
  for name in path:gmatch "[^.]+" do value = value[name] end
  return value
end

describe("translation case", function()
  goldens.each("spec/goldens/chat.jsonl", function(case)
    it(case.id, function()
      local got = goldens.run(case)
      assert.same(case.want_dropped, got.dropped)
      assert.equal(case.want_status, got.status)
      if case.want_upstream then assert.same(case.want_upstream, got.body) end
      if case.want_client then assert.same(case.want_client, got.error or got.body) end
      for path, value in pairs(case.want_partial or {}) do assert.same(value, at(got.body, path)) end
      if case.want_client_sse then assert.same(goldens.events(case.want_client_sse), got.events) end
    end)
  end)
end)
