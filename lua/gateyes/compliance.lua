-- What policies that act on findings have in common: pii, secrets, keywords and residency. One text gives the same
-- verdict in requests, replies and streams. Nothing here writes a value anywhere but into a body: rows of the trace
-- have rule, count, place and a keyed hash.
local gateyes = require "gateyes"
local splice = require "gateyes.compliance_splice"

local compliance = {}

local actions = { "none", "audit", "tag", "local", "token", "hash", "mask", "block" }
local strength = {}
for i, name in ipairs(actions) do strength[name] = i end
local edits = { token = true, hash = true, mask = true }
-- What a reply gets where the settings say "same": nothing is left to route, and its values are none of the user's.
local of_output = { ["local"] = "tag", token = "mask" }
local most_rows, most_places = 24, 4

-- The settings that all of these policies share; more and defaults by name.
function compliance.settings(more)
  local settings = {
    action = { type = "string", default = "mask", one_of = actions, about = "What happens to what is found." },
    actions = { type = "map", default = {}, about = "Other actions by rule, kind or group." },
    output = { type = "string", default = "same", one_of = { "same", "none", "audit", "tag", "hash", "mask", "block" },
               about = "In replies. same: as in requests, but tag in the place of local, and mask of token." },
    kinds = { type = "list", default = {}, about = "Kinds or groups to look for." },
    allowed = { type = "list", default = {}, about = "Values that are fine; @example.com: every address there." },
    min_score = { type = "integer", default = 60, min = 1, max = 100, about = "How sure a finding has to be." },
    ignore_test_numbers = { type = "boolean", default = false, about = "Let published test card numbers pass." },
    models = { type = "list", default = {}, about = "Only requests for these models; * is any text." },
    endpoints = { type = "list", default = {}, about = "Only these, such as chat or embeddings." },
    places = { type = "list", default = {}, about = "Only texts of these, such as user or tool_result." },
    images = { type = "string", default = "trace", one_of = { "trace", "block", "local" },
               about = "What happens to pictures, sound and encoded files, in which nothing looks." },
    residency = { type = "string", default = "local", about = "Where requests go that must stay." },
    session_s = { type = "integer", default = 3600, min = 0, about = "How long a session stays there, too. 0: not." },
  }
  for name, setting in pairs(more or {}) do settings[name] = setting end
  return settings
end

function compliance.default(settings, values)
  for name, value in pairs(values) do settings[name].default = value end
  return settings
end

local function set_of(list)
  if #list == 0 then return nil end
  local set = {}
  for _, name in ipairs(list) do set[name] = true end
  return set
end

-- A name with stars, against text: the parts between them in turn.
local function matches(text, name)
  local parts = gateyes.text.split(name, "*")
  if #parts == 1 then return text == name end
  if not gateyes.text.starts_with(text, parts[1]) then return false end
  local at = #parts[1] + 1
  for i = 2, #parts - 1 do
    local _, last = text:find(parts[i], at, true)
    if not last then return false end
    at = last + 1
  end
  return #text - #parts[#parts] + 1 >= at and gateyes.text.ends_with(text, parts[#parts])
end

function compliance.applies(settings, request)
  local endpoints = set_of(settings.endpoints)
  if endpoints and not endpoints[request.dialect] then return false end
  for _, name in ipairs(settings.models) do
    if matches(request.model, name) then return true end
  end
  return #settings.models == 0
end

-- What is made once of an entry's settings. They are the same table for all requests.
local made = setmetatable({}, { __mode = "k" })

local function check_actions(map)
  for name, action in pairs(map) do
    if not strength[action] then
      error("actions." .. name .. ": there is no action " .. tostring(action) .. "; there are "
        .. table.concat(actions, ", "), 0)
    end
  end
end

local function rules_of(settings)
  return made[settings]
end

local function action_of(settings, finding)
  local map = settings.actions
  return map[finding.rule] or map[finding.kind] or map[finding.group] or settings.action
end

local function output_of(settings, finding)
  if settings.output ~= "same" then return settings.output end
  local action = action_of(settings, finding)
  return of_output[action] or action
end

-- Staying in place.

local function session_key(context)
  local session = context.session
  return session and "compliance.stay." .. gateyes.hash.keyed(session)
end

local function stay(context, residency, seconds)
  context:require { residency = residency }
  local key = session_key(context)
  if key and seconds > 0 then gateyes.store.put(key, residency, seconds) end
end

local function stay_on(context)
  local key = session_key(context)
  local residency = key and gateyes.store.get(key)
  if not residency then return end
  context:require { residency = residency }
  context:trace("the session stays: " .. residency)
