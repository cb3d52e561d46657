-- Faults that are counted in bytes of the body: each takes and returns a list of segments,
-- { text =, delay = ms | nil } | { fill =, before =, after = } | { stall = ms | true }.
local bit = require "bit"

local bytes = {}

local function length(segment)
  if segment.fill then return #segment.before + segment.fill + #segment.after end
  return segment.text and #segment.text or 0
end

function bytes.total(segments, count)
  local sum = 0
  for i = 1, count and math.min(count, #segments) or #segments do sum = sum + length(segments[i]) end
  return sum
end

-- The first `at` bytes, and the rest. A fill is not divided: it falls to the side of its start.
function bytes.divide(segments, at)
  local head, tail, seen = {}, {}, 0
  for _, segment in ipairs(segments) do
    local size = length(segment)
    if seen + size <= at then
      head[#head + 1] = segment
    elseif seen >= at or segment.fill then
      tail[#tail + 1] = segment
    else
      head[#head + 1] = { text = segment.text:sub(1, at - seen), delay = segment.delay }
      tail[#tail + 1] = { text = segment.text:sub(at - seen + 1) }
    end
    seen = seen + size
  end
  return head, tail
end

local function join(head, middle, tail)
  head[#head + 1] = middle
  for _, segment in ipairs(tail) do head[#head + 1] = segment end
  return head
end

function bytes.insert(segments, at, segment)
  local head, tail = bytes.divide(segments, at)
  return join(head, segment, tail)
end

local GARBAGE = {}
for i = 1, 64 do GARBAGE[i] = string.char((i * 37 + 128) % 256) end
bytes.garbage = table.concat(GARBAGE)

-- count segments in one, with the delay of the first.
function bytes.burst(segments, count)
  local out, held = {}, nil
  local function flush()
    if held then out[#out + 1] = { text = table.concat(held), delay = held.delay } end
    held = nil
  end
  for _, segment in ipairs(segments) do
    if held and #held == count or not segment.text then flush() end
    if segment.text then
      held = held or { delay = segment.delay }
      held[#held + 1] = segment.text
    else
      out[#out + 1] = segment
    end
  end
  flush()
  return out
end

local function list_sizes(spec)
  local sizes, from = {}, 0
  for offset in spec:gmatch("%d+") do
    offset = tonumber(offset)
    if offset > from then
      sizes[#sizes + 1] = offset - from
      from = offset
    end
  end
  return function(i) return sizes[i] or math.huge end
end

local function random_sizes(seed)
  local state = seed % 2147483647
  if state == 0 then state = 1 end
  return function()
    state = (state * 48271) % 2147483647
    return 1 + state % 40
  end
end

local function sizes_of(set)
  if set.split == "random" then return random_sizes(set.seed or 1) end
  if set.split:find(",", 1, true) then return list_sizes(set.split) end
  local size = math.max(1, tonumber(set.split) or 1)
  return function() return size end
end

-- Sizes run on across segments, so that a piece ends at the same offset however frames lie. Two
-- frames never share a piece.
function bytes.split(segments, set)
  local next_size, pieces, out = sizes_of(set), 1, {}
  local left = next_size(1)
  for _, segment in ipairs(segments) do
    local rest, delay = segment.text, segment.delay
    if not rest then out[#out + 1] = segment end
    while rest and rest ~= "" do
      local part = rest:sub(1, math.min(left, #rest))
      out[#out + 1] = { text = part, delay = delay or set.gap }
      rest, delay = rest:sub(#part + 1), nil
      left = left - #part
      if left == 0 then
        pieces = pieces + 1
        left = next_size(pieces)
      end
    end
  end
  return out
end

local crc_table = {}
for i = 0, 255 do
  local value = i
  for _ = 1, 8 do
    local low = bit.band(value, 1)
    value = bit.rshift(value, 1)
    if low == 1 then value = bit.bxor(value, 0xEDB88320) end
  end
  crc_table[i] = value
end

local function add_crc(crc, data)
  for i = 1, #data do
    crc = bit.bxor(bit.rshift(crc, 8), crc_table[bit.band(bit.bxor(crc, data:byte(i)), 255)])
  end
  return crc
end

local function little(value, count)
  local out = {}
  for i = 1, count do
    out[i] = string.char(bit.band(value, 255))
    value = bit.rshift(value, 8)
  end
  return table.concat(out)
end

local function stored(data, final)
  return string.char(final and 1 or 0) .. little(#data, 2) .. little(bit.bnot(#data), 2) .. data
end

-- RFC 1952 with stored blocks (RFC 1951, 3.2.4): valid gzip that keeps one block per frame.
function bytes.gzip(segments)
  local out = { { text = "\31\139\8\0\0\0\0\0\0\255" } }
  local crc, size = bit.tobit(0xFFFFFFFF), 0
  for _, segment in ipairs(segments) do
    local data = segment.text or ""
    crc, size = add_crc(crc, data), size + #data
    local blocks = {}
    for at = 1, #data, 65535 do blocks[#blocks + 1] = stored(data:sub(at, at + 65534)) end
    out[#out + 1] = { text = table.concat(blocks), delay = segment.delay }
  end
  out[#out + 1] = { text = stored("", true) .. little(bit.bnot(crc), 4) .. little(size, 4) }
  return out
end

return bytes
