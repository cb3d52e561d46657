/* docs/lua.md and the editor's annotations, from the rows of surface.def. */
#include <string.h>

#include "script/surface.h"

/* A record's own row has no type. */
static const struct record_row {
  const char *name, *type, *sentence;
} record_rows[] = {
#define RECORD(name, sentence) {#name, NULL, sentence},
#define MEMBER(name, type, sentence) {#name, type, sentence},
#include "script/surface_records.def"
#undef RECORD
#undef MEMBER
};

enum { RECORD_ROWS = sizeof record_rows / sizeof *record_rows };

static const struct owner {
  const char *name, *title, *sentence;
  const char *type; /* for LuaLS; NULL: a module */
} owners[] = {
    {"request", "request", "What the client sent. Fields are decoded when they are asked for.",
     "gateyes.Request"},
    {"text", "text", "One text of the request: an element of `request.texts`.", "gateyes.Text"},
    {"context", "context", "Who is asking, and what the policy decides.", "gateyes.Context"},
    {"candidate", "candidate", "One target that could serve the request, in `route`.",
     "gateyes.Candidate"},
    {"delta", "delta", "A window of what the model says, in `on_delta`.", "gateyes.Delta"},
    {"reply", "reply", "A whole reply, in `on_reply`.", "gateyes.Reply"},
    {"outcome", "outcome", "How a request ended, in `on_finish`.", "gateyes.Outcome"},
    {"gateyes", "gateyes", "`local gateyes = require \"gateyes\"`.", NULL},
    {"gateyes.store", "gateyes.store",
     "Small values that a tenant's scripts share between requests and workers.", NULL},
    {"gateyes.text", "gateyes.text",
     "Matching and changing text in time linear in its length; docs/sandbox.md has the syntax of "
     "both kinds of pattern.",
     NULL},
    {"regex", "regex", "A compiled regular expression, from `gateyes.text.regex`.",
     "gateyes.Regex"},
    {"words", "words", "Compiled lists of words, from `gateyes.text.words`.", "gateyes.Words"},
    {"gateyes.json", "gateyes.json", "JSON that survives the way in and out of Lua.", NULL},
    {"gateyes.hash", "gateyes.hash", "Digests and encodings.", NULL},
    {"gateyes.tokens", "gateyes.tokens", "Counting tokens.", NULL},
    {"gateyes.kit", "gateyes.kit",
     "In specs only (`*_spec.lua`): `local kit = require \"gateyes.kit\"`. What lies outside of "
     "Lua "
     "is what the spec says.",
     NULL},
};

enum { OWNER_COUNT = sizeof owners / sizeof *owners };

