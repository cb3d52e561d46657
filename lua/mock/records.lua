-- What the mock saw and did: the truth that a gateway's ledger is compared with. The oldest fall
-- out of the ring.
local native = require "mock.native"
local text = require "mock.text"

local records = { total = 0, finished = 0, outcomes = {}, statuses = {} }

local COUNT_MAX, BYTES_MAX = 10000, 64 * 1024 * 1024

local ring, first, last, bytes, by_id = {}, 1, 0, 0, {}

local function drop_oldest()
  local record = ring[first]
  ring[first] = nil
  first = first + 1
  bytes = bytes - record.size
  by_id[record.id] = nil
end

local function query_model(record)
  return record.model and text.quote(record.model)
end

function records.add(request)
  if by_id[request.id] then return by_id[request.id] end
  local record = {
    id = request.id, connection = request.connection, port = request.port, time_ms = request.time_ms,
    method = request.method, target = request.target, lines = request.lines, body = request.body,
    body_bytes = request.body_bytes, size = 512 + #request.body + #request.target,
  }
  last = last + 1
  ring[last], by_id[request.id] = record, record
  bytes = bytes + record.size
  records.total = records.total + 1
  while bytes > BYTES_MAX or last - first >= COUNT_MAX do drop_oldest() end
  return record
end

-- The body has arrived since the record was made from the head alone.
function records.complete(record, request)
  bytes = bytes + #request.body - #record.body
  record.size = record.size + #request.body - #record.body
  record.body, record.body_bytes = request.body, request.body_bytes
end

function records.finish(id, ending)
  local record = by_id[id]
  if not record then return end
  record.outcome, record.bytes_sent, record.after_ms = ending.outcome, ending.bytes_sent, ending.after_ms
  record.body_bytes = ending.body_bytes
  records.finished = records.finished + 1
  records.outcomes[ending.outcome] = (records.outcomes[ending.outcome] or 0) + 1
  local status = tostring(record.status or 0)
  records.statuses[status] = (records.statuses[status] or 0) + 1
end

local function headers_json(lines)
  local order, values, written = {}, {}, {}
  for i = 1, #lines, 2 do
    local name = lines[i]:lower()
    if not values[name] then order[#order + 1] = name end
    values[name] = values[name] and (values[name] .. ", " .. lines[i + 1]) or lines[i + 1]
    written[#written + 1] = text.quote(lines[i] .. ": " .. lines[i + 1])
  end
  local fields = {}
  for i, name in ipairs(order) do fields[i] = text.quote(name) .. ":" .. text.quote(values[name]) end
  return "{" .. table.concat(fields, ",") .. "}", text.array(written)
end

local function record_json(record)
  local path, query = record.target:match("^([^?]*)%??(.*)$")
  local headers, lines = headers_json(record.lines)
  local plain = text.is_utf8(record.body)
  local gone = record.outcome and record.outcome ~= "complete"
  return text.object(
    "id", text.number(record.id), "connection", text.number(record.connection), "port", text.number(record.port),
    "time_ms", text.number(record.time_ms), "method", text.quote(record.method), "path", text.quote(path),
    "query", text.quote(query), "headers", headers, "header_lines", lines, "model", query_model(record),
    "body", plain and text.quote(record.body) or nil,
    "body_base64", not plain and text.quote(native.base64(record.body)) or nil,
    "bytes_received", text.number(record.body_bytes), "status", text.value(record.status),
    "outcome", text.quote(record.outcome or "open"), "bytes_sent", text.value(record.bytes_sent),
    "after_ms", text.value(record.after_ms), "abort_ms", gone and text.number(record.after_ms) or "null")
end

-- since: only ids above it; newest: only so many, the newest ones.
function records.list(since, newest)
  local out = {}
  local from = newest and math.max(first, last - newest + 1) or first
  for at = from, last do
    if ring[at].id > (since or 0) then out[#out + 1] = record_json(ring[at]) end
  end
  return text.array(out)
end

function records.clear()
  ring, first, last, bytes, by_id = {}, 1, 0, 0, {}
  records.total, records.finished, records.outcomes, records.statuses = 0, 0, {}, {}
end

local function counts_json(counts)
  local names, fields = {}, {}
  for name in pairs(counts) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do fields[i] = text.quote(name) .. ":" .. text.number(counts[name]) end
  return "{" .. table.concat(fields, ",") .. "}"
end

function records.stats(connections)
  return text.object(
    "requests", text.number(records.total), "finished", text.number(records.finished),
    "open", text.number(records.total - records.finished), "outcomes", counts_json(records.outcomes),
    "statuses", counts_json(records.statuses), "connections", text.number(connections.total),
    "connections_open", text.number(connections.open), "records", text.number(last - first + 1),
    "record_bytes", text.number(bytes))
end

return records
