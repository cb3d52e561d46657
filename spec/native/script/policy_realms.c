/* What a tenant's scripts write into libraries, modules and strings is nothing that the policies of
 * the house notice: those that ship, and the operator's. */
#include "check.h"
#include "policy_kit.h"
#include "script/bundle.h"
#include "script/sandbox_private.h"
#include "script/tenant_sandbox.h"
#include "store/kv.h"

/* Each runs before the policies of the house, while it loads and again on the request. */
static const char *const attacks[] = {
    "for name in pairs(string) do string[name] = function() return '' end end",
    "for name in pairs(table) do table[name] = function() end end",
    "for name, value in pairs(_G) do if type(value) == 'function' then _G[name] = function() end "
    "end end",
    "pairs, ipairs, next, select, type = nil, nil, nil, nil, nil",
    "setmetatable(_G, { __index = function() return nil end, __newindex = function() end })",
    "local g = require 'gateyes' for name in pairs(g) do g[name] = function() return {} end end",
    "local g = require 'gateyes' g.detect = function() return {} end g.detector = g.detect "
    "g.text.split = g.detect g.hash.keyed = g.detect g.json.decode = g.detect",
    "for _, name in ipairs { 'text', 'json', 'hash', 'store', 'tokens' } do local m = require("
    "'gateyes.' .. name) for key in pairs(m) do m[key] = error end end",
    "local c = require 'gateyes.compliance' c.hooks = function(p) return p end c.applies = "
    "function() return false end c.action_of = function() return 'none' end",
    "local p = require 'policies.secrets' p.on_request = function() end p.on_delta = nil",
    "local p = require 'policies.secrets' for key in pairs(p) do p[key] = nil end",
    "local mt = getmetatable('') if mt then mt.__index = {} end",
    "local mt = getmetatable(require 'gateyes'.json.array {}) if mt then mt.__index = error end",
    "local ok, d = pcall(require('gateyes').detector, { kinds = { 'email' } }) "
    "local mt = ok and getmetatable(d) if type(mt) == 'table' then mt.__index = error end",
    "math.random = function() return 0 end math.randomseed(1)",
    "local t = coroutine.running() held = held or t if held then coroutine.resume(held) end",
    "pcall(setmetatable, require 'gateyes', { __index = error, __newindex = error })",
    "_G.require, _G.error, _G.pcall = nil, nil, nil",
    "local keep = {} pcall(function() for i = 1, 100 do keep[i] = require 'gateyes'.detector { "
    "kinds = { 'email' } } end end)",
    "local f = require 'gateyes.guards' for k in pairs(f) do f[k] = nil end",
};

/* Files of the tenant in the place of what the policies of the house are made of. */
static const char *const shadows[][2] = {
    {"gateyes/compliance.lua", "return { hooks = function(p) return p end, settings = function() "
                               "return {} end, default = function(s) return s end }"},
    {"gateyes/compliance_splice.lua", "return {}"},
    {"gateyes.lua", "return {}"},
};

struct place {
  struct kit kit;
  struct bundle *base, *own;
  struct kv *store;
};

static void place_init(struct place *p) {
  struct config_problems problems = {0};
  *p = (struct place){0};
  kit_init(&p->kit);
  p->base = bundle_new_base(SLICE(""), &problems);
  p->store = kv_new(&(struct kv_limits){1 << 20, 100, 1 << 10});
  p->kit.host.store = p->store;
}

static void place_fini(struct place *p) {
  kit_fini(&p->kit);
  bundle_unref(p->base);
  kv_free(p->store);
}

static void open_chain(struct place *p, const char *evil, const char *const *names, size_t count) {
  struct policy_entry entries[4];
  p->own = bundle_new(SLICE("tenants/acme"), p->base);
  CHECK(!bundle_add(p->own, SLICE("policies/evil.lua"), slice_of(evil)));
  for (size_t i = 0; i < sizeof shadows / sizeof *shadows; i++)
    CHECK(!bundle_add(p->own, slice_of(shadows[i][0]), slice_of(shadows[i][1])));
  bundle_seal(p->own);
  for (size_t i = 0; i < count; i++)
    entries[i] = (struct policy_entry){.module = slice_of(names[i])};
  struct sandbox_settings settings = {
      .name = SLICE("acme"), .cpu_ms = 2000, .find = tenant_module_find, .context = p->own};
  struct policy_settings policies = {.tenant = SLICE("acme"), .host = &p->kit.host};
  p->kit.sandbox = sandbox_new(&settings);
  p->kit.chain = policy_chain_new(p->kit.sandbox, &(struct policy_entries){entries, count},
                                  &policies, &p->kit.error);
  if (!p->kit.chain) fprintf(stderr, "%s%s\n", bytes_text(&p->kit.error), evil);
  must(p->kit.chain != NULL);
}

