#include "script/api_responses.h"

#include <lauxlib.h>
#include <stdlib.h>

static struct slice check_slice(lua_State *L, int index) {
  struct slice s;
  s.data = luaL_checklstring(L, index, &s.len);
  return s;
}

/* The owner, which for a tenant's scripts must be of that tenant: "4:acme/…", as exchange/steps.c
 * names owners. */
static struct slice check_owner(lua_State *L) {
  struct slice owner = check_slice(L, 1), tenant;
  tenant.data = lua_tolstring(L, lua_upvalueindex(2), &tenant.len);
  if (tenant.data && !slice_starts(owner, tenant)) luaL_error(L, "not an owner of this tenant");
  return owner;
}

static struct responses *store_of(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

/* Reads entry `n` of the index at `table`; the id stays alive as a member of that entry. */
static struct response_item check_item(lua_State *L, int table, int n, size_t text_len) {
  struct response_item item;
  lua_rawgeti(L, table, n);
  luaL_checktype(L, -1, LUA_TTABLE);
  lua_rawgeti(L, -1, 1);
  lua_rawgeti(L, -2, 2);
  lua_rawgeti(L, -3, 3);
  if (lua_type(L, -3) != LUA_TSTRING) luaL_error(L, "item id must be a string");
  item.id.data = lua_tolstring(L, -3, &item.id.len);
  lua_Integer first = lua_tointeger(L, -2), last = lua_tointeger(L, -1);
  if (first < 1 || last < first || (size_t)last > text_len)
    luaL_error(L, "item position outside its text");
  item.offset = (size_t)first - 1;
  item.len = (size_t)(last - first) + 1;
  lua_pop(L, 4);
  return item;
}

/* The items live in a userdata on the stack, so that an error raised later frees them. */
static struct response_item *check_index(lua_State *L, int table, size_t text_len, size_t *count) {
  *count = 0;
  if (lua_isnoneornil(L, table)) return NULL;
  luaL_checktype(L, table, LUA_TTABLE);
  *count = lua_objlen(L, table);
  struct response_item *items = lua_newuserdata(L, (*count + 1) * sizeof *items);
  for (size_t i = 0; i < *count; i++)
    items[i] = check_item(L, table, (int)i + 1, text_len);
  return items;
}

static int put(lua_State *L) {
  lua_settop(L, 6);
  struct response_record record = {.owner = check_owner(L),
                                   .id = check_slice(L, 2),
                                   .response = check_slice(L, 3),
                                   .items = check_slice(L, 4)};
  record.input = check_index(L, 5, record.items.len, &record.input_count);
  record.output = check_index(L, 6, record.response.len, &record.output_count);
  lua_pushboolean(L, responses_put(store_of(L), &record));
  return 1;
}

static void push_slice(lua_State *L, struct slice s) {
  lua_pushlstring(L, s.data, s.len);
}

static int get(lua_State *L) {
  struct response_texts *t = responses_find(store_of(L), check_owner(L), check_slice(L, 2));
  if (!t) return 0;
  push_slice(L, response_texts_response(t));
  push_slice(L, response_texts_items(t));
  response_texts_unref(t);
  return 2;
}

static int item(lua_State *L) {
  struct slice text;
  struct response_texts *t =
      responses_find_item(store_of(L), check_owner(L), check_slice(L, 2), &text);
  if (!t) return 0;
  push_slice(L, text);
  response_texts_unref(t);
  return 1;
}

static int delete (lua_State *L) {
  lua_pushboolean(L, responses_delete(store_of(L), check_owner(L), check_slice(L, 2)));
  return 1;
}

/* Upvalues: the store, and the prefix that owners must have or nil. */
static void push_functions(lua_State *L, struct responses *store, struct slice prefix) {
  static const luaL_Reg functions[] = {
      {"put", put}, {"get", get}, {"item", item}, {"delete", delete}, {NULL, NULL}};
  lua_newtable(L);
  for (const luaL_Reg *f = functions; f->name; f++) {
    lua_pushlightuserdata(L, store);
    if (prefix.len)
      push_slice(L, prefix);
    else
      lua_pushnil(L);
    lua_pushcclosure(L, f->func, 2);
    lua_setfield(L, -2, f->name);
  }
}

static int open_module(lua_State *L) {
  push_functions(L, store_of(L), (struct slice){"", 0});
  return 1;
}

void api_responses_open(lua_State *L, struct responses *store) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  lua_pushlightuserdata(L, store);
  lua_pushcclosure(L, open_module, 1);
  lua_setfield(L, -2, "gateyes.responses");
  lua_pop(L, 2);
}

void api_responses_push(lua_State *L, struct responses *store, struct slice tenant) {
  struct bytes prefix;
  bytes_init(&prefix);
  bytes_printf(&prefix, "%zu:%.*s/", tenant.len, (int)tenant.len, tenant.data);
  push_functions(L, store, bytes_slice(&prefix));
  bytes_fini(&prefix);
}
