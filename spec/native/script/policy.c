/* Chains and runs: what hooks decide, and what becomes of it. */
#include "policy_kit.h"

static const char chat[] =
    "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"be kind\"},"
    "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"h\\u00e9 \\\"you\\\"\"}]}],"
    "\"temperature\":0.50,\"tools\":[]}";

static void test_pass(struct kit *kit) {
  struct policy_run *run =
      kit_request(kit, "return { name = 'p', on_request = function() end }", chat);
  const struct verdict *v = policy_verdict(run);
  CHECK(v->kind == VERDICT_PASS && !v->is_edited);
  CHECK(policy_chain_hooks(kit->chain) == 1u << POLICY_ON_REQUEST);
  CHECK(policy_trace_count(run) == 1);
  CHECK_TEXT(policy_trace_get(run, 0)->what, "pass");
  kit_end(kit, run);
}

static void test_deny(struct kit *kit) {
  struct policy_run *run = kit_request(
      kit,
      "return { name = 'p', on_request = function(request, context)\n"
      "  assert(request.model == 'm' and context.user == 'ann' and context:has_role 'developer')\n"
      "  assert(request.last_user_text == 'h\xc3\xa9 \"you\"', request.last_user_text)\n"
      "  assert(request.system == 'be kind')\n"
      "  return context:deny { status = 451, code = 'no', message = 'not here', param = 'model' }\n"
      "end }",
      chat);
  const struct verdict *v = policy_verdict(run);
  CHECK(v->kind == VERDICT_DENY && v->status == 451);
  CHECK_TEXT(v->code, "no");
  CHECK_TEXT(v->message, "not here");
  CHECK_TEXT(v->param, "model");
  CHECK_TEXT(v->policy, "p");
  struct bytes header;
  bytes_init(&header);
  policy_trace_header(run, &header);
  CHECK(slice_starts(bytes_slice(&header), SLICE("p on_request deny not here;us=")));
  bytes_fini(&header);
  kit_end(kit, run);
}

static void test_error(struct kit *kit, enum policy_on_error on_error, const char *text) {
  kit_add(kit, "p", text)->on_error = on_error;
  kit_add(kit, "q", "return { name = 'q', on_request = function(_, c) c:tag 'seen' end }");
  CHECK(kit_load(kit));
  struct policy_run *run = kit_run(kit, DIALECT_CHAT, chat);
  CHECK(policy_on_request(run) == POLICY_DONE);
  const struct verdict *v = policy_verdict(run);
  bool denies = on_error == POLICY_ERROR_DENIES;
  CHECK(v->kind == (denies ? VERDICT_DENY : VERDICT_PASS));
  CHECK(v->tag_count == (denies ? 0 : 1));
  if (denies) CHECK_TEXT(v->code, "policy_error");
  CHECK_TEXT(policy_trace_get(run, 0)->what, "error");
  kit_end(kit, run);
}

static void test_errors(struct kit *kit) {
  static const char *const texts[] = {
      "return { name = 'p', on_request = function() error 'x' end }",
      "return { name = 'p', on_request = function() while true do end end }",
      "return { name = 'p', on_request = function() local s = 'x' while true do s = s .. s end end "
      "}",
      "return { name = 'p', on_request = function() return { deny = true } end }",
      "return { name = 'p', on_request = function(r) r.modle = 1 end }",
      "return { name = 'p', on_request = function(r) return r.modle end }",
      "return { name = 'p', on_request = function(r) coroutine.yield(1) end }",
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    test_error(kit, POLICY_ERROR_DENIES, texts[i]);
    test_error(kit, POLICY_ERROR_PASSES, texts[i]);
  }
}

