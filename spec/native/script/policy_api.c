/* The functions of `gateyes`: what they give, and that no value of a script harms them. */
#include <unistd.h>

#include "policy_kit.h"

struct world { /* what lies outside of Lua, faked */
  struct kit *kit;
  uv_timer_t timer;
  void (*on_reply)(void *wait, const struct policy_fetch_reply *reply);
  void *wait;
  struct bytes seen; /* "METHOD url name: value … body" of the newest fetch */
  bool cancelled, fails;
};

static void on_fetch_over(uv_timer_t *timer) {
  static const struct header headers[] = {{{"Content-Type", 12}, {"text/plain", 10}}};
  struct world *world = timer->data;
  struct policy_fetch_reply reply = {.status = 200, .headers = {headers, 1}, .body = SLICE("pong")};
  if (world->fails)
    reply = (struct policy_fetch_reply){.error = SLICE("no route"), .error_code = SLICE("connect")};
  world->on_reply(world->wait, &reply);
}

static void *fetch_start(void *context, const struct policy_fetch_request *request,
                         void (*on_reply)(void *wait, const struct policy_fetch_reply *reply),
                         void *wait) {
  struct world *world = context;
  world->on_reply = on_reply;
  world->wait = wait;
  world->cancelled = false;
  bytes_clear(&world->seen);
  bytes_printf(&world->seen, "%.*s %.*s", (int)request->method.len, request->method.data,
               (int)request->url.len, request->url.data);
  for (size_t i = 0; i < request->headers.count; i++)
    bytes_printf(&world->seen, " %.*s: %.*s", (int)request->headers.items[i].name.len,
                 request->headers.items[i].name.data, (int)request->headers.items[i].value.len,
                 request->headers.items[i].value.data);
  bytes_append_byte(&world->seen, ' ');
  bytes_append_slice(&world->seen, request->body);
  uv_timer_start(&world->timer, on_fetch_over, 2, 0);
  return world;
}

static void fetch_cancel(void *context, void *fetch) {
  struct world *world = context;
  CHECK(fetch == world);
  world->cancelled = true;
  uv_timer_stop(&world->timer);
}

static uint64_t count_tokens(void *context, struct slice model, struct slice text) {
  (void)context, (void)model;
  return text.len;
}

static int64_t now_ms(void *context) {
  (void)context;
  return 1700000000123;
}

static const char body[] =
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"four\"}],\"user\":\"u\"}";

/* Runs statements in on_request; the first problem fails the test. */
static void check(struct kit *kit, const char *statements) {
  struct bytes text;
  bytes_init(&text);
  bytes_printf(&text,
               "local gateyes = require 'gateyes'\n"
               "local secret = gateyes.secret('guard', 'Bearer ')\n"
               "local function raises(what, call, ...)\n"
               "  local ok, why = pcall(call, ...)\n"
               "  assert(not ok, 'no error') assert(why:find(what, 1, true), why)\n"
               "end\n"
               "return { name = 'p', on_request = function(request, context) %s end }",
               statements);
  struct policy_run *run = kit_request(kit, bytes_text(&text), body);
  CHECK(policy_verdict(run)->kind == VERDICT_PASS);
  kit_end(kit, run);
  bytes_fini(&text);
}

static void test_hash(struct kit *kit) {
  check(kit,
        "local h = gateyes.hash\n"
        "assert(h.sha256 'abc' == "
        "'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')\n"
        /* RFC 4231, cases 2 and 6 */
        "assert(h.hmac('Jefe', 'what do ya want for nothing?') == "
        "'5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843')\n"
        "assert(h.hmac(('\\170'):rep(131), 'Test Using Larger Than Block-Size Key - Hash Key "
        "First') == '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54')\n"
        "assert(h.keyed 'a' == h.keyed 'a' and h.keyed 'a' ~= h.keyed 'b' and #h.keyed 'a' == 64)\n"
        "assert(h.hex '\\0\\255a' == '00ff61' and h.unhex '00ff61' == '\\0\\255a')\n"
        "assert(h.unhex 'abc' == nil and h.unhex 'zz' == nil)\n"
        /* RFC 4648, 10 */
        "for text, code in pairs { [''] = '', f = 'Zg==', fo = 'Zm8=', foo = 'Zm9v', foob = "
        "'Zm9vYg==', fooba = 'Zm9vYmE=', foobar = 'Zm9vYmFy' } do\n"
        "  assert(h.base64(text) == code and h.unbase64(code) == text)\n"
        "  assert(h.unbase64((code:gsub('=', ''))) == text)\n"
        "end\n"
        "assert(h.unbase64 '-_8' == '\\251\\255' and h.unbase64 'a' == nil and h.unbase64 'a b' == "
        "nil)");
}

