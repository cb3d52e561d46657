-- Putting masks, hashes and tokens into texts, and values back in the place of tokens. Text that is JSON (arguments
-- of tools) stays JSON: what stood outside of a string becomes one, and values are escaped.
local gateyes = require "gateyes"

local splice = {}

-- Where we are in a text, as far as strings of JSON go. is_json: nil before the first character that says so.
local function words_new(may_be_json)
  local words = { in_string = false, skip = false, at = 0 }
  if not may_be_json then words.is_json = false end
  return words
end

function splice.of_channel(channel)
  return words_new(channel == "tool_arguments")
end

function splice.of_text(where)
  return words_new(where == "tool_arguments")
end

-- Goes on over text[from .. to].
local function walk(words, text, from, to)
  if words.is_json == nil then
    local first = text:match("^%s*(%S)", from)
    if not first then return end
    words.is_json = first == "{" or first == "[" or first == '"'
  end
  if not words.is_json or from > to then return end
  local at = from
  if words.skip then
    words.skip, at = false, at + 1
  end
  while at <= to do
    local found = text:find('["\\]', at)
    if not found or found > to then return end
    if text:byte(found) == 34 then
      words.in_string = not words.in_string
      at = found + 1
    else
      words.skip = found == to
      at = found + 2
    end
  end
end

local function escaped(words, text)
  if not words.is_json then return text end
  local quoted = gateyes.json.quote(text)
  return words.in_string and quoted:sub(2, -2) or quoted
end

-- The value of a span ends before a backslash that belongs to what follows.
local function last_of(words, span, text)
  if not words.is_json then return span.last end
  local last, slashes = span.last, 0
  while last - slashes >= span.first and text:byte(last - slashes) == 92 do slashes = slashes + 1 end
  return last - slashes % 2
end

-- Tokens.

local function token_of(vault, kind, value)
  local name, hash = kind:upper(), gateyes.hash.keyed(value)
  for _, length in ipairs { 8, 16, 32, 64 } do
    local token = "[" .. name .. "_" .. hash:sub(1, length) .. "]"
    if (vault.values[token] or value) == value then
      vault.values[token] = value
      return token
    end
  end
end

function splice.replacement(span, context, text)
  if span.action == "held" then return "[HELD]" end
  local kind = span.finding.kind
  if span.action == "mask" or span.finding.cut then return "[" .. kind:upper() .. "]" end
  local value = span.finding.value
  if span.joined or not value then value = span.value or text.text:sub(span.first, span.last) end
  if span.action == "hash" then return "[" .. kind:upper() .. ":" .. gateyes.hash.keyed(value):sub(1, 12) .. "]" end
  local notes = context.notes
  notes.vault = notes.vault or { values = {} }
  return token_of(notes.vault, kind, value)
end

-- A range of text:replace. Spans of a text come in its order.
function splice.range(words, span, with)
  if words.is_json == false then return { first = span.first, last = span.last, text = with } end
  local text = span.text.text
  walk(words, text, words.at + 1, span.first - 1)
  local last = last_of(words, span, text)
  local range = { first = span.first, last = last, text = escaped(words, with) }
  walk(words, text, span.first, last)
  words.at = last
  return range
end

-- Values in the place of their tokens.
local function restore(words, vault, text, from, to)
  local out = {}
  while from <= to do
    local first, last = text:find("%[[%u_]+_%x+%]", from)
    if not first or last > to then break end
    local value = vault.values[text:sub(first, last)]
    walk(words, text, from, first - 1)
    out[#out + 1] = text:sub(from, first - 1)
    out[#out + 1] = value and escaped(words, value) or text:sub(first, last)
    walk(words, text, first, last)
    from = last + 1
  end
  walk(words, text, from, to)
  out[#out + 1] = text:sub(from, to)
  return table.concat(out)
end

local function gap(words, vault, text, from, to)
  if from > to then return "" end
  if vault then return restore(words, vault, text, from, to) end
  walk(words, text, from, to)
  return text:sub(from, to)
end

-- Where the beginning of a token at the end of text[from .. upto] stands; what it becomes is not known yet.
local function held_from(text, from, upto)
  local low = math.max(from, upto - 100)
  local first = text:sub(low, upto):find("%[[%u_]*%x*$")
  return first and low + first - 1
end

local function digits_of(run)
  return select(2, gateyes.text.fold(run):gsub("%d", ""))
end

-- A word that may be the beginning of a number or of a key: four digits, or a dozen characters as no word has them.
local function is_risky(run, digits)
  if digits >= 4 then return true end
  return #run >= 12 and not run:find("[\128-\255]") and (digits > 0 or run:find("%l%u") ~= nil or run == run:upper())
end

-- Such words in text[from ..], as spans; numbers in groups, as "622 202 11", count as one.
function splice.risky(text, from)
  local spans, group, at = {}, nil, from
  while true do
    local first, last = text:find("%S+", at)
    if not first then return spans end
    local run = text:sub(first, last)
    local digits, is_number = digits_of(run), gateyes.text.fold(run):find("^[%d%-%.()+/]+$") ~= nil
    if is_number and group then
      group.digits, group.last = group.digits + digits, last
    else
      group = { first = first, last = last, digits = digits, action = "held" }
    end
    if is_risky(text:sub(group.first, last), group.digits) and spans[#spans] ~= group then spans[#spans + 1] = group end
    if not is_number then group = nil end
    at = last + 1
  end
end

-- What may go of a window, and what is held back. cut: text, spans in order, upto (what is certain), last.
function splice.window(cut, words, context)
  local vault, text, out, at = context.notes.vault, cut.text, {}, 1
  for _, span in ipairs(cut.spans) do
    out[#out + 1] = gap(words, vault, text, at, span.first - 1)
    local last = last_of(words, span, text)
    span.value = text:sub(span.first, last)
    local with = escaped(words, splice.replacement(span, context, nil))
    walk(words, text, span.first, last)
    out[#out + 1] = with
    at = last + 1
  end
  local upto = cut.last and #text or math.max(cut.upto, at - 1)
  if vault and not cut.last and not cut.overdue then
    local first = held_from(text, at, upto)
    if first then upto = first - 1 end
  end
  out[#out + 1] = gap(words, vault, text, at, upto)
  return table.concat(out), text:sub(upto + 1)
end

return splice