static void test_edits(struct kit *kit) {
  struct policy_run *run = kit_request(
      kit,
      "return { name = 'p', on_request = function(request, context)\n"
      "  local texts = request.texts\n"
      "  assert(#texts == 2 and texts[1].where == 'system' and texts[2].where == 'user')\n"
      "  texts[2]:replace { { first = 1, last = 3, text = 'HE' }, { first = 5, last = 5, text = ''"
      " } }\n"
      "  assert(texts[2].text == 'HE you\"', texts[2].text)\n"
      "  texts[1]:set 'be \"short\"'\n"
      "  request:add_system 'no emoji'\n"
      "  request:set('metadata.team', { 1, 'a' })\n"
      "  request:set_model 'other'\n"
      "  request:remove 'tools'\n"
      "  assert(not pcall(function() return texts[1].text end))\n"
      "  assert(request.model == 'other' and request:get 'metadata.team.2' == 'a')\n"
      "  assert(not pcall(request.set, request, 'stream', true))\n"
      "end }",
      chat);
  const struct verdict *v = policy_verdict(run);
  CHECK(v->kind == VERDICT_PASS && v->is_edited);
  CHECK_TEXT(v->model, "other");
  CHECK_TEXT(v->edited_body,
             "{\"model\":\"other\",\"messages\":[{\"role\":\"system\",\"content\":\"be "
             "\\\"short\\\"\"},{\"role\":\"system\",\"content\":\"no emoji\"},"
             "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"HE you\\\"\"}]}],"
             "\"temperature\":0.50,\"metadata\":{\"team\":[1,\"a\"]}}");
  kit_end(kit, run);
}

static const struct slice tools[] = {{"tools", 5}};
static const struct policy_candidate candidates[] = {
    {.name = {"gpu/a", 5}, .provider = {"gpu", 3}, .residency = {"local", 5}, .inflight = 5},
    {.name = {"cloud/b", 7}, .provider = {"cloud", 5}, .residency = {"cloud", 5}, .inflight = 1},
    {.name = {"gpu2/c", 6},
     .provider = {"gpu2", 4},
     .residency = {"local", 5},
     .inflight = 2,
     .capabilities = tools,
     .capability_count = 1},
};

static void test_require(struct kit *kit) {
  struct policy_run *run = kit_request(
      kit,
      "return { name = 'p',\n"
      "  on_request = function(request, context) context:require { residency = 'local' } end,\n"
      "  route = function(request, candidates, context)\n"
      "    assert(#candidates == 2)\n"
      "    table.sort(candidates, function(a, b) return a.inflight < b.inflight end)\n"
      "    candidates[1]:note 'least busy'\n"
      "    return candidates\n"
      "  end }",
      chat);
  CHECK(policy_route(run, candidates, 3) == POLICY_DONE);
  struct policy_order order = policy_order(run);
  CHECK(order.count == 2 && order.indexes[0] == 2 && order.indexes[1] == 0);
  CHECK(!policy_requirements_met(&policy_verdict(run)->requirements, &candidates[1]));
  kit_end(kit, run);
}

static void test_bad_order(struct kit *kit, const char *body) {
  struct bytes text;
  bytes_init(&text);
  bytes_printf(&text, "return { name = 'p', route = function(r, c, x) %s end }", body);
  kit_add(kit, "p", bytes_text(&text));
  CHECK(kit_load(kit));
  struct policy_run *run = kit_run(kit, DIALECT_CHAT, chat);
  CHECK(policy_route(run, candidates, 3) == POLICY_DONE);
  CHECK(policy_verdict(run)->kind == VERDICT_DENY);
  kit_end(kit, run);
  bytes_fini(&text);
}

static void test_orders(struct kit *kit) {
  test_bad_order(kit, "return { c[1], c[1] }");
  test_bad_order(kit, "return { c[1], r }");
  test_bad_order(kit, "return { c[1], c[2], c[3], c[1] }");
  test_bad_order(kit, "return 'gpu/a'");
  test_bad_order(kit, "kept = kept or c[1] c[1].weight = 3");
}

