-- The cases of spec/goldens/responses.jsonl. What is wanted is a part of what must come: objects may have more members,
-- lists have exactly these elements; "*" stands for any one event.
local fold = require "response_fold"
local json = require "gateyes.json"
local runner = require "golden_runner"

local function differ(want, got, where)
  if want == "*" then return nil end
  if type(want) ~= "table" then
    if want ~= got then return where .. ": want " .. json.encode(want) .. ", got " .. json.encode(got) end
    return nil
  end
  if type(got) ~= "table" then return where .. ": want " .. json.encode(want) .. ", got " .. json.encode(got) end
  if json.is_array(want) and #want ~= #got then
    return where .. ": want " .. #want .. " elements, got " .. json.encode(got)
  end
  for key, value in pairs(want) do
    local problem = differ(value, got[key], where .. "." .. key)
    if problem then return problem end
  end
end

local function check(want, got)
  assert.is_nil(differ(want, got, "answer"))
end

local run = {}

function run.request(case, members)
  local body, failure, context = runner.request(case, members.client_body)
  assert.is_nil(failure)
  check(case.want_upstream, json.decode(body))
  for _, field in ipairs(case.want_dropped or {}) do assert.is_truthy(context.dropped[field], field) end
end

function run.response(case)
  check(case.want_client, json.decode((runner.response(case))))
end

function run.stream(case)
  local frames = runner.stream(case)
  local events = runner.events(frames)
  if case.want_client_events then check(case.want_client_events, events) end
  if case.client_proto == "responses" then
    local final = fold.response(frames)
    if case.want_final then check(case.want_final, final) end
  end
end

describe("golden", function()
  for line in io.lines "spec/goldens/responses.jsonl" do
    local case, members = assert(json.decode(line)), {}
    for _, member in ipairs(json.members(line)) do members[member[1]] = member[2] end
    it(case.id, function() run[case.kind](case, members) end)
  end
end)
