/* gateyes.store: see store/kv.h. */
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "script/surface_private.h"
#include "store/kv.h"

static struct kv_space *space_of(lua_State *L) {
  struct surface *s = surface_self(L);
  bool is_house = s->run && policy_now(s->run)->is_house;
  struct kv_space *space = is_house ? s->house_space : s->space;
  if (!space) luaL_error(L, "the store is not offered here");
  return space;
}

uint64_t api_now_ms(const struct surface *s) {
  const struct policy_host *host = s->settings.host;
  uint64_t faked;
  if (surface_fake_now(s, s->L, &faked)) return faked;
  int64_t now = host->now_ms ? host->now_ms(host->context) : clock_wall_ms();
  return now > 0 ? (uint64_t)now : 0;
}

static struct slice check_name(lua_State *L) {
  struct slice name = surface_text(L, 1);
  if (!name.len || name.len > KV_NAME_BYTES) luaL_error(L, "a name has 1 to 512 bytes");
  return name;
}

/* Seconds at index, as milliseconds; 0 where there are none. */
static uint64_t check_ttl(lua_State *L, int index, bool required) {
  enum { LONGEST_S = 366 * 86400 };
  if (!required && lua_isnoneornil(L, index)) return 0;
  lua_Number ttl = luaL_checknumber(L, index);
  if (!(ttl >= 0 && ttl <= LONGEST_S))
    luaL_error(L, "ttl_s is a number of seconds, a year at most");
  if (!required && ttl == 0) luaL_error(L, "ttl_s is above 0; leave it out to keep the value");
  return (uint64_t)ceil(ttl * 1000);
}

int store_get(lua_State *L) {
  struct kv_space *space = space_of(L);
  struct surface *s = surface_self(L);
  struct slice name = check_name(L);
  bytes_clear(&s->scratch);
  if (kv_get(space, name, api_now_ms(s), &s->scratch))
    surface_push_text(L, bytes_slice(&s->scratch));
  else
    lua_pushnil(L);
  return 1;
}

int store_put(lua_State *L) {
  struct kv_space *space = space_of(L);
  struct slice name = check_name(L);
  if (lua_type(L, 2) == LUA_TNUMBER) {
    char text[40];
    lua_Number number = lua_tonumber(L, 2);
    bool whole = number == floor(number) && fabs(number) < 1e15;
    snprintf(text, sizeof text, whole ? "%.0f" : "%.17g", number);
    lua_pushstring(L, text);
    lua_replace(L, 2);
  }
  struct surface *s = surface_self(L);
  struct kv_put put = {name, surface_text(L, 2), check_ttl(L, 3, false), api_now_ms(s)};
  lua_pushboolean(L, s->settings.host->is_quiet || kv_put(space, &put));
  return 1;
}

static bool would_add(struct surface *s, struct kv_space *space, const struct kv_add *add,
                      int64_t *sum) {
  int64_t kept = 0;
  bytes_clear(&s->scratch);
  bool found = kv_get(space, add->name, add->now_ms, &s->scratch);
  if (found && !json_to_i64(bytes_slice(&s->scratch), &kept)) return false;
  return !__builtin_add_overflow(kept, add->amount, sum);
}

int store_add(lua_State *L) {
  struct kv_space *space = space_of(L);
  struct slice name = check_name(L);
  lua_Number amount = luaL_optnumber(L, 2, 1);
  if (amount != floor(amount) || fabs(amount) > 9007199254740992.0)
    return luaL_error(L, "what is added is a whole number");
  struct kv_add add = {name, (int64_t)amount, check_ttl(L, 3, false), api_now_ms(surface_self(L))};
  int64_t sum;
  struct surface *s = surface_self(L);
  if (!(s->settings.host->is_quiet ? would_add(s, space, &add, &sum) : kv_add(space, &add, &sum)))
    return luaL_error(L, "what is kept there is no whole number, or the sum is too large");
  lua_pushnumber(L, (lua_Number)sum);
  return 1;
}

int store_expire(lua_State *L) {
  struct kv_space *space = space_of(L);
  struct slice name = check_name(L);
  struct surface *s = surface_self(L);
  uint64_t ttl_ms = check_ttl(L, 2, true);
  bytes_clear(&s->scratch);
  bool found = s->settings.host->is_quiet ? kv_get(space, name, api_now_ms(s), &s->scratch)
                                          : kv_expire(space, name, ttl_ms, api_now_ms(s));
  lua_pushboolean(L, found);
  return 1;
}