static void test_store(struct kit *kit) {
  check(kit, "local s = gateyes.store\n"
             "assert(s.get 'x' == nil and s.put('x', 'y', 60) and s.get 'x' == 'y')\n"
             "assert(s.add 'n' == 1 and s.add('n', 5) == 6 and s.get 'n' == '6')\n"
             "assert(s.put('n', 41) and s.add 'n' == 42)\n"
             "assert(s.expire('x', 0) and s.get 'x' == nil and s.expire('x', 1) == false)\n"
             "s.put('t', 'text') raises('no whole number', s.add, 't')\n"
             "raises('ttl_s', s.put, 'x', 'y', -1) raises('1 to 512', s.get, '')\n"
             "assert(s.put('big', ('x'):rep(100000)) == false)");
}

static void test_fetch(struct kit *kit, struct world *world) {
  check(kit, "local r = gateyes.fetch 'https://guard.example/x'\n"
             "assert(r.status == 200 and r.body == 'pong' and r.headers['content-type'] == "
             "'text/plain')");
  CHECK_TEXT(bytes_slice(&world->seen), "GET https://guard.example/x ");
  check(kit, "local s = secret\n"
             "assert(tostring(s):find 'hush' == nil and not pcall(function() return s.value end))\n"
             "assert(gateyes.fetch { url = 'http://g/', json = { a = { 1 } }, headers = { "
             "authorization = s } }.status == 200)\n"
             "raises('may be called in a module', gateyes.secret, 'guard')");
  CHECK_TEXT(bytes_slice(&world->seen), "POST http://g/ authorization: Bearer hush content-type: "
                                        "application/json {\"a\":[1]}");
  check(kit,
        "raises('bytes that cannot', gateyes.fetch, { url = 'x', headers = { a = 'b\\r\\nc' } "
        "})\n"
        "raises('set by the gateway', gateyes.fetch, { url = 'x', headers = { Host = 'b' } })\n"
        "raises('nearest is timeout_ms', gateyes.fetch, { url = 'x', timout_ms = 3 })\n"
        "raises('not both', gateyes.fetch, { url = 'x', body = 'a', json = 'b' })\n"
        "raises('needs a url', gateyes.fetch, {})\n"
        "raises('gsub or a metamethod', string.gsub, 'x', 'x', function() gateyes.sleep(1) end)");
  world->fails = true;
  check(kit, "local r, why, code = gateyes.fetch 'http://g/'\n"
             "assert(r == nil and why == 'no route' and code == 'connect')");
  world->fails = false;
}

static void test_fetch_cancel(struct kit *kit, struct world *world) {
  kit_add(kit, "p",
          "local gateyes = require 'gateyes'\n"
          "return { name = 'p', on_request = function() gateyes.fetch 'http://g/' end }");
  CHECK(kit_load(kit));
  struct policy_run *run = kit_run(kit, DIALECT_CHAT, body);
  CHECK(policy_on_request(run) == POLICY_WAITING && !world->cancelled);
  policy_run_free(run);
  CHECK(world->cancelled);
  kit_unload(kit);
}

static void test_others(struct kit *kit) {
  check(kit, "assert(gateyes.now() == 1700000000.123)\n"
             "assert(gateyes.tokens.count 'abc' == 3 and gateyes.tokens.count(request) == 5)\n"
             "gateyes.metric('hits', 'x') gateyes.metric('hits', 'x', 3)\n"
             "raises('a metric', gateyes.metric, 'a b')\n"
             "gateyes.log('hello', 'info')\n"
             "assert(request.session == 'u' and request:header 'authorization' == nil)\n"
             "assert(request.messages[1].role == 'user' and request.messages[1].text == 'four')\n"
             "raises('nearest is text', function() return request.texts[1].txt end)\n"
             "raises('a request is expected', request.get, context, 'x')");
}

