/* Every function and field that hooks reach, in every hook, with values of random types: nothing
 * but Lua errors may come of it. `native_policy_fuzz 1000000` is the long form. */
#include "base/clock.h"
#include "check.h"
#include "policy_kit.h"
#include "store/kv.h"

static const char policy[] =
    "local gateyes = require 'gateyes'\n"
    "local calls, objects, sink = {}, {}, nil\n"
    "for _, t in ipairs { gateyes, gateyes.store, gateyes.hash, gateyes.tokens, gateyes.text, "
    "gateyes.json } do\n"
    "  for name, f in pairs(t) do\n"
    "    if type(f) == 'function' and name ~= 'fetch' and name ~= 'sleep' then calls[#calls + 1] = "
    "f "
    "end\n"
    "  end\n"
    "end\n"
    "local random, set = math.random, setmetatable\n"
    "math.randomseed(SEED)\n"
    "local numbers = { 0, -0, 1, -1, 2, 3.5, 1e3, -1e9, 2^31, 2^32, 2^53, -2^63, 2^64, 1e308, 0/0, "
    "1/0, -1/0 }\n"
    "local texts = { '', 'a', 'model', 'messages.1.content', 'messages.-1', 'a..b', '1', 'email', "
    "'pii', 'all', 'cloud', '\\0', '\\255\\254', ('x'):rep(300), ('y'):rep(70000), "
    "'jo@corp-mail.de 4111 1111 1111 1111', 'X-A', 'x\\r\\ny: 1', '{\"a\":[1]}', '[[[[', "
    "('[1,'):rep(200), '%s%n', '\\240\\159\\152\\128', 'p0/llama', 'user', 'residency' }\n"
    "local words = { 'status', 'code', 'message', 'param', 'text', 'body', 'residency', "
    "'providers', "
    "'capabilities', 'context_tokens', 'kinds', 'lists', 'allowed', 'min_score', 'name', 'words', "
    "'first', 'last', 'role', 'content', 'url', 'json', 1, 2, 3 }\n"
    "local depth, pick = 0, nil\n"
    "local makers = {\n"
    "  function() return nil end,\n"
    "  function() return random() < 0.5 end,\n"
    "  function() return numbers[random(#numbers)] end,\n"
    "  function() return texts[random(#texts)] end,\n"
    "  function() return texts[random(#texts)] end,\n"
    "  function() return random(20) end,\n"
    "  function() return {} end,\n"
    "  function() return { pick(), pick(), pick() } end,\n"
    "  function() return { [words[random(#words)]] = pick(), [words[random(#words)]] = pick() } "
    "end,\n"
    "  function() return { { first = random(9), last = random(9), text = texts[random(#texts)] } } "
    "end,\n"
    "  function() local t = {} t.t = t t[1] = t return t end,\n"
    "  function() return set({}, { __index = pick, __newindex = pick, __call = pick, __tostring = "
    "pick, __len = pick, __lt = pick, __eq = pick, __concat = pick, __metatable = pick() }) end,\n"
    "  function() return function(...) return pick(), ... end end,\n"
    "  function() return calls[random(#calls)] end,\n"
    "  function() return coroutine.create(pick) end,\n"
    "  function() return objects[random(#objects)] end,\n"
    "  function() return objects[random(#objects)] end,\n"
    "  function() return gateyes.detector { kinds = { 'email' } } end,\n"
    "  function() return gateyes.json.null end,\n"
    "}\n"
    "function pick()\n"
    "  if depth > 3 then return 1 end\n"
    "  depth = depth + 1\n"
    "  local ok, v = pcall(makers[random(#makers)])\n"
    "  depth = depth - 1\n"
    "  return ok and v or nil\n"
    "end\n"
    "local fields = { 'deny', 'answer', 'require', 'tag', 'trace', 'has_role', 'settings', "
    "'notes', "
    "'tenant', 'principal', 'tags', 'session', 'hook', 'policy', 'messages', 'tools', 'texts', "
    "'last_user_text', 'text', 'model', 'header', 'headers', 'get', 'set', 'remove', 'replace', "
    "'add_system', 'append', 'body', 'where', 'turn', 'bytes', 'detect', 'channel', 'index', "
    "'last', "
    "'overdue', 'set_text', 'score', 'inflight', 'queue', 'name', 'provider', 'residency', "
    "'status', "
    "'usage', 'cost', 'attachments', 'tool_choice', 'stream', 'dialect', 'id' }\n"
    "for _, f in ipairs(FIELDS) do fields[#fields + 1] = f end\n"
    "local total, put = 0, gateyes.store.put\n"
    "local function once(denies)\n"
    "  depth, total = 0, total + 1\n"
    "  if random() < 0.3 or #objects == 0 then\n"
    "    return calls[random(#calls)](pick(), pick(), pick(), pick())\n"
    "  end\n"
    "  local object, name = objects[random(#objects)], fields[random(#fields)]\n"
    "  if not denies and (name == 'deny' or name == 'answer') then name = 'tag' end\n"
    "  if random() < 0.05 then object[name] = pick() end\n"
    "  local value = object[name]\n"
    "  if type(value) == 'function' then\n"
    "    if random() < 0.9 then return value(object, pick(), pick(), pick()) end\n"
    "    return value(pick(), pick(), pick())\n"
    "  end\n"
    "  if (name == 'texts' or name == 'messages') and type(value) == 'table' then\n"
    "    for i = 1, math.min(#value, 3) do objects[#objects + 1] = value[i] end\n"
    "  end\n"
    "  sink = value\n"
    "end\n"
    "local function run(a, b, c)\n"
    "  objects = { a, b }\n"
    "  if type(b) == 'table' then objects = { a, c, b[1], b[2] } end\n"
    "  local denies = random() < 0.1\n"
    "  for i = 1, CALLS do\n"
    "    pcall(once, denies)\n"
    "    if #objects > 40 then objects = { a, type(b) ~= 'table' and b or c } end\n"
    "  end\n"
    "  put('calls made', total)\n"
    "  if random() < 0.3 then return pick(), pick() end\n"
    "end\n"
    "local policy = { name = 'p', on_request = run, route = run, on_delta = run, on_reply = run, "
    "on_finish = run }\n"
    "return policy\n";