static const char opening[] =
    "# Lua for tenants\n\n"
    "<!-- Made from runtime/script/surface.def by native_surface_reference --write. -->\n\n"
    "A policy is a file `policies/NAME.lua` that returns a table with its name and its hooks:\n\n"
    "```lua\n"
    "local gateyes = require \"gateyes\"\n\n"
    "local policy = {\n"
    "  name = \"house_rules\",               -- the file's name\n"
    "  about = \"What models we talk to, and about what.\",\n"
    "  settings = {                        -- checked when the tenant is loaded\n"
    "    banned = { type = \"list\", default = {}, about = \"Words nobody may send.\" },\n"
    "    mode = { type = \"string\", default = \"deny\", one_of = { \"deny\", \"local\" } },\n"
    "  },\n"
    "}\n\n"
    "function policy.on_request(request, context)\n"
    "  local text = request.last_user_text:lower()\n"
    "  for _, word in ipairs(context.settings.banned) do\n"
    "    if text:find(word, 1, true) then\n"
    "      context:tag(\"banned_word\", word)\n"
    "      if context.settings.mode == \"deny\" then\n"
    "        return context:deny { message = \"this word is not allowed here\" }\n"
    "      end\n"
    "      context:require { residency = \"local\" }\n"
    "    end\n"
    "  end\n"
    "end\n\n"
    "return policy\n"
    "```\n\n"
    "## Hooks\n"
    "| Hook | When | What it may return |\n"
    "|---|---|---|\n"
    "| `on_request(request, context)` | before a target is looked for | nothing, or what "
    "`context:deny` or `context:answer` gave |\n"
    "| `route(request, candidates, context)` | when targets are put in order | the candidates, "
    "fewer or in another order; nothing to leave them as they are |\n"
    "| `on_delta(delta, context)` | for each window of the reply, in streams and in whole replies "
    "| "
    "nothing to let it pass; or the text to let pass, and as a second value the text to hold back "
    "until more comes |\n"
    "| `on_reply(reply, context)` | for a whole reply, before the client sees any of it | nothing, "
    "or what `context:deny` gave |\n"
    "| `on_finish(outcome, context)` | when all is over | nothing: it observes |\n\n"
    "The policies of a tenant run in its order. The first denial ends the chain, and so does an "
    "answer. A policy sees the edits of those before it. Requirements add up and bind every "
    "attempt.\n\n"
    "`on_delta` serves streams and whole replies alike: a whole reply is one window with `last` "
    "set. Text that is held back comes first in the next window of the same text; 64 KiB may "
    "be held back at a time, and none of the last window. A policy with `on_reply` alone would not "
    "see streams, so it is refused, unless it says `stream = \"hold\"`: then streams are kept back "
    "until their end, and `on_reply` sees their texts one by one.\n\n"
    "A hook that needs more than 10 ms of processor time, 100 ms of time with its waiting, or "
    "16 MiB, is stopped (`scripts` in the tenant's file changes these). A hook that is stopped, or "
    "raises an error, or returns what nobody understands, gives what the policy's `on_error` says: "
    "`deny` (the default) refuses the request with the code `policy_error`, `pass` goes on with "
    "the "
    "next policy. What the hook required or edited before stays.\n\n"
    "The names of a setting's schema: `type` (`string`, `number`, `integer`, `boolean`, `list`, "
    "`map`, `any`), `default`, `required`, `one_of`, `min`, `max`, `of` (type of a list's "
    "elements, `string` unless said), `about`. What a schema cannot say, a function "
    "`check(settings)` "
    "of the policy can: it runs when the tenant is loaded, and returns nothing, or text that says "
    "what is wrong, a line for each problem. A function `wants(settings)` returns the names of the "
    "hooks that these settings need, as in `{ \"on_request\" }`: the others are not called, and "
    "what is collected for them alone (a reply's texts, each chunk of a stream) is not. A function "
    "`wakes(settings)` returns what a request must have for `on_request` to be entered, as in "
    "`{ on_request = { detector = mine, attachments = true } }`: the gateway looks for it without "
    "Lua, and a request that has nothing of it passes, which the trace says. A body above 64 KiB, "
    "and texts that may continue one another, always wake the hook.\n\n"
    "Calls that may wait (`gateyes.fetch`, `gateyes.sleep`) look like any other. When the client "
    "leaves they are cancelled, and the hook does not go on. A call in a hook where it is not "
    "allowed raises an error that names the hooks where it is.\n\n"
    "`gateyes try policies/NAME.lua --request body.json` shows what a policy makes of a request: "
    "verdict, requirements, tags, the edited body and the trace; with `--config gateyes.lua` also "
    "the route. `--dialect` says which protocol the body speaks, `--json` prints JSON. Editors "
    "that "
    "read LuaLS annotations find those of everything below in `lua/types`.\n";

static void append_phases(struct bytes *out, unsigned phases) {
  bool first = true;
  if ((phases & PHASE_ANY) == PHASE_ANY) {
    bytes_append_text(out, "everywhere");
    return;
  }
  if (phases == PHASE_LOAD) {
    bytes_append_text(out, "the body of a script, while it is loaded");
    return;
  }
  for (int i = 0; i < POLICY_HOOK_COUNT; i++) {
    static const char *const names[] = {"on_request", "route", "on_delta", "on_reply", "on_finish"};
    if (!(phases & 1u << i)) continue;
    bytes_printf(out, "%s`%s`", first ? "" : ", ", names[i]);
    first = false;
  }
}

static bool is_object(const struct owner *owner) {
  return owner->type != NULL;
}

