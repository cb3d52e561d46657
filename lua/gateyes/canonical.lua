-- Small conversions that several dialects and adapters share; the form itself is docs/canonical.md.
local canonical = {}

-- Anthropic budgets per effort word, and back. OpenAI documents no token figures for its words; these are the ones that
-- other gateways use, so that a change of gateway changes no bill: Anthropic's minimum, doubling from "low" on.
local budgets = { minimal = 1024, low = 1024, medium = 2048, high = 4096, xhigh = 8192, max = 16384 }

function canonical.budget_of_effort(effort)
  return budgets[effort]
end

function canonical.effort_of_budget(budget_tokens)
  if budget_tokens <= 1024 then return "minimal" end
  if budget_tokens <= 4096 then return "low" end
  if budget_tokens <= 12288 then return "medium" end
  return "high"
end

-- "data:image/png;base64,AAAA" -> "image/png", "AAAA"; nil when the URL is not a base64 data URL (RFC 2397).
function canonical.parse_data_url(url)
  if url:sub(1, 5) ~= "data:" then return nil end
  local comma = url:find(",", 6, true)
  if not comma then return nil end
  local head = url:sub(6, comma - 1)
  local media_type = head:sub(-7) == ";base64" and head:sub(1, -8)
  if not media_type then return nil end
  local semicolon = media_type:find(";", 1, true)
  if semicolon then media_type = media_type:sub(1, semicolon - 1) end
  return media_type ~= "" and media_type or "text/plain", url:sub(comma + 1)
end

function canonical.data_url(media_type, data)
  return "data:" .. media_type .. ";base64," .. data
end

local longest_line = 300

-- What a client may hear of an error body that is no JSON. A short line about the client's own mistake helps; a page of
-- HTML does not, and behind a status of 500 and above it is mostly a proxy that speaks, of hosts that are not the
-- client's affair. The log has its first words.
function canonical.plain_message(status, body)
  status = status or 502
  local text = body:match "^%s*(.-)%s*$"
  if status >= 500 or text == "" or text:sub(1, 1) == "<" or #text > longest_line or text:find("%c") then
    return "The provider answered with status " .. status
  end
  return text
end

-- All text parts joined; what a provider that takes one string gets.
function canonical.text_of(parts, separator)
  local texts = {}
  for _, part in ipairs(parts or {}) do
    if part.type == "text" then texts[#texts + 1] = part.text end
  end
  return table.concat(texts, separator or "")
end

-- The parts of a failed tool's result for providers that have no flag for it: the text says so.
function canonical.marked_error(parts)
  local marked, said = {}, false
  for i, part in ipairs(parts or {}) do
    if part.type == "text" and not said then
      said = true
      if not part.text:lower():match "^%s*error" then
        part = { type = "text", text = "Error: " .. part.text, cache = part.cache }
      end
    end
    marked[i] = part
  end
  if not said then table.insert(marked, 1, { type = "text", text = "Error" }) end
  return marked
end

-- A text file for providers that take none: its text below what is said of it.
function canonical.text_of_file(part)
  local texts = {}
  for _, text in ipairs { part.title or part.filename or false, part.context or false, part.text } do
    if text then texts[#texts + 1] = text end
  end
  return table.concat(texts, "\n\n")
end

function canonical.failure(status, type, message, param, code)
  return { status = status, type = type, message = message, param = param, code = code }
end

-- A 400 that names the client's field and what to do about it.
function canonical.invalid(param, message)
  return canonical.failure(400, "invalid_request_error", message, param, "invalid_value")
end

-- A whole number of what a provider gave (some give a time with fractions), or nil.
function canonical.whole(number)
  return type(number) == "number" and math.floor(number) or nil
end

return canonical
