-- Sources that a text names -> the `annotations` of a chat message, which know URLs only.
-- https://platform.openai.com/docs/api-reference/chat/object (annotations)
local json = require "gateyes.json"

local chat_citations = {}

local function characters(text)
  if not text:find "[\128-\255]" then return #text end
  local _, count = text:gsub("[^\128-\191]", "")
  return count
end

chat_citations.characters = characters

local function annotation(url, title, first, last)
  return { type = "url_citation", url_citation = { url = url, title = title or url, start_index = first,
    end_index = last } }
end

-- One source in chat's form, in that of the Responses API, or (where the span is given) in Anthropic's; else nil.
function chat_citations.convert(source, first, last)
  if type(source) ~= "table" then return nil end
  if type(source.url_citation) == "table" then return source end
  if type(source.url) ~= "string" then return nil end
  local title = type(source.title) == "string" and source.title or nil
  if type(source.start_index) == "number" and type(source.end_index) == "number" then
    return annotation(source.url, title, source.start_index, source.end_index)
  end
  return first and annotation(source.url, title, first, last) or nil
end

local function add(annotations, raw, first, last)
  local sources = raw and json.decode(json.raw_text(raw))
  if type(sources) ~= "table" then return end
  for i = 1, #sources do
    annotations[#annotations + 1] = chat_citations.convert(sources[i], first, last)
  end
end

-- All sources of a message's text parts, or nil. Spans count characters of the whole content.
function chat_citations.collect(parts)
  local annotations, length = {}, 0
  for _, part in ipairs(parts) do
    if part.type == "text" and (part.annotations or part.citations) then
      local last = length + characters(part.text)
      add(annotations, part.annotations, length, last)
      add(annotations, part.citations, length, last)
    end
    if part.type == "text" then length = length + characters(part.text) end
  end
  return annotations[1] and json.array(annotations) or nil
end

return chat_citations
