/* What specs see of the gateway: the functions that serve, and an outside of their own. */
#include "script/spec_kit.h"

#include "policy_kit.h"

static const char guard[] =
    "local gateyes = require 'gateyes'\n"
    "local token = gateyes.secret 'guard'\n"
    "local policy = { name = 'p', settings = { word = { type = 'string', default = 'secret' } } }\n"
    "function policy.on_request(request, context)\n"
    "  if request.last_user_text:find(context.settings.word, 1, true) then\n"
    "    return context:deny { code = 'word' }\n"
    "  end\n"
    "  local seen = gateyes.store.add('seen')\n"
    "  local reply, why = gateyes.fetch { url = 'https://g/', headers = { authorization = token }, "
    "json = { text = request.last_user_text } }\n"
    "  if not reply then return context:deny { message = why } end\n"
    "  gateyes.sleep(1500)\n"
    "  context:tag('seen', seen) context:tag('at', gateyes.now())\n"
    "  context:require { residency = reply.body }\n"
    "  request:set('metadata.tokens', gateyes.tokens.count 'twelve bytes')\n"
    "end\n"
    "function policy.route(request, candidates, context)\n"
    "  table.sort(candidates, function(a, b) return a.inflight < b.inflight end)\n"
    "  return candidates\n"
    "end\n"
    "function policy.on_delta(delta) return (delta.text:gsub('b', 'B')) end\n"
    "function policy.on_finish(outcome, context) context:trace('ended ' .. outcome.status) end\n"
    "return policy";

static const char spec[] =
    "local kit = require 'gateyes.kit'\n"
    "kit.secrets { guard = 'hush' }\n"
    "local policy = require 'policies.p'\n"
    "local r = kit.run(policy, { text = 'a secret' })\n"
    "assert(r.kind == 'deny' and r.code == 'word' and r.status == 403)\n"
    "assert(kit.run(policy, { text = 'x', settings = { word = 'x' } }).kind == 'deny')\n"
    "kit.now(1000)\n"
    "kit.fetch(function(request)\n"
    "  assert(request.url == 'https://g/' and request.json.text == 'fine')\n"
    "  return { body = 'local' }\n"
    "end)\n"
    "r = kit.run(policy, { text = 'fine', deltas = { 'ab', 'cb' }, reply = { 'bb', 'cc' },\n"
    "  outcome = { status = 200 },\n"
    "  candidates = { { name = 'a/1', residency = 'local', inflight = 3 },\n"
    "    { name = 'b/2', residency = 'cloud' }, { name = 'c/3', residency = 'local', inflight = 1 "
    "} } })\n"
    "assert(r.kind == 'pass' and r.residency == 'local', r.message)\n"
    "assert(r.tags.seen == '1' and r.tags.at == '1001.5', r.tags.at)\n"
    "assert(r.edited and r.body.metadata.tokens == 3)\n"
    "assert(#r.route == 2 and r.route[1] == 'c/3' and r.route[2] == 'a/1')\n"
    "assert(r.output == 'aBcB' and r.reply[1] == 'BB' and r.reply[2] == 'cc')\n"
    "assert(r.trace[#r.trace].why == 'ended 200')\n"
    "kit.fetch(function() return nil, 'no route', 'connect' end)\n"
    "assert(kit.run(policy, { text = 'fine' }).message == 'no route')\n"
    "kit.fetch(function() error 'broken' end)\n"
    "assert(kit.run(policy, { text = 'fine' }).code == 'policy_error')\n"
    "assert(kit.run(policy, { text = 'fine', on_error = 'pass' }).kind == 'pass')\n"
    "local ok, why = pcall(kit.run, policy, { settings = { wrd = 'x' } })\n"
    "assert(not ok and why:find('nearest is \"word\"', 1, true), why)\n"
    "assert(not pcall(kit.run, policy, { bodi = {} }))\n"
    "assert(not pcall(kit.run, { name = 'q', on_requst = function() end }))\n"
    "assert(coroutine.wrap(function() return kit.run(policy, { text = 'secret' }).kind end)() == "
    "'deny')\n"
    "local dialects = { chat = 'x', completions = 'x', responses = 'x', messages = 'x', embeddings "
    "= 'x' }\n"
    "for d, text in pairs(dialects) do\n"
    "  local p = { name = 'q', on_request = function(q, c) c:tag('text', q.last_user_text) end }\n"
    "  assert(kit.run(p, { dialect = d, text = text }).tags.text == text, d)\n"
    "end\n"
    "kit.reset() kit.fetch(function() return { body = 'x' } end)\n"
    "assert(kit.run(policy, { text = 'fine' }).tags.seen == '1')\n";

int main(void) {
  struct kit kit;
  kit_init(&kit);
  kit_add(&kit, "p", guard);
  struct sandbox_settings settings = {
      .name = SLICE("acme"), .cpu_ms = 2000, .find = kit_find, .context = &kit};
  struct policy_settings policies = {.tenant = SLICE("acme")};
  kit.sandbox = sandbox_new(&settings);
  surface_open(sandbox_state(kit.sandbox), &policies);
  spec_kit_open(sandbox_state(kit.sandbox));
  bool fine = sandbox_load(kit.sandbox, slice_of(spec), SLICE("@p_spec.lua"), &kit.error) &&
              sandbox_call(kit.sandbox, 0, 0, &kit.error) == SANDBOX_DONE;
  if (!fine) fprintf(stderr, "%s\n", bytes_text(&kit.error));
  CHECK(fine);
  kit_fini(&kit);
  return checks_end();
}