static void test_sleep(struct kit *kit) {
  struct policy_run *run =
      kit_request(kit,
                  "local gateyes = require 'gateyes'\n"
                  "return { name = 'p', on_request = function(request, context)\n"
                  "  gateyes.sleep(5) context:tag('slept', request.id)\n"
                  "end }",
                  chat);
  CHECK(kit->done && policy_verdict(run)->tag_count == 1);
  kit_end(kit, run);
  run = kit_request(kit,
                    "local gateyes = require 'gateyes'\n"
                    "return { name = 'p', on_request = function() gateyes.sleep(5000) end }",
                    chat);
  CHECK(kit->done && policy_verdict(run)->kind == VERDICT_DENY);
  CHECK_TEXT(policy_verdict(run)->code, "policy_error");
  kit_end(kit, run);
}

/* The client leaves while its hook sleeps. */
static void test_cancel(struct kit *kit) {
  kit_add(kit, "p",
          "local gateyes = require 'gateyes'\n"
          "return { name = 'p', on_request = function() gateyes.sleep(50) end }");
  CHECK(kit_load(kit));
  struct policy_run *run = kit_run(kit, DIALECT_CHAT, chat);
  CHECK(policy_on_request(run) == POLICY_WAITING);
  policy_run_free(run);
  uv_run(&kit->loop, UV_RUN_DEFAULT);
  CHECK(!kit->done);
  kit_unload(kit);
}

static void test_phases(struct kit *kit) {
  kit_add(kit, "p",
          "local gateyes = require 'gateyes'\n"
          "return { name = 'p', on_finish = function(outcome, context)\n"
          "  local ok, why = pcall(gateyes.sleep, 1)\n"
          "  assert(not ok and why:find('may be called in on_request, route, on_delta, on_reply; "
          "not on_finish', 1, true), why)\n"
          "  context:trace('done ' .. outcome.status)\n"
          "end }");
  CHECK(kit_load(kit));
  struct policy_run *run = kit_run(kit, DIALECT_CHAT, chat);
  struct policy_outcome outcome = {.status = 200};
  policy_on_finish(run, &outcome);
  CHECK(policy_trace_count(run) == 1);
  CHECK_TEXT(policy_trace_get(run, 0)->why, "done 200");
  kit_end(kit, run);
}