static void test_detect(struct kit *kit) {
  kit->cpu_ms = 1000;
  check(kit,
        "local found = gateyes.detect('card 4111 1111 1111 1111, thanks', { 'payment_card' })\n"
        "assert(#found == 1 and found[1].kind == 'payment_card' and found[1].validated)\n"
        "assert(found[1].first == 6 and found[1].last == 24 and found[1].group == 'finance')\n"
        "request:set('messages.1.content', 'call 13800138000')\n"
        "request:add_system 'mail ann@corp.example'\n"
        "found = gateyes.detect(request, 'pii')\n"
        "assert(#found >= 1 and found[1].where == 'system' and found[1].turn == 1, #found)\n"
        "assert(found[1].text.text:sub(found[1].first, found[1].last) == 'ann@corp.example')\n"
        "local d = gateyes.detector { lists = { { name = 'projects', words = { 'Blue Bird' }, "
        "exceptions = { 'blue bird watching' } } } }\n"
        "found = gateyes.detect('the blue bird flies, blue bird watching', d)\n"
        "assert(#found == 1 and found[1].rule == 'projects' and found[1].first == 5)\n"
        "raises('no kind payment_crd', gateyes.detect, 'x', 'payment_crd')\n"
        "raises('nearest is kinds', gateyes.detector, { kind = 'x' })\n"
        "local kept, cheap = {}, { lists = { { name = 'a', words = 'b' } } }\n"
        "for i = 1, 70 do gateyes.detector(cheap) end\n"
        "raises('64 detectors', function() for i = 1, 70 do kept[i] = gateyes.detector(cheap) end "
        "end)");
  kit->cpu_ms = 0;
}

/* A handle that outlives its request must not reach the next one's. */
static void test_kept(struct kit *kit) {
  kit_add(kit, "p",
          "local kept\n"
          "return { name = 'p', on_request = function(request, context)\n"
          "  if kept then\n"
          "    local ok, why = pcall(function() return kept.model end)\n"
          "    assert(not ok and why:find('not being served now', 1, true), why)\n"
          "  end\n"
          "  kept = request\n"
          "end }");
  CHECK(kit_load(kit));
  for (int i = 0; i < 3; i++) {
    struct policy_run *run = kit_run(kit, DIALECT_CHAT, body);
    CHECK(policy_on_request(run) == POLICY_DONE);
    CHECK(policy_verdict(run)->kind == VERDICT_PASS);
    policy_run_free(run);
  }
  kit_unload(kit);
}

/* Every function and method with values of all types and sizes, many times over. */
static const char fuzz[] =
    "local gateyes = require 'gateyes'\n"
    "local secret = gateyes.secret 'guard'\n"
    "local calls, seed = {}, 1\n"
    "local function random(n) seed = (seed * 16807) % 2147483647 return seed % n + 1 end\n"
    "return { name = 'p', on_request = function(request, context)\n"
    "  seed = request:get 'seed'\n"
    "  local text = request.texts[1]\n"
    "  local values = { 0, 1, -1, 1.5, 1/0, -1/0, 0/0, 2^53, 1e300, '', 'x', 'url', 'a.b.c', "
    "'messages.1', '\\0\\255', ('y'):rep(3000), true, false, {}, { 1, 2 }, { url = 'http://x/' }, "
    "{ first = 1, last = 2, text = '' }, { { first = 1, last = 1, text = 'z' } }, { status = 400 "
    "}, "
    "{ residency = 'local' }, { [{}] = 1 }, function() end, coroutine.create(function() end), "
    "request, context, text, secret, gateyes, gateyes.json.null, setmetatable({}, { __index = "
    "function() error 'x' end, __tostring = 1 }) }\n"
    "  local modules = { gateyes, gateyes.store, gateyes.hash, gateyes.json, gateyes.tokens }\n"
    "  local functions = {}\n"
    "  for _, m in ipairs(modules) do for n, f in pairs(m) do\n"
    "    if type(f) == 'function' and n ~= 'fetch' and n ~= 'sleep' and n ~= 'log' then\n"
    "      functions[#functions + 1] = f end end end\n"
    "  for _, o in ipairs { { request, 'header get set remove set_model add_system remove_tool' }, "
    "{ context, 'deny answer require tag trace has_role' }, { text, 'set replace' } } do\n"
    "    for n in o[2]:gmatch '%S+' do functions[#functions + 1] = o[1][n] end end\n"
    "  for _ = 1, 60 do\n"
    "    local f, a = functions[random(#functions)], values[random(#values)]\n"
    "    local b, c = values[random(#values)], values[random(#values)]\n"
    "    if random(2) == 1 then a = values[#values - 8 + random(3)] end\n"
    "    pcall(f, a, b, c)\n"
    "  end\n"
    "end }";