/* The next argument of a list such as "name: string, options?: { a: string, b?: integer }". */
static struct slice next_argument(struct slice *rest) {
  size_t depth = 0, at = 0;
  for (; at < rest->len; at++) {
    char c = rest->data[at];
    if (c == '{' || c == '(' || c == '<' || c == '[') depth++;
    if (c == '}' || c == ')' || c == '>' || c == ']') depth--;
    if (c == ',' && depth == 0) break;
  }
  struct slice argument = {rest->data, at};
  *rest = slice_skip(*rest, at < rest->len ? at + 1 : at);
  while (rest->len && rest->data[0] == ' ')
    *rest = slice_skip(*rest, 1);
  return argument;
}

static void append_signature(struct bytes *out, const struct owner *owner,
                             const struct surface_function *f) {
  bytes_printf(out, "%s%c%s(", owner->name, is_object(owner) ? ':' : '.', f->name);
  struct slice rest = slice_of(f->arguments);
  for (bool first = true; rest.len; first = false) {
    struct slice type, name = slice_cut(next_argument(&rest), ':', &type);
    bytes_printf(out, "%s%.*s", first ? "" : ", ", (int)name.len, name.data);
  }
  bytes_append_byte(out, ')');
}

/* A vertical bar would end the cell of a table. */
static void append_cell(struct bytes *out, const char *text) {
  for (; *text; text++) {
    if (*text == '|') bytes_append_byte(out, '\\');
    bytes_append_byte(out, *text);
  }
}

static void append_fields(struct bytes *out, const struct owner *owner) {
  size_t count;
  const struct surface_field *fields = surface_fields(&count);
  bytes_append_text(out, "\n| Field | Type | |\n|---|---|---|\n");
  for (size_t i = 0; i < count; i++) {
    if (strcmp(fields[i].owner, owner->name) != 0) continue;
    bytes_printf(out, "| `%s.%s` | `", owner->name, fields[i].name);
    append_cell(out, fields[i].type);
    bytes_append_text(out, "` | ");
    append_cell(out, fields[i].sentence);
    bytes_append_text(out, " |\n");
  }
}

static void append_function(struct bytes *out, const struct owner *owner,
                            const struct surface_function *f) {
  bytes_append_text(out, "\n### `");
  append_signature(out, owner, f);
  bytes_printf(out, "`\n%s\n\n", f->sentence);
  if (*f->arguments) bytes_printf(out, "- Arguments: `%s`\n", f->arguments);
  if (*f->returns) bytes_printf(out, "- Returns: `%s`\n", f->returns);
  if (*f->errors) bytes_printf(out, "- %s\n", f->errors);
  if (strcmp(owner->name, "gateyes.kit") == 0) return;
  bytes_append_text(out, "- In: ");
  append_phases(out, f->phases);
  bytes_append_byte(out, '\n');
}

static bool has_fields(const struct owner *owner) {
  size_t count;
  const struct surface_field *fields = surface_fields(&count);
  for (size_t i = 0; i < count; i++)
    if (strcmp(fields[i].owner, owner->name) == 0) return true;
  return false;
}

static void append_records(struct bytes *out) {
  bytes_append_text(out, "\n## Tables\nWhat the calls above take and give.\n");
  for (size_t i = 0; i < RECORD_ROWS; i++) {
    const struct record_row *row = &record_rows[i];
    if (!row->type) {
      bytes_printf(out, "\n### gateyes.%s\n%s\n\n| Field | Type | |\n|---|---|---|\n", row->name,
                   row->sentence);
      continue;
    }
    bytes_printf(out, "| `%s` | `", row->name);
    append_cell(out, row->type);
    bytes_append_text(out, "` | ");
    append_cell(out, row->sentence);
    bytes_append_text(out, " |\n");
  }
}

void surface_reference(struct bytes *out) {
  size_t count;
  const struct surface_function *functions = surface_functions(&count);
  bytes_append_text(out, opening);
  for (size_t o = 0; o < OWNER_COUNT; o++) {
    bytes_printf(out, "\n## %s\n%s\n", owners[o].title, owners[o].sentence);
    if (has_fields(&owners[o])) append_fields(out, &owners[o]);
    for (size_t i = 0; i < count; i++)
      if (strcmp(functions[i].owner, owners[o].name) == 0)
        append_function(out, &owners[o], &functions[i]);
  }
  append_records(out);
}