static void test_load_errors(struct kit *kit) {
  static const struct {
    const char *text, *problem;
  } cases[] = {
      {"return 1", "policies/p.lua: returns no table; end it with `return policy`\n"},
      {"return { name = 'q' }", "policies/p.lua: policy.name is \"q\"; it is the file's name"},
      {"return { name = 'p', on_requst = function() end }",
       "policies/p.lua: policy.on_requst is not known; the nearest is on_request\n"},
      {"return { name = 'p', on_reply = function() end }",
       "policies/p.lua: on_reply alone does not see streams"},
      {"return { name = 'p', route = 3 }", "policies/p.lua: policy.route is a number"},
      {"return { name = 'p', wants = {} }", "policies/p.lua: policy.wants is a table; it is"},
      {"return { name = 'p', wants = function() return 'route' end }",
       "policies/p.lua: policy.wants returns a list of the policy's own hooks, or nil"},
      {"return { name = 'p', wants = function() return { 'route' } end }",
       "policies/p.lua: policy.wants returns a list of the policy's own hooks, or nil"},
      {"return { name = 'p', wants = function() error('no', 0) end }",
       "policies/p.lua: policy.wants failed: no\n"},
      {"x = = 1", "tenant.lua:3: policies.p: policies/p.lua:1:"},
      {"return { name = 'p', settings = { mode = { type = 'strng' } } }",
       "tenant.lua:3: policies.p.mode: its schema has no type"},
      {"return { name = 'p', settings = { mode = { type = 'string', required = true } } }",
       "tenant.lua:3: policies.p.mode: is required"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    kit_add(kit, "p", cases[i].text);
    CHECK(!kit_load(kit));
    bool starts = slice_starts(bytes_slice(&kit->error), slice_of(cases[i].problem));
    if (!starts) fprintf(stderr, "got: %s", bytes_text(&kit->error));
    CHECK(starts);
    kit_unload(kit);
  }
}

static void test_settings(struct kit *kit) {
  struct value_item items[] = {
      {SLICE("mode"), {.type = VALUE_TEXT, .line = 7, .text = SLICE("blok")}},
      {SLICE("limt"), {.type = VALUE_NUMBER, .line = 8, .number = 1}},
  };
  struct value settings = {.type = VALUE_MAP, .items = items, .count = 2};
  static const char text[] =
      "return { name = 'p', settings = { limit = { type = 'integer', default = 3, min = 2 },\n"
      "  mode = { type = 'string', default = 'block', one_of = { 'block', 'mask' } } },\n"
      "  on_request = function(_, c)\n"
      "    c:tag('got', c.settings.mode .. c.settings.limit)\n"
      "  end }";
  kit_add(kit, "p", text)->settings = &settings;
  CHECK(!kit_load(kit));
  CHECK_TEXT(bytes_slice(&kit->error),
             "tenant.lua:7: policies.p.mode: \"blok\" is none of \"block\", \"mask\"; the nearest "
             "is \"block\"\ntenant.lua:8: policies.p.limt: no such setting; the nearest is "
             "\"limit\"\n");
  kit_unload(kit);
  items[0].value.text = SLICE("mask");
  settings.count = 1;
  kit_add(kit, "p", text)->settings = &settings;
  CHECK(kit_load(kit));
  struct policy_run *run = kit_run(kit, DIALECT_CHAT, chat);
  CHECK(policy_on_request(run) == POLICY_DONE);
  CHECK(policy_verdict(run)->tag_count == 1);
  CHECK_TEXT(policy_verdict(run)->tags[0].value, "mask3");
  kit_end(kit, run);
}

/* Hooks that the settings leave out are not there: neither for the run, nor for who collects texts.
 */
static void test_wants(struct kit *kit) {
  struct value_item item = {SLICE("output"), {.type = VALUE_BOOL, .boolean = true}};
  struct value settings = {.type = VALUE_MAP, .items = &item, .count = 1};
  static const char text[] =
      "return { name = 'p', settings = { output = { type = 'boolean', default = false } },\n"
      "  wants = function(s) if not s.output then return { 'on_request' } end end,\n"
      "  on_request = function(_, c) c:tag('a', 'b') end,\n"
      "  on_delta = function() return 'changed' end }";
  unsigned request = 1u << POLICY_ON_REQUEST;
  kit_add(kit, "p", text);
  CHECK(kit_load(kit));
  CHECK(policy_chain_hooks(kit->chain) == request);
  struct policy_run *run = kit_run(kit, DIALECT_CHAT, chat);
  CHECK(policy_on_request(run) == POLICY_DONE);
  CHECK(policy_verdict(run)->tag_count == 1);
  struct policy_text reply = {.text = SLICE("said")};
  CHECK(policy_on_reply(run, &reply, 1) == POLICY_DONE && !reply.is_changed);
  kit_end(kit, run);
  kit_add(kit, "p", text)->settings = &settings;
  CHECK(kit_load(kit));
  CHECK(policy_chain_hooks(kit->chain) ==
        (request | 1u << POLICY_ON_DELTA | 1u << POLICY_ON_REPLY));
  run = kit_run(kit, DIALECT_CHAT, chat);
  CHECK(policy_on_reply(run, &reply, 1) == POLICY_DONE && reply.is_changed);
  kit_end(kit, run);
  kit_add(kit, "p",
          "return { name = 'p', stream = 'hold', wants = function() return {} end,\n"
          "  on_reply = function() error 'never' end }");
  CHECK(kit_load(kit));
  CHECK(policy_chain_hooks(kit->chain) == 0);
  kit_unload(kit);
}

int main(void) {
  struct kit kit;
  kit_init(&kit);
  test_pass(&kit);
  test_deny(&kit);
  test_errors(&kit);
  test_edits(&kit);
  test_require(&kit);
  test_orders(&kit);
  test_sleep(&kit);
  test_cancel(&kit);
  test_phases(&kit);
  test_load_errors(&kit);
  test_settings(&kit);
  test_wants(&kit);
  kit_fini(&kit);
  return checks_end();
}
