-- What the specs beside it test.
local words = { log = {} }

function words.count(text)
  local count = 0
  for _ in text:gmatch "%S+" do count = count + 1 end
  return count
end

function words.each(text, call)
  for word in text:gmatch "%S+" do call(word) end
end

return words
