/* gateyes.fetch: the request is copied into the run's arena, and everything about it is checked
 * before anything starts. Which hosts may be reached is the host's to decide, after it has resolved
 * the name. */
#include <math.h>
#include <stdlib.h>

#include "script/sandbox.h"
#include "script/surface_private.h"

enum { MOST_HEADERS = 32, MOST_BODY = 8 << 20, DEFAULT_REPLY = 1 << 20, URL_BYTES = 4096 };

static bool is_method(struct slice method) {
  static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
    if (slice_equal_text(method, methods[i])) return true;
  return false;
}

static void add_header(lua_State *L, struct policy_fetch_request *r, struct header *items,
                       struct header header) {
  if (!header_is_clean(header.name, header.value))
    luaL_error(L, "a header's name or value has bytes that cannot stand in one");
  if (slice_equal_nocase(header.name, SLICE("host")) ||
      slice_equal_nocase(header.name, SLICE("content-length")) ||
      slice_equal_nocase(header.name, SLICE("transfer-encoding")) ||
      slice_equal_nocase(header.name, SLICE("connection")))
    luaL_error(L, "host, content-length, transfer-encoding and connection are set by the gateway");
  if (r->headers.count == MOST_HEADERS) luaL_error(L, "a fetch has 32 headers at most");
  items[r->headers.count++] = header;
}

/* The table of headers is on top. */
static void take_headers(lua_State *L, struct surface *s, struct policy_fetch_request *r,
                         struct header *items) {
  struct arena *arena = &s->run->arena;
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    if (lua_type(L, -2) != LUA_TSTRING) luaL_error(L, "headers are {name = value}");
    struct header header = {arena_slice(arena, state_text(L, -2)), {NULL, 0}};
    header.value = lua_type(L, -1) == LUA_TSTRING ? arena_slice(arena, state_text(L, -1))
                                                  : api_secret_text(L, s, lua_gettop(L));
    add_header(L, r, items, header);
    lua_pop(L, 1);
  }
}

static bool has_header(const struct policy_fetch_request *r, const char *name) {
  return header_find(r->headers, name).data != NULL;
}

static void take_body(lua_State *L, struct surface *s, struct policy_fetch_request *r,
                      struct header *items) {
  struct slice body = SLICE("");
  bool has_body = surface_text_field(L, 1, "body", &body);
  sandbox_push_field(L, 1, "json");
  if (!lua_isnil(L, -1)) {
    if (has_body) luaL_error(L, "a fetch has a body or json, not both");
    body = surface_encode(s, L, lua_gettop(L));
    has_body = true;
    if (!has_header(r, "content-type"))
      add_header(L, r, items, (struct header){SLICE("content-type"), SLICE("application/json")});
  }
  if (body.len > MOST_BODY) luaL_error(L, "a fetch's body has 8 MiB at most");
  r->body = arena_slice(&s->run->arena, body);
  if (!r->method.len) r->method = has_body ? SLICE("POST") : SLICE("GET");
}

static double take_number(lua_State *L, const char *name, double otherwise, double most) {
  double number = otherwise;
  (void)surface_number_field(L, 1, name, &number);
  if (!(number >= 1 && number <= most && number == floor(number)))
    luaL_error(L, "%s is a whole number from 1 to %d", name, (int)most);
  return number;
}

static void take_options(lua_State *L, struct surface *s, struct policy_fetch_request *r) {
  static const char *const names[] = {"url",  "method",     "headers",   "body",
                                      "json", "timeout_ms", "max_bytes", NULL};
  struct header *items = arena_alloc(&s->run->arena, MOST_HEADERS * sizeof *items);
  luaL_checktype(L, 1, LUA_TTABLE);
  surface_check_keys(L, 1, names);
  if (!surface_text_field(L, 1, "url", &r->url)) luaL_error(L, "a fetch needs a url");
  if (surface_text_field(L, 1, "method", &r->method) && !is_method(r->method))
    luaL_error(L, "the method is GET, HEAD, POST, PUT, PATCH or DELETE");
  r->method = arena_slice(&s->run->arena, r->method);
  r->headers.items = items;
  sandbox_push_field(L, 1, "headers");
  if (!lua_isnil(L, -1)) {
    luaL_checktype(L, -1, LUA_TTABLE);
    take_headers(L, s, r, items);
  }
  lua_settop(L, 1);
  take_body(L, s, r, items);
  r->timeout_ms = (uint64_t)take_number(L, "timeout_ms", s->settings.wall_ms, 600000);
  r->max_bytes = (size_t)take_number(L, "max_bytes", DEFAULT_REPLY, MOST_BODY);
}

int api_fetch(lua_State *L) {
  struct surface *s = surface_self(L);
  struct policy_fetch_request request = {.timeout_ms = s->settings.wall_ms,
                                         .max_bytes = DEFAULT_REPLY};
  if (s->fakes == LUA_NOREF && !s->settings.host->loop)
    return luaL_error(L, "nothing can be waited for here");
  if (!sandbox_can_await(L))
    return luaL_error(L, "nothing can be waited for in a function that gsub or a metamethod calls");
  lua_settop(L, 1);
  if (lua_type(L, 1) == LUA_TSTRING) {
    request.url = state_text(L, 1);
    request.method = SLICE("GET");
  } else {
    take_options(L, s, &request);
  }
  if (!request.url.len || request.url.len > URL_BYTES)
    return luaL_error(L, "a url has 1 to 4096 bytes");
  request.url = arena_slice(&s->run->arena, request.url);
  int faked = surface_fake_fetch(L, s);
  if (faked) return faked;
  const char *why = policy_fetch(s->run, &request);
  if (!why) return sandbox_await(L, 0);
  lua_pushnil(L);
  lua_pushstring(L, why);
  lua_pushstring(L, "fetch_failed");
  return 3;
}
