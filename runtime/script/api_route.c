/* Candidates of the route hook. */
#include <math.h>
#include <stdlib.h>

#include "script/surface_private.h"

static const struct policy_candidate *candidate_of(lua_State *L, struct surface *s) {
  const struct handle *h = surface_check(s, L, OBJECT_CANDIDATE);
  const struct policy_run *run = s->run;
  if (h->version != run->version || h->index >= run->candidate_count || !run->candidates)
    luaL_error(L, "this candidate is of an earlier call of route");
  return &run->candidates[h->index];
}

static void push_maybe(lua_State *L, struct slice text) {
  if (text.len)
    lua_pushlstring(L, text.data, text.len);
  else
    lua_pushnil(L);
}

static void push_known(lua_State *L, bool known, double number) {
  if (known)
    lua_pushnumber(L, number);
  else
    lua_pushnil(L);
}

void candidate_name(lua_State *L, struct surface *s) {
  surface_push_text(L, candidate_of(L, s)->name);
}

void candidate_provider(lua_State *L, struct surface *s) {
  surface_push_text(L, candidate_of(L, s)->provider);
}

void candidate_model(lua_State *L, struct surface *s) {
  surface_push_text(L, candidate_of(L, s)->model);
}

void candidate_residency(lua_State *L, struct surface *s) {
  push_maybe(L, candidate_of(L, s)->residency);
}

void candidate_input_price(lua_State *L, struct surface *s) {
  const struct policy_candidate *c = candidate_of(L, s);
  push_known(L, c->price_known, (double)c->input_price_nanousd);
}

void candidate_output_price(lua_State *L, struct surface *s) {
  const struct policy_candidate *c = candidate_of(L, s);
  push_known(L, c->price_known, (double)c->output_price_nanousd);
}

void candidate_weight(lua_State *L, struct surface *s) {
  lua_pushnumber(L, candidate_of(L, s)->weight);
}

void candidate_inflight(lua_State *L, struct surface *s) {
  lua_pushnumber(L, candidate_of(L, s)->inflight);
}

void candidate_queue(lua_State *L, struct surface *s) {
  double value = candidate_of(L, s)->queue;
  push_known(L, value >= 0, value);
}

void candidate_kv_usage(lua_State *L, struct surface *s) {
  double value = candidate_of(L, s)->kv_usage;
  push_known(L, value >= 0, value);
}

void candidate_ewma_ttft_ms(lua_State *L, struct surface *s) {
  double value = candidate_of(L, s)->ewma_ttft_ms;
  push_known(L, value >= 0, value);
}

void candidate_error_rate(lua_State *L, struct surface *s) {
  double value = candidate_of(L, s)->error_rate;
  push_known(L, value >= 0, value);
}

void candidate_context_tokens(lua_State *L, struct surface *s) {
  uint64_t tokens = candidate_of(L, s)->context_tokens;
  push_known(L, tokens > 0, (double)tokens);
}

void candidate_capabilities(lua_State *L, struct surface *s) {
  const struct policy_candidate *c = candidate_of(L, s);
  lua_createtable(L, (int)c->capability_count, 0);
  for (size_t i = 0; i < c->capability_count; i++) {
    surface_push_text(L, c->capabilities[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
}

int candidate_has(lua_State *L) {
  const struct policy_candidate *c = candidate_of(L, surface_self(L));
  struct slice wanted = surface_text(L, 2);
  bool found = false;
  for (size_t i = 0; i < c->capability_count && !found; i++)
    found = slice_equal(c->capabilities[i], wanted);
  lua_pushboolean(L, found);
  return 1;
}

/* `*` stands for anything. What follows the last one is tried a place further on whenever it fails.
 */
static bool is_like(struct slice text, struct slice pattern) {
  size_t at = 0, want = 0, star = SIZE_MAX, resume = 0;
  while (at < text.len) {
    if (want < pattern.len && pattern.data[want] == '*') {
      star = want++;
      resume = at;
    } else if (want < pattern.len && pattern.data[want] == text.data[at]) {
      want++;
      at++;
    } else if (star != SIZE_MAX) {
      want = star + 1;
      at = ++resume;
    } else {
      return false;
    }
  }
  while (want < pattern.len && pattern.data[want] == '*')
    want++;
  return want == pattern.len;
}

static bool goes_by(const struct policy_candidate *c, struct slice pattern) {
  static const char residency[] = "residency:";
  size_t len = sizeof residency - 1;
  if (pattern.len > len && memcmp(pattern.data, residency, len) == 0)
    return slice_equal(c->residency, slice_skip(pattern, len));
  bool is_whole = memchr(pattern.data, '/', pattern.len) != NULL;
  return is_like(is_whole ? c->name : c->provider, pattern);
}

int candidate_matches(lua_State *L) {
  const struct policy_candidate *c = candidate_of(L, surface_self(L));
  bool found = false;
  if (lua_type(L, 2) != LUA_TTABLE) {
    lua_pushboolean(L, goes_by(c, surface_text(L, 2)));
    return 1;
  }
  lua_settop(L, 2);
  size_t count = lua_objlen(L, 2);
  for (size_t i = 1; i <= count && !found; i++) {
    lua_rawgeti(L, 2, (int)i);
    found = goes_by(c, surface_text(L, 3));
    lua_settop(L, 2);
  }
  lua_pushboolean(L, found);
  return 1;
}

/* -weight / ln(u), u from the hash. Source: Schindelhauer and Schomaker, "Weighted Distributed Hash
 * Tables", 2005. */
int candidate_affinity(lua_State *L) {
  struct surface *s = surface_self(L);
  const struct policy_candidate *c = candidate_of(L, s);
  struct slice key = surface_text(L, 2);
  uint8_t digest[SHA256_BYTES];
  uint64_t bits = 0;
  bytes_clear(&s->scratch);
  bytes_append_slice(&s->scratch, key);
  bytes_append_slice(&s->scratch, c->name);
  digest_sha256(bytes_slice(&s->scratch), digest);
  for (int i = 0; i < 8; i++)
    bits = bits << 8 | digest[i];
  double u = ((double)(bits >> 12) + 0.5) / 4503599627370496.0; /* 2^52 */
  lua_pushnumber(L, c->weight ? -(double)c->weight / log(u) : 0);
  return 1;
}

int candidate_note(lua_State *L) {
  struct surface *s = surface_self(L);
  const struct policy_candidate *c = candidate_of(L, s);
  struct slice why = surface_text(L, 2);
  struct bytes *text = &s->scratch;
  bytes_clear(text);
  bytes_append_slice(text, c->name);
  bytes_append_text(text, ": ");
  bytes_append_slice(text, why);
  policy_trace(s->run, "note", bytes_slice(text));
  return 0;
}