static void close_chain(struct place *p) {
  kit_unload(&p->kit);
  bundle_unref(p->own);
}

static const char body[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"my key "
                           "AKIAZ7Q3NFKD2XWL5TPR\"}]}";

static void test_attacks(struct place *p) {
  static const char *const names[] = {"evil", "secrets"};
  for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
    char text[4096];
    snprintf(text, sizeof text,
             "local policy = { name = 'evil' }\n"
             "local pcall = pcall\n"
             "local function attack() %s end\n"
             "pcall(attack)\n"
             "function policy.on_request(request, context) pcall(attack) end\n"
             "return policy",
             attacks[i]);
    open_chain(p, text, names, 2);
    for (int round = 0; round < 2; round++) {
      struct policy_run *run = kit_run(&p->kit, DIALECT_CHAT, body);
      kit_wait(&p->kit, policy_on_request(run));
      const struct verdict *v = policy_verdict(run);
      bool holds = v->kind == VERDICT_DENY && slice_equal_text(v->code, "secrets_blocked");
      if (!holds) fprintf(stderr, "%s: %.*s\n", attacks[i], (int)v->code.len, v->code.data);
      CHECK(holds);
      policy_run_free(run);
    }
    close_chain(p);
  }
}

/* What a script gets hold of: members of tables, keys, and metatables that are not locked. */
static void collect(lua_State *L, int seen) {
  int at = lua_gettop(L);
  luaL_checkstack(L, 10, "walk");
  if (!lua_istable(L, at)) return;
  lua_pushvalue(L, at);
  lua_rawget(L, seen);
  bool is_known = lua_toboolean(L, -1);
  lua_settop(L, at);
  if (is_known) return;
  lua_pushvalue(L, at);
  lua_pushboolean(L, true);
  lua_rawset(L, seen);
  for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1)) {
    collect(L, seen);
    lua_pushvalue(L, -2);
    collect(L, seen);
    lua_pop(L, 1);
  }
  if (lua_getmetatable(L, at)) {
    lua_getfield(L, -1, "__metatable");
    bool is_locked = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (!is_locked) collect(L, seen);
  }
  lua_settop(L, at);
}

static int collect_realm(lua_State *L, const struct sandbox *s, enum sandbox_realm realm) {
  lua_newtable(L);
  int seen = lua_gettop(L);
  int roots[] = {s->realms[realm].globals, s->realms[realm].loaded};
  for (int i = 0; i < 2; i++) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, roots[i]);
    collect(L, seen);
    lua_pop(L, 1);
  }
  return seen;
}

static void test_disjoint(struct place *p) {
  static const char *const names[] = {"evil", "secrets", "rules", "moderation"};
  open_chain(p,
             "require 'policies.secrets' require 'policies.rules' require 'policies.moderation' "
             "for _, n in ipairs { 'store', 'hash', 'json', 'text', 'tokens' } do require("
             "'gateyes.' .. n) end return { name = 'evil' }",
             names, 2);
  lua_State *L = sandbox_state(p->kit.sandbox);
  int tenant = collect_realm(L, p->kit.sandbox, SANDBOX_TENANT);
  int house = collect_realm(L, p->kit.sandbox, SANDBOX_HOUSE);
  size_t count = 0, shared = 0;
  for (lua_pushnil(L); lua_next(L, house); lua_pop(L, 1), count++) {
    lua_pushvalue(L, -2);
    lua_rawget(L, tenant);
    shared += lua_toboolean(L, -1);
    lua_pop(L, 1);
  }
  CHECK(count > 15);
  CHECK(shared == 0);
  lua_settop(L, 0);
  close_chain(p);
}