enum { CALLS = 50 };

static const char *const bodies[] = {
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"mail jo@corp-mail.de\"},"
    "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\","
    "\"text\":\"b\"}]}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]}",
    "{}",
    "{\"messages\":7,\"tools\":{},\"model\":null,\"stream\":\"x\",\"metadata\":[[]]}",
    "{\"messages\":[1,null,{\"content\":{}},{\"role\":[],\"content\":[1,{\"text\":{}}]}],"
    "\"input\":\"x\",\"system\":[{\"text\":1}]}",
};

static void play(struct kit *kit, int round) {
  static const struct slice names[] = {{"p0/llama", 8}, {"p1/llama", 8}};
  enum dialect dialect = (enum dialect)(round % DIALECT_COUNT);
  struct policy_run *run = kit_run(kit, dialect, bodies[round % 4]);
  struct policy_candidate candidates[2];
  for (int i = 0; i < 2; i++)
    candidates[i] = (struct policy_candidate){
        .name = names[i], .provider = {names[i].data, 2}, .model = {names[i].data + 3, 5}};
  kit_wait(kit, policy_on_request(run));
  if (policy_verdict(run)->kind == VERDICT_PASS) kit_wait(kit, policy_route(run, candidates, 2));
  struct bytes out;
  bytes_init(&out);
  for (int i = 0; i < 2 && policy_verdict(run)->kind == VERDICT_PASS; i++) {
    struct policy_delta delta = {.text = SLICE("mail jo@corp-mail.de and 41"), .is_last = i == 1};
    kit_wait(kit, policy_on_delta(run, &delta, &out));
    bytes_clear(&out);
    delta = (struct policy_delta){.text = {"", 0}, .is_overdue = true};
    if (i == 0 && policy_verdict(run)->kind == VERDICT_PASS)
      kit_wait(kit, policy_on_delta(run, &delta, &out));
  }
  bytes_fini(&out);
  struct policy_text reply = {.text = SLICE("a whole reply")};
  if (policy_verdict(run)->kind == VERDICT_PASS) kit_wait(kit, policy_on_reply(run, &reply, 1));
  struct policy_outcome outcome = {.status = 200};
  policy_on_finish(run, &outcome);
  policy_run_free(run);
}

/* Calls that the policy made: it keeps count itself. */
static int calls_made(struct kv *store) {
  struct bytes text;
  bytes_init(&text);
  uint64_t now_ms = (uint64_t)clock_wall_ms();
  (void)kv_get(kv_space_get(store, SLICE("acme")), SLICE("calls made"), now_ms, &text);
  int made = text.len ? atoi(bytes_text(&text)) : 0;
  bytes_fini(&text);
  return made;
}

int main(int argc, char **argv) {
  struct kit kit;
  int count = argc > 1 ? atoi(argv[1]) : 20000, done = 0;
  kit_init(&kit);
  struct kv *store = kv_new(&(struct kv_limits){1 << 20, 1000, 1 << 14});
  kit.host.store = store;
  kit.host.is_quiet = false;
  for (int seed = 1; done < count && seed <= count; seed++) {
    struct bytes text;
    bytes_init(&text);
    bytes_printf(&text, "local SEED, CALLS, FIELDS = %d, %d, {}\n", seed, CALLS);
    bytes_append_text(&text, policy);
    kit.cpu_ms = 2000;
    kit_add(&kit, "p", bytes_text(&text))->on_error = POLICY_ERROR_PASSES;
    bool fine = kit_load(&kit);
    if (!fine) fprintf(stderr, "%s\n", bytes_text(&kit.error));
    must(fine);
    for (int round = 0; round < 20; round++)
      play(&kit, seed + round);
    done += calls_made(store);
    kit_unload(&kit);
    bytes_fini(&text);
  }
  CHECK(done >= count);
  fprintf(stderr, "%d calls\n", done);
  kit_fini(&kit);
  kv_free(store);
  return checks_end();
}
