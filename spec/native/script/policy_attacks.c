/* Attacks on what hooks reach beyond the language: each ends within twice its budget, as a refusal
 * of its own request or without harm, and the next request of the same state is served. */
#include <time.h>

#include "base/clock.h"
#include "check.h"
#include "policy_kit.h"
#include "store/kv.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { CPU_MS = 10, SLOWNESS = 10 };
#else
enum { CPU_MS = 10, SLOWNESS = 1 };
#endif

/* Bodies of on_request(request, context), with gateyes, json and text at hand. */
static const char *const attacks[] = {
    "for i = 1, 1e9 do gateyes.store.put('k' .. i, ('v'):rep(1000)) end",
    "for i = 1, 1e9 do pcall(gateyes.store.add, 'n' .. i, 2^53) end",
    "while true do pcall(gateyes.store.put, ('k'):rep(600), 'x') end",
    "for i = 1, 1e9 do gateyes.metric('m' .. i, 'v' .. i, i) end",
    "while true do pcall(gateyes.metric, 'm', ('v'):rep(1e5), 0/0) end",
    "for i = 1, 1e9 do gateyes.log(('x'):rep(100000)) end",
    "for i = 1, 1e9 do context:trace(('t'):rep(10000) .. i) end",
    "for i = 1, 1e9 do pcall(context.tag, context, 't' .. i, ('v'):rep(100)) end",
    "for i = 1, 1e9 do pcall(context.require, context, { capabilities = 'c' .. i }) end",
    "for i = 1, 1e9 do pcall(context.require, context, { providers = { 'p' .. i } }) end",
    "while true do pcall(context.require, context, { context_tokens = 0/0 }) end",
    "while true do pcall(context.deny, context, { status = 0/0 }) end",
    "while true do pcall(gateyes.detector, { kinds = 'all', lists = { { name = 'l', words = { "
    "('w'):rep(200) } } } }) end",
    "local words = {} for i = 1, 1e5 do words[i] = 'w' .. i end gateyes.detector { lists = { { "
    "name "
    "= 'l', words = words } } }",
    "local t = ('4111 1111 1111 1111 '):rep(2e5) while true do gateyes.detect(t, 'all') end",
    "local t = ('-----BEGIN PRIVATE KEY-----'):rep(1e5) while true do gateyes.detect(t, 'all') end",
    "return json.decode(('['):rep(1e6))",
    "return json.decode('[' .. ('1,'):rep(1e6) .. '1]')",
    "while true do json.decode('{\"a\":' .. ('['):rep(100) .. (']'):rep(100) .. '}') end",
    "local t = {} for i = 1, 60 do t = { t, t } end return json.encode(t)",
    "local t = {} t[1] = t return json.encode(t)",
    "local s = ('\\\\u0000'):rep(1e6) while true do json.quote(s) end",
    "return text.regex(('(a*)*'):rep(2000))",
    "return text.regex(('(?:'):rep(1e5))",
    "return text.regex('(a{1000}){1000}')",
    "local r = text.regex('(a|aa)*b') while true do r:find(('a'):rep(1e6)) end",
    "while true do text.split(('a,'):rep(1e5), ',') end",
    "local s = ('\\240\\159\\152'):rep(1e6) while true do text.fold(s) text.length(s) end",
    "local s = ('\\204\\128'):rep(2e6) while true do text.truncate(s, 1e6) text.upper(s) end",
    "local s = ('x'):rep(4e6) while true do gateyes.hash.sha256(s) end",
    "local s = ('x'):rep(4e6) while true do gateyes.hash.keyed(s) end",
    "local s = ('x '):rep(2e6) while true do gateyes.tokens.count(s) end",
    "for i = 1, 1e9 do request:set('field' .. i, i) end",
    "local t = {} for i = 1, 200 do t = { t } end while true do pcall(request.set, request, 'a', "
    "t) "
    "end",
    "while true do request:set('metadata', { x = ('y'):rep(1e6) }) end",
    "local h = request.texts[1] while true do h:set(('x'):rep(1e6)) end",
    "local h = request.texts[1] while true do pcall(h.replace, h, { { first = -2^53, last = 2^53, "
    "text = '' } }) end",
    "local h = request.texts[1] local r = {} for i = 1, 1e6 do r[i] = { first = 1, last = 1, text "
    "= "
    "'x' } end h:replace(r)",
    "while true do local m = request.messages m[1] = nil end",
    "while true do pcall(gateyes.fetch, { url = ('http://x/'):rep(1000) }) end",
    "while true do pcall(gateyes.secret, ('s'):rep(300)) end",
    "while true do pcall(require, 'policies.' .. ('x'):rep(100)) end",
    "for i = 1, 1e9 do pcall(require, 'lib.m' .. i) end",
    "local mt = { __index = function() while true do end end } request:set('a', setmetatable({}, "
    "mt)) "
    "context:deny(setmetatable({}, mt)) while true do end",
    "error(setmetatable({}, { __tostring = function() while true do end end }))",
    "local co = coroutine.wrap(function() while true do pcall(gateyes.sleep, -1) end end) co()",
    "while true do coroutine.wrap(function() context:trace 'x' end)() end",
    "local r = text.regex '(.*)(.*)(.*)(.*)(.*)x' while true do r:match(('a'):rep(1e5)) end",
    "local r = text.regex '(?:a?){1000}a' while true do r:find(('a'):rep(1e5)) end",
    "local r = text.regex '' while true do for _ in r:gmatch(('a'):rep(1e5)) do end end",
    "local r = text.regex 'a' while true do r:gsub(('a'):rep(1e5), function() return "
    "('b'):rep(1e4) end) end",
    "local r = text.regex 'a' r:gsub('a', function() return r:gsub('a', function() while true do "
    "end end) end)",
    "local r = text.regex 'a' while true do pcall(r.gsub, r, ('a'):rep(1e5), ('$0'):rep(1e4)) end",
    "while true do pcall(text.regex, ('[a-z]'):rep(500) .. '(') end",
    "while true do local l = {} for i = 1, 64 do l['l' .. i] = { ('w'):rep(200) } end "
    "pcall(text.words, l) end",
    "local l = text.words { a = { 'a' } } while true do l:count(('a '):rep(1e6)) end",
    "local s = ('%41'):rep(1e6) while true do gateyes.detect(s, 'all') end",
    "local s = ('Y2FyZCA0MTExIDExMTEgMTExMSAxMTExIA'):rep(5e4) while true do gateyes.detect(s, "
    "'all') end",
    "local s = ('\\239\\189\\145'):rep(1e6) while true do gateyes.detect(s, 'all') end",
    "local s = ('\\0'):rep(1e6) while true do gateyes.detect(s, 'all') end",
    "while true do pcall(gateyes.detect, request, setmetatable({}, { __index = function() while "
    "true do end end })) end",
    "while true do pcall(gateyes.detector, { allowed = setmetatable({}, { __len = function() "
    "return 2^53 end }) }) end",
    "gateyes.hash.unbase64(('A'):rep(8e6))",
    "gateyes.hash.base64(('A'):rep(8e6))",
    "gateyes.hash.hex(('A'):rep(8e6))",
    "gateyes.hash.unhex(('A'):rep(8e6))",
    "text.contains(('a'):rep(8e6), ('a'):rep(1000) .. 'b')",
    "text.split(('a'):rep(8e6), ('a'):rep(60) .. 'b')",
    "(('a'):rep(8e6)):find(('a'):rep(1000) .. 'b', 1, true)",
    "local s = ('{\"a\":'):rep(1e5) while true do json.valid(s) json.members(s) json.elements(s) "
    "end",
    "local t = setmetatable({}, { __pairs = function() while true do end end, __index = "
    "function(_, i) return i end }) "
    "while true do pcall(json.encode, json.array(t)) end",
    "while true do pcall(json.raw, ('[1,'):rep(1e5) .. '1' .. (']'):rep(1e5)) end",
    "for i = 1, 1e9 do pcall(gateyes.store.expire, 'k' .. i, 0/0) pcall(gateyes.store.get, "
    "('k'):rep(1e6)) end",
    "for i = 1, 1e9 do pcall(request.add_system, request, ('s'):rep(1e4)) end",
    "for i = 1, 1e9 do pcall(request.set, request, ('a.'):rep(1e4), 1) pcall(request.get, request, "
    "('1.'):rep(1e5)) end",
    "for i = 1, 1e9 do context.notes[i] = request.texts end",
    "for i = 1, 1e9 do pcall(context.answer, context, { body = { x = ('y'):rep(1e6) } }) end",
    "for i = 1, 1e9 do pcall(context.deny, context, { message = ('m'):rep(1e6), param = "
    "('c'):rep(1e6) }) end",
    "local f = gateyes.fetch while true do pcall(f, { url = 'http://[::1]/', headers = { "
    "[('h'):rep(1e5)] = '\\r\\nx: y' } "
    "}) end",
    "while true do pcall(gateyes.sleep, 0/0) pcall(gateyes.sleep, -2^63) pcall(gateyes.now, {}) "
    "end",
    "local h = request.texts while true do for i = 1, 100 do h[i] = setmetatable({}, "
    "getmetatable(h[1])) end "
    "pcall(gateyes.detect, h[1], 'all') end",
    "while true do pcall(getmetatable(request).__index, {}, 'texts') "
    "pcall(getmetatable(request).__newindex, request, 'a', 1) end",
};

