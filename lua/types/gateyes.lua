---@meta
-- What tenants' scripts can call, for editors (LuaLS). Made from runtime/script/surface.def by
-- native_surface_reference --write. Never loaded.
-- luacheck: ignore

---@class gateyes.Request What the client sent. Fields are decoded when they are asked for.
---@field id string The request's id, as in `x-request-id` and the log.
---@field dialect "chat"|"completions"|"responses"|"messages"|"embeddings" The protocol that the client speaks.
---@field method string The HTTP method.
---@field path string The path, without its query.
---@field model string The model that the client named, or to which a policy has changed it.
---@field stream boolean Whether the client asked for a stream.
---@field session string? What ties requests of one conversation together: the header `x-session-id`, else the body's `metadata.session_id`, `prompt_cache_key`, `metadata.user_id` or `user`.
---@field body string The body as JSON text, with every edit so far.
---@field body_bytes integer Its length in bytes.
---@field texts gateyes.Text[] Every text of the body that a person, a model or a tool wrote, in order: all turns, tool arguments (their keys and longer numbers, too), results and schemas, file text, metadata.
---@field messages gateyes.Message[] The turns of the conversation, decoded. Changing the tables changes nothing: edit with the methods.
---@field turns integer How many turns the conversation has, which costs less than `#request.messages`.
---@field system string All system text, its parts joined by line breaks; empty when there is none.
---@field tools gateyes.Tool[] The tools on offer.
---@field last_user_text string The text of the last turn in which the user said something; empty when there is none.
---@field attachments integer Images, audio and encoded files. Nothing looks inside them.
local request = {}

---The client's header of that name, of several the first. Credentials and cookies are never shown.
---@param name string
---@return string?
function request:header(name) end

---The decoded value at a path such as `temperature`, `metadata.team` or `messages.1.content`; nil when there is none. JSON's null is `gateyes.json.null`.
---@param path string
---@return any
function request:get(path) end

