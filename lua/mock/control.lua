-- The mock's own endpoints below /mock/: records, counters, recorded answers.
local json = require "gateyes.json"
local knobs = require "mock.knobs"
local records = require "mock.records"
local scripts = require "mock.scripts"
local text = require "mock.text"

local control = {}

local on_reset = function() end

function control.on_reset(callback)
  on_reset = callback
end

local function query_number(query, name)
  return tonumber(("&" .. query):match("&" .. name .. "=(%d+)"))
end

local handlers = {
  ["GET /mock/health"] = function() return 200, '{"status":"ok"}' end,
  ["GET /mock/knobs"] = function() return 200, knobs.markdown(), "text/markdown" end,
  ["GET /mock/stats"] = function(_, _, connections) return 200, records.stats(connections) end,
  ["GET /mock/requests"] = function(_, query)
    return 200, records.list(query_number(query, "since"), query_number(query, "last"))
  end,
  ["DELETE /mock/requests"] = function()
    records.clear()
    return 200, "{}"
  end,
  ["POST /mock/script"] = function(request)
    local count, problem = scripts.add(json.decode(request.body))
    if not count then return 400, text.object("error", text.quote(problem)) end
    return 200, text.object("scripts", text.number(count))
  end,
  ["DELETE /mock/script"] = function()
    scripts.clear()
    return 200, "{}"
  end,
  ["POST /mock/reset"] = function()
    records.clear()
    scripts.clear()
    on_reset()
    return 200, "{}"
  end,
}

-- Status, body and content type.
function control.answer(request, path, query, connections)
  local handler = handlers[request.method .. " " .. path]
  if not handler then return 404, '{"error":"no such endpoint"}' end
  return handler(request, query, connections)
end

return control