static const char annotations_opening[] =
    "---@meta\n"
    "-- What tenants' scripts can call, for editors (LuaLS). Made from runtime/script/surface.def "
    "by\n"
    "-- native_surface_reference --write. Never loaded.\n"
    "-- luacheck: ignore\n";

static const char annotated_tables[] =
    "\n---@class gateyes.Secret A value that only the gateway can read.\n\n"
    "---@class gateyes.Detector Rules for gateyes.detect.\n\n"
    "---@class gateyes.Policy\n"
#define FIELD(name, type, sentence) "---@field " #name " " type " " sentence "\n"
#define HOOK FIELD
#include "script/policy_fields.def"
#undef FIELD
#undef HOOK
    ;

static void annotate_function(struct bytes *out, const char *table,
                              const struct surface_function *f, bool is_method) {
  bytes_printf(out, "\n---%s", f->sentence);
  if (*f->errors) bytes_printf(out, " %s", f->errors);
  bytes_append_byte(out, '\n');
  struct bytes names;
  bytes_init(&names);
  struct slice rest = slice_of(f->arguments);
  while (rest.len) {
    struct slice type, name = slice_cut(next_argument(&rest), ':', &type);
    type = slice_trim(type);
    bytes_printf(out, "---@param %.*s %.*s\n", (int)name.len, name.data, (int)type.len, type.data);
    if (name.len && name.data[name.len - 1] == '?') name.len--;
    bytes_printf(&names, "%s%.*s", names.len ? ", " : "", (int)name.len, name.data);
  }
  rest = slice_of(f->returns);
  while (rest.len) {
    struct slice type = next_argument(&rest);
    bytes_printf(out, "---@return %.*s\n", (int)type.len, type.data);
  }
  bytes_printf(out, "function %s%c%s(%s) end\n", table, is_method ? ':' : '.', f->name,
               bytes_text(&names));
  bytes_fini(&names);
}

static void annotate_owner(struct bytes *out, const struct owner *owner, const char *table) {
  size_t field_count, function_count;
  const struct surface_field *fields = surface_fields(&field_count);
  const struct surface_function *functions = surface_functions(&function_count);
  for (size_t i = 0; i < field_count; i++)
    if (strcmp(fields[i].owner, owner->name) == 0)
      bytes_printf(out, "---@field %s %s %s\n", fields[i].name, fields[i].type, fields[i].sentence);
  bytes_printf(out, is_object(owner) ? "local %s = {}\n" : "%s = {}\n", table);
  for (size_t i = 0; i < function_count; i++)
    if (strcmp(functions[i].owner, owner->name) == 0)
      annotate_function(out, table, &functions[i], is_object(owner));
}

static void annotate_records(struct bytes *out) {
  for (size_t i = 0; i < RECORD_ROWS; i++) {
    const struct record_row *row = &record_rows[i];
    if (row->type)
      bytes_printf(out, "---@field %s %s %s\n", row->name, row->type, row->sentence);
    else
      bytes_printf(out, "\n---@class gateyes.%s %s\n", row->name, row->sentence);
  }
}

void surface_table_annotations(struct bytes *out) {
  bytes_append_text(out, annotations_opening);
  bytes_append_text(out, annotated_tables);
  annotate_records(out);
}

void surface_annotations(struct bytes *out) {
  bytes_append_text(out, annotations_opening);
  for (size_t o = 0; o < OWNER_COUNT; o++) {
    const struct owner *owner = &owners[o];
    if (is_object(owner)) {
      bytes_printf(out, "\n---@class %s %s\n", owner->type, owner->sentence);
      annotate_owner(out, owner, owner->name);
    } else {
      const char *dot = strchr(owner->name, '.');
      bytes_printf(out, "\n---@class %s %s\n", dot ? owner->name : "gateyes",
                   dot ? owner->sentence : "The gateway.");
      if (!dot)
        bytes_append_text(
            out, "---@field store gateyes.store\n---@field json gateyes.json"
                 "\n---@field hash gateyes.hash\n---@field text gateyes.text\n---@field tokens "
                 "gateyes.tokens\nlocal ");
      annotate_owner(out, owner, owner->name);
    }
  }
  bytes_append_text(out, "\nreturn gateyes\n");
}
