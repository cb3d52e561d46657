#include "script/text_replace.h"

#include <string.h>

#include "script/sandbox.h"

enum { CHECK_MARKS = 1024 };

static void push_capture(lua_State *L, const struct text_found *f, int number) {
  const struct text_capture *c = &f->captures[number];
  if (c->len == TEXT_ABSENT)
    lua_pushnil(L);
  else if (c->len == TEXT_POSITION)
    lua_pushinteger(L, c->at - f->text + 1);
  else
    lua_pushlstring(L, c->at, (size_t)c->len);
}

int text_push_captures(lua_State *L, const struct text_found *f) {
  luaL_checkstack(L, f->count + 1, "captures");
  for (int i = 0; i < f->count; i++)
    push_capture(L, f, i);
  if (f->count) return f->count;
  lua_pushlstring(L, f->whole.data, f->whole.len);
  return 1;
}

void text_check_replacement(lua_State *L, int index) {
  int type = lua_type(L, index);
  if (type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TTABLE && type != LUA_TFUNCTION)
    luaL_argerror(L, index, "string/function/table expected");
}

void text_replacer_init(struct text_replacer *r, lua_State *L, int index) {
  r->L = L;
  r->index = index;
  r->type = lua_type(L, index);
  r->marks = 0;
  luaL_buffinit(L, &r->out);
}

static void add_capture(struct text_replacer *r, const struct text_found *f, int number) {
  if (number == 0 || (number == 1 && f->count == 0)) {
    luaL_addlstring(&r->out, f->whole.data, f->whole.len);
    return;
  }
  if (number > f->count) luaL_error(r->L, "invalid capture index");
  if (f->captures[number - 1].len == TEXT_ABSENT) return;
  push_capture(r->L, f, number - 1);
  lua_tostring(r->L, -1); /* of a position */
  luaL_addvalue(&r->out);
}

static void add_template(struct text_replacer *r, const struct text_found *f) {
  size_t len;
  const char *at = lua_tolstring(r->L, r->index, &len), *end = at + len;
  while (at < end) {
    const char *mark = memchr(at, '%', (size_t)(end - at));
    luaL_addlstring(&r->out, at, (size_t)((mark ? mark : end) - at));
    if (!mark) return;
    if (++r->marks % CHECK_MARKS == 0) sandbox_check(r->L);
    char next = mark + 1 < end ? mark[1] : 0;
    if (next >= '0' && next <= '9')
      add_capture(r, f, next - '0');
    else
      luaL_addchar(&r->out, next);
    at = mark + 2;
  }
}

static void push_first(lua_State *L, const struct text_found *f) {
  if (f->count)
    push_capture(L, f, 0);
  else
    lua_pushlstring(L, f->whole.data, f->whole.len);
}

void text_replacer_add(struct text_replacer *r, const struct text_found *f) {
  lua_State *L = r->L;
  if (r->type == LUA_TTABLE) {
    push_first(L, f);
    lua_gettable(L, r->index);
  } else if (r->type == LUA_TFUNCTION) {
    lua_pushvalue(L, r->index);
    lua_call(L, text_push_captures(L, f), 1);
  } else {
    add_template(r, f);
    return;
  }
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    lua_pushlstring(L, f->whole.data, f->whole.len);
  } else if (!lua_isstring(L, -1)) {
    luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
  }
  luaL_addvalue(&r->out);
}