static void test_fuzz(struct kit *kit, int rounds) {
  struct bytes text;
  bytes_init(&text);
  kit_add(kit, "p", fuzz)->on_error = POLICY_ERROR_PASSES;
  CHECK(kit_load(kit));
  size_t passed = 0;
  for (int i = 1; i <= rounds; i++) {
    bytes_clear(&text);
    bytes_printf(&text,
                 "{\"seed\":%d,\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
                 "\"some text\"}]}",
                 i);
    struct policy_run *run = kit_run(kit, DIALECT_CHAT, bytes_text(&text));
    kit_wait(kit, policy_on_request(run));
    const struct verdict *v = policy_verdict(run);
    if (v->is_edited) CHECK(json_validate(v->edited_body, 128, NULL));
    for (size_t k = 0; k < policy_trace_count(run); k++)
      passed += slice_equal_text(policy_trace_get(run, k)->what, "error") ? 0 : 1;
    policy_run_free(run);
  }
  CHECK(passed > (size_t)rounds);
  kit_unload(kit);
  bytes_fini(&text);
}

static void test_no_secret(struct kit *kit, const char *name) {
  struct bytes text;
  bytes_init(&text);
  bytes_printf(&text, "require('gateyes').secret '%s' return { name = 'p' }", name);
  kit_add(kit, "p", bytes_text(&text));
  CHECK(!kit_load(kit));
  kit_unload(kit);
  bytes_fini(&text);
}

int main(int argc, char **argv) {
  struct kit kit;
  char folder[] = "/tmp/gateyes_secrets_XXXXXX", file[64];
  struct world world = {.kit = &kit};
  struct kv_limits limits = {.bytes = 1 << 20, .entries = 1000, .value_bytes = 64 << 10};
  struct kv *kv = kv_new(&limits);
  kit_init(&kit);
  CHECK(mkdtemp(folder) != NULL);
  snprintf(file, sizeof file, "%s/guard", folder);
  FILE *f = fopen(file, "w");
  CHECK(f && fputs("hush\n", f) >= 0 && fclose(f) == 0);
  kit.secrets_path = folder;
  uv_timer_init(&kit.loop, &world.timer);
  world.timer.data = &world;
  kit.host.context = &world;
  kit.host.store = kv;
  kit.host.fetch_start = fetch_start;
  kit.host.fetch_cancel = fetch_cancel;
  kit.host.count_tokens = count_tokens;
  kit.host.now_ms = now_ms;
  test_hash(&kit);
  test_store(&kit);
  test_fetch(&kit, &world);
  test_fetch_cancel(&kit, &world);
  test_others(&kit);
  test_detect(&kit);
  test_kept(&kit);
  test_no_secret(&kit, "other");
  test_no_secret(&kit, "../guard");
  test_no_secret(&kit, ".");
  /* 60 calls a round; a number of rounds as argument for a longer run. */
  test_fuzz(&kit, argc > 1 ? atoi(argv[1]) : 500);
  CHECK(unlink(file) == 0 && rmdir(folder) == 0);
  uv_close((uv_handle_t *)&world.timer, NULL);
  kit_fini(&kit);
  kv_free(kv);
  bytes_fini(&world.seen);
  return checks_end();
}