end

compliance.stay, compliance.stay_on = stay, stay_on

-- Rows of the trace.

local function report_new()
  return { rules = {}, order = {} }
end

local function note(report, finding, action, place)
  local row = report.rules[finding.rule]
  if not row then
    row = { count = 0, places = {}, action = action }
    report.rules[finding.rule] = row
    report.order[#report.order + 1] = finding.rule
  end
  row.count = row.count + 1
  if strength[action] > strength[row.action] then row.action = action end
  if #row.places < most_places then
    local hash = finding.cut and "cut" or gateyes.hash.keyed(finding.value or ""):sub(1, 12)
    row.places[#row.places + 1] = place .. " " .. hash
  end
end

local function write(report, context)
  local notes = context.notes
  for _, rule in ipairs(report.order) do
    local row = report.rules[rule]
    notes.rows = (notes.rows or 0) + 1
    if notes.rows <= most_rows then
      context:trace(row.action .. " " .. rule .. " count=" .. row.count .. " at " .. table.concat(row.places, " "))
    end
    gateyes.metric(row.action, rule, row.count)
  end
  for _, rule in ipairs(report.order) do
    notes.rules = notes.rules or {}
    if not notes.rules[rule] then
      notes.rules[rule] = true
      notes.tag = notes.tag and notes.tag .. " " .. rule or rule
    end
  end
  if notes.tag then context:tag(context.policy, gateyes.text.truncate(notes.tag, 128)) end
end

local function refuse(context, report, direction)
  local kinds = gateyes.text.truncate(table.concat(report.order, " and "), 200)
  return context:deny {
    code = context.policy .. "_blocked",
    message = direction == "input"
      and "this request holds what may not be sent (" .. kinds .. "); take it out and try again"
      or "the reply held what may not be shown (" .. kinds .. ")",
  }
end

local function refuse_flood(context)
  return context:deny { code = context.policy .. "_blocked",
    message = "a text holds more identifiers than can be dealt with one by one; send it in parts" }
end

-- Requests.

local function add_span(spans, finding, action)
  local last = spans[#spans]
  if not last or last.text ~= finding.text or finding.first > last.last then
    spans[#spans + 1] = { text = finding.text, first = finding.first, last = finding.last, finding = finding,
      action = action, where = finding.where }
    return
  end
  if finding.last > last.last then
    last.last, last.joined = finding.last, true
  end
  if strength[action] > strength[last.action] then last.action = action end
  if finding.score > last.finding.score then last.finding = finding end
end

local function edit_request(spans, context)
  local at = 1
  while at <= #spans do
    local text, ranges, upto = spans[at].text, {}, at
    local words = splice.of_text(spans[at].where)
    while spans[upto] and spans[upto].text == text do
      local span = spans[upto]
      ranges[#ranges + 1] = splice.range(words, span, splice.replacement(span, context, text))
      upto = upto + 1
    end
    text:replace(ranges)
    at = upto
  end
end

local function look_at_images(settings, request, context)
  local count = request.attachments
  if count == 0 then return nil end
  context:trace("unscanned attachments=" .. count)
  context:tag("unscanned", count)
  if settings.images == "block" then
    return context:deny { code = context.policy .. "_unscanned",
      message = "pictures, sound and encoded files cannot be looked into, and are not allowed here" }
  end
  if settings.images == "local" then stay(context, settings.residency, settings.session_s) end
end

-- Findings of a request, judged: what is edited, what binds, what is refused.
local function judge(settings, rules, found)
  local report, spans, most = report_new(), {}, "none"
  for _, finding in ipairs(found) do
    local action = action_of(settings, finding)
    if action ~= "none" and (not rules.places or rules.places[finding.where]) then
      note(report, finding, action, finding.where .. "/" .. finding.turn .. "@" .. finding.first)
      if edits[action] then add_span(spans, finding, action) end
      if action == "local" then report.stays = true end
      if strength[action] > strength[most] then most = action end
    end
  end
  return report, spans, most
end

local function on_request(settings, request, context)
  stay_on(context)
  if not compliance.applies(settings, request) then
    context.notes.applies = false
    return nil
  end
  local refused = look_at_images(settings, request, context)
  if refused then return refused end
  local rules = rules_of(settings)
  local found = gateyes.detect(request, rules.detector)
  if #found == 0 then return nil end
  local report, spans, most = judge(settings, rules, found)
  write(report, context)
  if report.stays then stay(context, settings.residency, settings.session_s) end
  if most == "block" then return refuse(context, report, "input") end
  if found.truncated and #spans > 0 then return refuse_flood(context) end
  edit_request(spans, context)
end

-- Replies.

local function judge_window(settings, found, place)
  local report, spans, blocks = report_new(), {}, false
  for _, finding in ipairs(found) do
    local action = output_of(settings, finding)
    if action ~= "none" then
      note(report, finding, action, place.name .. "@" .. place.offset + finding.first)
      if edits[action] then add_span(spans, finding, action) end
      blocks = blocks or action == "block"
    end
  end
  return report, spans, blocks
end

local function place_of(notes, delta)
  local name = delta.channel .. "/" .. delta.index
  notes.places = notes.places or {}
  local place = notes.places[name]
  if not place then
    place = { name = name, offset = 0, words = splice.of_channel(delta.channel) }
    notes.places[name] = place
  end
  return place
end

local function is_silent(settings)
  if settings.output ~= "same" then return settings.output == "none" end
  return settings.action == "none" and not next(settings.actions)
end

local function has_teeth(settings)
  local function bites(action) return edits[action] or action == "block" end
  if settings.output ~= "same" then return bites(settings.output) end
  if bites(settings.action) then return true end
  for _, action in pairs(settings.actions) do
    if bites(action) then return true end
  end
  return false
end

-- Words that were held back for long enough: what is found in them as they stand, and in the place of what may be the
-- beginning of more a mask. Half an argument of a tool is of no use to anybody, and stays.
local function overdue_of(settings, delta, upto)
  local found = gateyes.detect(delta.text, rules_of(settings).detector)
  local held = {}
  if has_teeth(settings) then
    local from = upto + 1
    for _, finding in ipairs(found) do from = math.max(from, finding.last + 1) end
    held = splice.risky(delta.text, from)
  end
  return found, held
end

local function on_delta(settings, delta, context)
  local notes = context.notes
  if notes.applies == false then return nil end
  local silent, vault = is_silent(settings), notes.vault
  if silent and not vault then return nil end
  local place = place_of(notes, delta)
  local found, upto = {}, #delta.text
  if not silent then found, upto = delta:detect(rules_of(settings).detector) end
  local overdue, spans, held = delta.overdue and delta.channel ~= "tool_arguments", {}, {}
  if overdue and not silent then found, held = overdue_of(settings, delta, upto) end
  if #found > 0 then
    local report, blocks
    report, spans, blocks = judge_window(settings, found, place)
    write(report, context)
    if blocks then return refuse(context, report, "output") end
    if found.truncated and #spans > 0 then return refuse_flood(context) end
  end
  local text = delta.text
  for _, span in ipairs(held) do spans[#spans + 1] = span end
  local cut = { text = text, spans = spans, upto = overdue and #text or upto, last = delta.last, overdue = overdue }
  local released, rest = splice.window(cut, place.words, context)
  place.offset = place.offset + #text - #rest
  if delta.last then notes.places[place.name] = nil end
  return released, rest
end

-- Replies are looked at when something in them counts, or a token of the request may come back in them.
local function wants(settings)
  local hooks = { "on_request" }
  local restores = settings.action == "token"
  for _, action in pairs(settings.actions) do restores = restores or action == "token" end
  if restores or not is_silent(settings) then hooks[2] = "on_delta" end
  return hooks
end

-- For `wakes` of a policy whose on_request is the one below and nothing more: most requests have nothing of this, and
-- cost no Lua then. Which models and endpoints are meant, Lua alone says.
function compliance.wakes(settings)
  if #settings.models > 0 or #settings.endpoints > 0 then return nil end
  return { on_request = { detector = rules_of(settings).detector, attachments = true, session = true } }
end

-- A policy's hooks. lists_of(settings): what gateyes.detector takes as lists; nil: none.
function compliance.hooks(policy, lists_of)
  function policy.check(settings)
    check_actions(settings.actions)
    made[settings] = {
      places = set_of(settings.places),
      detector = gateyes.detector { kinds = settings.kinds, lists = lists_of and lists_of(settings),
        allowed = settings.allowed, min_score = settings.min_score,
        ignore_test_numbers = settings.ignore_test_numbers },
    }
  end
  policy.wants = wants
  function policy.on_request(request, context) return on_request(context.settings, request, context) end
  function policy.on_delta(delta, context) return on_delta(context.settings, delta, context) end
  return policy
end

compliance.edits = edits
compliance.action_of = action_of

return compliance
