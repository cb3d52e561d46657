-- What the policies that ship ask of `gateyes`, in plain Lua: for running their specs with busted itself.
local json = require "gateyes.json"

local gateyes = { json = json, hash = {}, store = {}, text = {}, tokens = {} }
local kept, clock = {}, nil

-- Spreads well enough for specs: FNV-1a, stretched to as many digits as SHA-256 has.
function gateyes.hash.sha256(text)
  local digits = {}
  for block = 1, 8 do
    local hash = 2166136261 + block
    for i = 1, #text do
      hash = bit.bxor(hash, text:byte(i))
      hash = bit.tobit(hash * 403 + bit.lshift(hash, 24)) -- times 16777619, modulo 2^32
    end
    hash = bit.bxor(hash, bit.rshift(hash, 15))
    hash = bit.tobit(bit.band(hash, 0xffff) * 0x2c1b + bit.lshift(bit.rshift(hash, 16) * 0x2c1b, 16))
    digits[block] = bit.tohex(bit.bxor(hash, bit.rshift(hash, 12)))
  end
  return table.concat(digits)
end

gateyes.hash.keyed = gateyes.hash.sha256

function gateyes.store.get(name) return kept[name] end

function gateyes.store.put(name, value)
  kept[name] = tostring(value)
  return true
end

function gateyes.text.fold(text) return (text:lower()) end

local function is_cjk(word) return word:find "[\227-\237]" ~= nil end

local function spaced(text) return " " .. text:lower():gsub("[%z\1-\47\58-\64\91-\96\123-\127]+", " ") .. " " end

-- Those of CJK scripts anywhere, others as whole words, also amid CJK ones.
function gateyes.text.words(lists)
  local words = {}
  function words.count(_, text)
    local counts, latin = {}, spaced((text:gsub("[\227-\239][\128-\191][\128-\191]", " ")))
    for name, list in pairs(lists) do
      counts[name] = 0
      for _, word in ipairs(list) do
        local found = is_cjk(word) and text:find(word, 1, true) or latin:find(spaced(word), 1, true)
        if found then counts[name] = counts[name] + 1 end
      end
    end
    return counts
  end
  return words
end

function gateyes.tokens.count(subject)
  local text = type(subject) == "string" and subject or subject.body
  return math.ceil(#text / 4)
end

function gateyes.now() return clock or os.time() end

function gateyes._set_now(seconds) clock = seconds end

function gateyes._forget()
  kept, clock = {}, nil
end

return gateyes
