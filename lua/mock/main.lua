-- The mock's four entries for C: accept (a head has come), respond (a request has come), finished
-- (its answer has ended), connection (one more, one less). See runtime/script/mock_state.h.
local check = require "mock.check"
local control = require "mock.control"
local failure = require "mock.failure"
local json = require "gateyes.json"
local knobs = require "mock.knobs"
local records = require "mock.records"
local routes = require "mock.routes"
local scripts = require "mock.scripts"
local wire = require "mock.wire"

local main = {}

local defaults, scenario = {}, nil
local connections = { total = 0, open = 0 }
local failures = {} -- key -> how often fail_times has applied

function main.configure(default_knobs, scenario_file)
  if default_knobs then
    local set, problem = knobs.parse(default_knobs, {})
    if not set then error(problem, 0) end
    defaults = set
  end
  if scenario_file then
    local loaded, problem = loadfile(scenario_file)
    if not loaded then error(problem, 0) end
    scenario = loaded()
  end
end

function main.connection(change)
  connections.open = connections.open + change
  if change > 0 then connections.total = connections.total + 1 end
end

function main.finished(id, ending)
  records.finish(id, ending)
end

local function find_header(lines, wanted)
  for i = 1, #lines, 2 do
    local name = lines[i]
    if #name == #wanted and name:lower() == wanted then return lines[i + 1] end
  end
end

-- Knobs of path, query and header over the defaults. The model's come later, with the body.
local function read_head(request)
  local path, query, sources = knobs.split_target(request.target)
  sources[#sources + 1] = find_header(request.lines, "x-mock")
  local set = {}
  for key, value in pairs(defaults) do set[key] = value end
  for _, source in ipairs(sources) do
    local fine, problem = knobs.parse(source, set)
    if not fine then return path, query, set, problem end
  end
  return path, query, set
end

local function is_control(path)
  return path:find("^/mock/") ~= nil
end

function main.accept(request)
  local path, _, set = read_head(request)
  if is_control(path) then return nil end
  records.add(request)
  local intake = { early = set.early, never = set.read == "never" }
  if set.read == "slow" then
    intake.bytes, intake.pause_ms = set.read_bytes or 1024, set.read_ms or 100
  end
  return intake
end

local function json_answer(status, body, headers)
  local lines = { "content-type", "application/json" }
  for _, item in ipairs(headers or {}) do lines[#lines + 1] = item end
  return { status = status, headers = lines, body = body }
end

local function request_id_header(format, request)
  local name = format.is_anthropic and "request-id" or "x-request-id"
  return { name, "req_mock" .. request.id }
end

local function refuse(format, problem, request)
  local id = request_id_header(format, request)
  return json_answer(problem.status, format.error_body(problem, id[2]), id)
end

local function is_authorized(request, set)
  if not set.auth then return true end
  local bearer = find_header(request.lines, "authorization")
  local key = find_header(request.lines, "x-api-key") or find_header(request.lines, "api-key")
  return key == set.auth or bearer == "Bearer " .. set.auth
end

-- The status that the knobs force on this request, or nil.
local function forced_status(request, set, source)
  if set.fail_times then
    local key = set.key or source
    local count = failures[key] or 0
    if count >= set.fail_times then return nil end
    failures[key] = count + 1
    return set.status or 503
  end
  if set.fail_rate then
    local before = math.floor((request.id - 1) * set.fail_rate / 100)
    return math.floor(request.id * set.fail_rate / 100) > before and (set.status or 503) or nil
  end
  return set.status
end

-- Decodes the body and takes the model's knobs. Returns body | nil, problem.
local function read_body(request, set, route)
  if route.format.no_body then return {} end
  local body = json.decode(request.body)
  if type(body) ~= "table" then
    return nil, failure.bad("We could not parse the JSON body of your request.", nil, "invalid_json")
  end
  check.clean(body)
  if body.model == nil then body.model = route.model end
  if type(body.model) == "string" then
    local name, tail = knobs.split_model(body.model)
    body.model = name
    if tail then
      local fine, problem = knobs.parse(tail, set)
      if not fine then return nil, failure.bad(problem) end
    end
  end
  if route.stream then body.stream = true end
  return body
end

local function answer_request(request, route, set)
  local format = route.format
  local body, problem = read_body(request, set, route)
  if request.record and body then request.record.model = type(body.model) == "string" and body.model or nil end
  local status = forced_status(request, set, request.target)
  if not is_authorized(request, set) then
    return refuse(format, { status = 401, message = "Incorrect API key provided", code = "invalid_api_key" }, request)
  end
  if status and status >= 400 then return refuse(format, failure.of_knobs(set, status), request) end
  if not body then return refuse(format, problem, request) end
  local answer, wrong = routes.answer(route, body, set, request)
  if not answer then return refuse(format, wrong, request) end
  local id = request_id_header(format, request)
  for _, item in ipairs(id) do answer.headers[#answer.headers + 1] = item end
  if status then answer.status = status end
  return answer
end

local function choose(request, path, set, problem)
  local route = routes.find(request.method, path)
  local format = route and route.format or routes.fallback
  if problem then return refuse(format, failure.bad(problem), request) end
  local scripted = scripts.find(request, path, set) or (scenario and scenario(request, set))
  if scripted then return scripted end
  if not route then
    return refuse(format, { status = 404, message = "Invalid URL (" .. request.method .. " " .. path .. ")" }, request)
  end
  return answer_request(request, route, set)
end

function main.respond(request)
  local path, query, set, problem = read_head(request)
  if is_control(path) then
    local status, body, kind = control.answer(request, path, query, connections)
    return wire.plan({ status = status, headers = { "content-type", kind or "application/json" }, body = body }, {})
  end
  local record = records.add(request)
  if record.body ~= request.body then records.complete(record, request) end
  request.record = record
  local answer = choose(request, path, set, problem)
  if set.content_type then
    for i = 1, #answer.headers, 2 do
      if answer.headers[i]:lower() == "content-type" then answer.headers[i + 1] = set.content_type end
    end
  end
  record.status = answer.status
  return wire.plan(answer, set)
end

function main.reset()
  failures = {}
end

control.on_reset(main.reset)
return main