static uint64_t cpu_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static const char request[] =
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"go\"}]}";
static const char calm[] =
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"calm\"}]}";

static bool play(struct kit *kit, const char *body, struct bytes *code) {
  struct policy_run *run = kit_run(kit, DIALECT_CHAT, body);
  kit_wait(kit, policy_on_request(run));
  const struct verdict *v = policy_verdict(run);
  bytes_clear(code);
  bytes_append_slice(code, v->code);
  bool passes = v->kind == VERDICT_PASS;
  policy_run_free(run);
  return passes;
}

static void attack(struct kit *kit, const char *text) {
  struct bytes policy, code;
  bytes_init(&policy);
  bytes_init(&code);
  bytes_printf(&policy,
               "local gateyes, json, text = require 'gateyes', require 'gateyes.json', require "
               "'gateyes.text'\nlocal policy = { name = 'p' }\n"
               "local function attack(request, context) %s end\n"
               "function policy.on_request(request, context)\n"
               "  if request.last_user_text == 'go' then attack(request, context) end\n"
               "end\nreturn policy",
               text);
  kit_add(kit, "p", bytes_text(&policy));
  bool fine = kit_load(kit);
  if (!fine) fprintf(stderr, "%s", bytes_text(&kit->error));
  must(fine);
  sandbox_set_cpu_ms(kit->sandbox, CPU_MS);
  /* On a busy machine the watching thread comes late; it is not late each time. */
  uint64_t used_ms = UINT64_MAX;
  bool passes = false;
  for (int round = 0; round < 8 && used_ms > 2 * CPU_MS * SLOWNESS; round++) {
    uint64_t started = cpu_ns();
    passes = play(kit, request, &code);
    uint64_t now_ms = (cpu_ns() - started) / 1000000u;
    used_ms = now_ms < used_ms ? now_ms : used_ms;
  }
  if (used_ms > 2 * CPU_MS * SLOWNESS) {
    fprintf(stderr, "%u ms: %s\n", (unsigned)used_ms, text);
    checks_failed++;
  }
  bool is_refused = slice_equal_text(bytes_slice(&code), "policy_error") ||
                    slice_equal_text(bytes_slice(&code), "denied_by_policy");
  if (!passes && !is_refused) {
    fprintf(stderr, "%s: %s\n", bytes_text(&code), text);
    checks_failed++;
  }
  if (!play(kit, calm, &code)) {
    fprintf(stderr, "afterwards %s: %s\n", bytes_text(&code), text);
    checks_failed++;
  }
  kit_unload(kit);
  bytes_fini(&policy);
  bytes_fini(&code);
}

int main(void) {
  struct kit kit;
  kit_init(&kit);
  struct kv *store = kv_new(&(struct kv_limits){1 << 20, 1000, 1 << 14});
  kit.host.store = store;
  for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++)
    attack(&kit, attacks[i]);
  kit_fini(&kit);
  kv_free(store);
  return checks_end();
}
