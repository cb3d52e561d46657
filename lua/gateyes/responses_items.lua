-- Output items of a response as JSON text.
-- https://platform.openai.com/docs/api-reference/responses/object (output)
local json = require "gateyes.json"
local seal = require "gateyes.responses_seal"
local text = require "gateyes.responses_text"

local items = {}

local quote = json.quote

-- Anthropic cites per block, chat nests what Responses has flat. nil: nothing that an annotation can say.
local function annotation(note, length)
  if type(note) ~= "table" then return nil end
  local flat = type(note.url_citation) == "table" and note.url_citation or note
  if type(flat.url) == "string" then
    return text.object("type", '"url_citation"', "url", quote(flat.url), "title", quote(text.string(flat.title) or ""),
      "start_index", text.integer(tonumber(flat.start_index) or 0),
      "end_index", text.integer(tonumber(flat.end_index) or length))
  end
  if type(note.document_title) == "string" then
    return text.object("type", '"file_citation"', "file_id", quote(text.string(note.file_id) or ""),
      "filename", quote(note.document_title), "index", text.integer(tonumber(note.document_index) or 0))
  end
end

local native = { url_citation = true, file_citation = true, container_file_citation = true, file_path = true }

-- One note as raw JSON -> annotation text or nil. `length` is the count of characters of the text before it.
function items.annotation(raw, length)
  local note = json.decode(raw)
  if type(note) == "table" and native[note.type] and note.url_citation == nil then return raw end
  return annotation(note, length)
end

local function annotations(part)
  local list = {}
  for _, raw_list in ipairs { part.annotations or false, part.citations or false } do
    local raws = raw_list and json.elements(json.raw_text(raw_list)) or {}
    for _, raw in ipairs(raws) do list[#list + 1] = items.annotation(raw, text.characters(part.text)) end
  end
  return list
end

-- Log probabilities of chat ({"content":[…]}) or a list of them -> list of texts.
function items.logprobs(raw)
  local source = json.is_raw(raw) and json.raw_text(raw) or json.encode(raw)
  if source:sub(1, 1) == "{" then source = text.members(source).content or "[]" end
  return json.elements(source) or {}
end

function items.text_content(said, notes, logprobs)
  return text.object("type", '"output_text"', "text", quote(said), "annotations", text.list(notes or {}),
    "logprobs", text.list(logprobs or {}))
end

function items.refusal_content(said)
  return text.object("type", '"refusal"', "refusal", quote(said))
end

function items.message(id, status, contents)
  return text.object("id", quote(id), "type", '"message"', "status", quote(status), "role", '"assistant"',
    "content", text.list(contents))
end

-- call: { id = item id, call_id, name, custom }
function items.call(call, status, arguments)
  if call.custom then
    return text.object("id", quote(call.id), "type", '"custom_tool_call"', "status", quote(status),
      "call_id", quote(call.call_id), "name", quote(call.name), "input", quote(arguments))
  end
  return text.object("id", quote(call.id), "type", '"function_call"', "status", quote(status),
    "call_id", quote(call.call_id), "name", quote(call.name), "arguments", quote(arguments))
end

function items.summary_part(said)
  return text.object("type", '"summary_text"', "text", quote(said))
end

function items.reasoning_content(said)
  return text.object("type", '"reasoning_text"', "text", quote(said))
end

-- Anthropic's visible thinking is a summary of the thought, so it stands in `summary`; what open models think is the
-- thought itself and stands in `content`.
function items.reasoning(id, part)
  local summary = {}
  for i, said in ipairs(part.summary or {}) do summary[i] = items.summary_part(said) end
  local said, shown = part.text or "", nil
  if said ~= "" then
    if part.format == "anthropic" then
      summary = { items.summary_part(said) }
    else
      shown = text.list { items.reasoning_content(said) }
    end
  end
  local sealed = seal.close(part)
  return text.object("id", quote(id), "type", '"reasoning"', "summary", text.list(summary), "content", shown,
    "encrypted_content", sealed and quote(sealed))
end

local function is_content(part)
  return part.type == "text" or part.type == "refusal"
end

local function content(part, logprobs)
  if part.type == "refusal" then return items.refusal_content(part.text) end
  return items.text_content(part.text, annotations(part), logprobs)
end

-- Audio has no place in a response: its transcript has, where the answer has no text beside it.
local function readable(parts)
  local list, has_text = {}, false
  for _, part in ipairs(parts) do has_text = has_text or part.type == "text" end
  for _, part in ipairs(parts) do
    if part.type == "audio" then
      if not has_text and part.transcript then list[#list + 1] = { type = "text", text = part.transcript } end
    elseif part.type ~= "raw" or part.format == "responses" then
      list[#list + 1] = part
    end
  end
  return list
end

local function other_item(part, status, new_id)
  if part.type == "reasoning" then return items.reasoning(part.id or new_id("rs_gy"), part) end
  if part.type == "raw" then return json.raw_text(part.raw) end
  local call = {
    id = part.item_id or new_id(part.custom and "ctc_gy" or "fc_gy"), call_id = part.id or new_id("call_"),
    name = part.name, custom = part.custom,
  }
  local arguments = part.arguments
  if not part.custom and (arguments == nil or arguments == "") then arguments = "{}" end
  return items.call(call, status, arguments or "")
end

-- The parts of a finished choice -> list of item texts. Texts that stand beside each other are one message.
-- `status` is that of the last item; all before it are completed.
function items.of_choice(choice, status, new_id)
  local list, parts = {}, readable(choice.parts)
  local logprobs = choice.logprobs and items.logprobs(choice.logprobs)
  local i = 1
  while i <= #parts do
    local contents, part = {}, parts[i]
    while parts[i] and is_content(parts[i]) do
      contents[#contents + 1] = content(parts[i], logprobs)
      logprobs, i = nil, i + 1
    end
    if #contents == 0 then i = i + 1 end
    local own = i > #parts and status or "completed"
    list[#list + 1] = #contents > 0 and items.message(new_id("msg_gy"), own, contents) or other_item(part, own, new_id)
  end
  return list
end

return items