---Sets the value at a path; objects on the way are made. Raises for `model` (use set_model), `stream` (the client's own choice), and places that are not there.
---@param path string
---@param value any
function request:set(path, value) end

---Removes the member or element at a path; nothing happens when there is none. Raises for `model` and `stream`.
---@param path string
function request:remove(path) end

---Has the request served as if the client had named this model of the configuration.
---@param model string
function request:set_model(model) end

---Adds system text behind what is there. Raises for completions and embeddings, which have none.
---@param text string
function request:add_system(text) end

---Takes a tool away from the model; false when none has that name.
---@param name string
---@return boolean
function request:remove_tool(name) end

---@class gateyes.Text One text of the request: an element of `request.texts`.
---@field text string The text itself, escapes resolved, with every edit so far.
---@field where "system"|"user"|"assistant"|"reasoning"|"tool_arguments"|"tool_result"|"tool_schema"|"file"|"metadata"|"identifier"|"other" Who wrote it, or what it is part of.
---@field turn integer The number of its message, from 1; 0 outside of them.
---@field offset integer Where it begins in `request.body`, in bytes from 1.
---@field bytes integer How many bytes of `request.body` it takes, escapes included.
local text = {}

---Replaces the whole text. Raises when the body has been changed by set, remove, add_system or remove_tool since: take `request.texts` again.
---@param text string
function text:set(text) end

---Replaces ranges of bytes, counted from 1 in the text as it is before the call, all at once. Raises when ranges overlap, are not in rising order, or leave the text.
---@param ranges {first: integer, last: integer, text: string}[]
function text:replace(ranges) end

---@class gateyes.Context Who is asking, and what the policy decides.
---@field tenant string The tenant of the key.
---@field project string? The project of the key.
---@field user string? The user of the key.
---@field key string? The key's name, never the key itself.
---@field roles string[] The roles of the key.
---@field principal {tenant: string, project?: string, user?: string, key?: string, roles: string[], tags: string[]} All of the above, and the tags of the key, in one table.
---@field session string? The same as `request.session`.
---@field tags table<string, string> The tags that policies have set on this request so far.
---@field settings table This policy's settings, checked against its schema, defaults filled in.
---@field policy string This policy's name.
---@field notes table An empty table for this policy to remember things in from one hook of a request to the next. Nobody else sees it, and it is gone with the request.
---@field hook "on_request"|"route"|"on_delta"|"on_reply"|"on_finish" The hook that is running.
local context = {}

---Refuses the request (in on_delta and on_reply: the rest of the reply) with an error in the client's protocol. Nothing later undoes it. 403 and `denied_by_policy` unless said otherwise. `message` has 1000 characters at most, `code` 64, `param` 200; what is longer is cut. Raises for a status outside of 400 to 599 and for unknown names.
---@param denial? {status?: integer, code?: string, message?: string, param?: string}
---@return true
function context:deny(denial) end

---Answers in place of a model: with text, which is put into the client's protocol, or with a whole JSON body. Raises unless there is either text or a body.
---@param answer string|{text?: string, body?: any, status?: integer}
---@return true
function context:answer(answer) end

---What every target of this request must meet, failover included; no later call takes any of it back. Several calls add up; what they exclude together, nothing can serve. Raises for unknown names.
---@param requirements {residency?: string, capabilities?: string|string[], providers?: string|string[], context_tokens?: integer}
function context:require(requirements) end

---Marks the request, in its log line and its ledger record; a later value replaces an earlier one, but a tenant's own policy changes no tag of one that ships or is the operator's. Raises beyond 32 tags, and 128 bytes for a name or a value.
---@param name string
---@param value? string|number|boolean
function context:tag(name, value) end

---Adds a line to the request's trace: to `x-gateyes-trace` and the operator's page.
---@param why string
function context:trace(why) end

---Whether the key has that role.
---@param role string
---@return boolean
function context:has_role(role) end

---@class gateyes.Candidate One target that could serve the request, in `route`.
---@field name string Provider and model, as `openai/gpt-4o`.
---@field provider string The provider's name.
---@field model string The provider's name for the model.
---@field residency string? Where the provider runs, as the configuration says.
---@field input_price number? Nano-units of the currency for an input token; nil when no price is known.
---@field output_price number? The same for an output token.
---@field weight integer The target's weight.
---@field inflight integer Requests that this gateway has open there.
---@field queue number? Requests that wait in the engine, where it says.
---@field kv_usage number? Share of its KV cache in use, 0 to 1, where it says.
---@field ewma_ttft_ms number? Moving average of the time to the first token, to which a slower one counts in full at once, and which halves every 5 seconds without news; nil before the first.
---@field error_rate number? Share of its recent requests that failed, 0 to 1.
---@field context_tokens integer? The model's context, where the configuration says.
---@field capabilities string[] What the model can do: `tools`, `images` and so on.
local candidate = {}

---Whether it has that capability.
---@param capability string
---@return boolean
function candidate:has(capability) end

---Whether it goes by that name, or by one of the list: `provider/model`, `provider` or `residency:local`, with `*` for anything.
---@param patterns string|string[]
---@return boolean
function candidate:matches(patterns) end

---How much a key belongs to this target: weighted rendezvous hashing over SHA-256, so that each key has its own order of the targets, each target is first for a share of keys that goes by its weight, and when one goes only its own keys move. 0 for a weight of 0.
---@param key string
---@return number
function candidate:affinity(key) end

---Says in the trace what was thought of it.
---@param why string
function candidate:note(why) end

---@class gateyes.Delta A window of what the model says, in `on_delta`.
---@field text string What was held back of this text, and what is new.
---@field channel "text"|"reasoning"|"tool_arguments"|"refusal" What kind of text it is.
---@field index integer Which of several texts of that kind.
---@field overdue boolean What is held back has been for `scripts.hold`, and nothing new has come: it is time to let go what can be. What is held back longer all the same is asked about again after as long.
---@field last boolean Nothing follows: nothing can be held back any more. A reply that is no stream comes as one window.
local delta = {}

---The findings of the window that are certain, and the last byte that may be let pass; what comes after it may yet become a finding and is to be held back as it is. However a text is cut, its findings are those of the whole. One detector for each policy. Raises for kinds that are not known.
---@param what string|string[]|gateyes.Detector
---@return gateyes.Finding[]
---@return integer
function delta:detect(what) end

---@class gateyes.Reply A whole reply, in `on_reply`.
---@field texts {text: string, channel: string}[] The texts of the whole reply.
local reply = {}

---Replaces one of them. Raises when there is no such text.
---@param index integer
---@param text string
function reply:set_text(index, text) end

---@class gateyes.Outcome How a request ended, in `on_finish`.
---@field status integer The status that the client got.
---@field failure string? Why it failed, as a code.
---@field provider string? Who served it.
---@field model string? The provider's name for the model.
---@field usage {input: integer, cache_read: integer, cache_write: integer, output: integer, reasoning: integer}? Tokens; nil when none are known.
---@field cost_nanousd number? Cost in 10^-9 of the currency; nil when no price is known.
---@field duration_ms number From the request's head to the end.
---@field first_content_ms number? Until the first content.
---@field attempts integer How many targets were tried.
local outcome = {}

---@class gateyes The gateway.
---@field store gateyes.store
---@field json gateyes.json
---@field hash gateyes.hash
---@field text gateyes.text
---@field tokens gateyes.tokens
local gateyes = {}

---Asks another service and waits for its reply. TLS is verified; only hosts that the operator allows can be reached, whatever they resolve to. Returns nil, a sentence and a code when no reply came. Raises for a malformed request, and where nothing can be waited for.
---@param request string|{url: string, method?: string, headers?: table<string, string|gateyes.Secret>, body?: string, json?: any, timeout_ms?: integer, max_bytes?: integer}
---@return {status: integer, headers: table<string, string>, body: string}|nil
---@return string?
---@return string?
function gateyes.fetch(request) end

---Waits. The time counts against the hook's budget.
---@param ms number
function gateyes.sleep(ms) end

---Seconds since 1970 with milliseconds.
---@return number
function gateyes.now() end

---Writes a line to the gateway's log, with tenant, policy and request. At most 1,000 bytes of it are kept.
---@param message string
---@param level? "info"|"warn"|"error"
function gateyes.log(message, level) end

---Adds to the counter `gateyes_policy_events_total` with the labels tenant, policy, name and value. A family holds 2,000 series; what comes later counts as "other". Raises unless name has letters, digits, `_`, `.`, `-`, 64 at most.
---@param name string
---@param value? string
---@param amount? integer
function gateyes.metric(name, value, amount) end

---A handle for a header's value in fetch, written by the gateway and unreadable to scripts: the text of the file of that name in the tenant's folder of `tenant_secrets`. Called at the top of a module. prefix, such as `Bearer `, is put in front. Raises when the file cannot be read.
---@param name string
---@param prefix? string
---@return gateyes.Secret
function gateyes.secret(name, prefix) end

---Finds identifiers, secrets and listed words, by kind (`payment_card`), group (`china`), `pii`, `all`, or a detector. Of a request, in all its texts; each finding then says in which. The list has `truncated` set when a text had more than 10,000 findings, of which the rest is missing. Raises for kinds that are not known.
---@param subject string|gateyes.Request|gateyes.Text
---@param what string|string[]|gateyes.Detector
---@return gateyes.Finding[]
function gateyes.detect(subject, what) end

---Rules made once and used many times. Words of lists count when none of the longer `exceptions` holds them, and with `partners` only when one of those is near. Raises for what is not known, and beyond 64 detectors.
---@param options {kinds?: string|string[], lists?: {name: string, words: string[], exceptions?: string[], partners?: string[], parts?: boolean}[], allowed?: string[], ignore_test_numbers?: boolean, min_score?: integer}
---@return gateyes.Detector
function gateyes.detector(options) end

---@class gateyes.store Small values that a tenant's scripts share between requests and workers.
gateyes.store = {}

---The value, nil when there is none or it has expired.
---@param name string
---@return string?
function gateyes.store.get(name) end

---Keeps a value for all requests of the tenant, on every worker. Bounded: what was used least recently makes room. Returns false when the value is longer than 64 KiB.
---@param name string
---@param value string|number
---@param ttl_s? number
---@return boolean
function gateyes.store.put(name, value, ttl_s) end

---Adds to a number, from 0, and returns the sum; exact across workers. The time to live starts with the first addition. Raises when something else than a whole number is kept there.
---@param name string
---@param amount? integer
---@param ttl_s? number
---@return integer
function gateyes.store.add(name, amount, ttl_s) end

---Sets when a value goes; 0 removes it at once. False when there is none.
---@param name string
---@param ttl_s number
---@return boolean
function gateyes.store.expire(name, ttl_s) end

---@class gateyes.text Matching and changing text in time linear in its length; docs/sandbox.md has the syntax of both kinds of pattern.
gateyes.text = {}

---Where a Lua pattern first matches, and its captures; string.find is the same function. Raises for a malformed pattern.
---@param text string
---@param pattern string
---@param init? integer
---@param plain? boolean
---@return integer?
---@return integer?
---@return string? ...
function gateyes.text.find(text, pattern, init, plain) end

---The captures of a Lua pattern's first match, or all of it. Raises for a malformed pattern.
---@param text string
---@param pattern string
---@param init? integer
---@return string? ...
function gateyes.text.match(text, pattern, init) end

---Iterates over the matches of a Lua pattern. Raises for a malformed pattern.
---@param text string
---@param pattern string
---@return fun(): string?
function gateyes.text.gmatch(text, pattern) end

---Replaces the matches of a Lua pattern; the second result counts them. Raises for a malformed pattern or replacement.
---@param text string
---@param pattern string
---@param with string|table|function
---@param most? integer
---@return string
---@return integer
function gateyes.text.gsub(text, pattern, with, most) end

---Compiles a regular expression; the last ones are remembered, so that calling this in a hook is cheap. Raises when the expression is malformed or too large, naming the byte.
---@param expression string
---@return gateyes.Regex
function gateyes.text.regex(expression) end

---Whether a regular expression matches anywhere. Raises when the expression is malformed or too large.
---@param text string
---@param expression string
---@return boolean
function gateyes.text.matches(text, expression) end

---Small letters: Latin, Greek, Cyrillic, Armenian and full-width.
---@param text string
---@return string
function gateyes.text.lower(text) end

---Capital letters of the same scripts.
---@param text string
---@return string
function gateyes.text.upper(text) end

---A form for comparing: small letters, full-width forms as ASCII, every space as a space, zero-width characters gone.
---@param text string
---@return string
function gateyes.text.fold(text) end

---Whether part occurs, as it stands or, with fold, in folded form.
---@param text string
---@param part string
---@param fold? boolean
---@return boolean
function gateyes.text.contains(text, part, fold) end

---Whether text begins with part.
---@param text string
---@param part string
---@return boolean
function gateyes.text.starts_with(text, part) end

---Whether text ends with part.
---@param text string
---@param part string
---@return boolean
function gateyes.text.ends_with(text, part) end

---The parts between separators, which are plain text; with most, the last part holds the rest. Raises for an empty separator.
---@param text string
---@param separator string
---@param most? integer
---@return string[]
function gateyes.text.split(text, separator, most) end

---Without spaces, tabs and line breaks at both ends.
---@param text string
---@return string
function gateyes.text.trim(text) end

---Characters: code points, and each byte that is not UTF-8.
---@param text string
---@return integer
function gateyes.text.length(text) end

---Lists of words to look for, by name, compiled: make it once, not for each request. Raises beyond 64 lists or 65536 words.
---@param lists table<string, string[]>
---@return gateyes.Words
function gateyes.text.words(lists) end

---At most that many bytes, without cutting a character.
---@param text string
---@param bytes integer
---@return string
function gateyes.text.truncate(text, bytes) end

---@class gateyes.Regex A compiled regular expression, from `gateyes.text.regex`.
local regex = {}

---Whether it matches anywhere.
---@param text string
---@return boolean
function regex:test(text) end

---First and last byte of the first match at or after init, and its groups; nil for a group that took no part.
---@param text string
---@param init? integer
---@return integer?
---@return integer?
---@return string? ...
function regex:find(text, init) end

---The groups of the first match, or all of it when there are none.
---@param text string
---@param init? integer
---@return string? ...
function regex:match(text, init) end

---Iterates over the matches.
---@param text string
---@return fun(): string?
function regex:gmatch(text) end

---Replaces the matches, with %0 to %9 as in string.gsub; the second result counts them. Raises for a malformed replacement.
---@param text string
---@param with string|table|function
---@param most? integer
---@return string
---@return integer
function regex:gsub(text, with, most) end

---@class gateyes.Words Compiled lists of words, from `gateyes.text.words`.
local words = {}

---By the list's name, how many of its words the text has, each counted once, in one pass over the text. Case does not count. Words of CJK scripts count anywhere, others as whole words, and what separates their parts (`step-by-step`) may differ.
---@param text string
---@return table<string, integer>
function words:count(text) end

---@class gateyes.json JSON that survives the way in and out of Lua.
gateyes.json = {}

---A value from JSON text. Lists stay lists when they are empty, null is `gateyes.json.null`, and numbers that Lua would round keep their digits. Returns nil, the problem and its place for what is no JSON.
---@param text string
---@param raw_keys? table<string, boolean>
---@return any
---@return string?
---@return integer?
function gateyes.json.decode(text, raw_keys) end

---JSON text of a value; an object's keys in order. Raises for what has no JSON form.
---@param value any
---@return string
function gateyes.json.encode(value) end

---Marks a table as a list, so that it is one when it is empty, too.
---@param list? table
---@return table
function gateyes.json.array(list) end

---Whether it is marked as a list.
---@param value any
---@return boolean
function gateyes.json.is_array(value) end

---A value that encode writes as it stands. Returns nil and the problem for what is no JSON.
---@param text string
---@return table?
---@return string?
function gateyes.json.raw(text) end

---Whether it is such a value.
---@param value any
---@return boolean
function gateyes.json.is_raw(value) end

---Its text.
---@param value table
---@return string
function gateyes.json.raw_text(value) end

---Whether it is JSON, and if not, why.
---@param text string
---@return boolean
---@return string?
function gateyes.json.valid(text) end

---The text as a JSON string.
---@param text string
---@return string
function gateyes.json.quote(text) end

---Names and JSON texts of an object's members, in order.
---@param text string
---@return {[1]: string, [2]: string}[]?
function gateyes.json.members(text) end

---JSON texts of a list's elements.
---@param text string
---@return string[]?
function gateyes.json.elements(text) end

---@class gateyes.hash Digests and encodings.
gateyes.hash = {}

---SHA-256 in lower-case hex.
---@param text string
---@return string
function gateyes.hash.sha256(text) end

---HMAC-SHA-256 in lower-case hex.
---@param key string
---@param text string
---@return string
function gateyes.hash.hmac(key, text) end

---HMAC-SHA-256 under a key of the tenant that no script sees: the same text, the same name, and nobody can look it up.
---@param text string
---@return string
function gateyes.hash.keyed(text) end

---Bytes as lower-case hex.
---@param bytes string
---@return string
function gateyes.hash.hex(bytes) end

---The bytes; nil when it is no hex.
---@param text string
---@return string?
function gateyes.hash.unhex(text) end

---Bytes as base64 with padding.
---@param bytes string
---@return string
function gateyes.hash.base64(bytes) end

---The bytes, also from the URL alphabet and without padding; nil when it is no base64.
---@param text string
---@return string?
function gateyes.hash.unbase64(text) end

---@class gateyes.tokens Counting tokens.
gateyes.tokens = {}

---Tokens of a text, or of all texts of the request, as the model's tokenizer counts them where one is configured; texts from 16 KiB on, and those of other models, by an estimate.
---@param text string|gateyes.Request
---@param model? string
---@return integer
function gateyes.tokens.count(text, model) end

---@class gateyes.kit In specs only (`*_spec.lua`): `local kit = require "gateyes.kit"`. What lies outside of Lua is what the spec says.
gateyes.kit = {}

---Runs the policy's hooks, with the code that serves, on a request with that body, or with one turn `text`: on_request; then, as long as it passes, route over `candidates` (tables of a candidate's fields; `name` is `provider/model`), on_delta over `deltas` (pieces of one text), on_delta and on_reply over `reply` (whole texts); at last on_finish with `outcome`. Raises when the policy or its settings would be refused at load.
---@param policy gateyes.Policy
---@param options? {text?: string, body?: table|string, dialect?: string, model?: string, headers?: table<string, string>, user?: string, project?: string, key?: string, roles?: string[], tags?: string[], session?: string, path?: string, stream?: boolean, settings?: table, on_error?: "deny"|"pass", candidates?: table[], deltas?: string[], reply?: string[], outcome?: table}
---@return gateyes.Result
function gateyes.kit.run(policy, options) end

---What gateyes.fetch gives from now on: the reply's table, of which status 200, no headers and no body are filled in, or nil, a sentence and a code.
---@param reply nil|(fun(request: table|string): (table?, string?, string?))
function gateyes.kit.fetch(reply) end

---Stops the clock at this time; gateyes.sleep then moves it.
---@param seconds? number
function gateyes.kit.now(seconds) end

---What gateyes.secret finds; to be said before the policy is required.
---@param values? table<string, string>
function gateyes.kit.secrets(values) end

---Forgets the fakes, and empties the store.
function gateyes.kit.reset() end

return gateyes