/* Both realms, and the least of policies: what a tenant costs in each worker. */
static void test_memory(struct place *p) {
  static const char *const names[] = {"evil", "random"};
  open_chain(p, "return { name = 'evil', on_request = function() end }", names, 2);
  lua_gc(sandbox_state(p->kit.sandbox), LUA_GCCOLLECT, 0);
  size_t used = sandbox_used_bytes(p->kit.sandbox);
  if (used > 56 << 10) fprintf(stderr, "%zu bytes\n", used);
  CHECK(used <= 56 << 10);
  close_chain(p);
}

/* A tenant's policy cannot unpin a session, nor change what a policy of the house has tagged. */
static void test_kept(struct place *p) {
  static const char *const names[] = {"residency", "evil"};
  open_chain(p,
             "local gateyes = require 'gateyes'\n"
             "local policy = { name = 'evil' }\n"
             "function policy.on_request(request, context)\n"
             "  gateyes.store.expire('compliance.stay.' .. gateyes.hash.keyed('s1'), 0)\n"
             "  gateyes.store.put('compliance.stay.' .. gateyes.hash.keyed('s1'), 'cloud')\n"
             "  local ok = pcall(context.tag, context, 'residency', 'clean')\n"
             "  context:tag('changed', ok)\n"
             "end\n"
             "return policy",
             names, 2);
  static const char *const texts[] = {"mail ann@corp.example.org now", "and then?"};
  for (int i = 0; i < 2; i++) {
    char text[256];
    snprintf(text, sizeof text, "{\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
             texts[i]);
    struct policy_request request = {.id = SLICE("req_1"),
                                     .method = SLICE("POST"),
                                     .path = SLICE("/v1/chat/completions"),
                                     .session = SLICE("s1"),
                                     .body = slice_of(text),
                                     .principal = &kit_principal};
    struct policy_run *run = policy_run_new(p->kit.chain, &request, &kit_callbacks, &p->kit);
    kit_wait(&p->kit, policy_on_request(run));
    const struct verdict *v = policy_verdict(run);
    CHECK(v->kind == VERDICT_PASS);
    CHECK_TEXT(v->requirements.residency, "local");
    if (i == 0) {
      CHECK(v->tag_count == 2);
      CHECK_TEXT(v->tags[0].value, "email");
      CHECK_TEXT(v->tags[1].value, "false");
    }
    policy_run_free(run);
  }
  close_chain(p);
}

/* The gateway's own modules are no library; what is offered is named. */
static void test_offers(struct place *p) {
  static const char *const names[] = {"evil"};
  static const char *const refused[] = {
      "gateyes.translate", "gateyes.responses_store", "gateyes.sandbox",           "dialects.chat",
      "gateyes.fields",    "types.gateyes",           "gateyes.compliance_splices"};
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    char text[512];
    snprintf(text, sizeof text,
             "local ok, why = pcall(require, '%s')\n"
             "assert(not ok and why:find('scripts may require', 1, true) and "
             "why:find('gateyes.compliance', 1, true), why)\n"
             "require 'policies.secrets' require 'adapters.openai' require 'gateyes.routing'\n"
             "return { name = 'evil' }",
             refused[i]);
    open_chain(p, text, names, 1);
    close_chain(p);
  }
}

static void test_long_denial(struct place *p) {
  static const char *const names[] = {"evil"};
  open_chain(p,
             "return { name = 'evil', on_request = function(request, context) return context:deny {"
             " message = ('é'):rep(5000), code = ('c'):rep(500), param = ('p'):rep(5000) } end }",
             names, 1);
  struct policy_run *run = kit_run(&p->kit, DIALECT_CHAT, body);
  kit_wait(&p->kit, policy_on_request(run));
  const struct verdict *v = policy_verdict(run);
  CHECK(v->kind == VERDICT_DENY);
  CHECK(v->message.len == 2000);
  CHECK(v->code.len == 64);
  CHECK(v->param.len == 200);
  policy_run_free(run);
  close_chain(p);
}

int main(void) {
  struct place p;
  place_init(&p);
  test_attacks(&p);
  test_disjoint(&p);
  test_memory(&p);
  test_kept(&p);
  test_offers(&p);
  test_long_denial(&p);
  place_fini(&p);
  return checks_end();
}
