---@meta
-- What tenants' scripts can call, for editors (LuaLS). Made from runtime/script/surface.def by
-- native_surface_reference --write. Never loaded.
-- luacheck: ignore

---@class gateyes.Secret A value that only the gateway can read.

---@class gateyes.Detector Rules for gateyes.detect.

---@class gateyes.Policy
---@field name string The file's name.
---@field about string? One sentence for those who choose it.
---@field settings table<string, {type: string, default: any, required: boolean?, one_of: string[]?, min: number?, max: number?, of: string?, about: string?}>? The schema of `context.settings`, by name.
---@field check nil|fun(settings: table): string? What is wrong with the settings that a schema cannot say, a line for each problem.
---@field wants nil|fun(settings: table): string[]? The hooks that these settings need; all without it.
---@field wakes nil|fun(settings: table): {on_request: gateyes.Waking}? What a request must have for a hook to be entered; nothing without it.
---@field stream "hold"? Streams are kept back until their end, for a policy with `on_reply` alone.
---@field on_request nil|fun(request: gateyes.Request, context: gateyes.Context): true? Before a target is looked for.
---@field route nil|fun(request: gateyes.Request, candidates: gateyes.Candidate[], context: gateyes.Context): gateyes.Candidate[]|true|nil When targets are put in order.
---@field on_delta nil|fun(delta: gateyes.Delta, context: gateyes.Context): string|true|nil, string? For each window of the reply.
---@field on_reply nil|fun(reply: gateyes.Reply, context: gateyes.Context): true? For a whole reply.
---@field on_finish nil|fun(outcome: gateyes.Outcome, context: gateyes.Context) When all is over.

---@class gateyes.Finding One thing that `gateyes.detect` found.
---@field kind string Such as `payment_card`, `secret`, `keyword`.
---@field group string The group that kinds of its sort share, such as `finance`.
---@field rule string The kind's name, the vendor's token, or the list's name.
---@field first integer First byte of it in the text, from 1.
---@field last integer Its last byte.
---@field score integer How sure, 0 to 100.
---@field validated boolean A check digit or structure proved it.
---@field context boolean A word nearby said so.
---@field cut boolean? It is a part of a value: the rest stands in the text before or after it in the same turn, or has been let go of a stream. `value` is nil.
---@field decoded boolean It stood inside base64: first and last cover the encoded text.
---@field value string The bytes found.
---@field text gateyes.Text? Of a request: where it was found.
---@field where string? Of a request: as in that text.
---@field turn integer? Of a request: as in that text.

---@class gateyes.Waking What of a request wakes a policy's hook; any of it is enough.
---@field detector gateyes.Detector? Its texts hold something that this finds.
---@field attachments boolean? It has images, sound or encoded files, in which nothing looks.
---@field session boolean? It belongs to a session, and `gateyes.store` of this policy's realm is not empty.

---@class gateyes.Message One turn of the conversation: an element of `request.messages`.
---@field role string? Who speaks.
---@field text string Its text, parts joined by line breaks.
---@field type string? Of an item that is no message.
---@field name string? The name that the client gave the speaker, or the tool's.
---@field tool_call_id string? The call that a tool's result answers.
---@field tool_calls {name: string?, id: string?, arguments: string?}[]? The calls that the model made.

---@class gateyes.Tool One tool on offer: an element of `request.tools`.
---@field name string? Its name.
---@field type string? Such as `function`.
---@field description string? What the client says of it.
---@field schema string? JSON text of its parameters.

---@class gateyes.Result What `kit.run` gives.
---@field kind "pass"|"deny"|"answer" What became of the request.
---@field status integer? Of a denial: the client's status.
---@field code string? Of a denial: its code.
---@field message string? Of a denial: its sentence.
---@field param string? Of a denial: the field that it names.
---@field text string? Of an answer: its text.
---@field body table The body as it goes on, or the answer's.
---@field edited boolean The policy has changed the body.
---@field model string The model that was asked for, or to which the policy has changed it.
---@field tags table<string, string> The tags that it has set.
---@field residency string? What it requires.
---@field capabilities string[] What it requires.
---@field providers string[]? What it requires.
---@field context_tokens integer What it requires; 0: nothing.
---@field impossible boolean No target can be what it requires.
---@field route string[]? Names of the candidates that are left, best first.
---@field output string? What the deltas became.
---@field reply string[]? What the texts of the reply became.
---@field trace {policy: string, hook: string, what: string, why: string?}[] What happened, in order.
