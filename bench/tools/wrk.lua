-- What wrk sends, and what it tells at the end: one line of JSON. The body's file and the headers come after "--".
local lines = { "requests", "duration", "bytes" }

function init(arguments)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  local file = assert(io.open(arguments[1], "rb"))
  wrk.body = file:read "*a"
  file:close()
  for i = 2, #arguments do
    local name, value = arguments[i]:match "^([^:]+): (.*)$"
    wrk.headers[name] = value
  end
end

function done(summary, latency)
  local out = {}
  for _, name in ipairs(lines) do out[#out + 1] = ('"%s":%d'):format(name, summary[name]) end
  local errors = summary.errors
  out[#out + 1] = ('"failed":%d'):format(errors.status)
  out[#out + 1] = ('"lost":%d'):format(errors.connect + errors.read + errors.write + errors.timeout)
  out[#out + 1] = ('"p50_us":%d,"p99_us":%d'):format(latency:percentile(50), latency:percentile(99))
  io.stderr:write("{", table.concat(out, ","), "}\n")
end
