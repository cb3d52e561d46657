local kit = require "gateyes.kit"
local policy = require "policies.sticky"

local function targets(count, inflight)
  local list = {}
  for i = 1, count do list[i] = { name = "t" .. i .. "/m", inflight = inflight or 10 } end
  return list
end

local function first(session, candidates, settings)
  return kit.run(policy, { session = session, candidates = candidates, settings = settings }).route[1]
end

describe("sticky", function()
  it("keeps a session where it is", function()
    local candidates = targets(5)
    for i = 1, 20 do assert.equal(first("s" .. i, candidates), first("s" .. i, candidates)) end
  end)

  it("spreads sessions", function()
    local count, candidates = {}, targets(4)
    for i = 1, 800 do
      local name = first("session-" .. i, candidates)
      count[name] = (count[name] or 0) + 1
    end
    for i = 1, 4 do assert.is_true(count["t" .. i .. "/m"] > 140 and count["t" .. i .. "/m"] < 260) end -- 200, 12
  end)

  it("moves only the sessions of the target that went", function()
    local all = targets(5)
    local fewer = { all[1], all[2], all[3], all[4] }
    local moved = 0
    for i = 1, 400 do
      local before, after = first("s" .. i, all), first("s" .. i, fewer)
      if before ~= after then
        moved = moved + 1
        assert.equal("t5/m", before)
      end
    end
    assert.is_true(moved > 45 and moved < 120) -- 80 expected, 8 the deviation
  end)

  it("passes on what a busy target cannot take", function()
    local candidates = targets(3, 2)
    local home = first("s", candidates)
    for _, candidate in ipairs(candidates) do
      if candidate.name == home then candidate.inflight = 40 end
    end
    local result = kit.run(policy, { session = "s", candidates = candidates })
    assert.are_not.equal(home, result.route[1])
    assert.equal(home, result.route[3]) -- still there, for failover
  end)

  it("goes by the beginning of the prompt where there is no session", function()
    local candidates = targets(16)
    local function ask(turns)
      local messages = { { role = "system", content = "Be terse." }, { role = "user", content = "Tell me of Rome" } }
      for _, turn in ipairs(turns) do messages[#messages + 1] = turn end
      return kit.run(policy, { body = { model = "m", messages = messages }, candidates = candidates }).route[1]
    end
    assert.equal(ask {}, ask { { role = "assistant", content = "A city." }, { role = "user", content = "More" } })
  end)

  it("goes by a header", function()
    local settings, candidates, seen = { by = "header", header = "x-team" }, targets(8), {}
    for i = 1, 30 do
      local options = { text = "same", headers = { ["x-team"] = "team" .. i } }
      options.settings, options.candidates = settings, candidates
      seen[kit.run(policy, options).route[1]] = true
    end
    assert.is_truthy(next(seen, next(seen)))
  end)

  it("wants the header's name", function()
    assert.has_error(function() first("s", targets(2), { by = "header" }) end)
  end)

  it("gives a target without weight no session", function()
    local candidates = { { name = "a/m", weight = 0 }, { name = "b/m" } }
    for i = 1, 20 do assert.equal("b/m", first("s" .. i, candidates)) end
  end)
end)
