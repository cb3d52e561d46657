/* The functions of `gateyes` itself. */
#include <math.h>
#include <stdlib.h>

#include "observe/log.h"
#include "observe/metric.h"
#include "script/config_sandbox.h"
#include "script/sandbox.h"
#include "script/surface_private.h"

static void check_wait(lua_State *L, const struct surface *s) {
  if (!s->settings.host->loop) luaL_error(L, "nothing can be waited for here");
  if (!sandbox_can_await(L))
    luaL_error(L, "nothing can be waited for in a function that gsub or a metamethod calls");
}

int api_sleep(lua_State *L) {
  struct surface *s = surface_self(L);
  lua_Number ms = luaL_checknumber(L, 1);
  if (!(ms >= 0 && ms <= 86400000.0)) return luaL_error(L, "sleep takes milliseconds");
  if (surface_fake_sleep(s, L, ms)) return 0;
  check_wait(L, s);
  policy_sleep(s->run, (uint64_t)ceil(ms));
  return sandbox_await(L, 0);
}

int api_now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)api_now_ms(surface_self(L)) / 1000);
  return 1;
}

int api_log(lua_State *L) {
  enum { MOST_BYTES = 1000 };
  static const char *const levels[] = {"info", "warn", "error", NULL};
  const struct surface *s = surface_self(L);
  struct slice message = surface_text(L, 1);
  int level = luaL_checkoption(L, 2, "info", levels);
  if (message.len > MOST_BYTES) message.len = MOST_BYTES;
  if (s->settings.host->is_quiet) return 0;
  struct slice policy = s->run ? policy_now(s->run)->name : SLICE("(loading)");
  struct slice id = s->run ? s->run->request.id : SLICE("-");
  log_process((enum log_level)level, "tenant %.*s, policy %.*s, request %.*s: %.*s",
              (int)s->settings.tenant.len, s->settings.tenant.data, (int)policy.len, policy.data,
              (int)id.len, id.data, (int)message.len, message.data);
  return 0;
}

static bool is_name(struct slice name) {
  for (size_t i = 0; i < name.len; i++) {
    char c = name.data[i];
    bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                c == '_' || c == '.' || c == '-';
    if (!fine) return false;
  }
  return name.len > 0 && name.len <= 64;
}

int api_metric(lua_State *L) {
  const struct surface *s = surface_self(L);
  struct slice name = surface_text(L, 1);
  struct slice value = lua_isnoneornil(L, 2) ? SLICE("") : surface_text(L, 2);
  lua_Number amount = luaL_optnumber(L, 3, 1);
  if (!is_name(name))
    return luaL_error(L, "a metric's name has letters, digits, _ . and -, 64 at most");
  if (value.len > 64) value.len = 64;
  if (!(amount >= 0 && amount <= 1e15 && amount == floor(amount)))
    return luaL_error(L, "a metric's amount is a whole number from 0");
  if (s->settings.host->is_quiet) return 0;
  struct slice labels[] = {s->settings.tenant, policy_now(s->run)->name, name, value};
  metric_add(metric_get(METRIC_POLICY_EVENTS, labels), (uint64_t)amount);
  return 0;
}

/* A file name and nothing else: no folder, nothing hidden. */
static bool is_secret_name(struct slice name) {
  return is_name(name) && name.data[0] != '.';
}

static void read_secret(lua_State *L, struct surface *s, struct slice name, struct bytes *out) {
  enum { MOST_BYTES = 8 << 10 };
  struct bytes path;
  struct slice folder = s->settings.secrets_path;
  bytes_init(&path);
  bytes_printf(&path, "%.*s/%.*s", (int)folder.len, folder.data, (int)name.len, name.data);
  const char *why = folder.len ? config_text_read(bytes_text(&path), MOST_BYTES, out)
                               : "the tenant has no folder of secrets";
  bytes_fini(&path);
  lua_pushlstring(L, name.data, name.len);
  if (why) luaL_error(L, "the secret %s cannot be read: %s", lua_tostring(L, -1), why);
  lua_pop(L, 1);
  while (out->len && (out->data[out->len - 1] == '\n' || out->data[out->len - 1] == '\r'))
    out->len--;
}

/* Read while the module loads, which is never on a worker's loop; the value stays in C. */
int api_secret(lua_State *L) {
  struct surface *s = surface_self(L);
  struct slice name = surface_text(L, 1);
  struct slice prefix = lua_isnoneornil(L, 2) ? SLICE("") : surface_text(L, 2);
  if (!is_secret_name(name))
    return luaL_error(L, "a secret's name has letters, digits, _ . and -, 64 at most");
  struct secret *secret = arena_alloc(&s->arena, sizeof *secret);
  bytes_clear(&s->scratch);
  if (!surface_fake_secret(L, s, name, &s->scratch)) read_secret(L, s, name, &s->scratch);
  struct slice parts[] = {prefix, bytes_slice(&s->scratch)};
  secret->text = arena_join(&s->arena, parts, 2);
  if (!header_is_clean(SLICE("x"), secret->text))
    return luaL_error(L, "the secret holds bytes that cannot stand in a header");
  secret->next = s->secrets;
  s->secrets = secret;
  struct handle handle = {0, s->secret_count++, 0};
  surface_push_handle(s, L, OBJECT_SECRET, &handle);
  return 1;
}

struct slice api_secret_text(lua_State *L, struct surface *s, int index) {
  const struct handle *h = surface_handle(s, L, index, OBJECT_SECRET);
  if (!h) luaL_error(L, "a header's value is text or a secret");
  const struct secret *secret = s->secrets;
  for (uint32_t skip = s->secret_count - 1 - h->index; skip > 0; skip--)
    secret = secret->next;
  return secret->text;
}

/* In specs: four bytes a token. */
static uint64_t count_roughly(void *context, struct slice model, struct slice text) {
  (void)context, (void)model;
  return (text.len + 3) / 4;
}

int tokens_count(lua_State *L) {
  struct surface *s = surface_self(L);
  const struct policy_host *host = s->settings.host;
  struct slice model = SLICE("");
  uint64_t count = 0;
  uint64_t (*counter)(void *, struct slice, struct slice) = host->count_tokens;
  if (!counter && s->fakes != LUA_NOREF) counter = count_roughly;
  if (!counter) return luaL_error(L, "counting tokens is not offered here");
  if (s->run) model = s->run->verdict.model.len ? s->run->verdict.model : s->run->request.model;
  if (!lua_isnoneornil(L, 2)) model = surface_text(L, 2);
  if (lua_type(L, 1) == LUA_TSTRING) {
    count = counter(host->context, model, state_text(L, 1));
  } else {
    (void)surface_check(s, L, OBJECT_REQUEST);
    for (size_t i = 0; i < policy_texts(s->run)->count; i++) {
      bytes_clear(&s->scratch);
      policy_text(s->run, i, &s->scratch);
      count += counter(host->context, model, bytes_slice(&s->scratch));
      if (i % 64 == 63) sandbox_check(L);
    }
  }
  lua_pushnumber(L, (lua_Number)count);
  return 1;
}
