#include <math.h>
#include <string.h>

#include "script/api_json_state.h"

struct encoder {
  lua_State *L;
  struct bytes *out;
  const struct json_guard *guard;
  uint32_t depth; /* levels still allowed */
  uint32_t values;
};

static void encode_value(struct encoder *e, int index);

static void encode_number(struct encoder *e, double number) {
  if (!isfinite(number)) luaL_error(e->L, "json.encode: NaN and infinity have no JSON form");
  json_append_double(e->out, number);
}

static void check_length(struct encoder *e, size_t more) {
  if (more > e->guard->most_bytes || e->out->len > e->guard->most_bytes - more)
    luaL_error(e->L, "json.encode: the text is too long");
}

static void encode_text(struct encoder *e, int index) {
  struct slice text;
  text.data = lua_tolstring(e->L, index, &text.len);
  check_length(e, text.len);
  json_quote(e->out, text);
}

/* How many elements the table at index has as a list, or -1 when it has any other key. */
static int list_length(struct encoder *e, int index) {
  lua_State *L = e->L;
  size_t count = 0, length = lua_objlen(L, index);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    double key = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
    if (key < 1 || key != floor(key) || key > (double)length) {
      lua_pop(L, 1);
      return -1;
    }
    count++;
  }
  return count == length ? (int)count : -1;
}

static void encode_list(struct encoder *e, int index, int count) {
  bytes_append_byte(e->out, '[');
  for (int i = 1; i <= count; i++) {
    if (i > 1) bytes_append_byte(e->out, ',');
    lua_rawgeti(e->L, index, i);
    encode_value(e, lua_gettop(e->L));
    lua_pop(e->L, 1);
  }
  bytes_append_byte(e->out, ']');
}

struct member {
  struct slice key; /* not copied: the table, which nothing changes meanwhile, keeps it */
  int value;        /* stack index; 0: to be looked up */
};

static int compare_members(const struct member *a, const struct member *b) {
  const struct slice *left = &a->key, *right = &b->key;
  size_t shorter = left->len < right->len ? left->len : right->len;
  int order = memcmp(left->data, right->data, shorter);
  if (order) return order;
  return left->len < right->len ? -1 : left->len > right->len;
}

static void sort_few(struct member *members, size_t count) {
  for (size_t i = 1; i < count; i++) {
    struct member member = members[i];
    size_t at = i;
    for (; at > 0 && compare_members(&members[at - 1], &member) > 0; at--)
      members[at] = members[at - 1];
    members[at] = member;
  }
}

static void take_key(lua_State *L, struct slice *key) { /* the key lies under its value */
  if (lua_type(L, -2) != LUA_TSTRING)
    luaL_error(L, "json.encode: an object's keys must be strings, and a list must be 1 to n");
  key->data = lua_tolstring(L, -2, &key->len);
}

static void encode_members(struct encoder *e, int index, const struct member *members,
                           size_t count) {
  lua_State *L = e->L;
  bytes_append_byte(e->out, '{');
  for (size_t i = 0; i < count; i++) {
    const struct member *member = &members[i];
    if (i > 0) bytes_append_byte(e->out, ',');
    json_quote(e->out, member->key);
    bytes_append_byte(e->out, ':');
    if (member->value) {
      encode_value(e, member->value);
      continue;
    }
    lua_pushlstring(L, member->key.data, member->key.len);
    lua_rawget(L, index);
    encode_value(e, lua_gettop(L));
    lua_pop(L, 1);
  }
  bytes_append_byte(e->out, '}');
}

/* Merges the sorted runs of that width from one array into the other. */
static void merge_runs(const struct member *from, struct member *to, size_t count, size_t width) {
  for (size_t low = 0; low < count; low += 2 * width) {
    size_t middle = low + width < count ? low + width : count;
    size_t high = middle + width < count ? middle + width : count;
    size_t left = low, right = middle;
    for (size_t at = low; at < high; at++) {
      bool is_right =
          left == middle || (right < high && compare_members(&from[right], &from[left]) < 0);
      to[at] = from[is_right ? right++ : left++];
    }
  }
}

/* Sorts by merging, with spare room for as many, so that it can stop between two rounds. */
static struct member *sort_many(struct encoder *e, struct member *members, size_t count) {
  struct member *from = members, *to = members + count;
  for (size_t width = 1; width < count; width *= 2) {
    json_check(e->L, e->guard);
    merge_runs(from, to, count, width);
    struct member *swap = from;
    from = to;
    to = swap;
  }
  return from;
}

/* Members beyond the few that fit the C and Lua stacks. */
static void encode_many(struct encoder *e, int index) {
  lua_State *L = e->L;
  size_t count = 0, at = 0;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
    count++;
  /* As userdata the collector frees it when an error jumps out of here. */
  struct member *members = lua_newuserdata(L, 2 * count * sizeof *members);
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    members[at].value = 0;
    take_key(L, &members[at++].key);
  }
  encode_members(e, index, sort_many(e, members, count), count);
  lua_pop(L, 1);
}

static void encode_object(struct encoder *e, int index) {
  enum { FEW = 16 };
  struct member members[FEW];
  lua_State *L = e->L;
  int top = lua_gettop(L);
  size_t count = 0;
  luaL_checkstack(L, FEW + 8, "JSON value");
  lua_pushnil(L);
  while (lua_next(L, index)) {
    if (count == FEW) {
      lua_settop(L, top);
      encode_many(e, index);
      return;
    }
    take_key(L, &members[count].key);
    members[count++].value = lua_gettop(L) - 1;
    lua_insert(L, -2); /* the values stay below, the key is for lua_next */
  }
  sort_few(members, count);
  encode_members(e, index, members, count);
  lua_settop(L, top);
}

static void encode_raw(struct encoder *e, struct slice text) {
  struct json_error error;
  if (!json_validate(text, e->depth + 1, &error))
    luaL_error(e->L, "json.encode: a raw value is not JSON: %s", error.message);
  check_length(e, text.len);
  bytes_append_slice(e->out, text);
}

static void encode_table(struct encoder *e, int index) {
  struct slice raw;
  lua_State *L = e->L;
  if (e->depth == 0) luaL_error(L, "json.encode: nested too deeply, or a table contains itself");
  e->depth--;
  luaL_checkstack(L, 8, "JSON value");
  bool marked = json_has_meta(L, index, UPVALUE_ARRAY);
  if (!marked && json_raw_text_at(L, index, &raw)) {
    encode_raw(e, raw);
  } else if (marked || lua_objlen(L, index) > 0) {
    int count = list_length(e, index);
    if (count < 0) luaL_error(L, "json.encode: a list must have the keys 1 to n and no others");
    encode_list(e, index, count);
  } else {
    encode_object(e, index);
  }
  e->depth++;
}

static void encode_value(struct encoder *e, int index) {
  lua_State *L = e->L;
  check_length(e, 0);
  if (++e->values % 256 == 0) json_check(L, e->guard);
  switch (lua_type(L, index)) {
  case LUA_TSTRING: encode_text(e, index); return;
  case LUA_TNUMBER: encode_number(e, lua_tonumber(L, index)); return;
  case LUA_TBOOLEAN: bytes_append_text(e->out, lua_toboolean(L, index) ? "true" : "false"); return;
  case LUA_TTABLE: encode_table(e, index); return;
  default: break;
  }
  if (lua_type(L, index) != LUA_TLIGHTUSERDATA || lua_touserdata(L, index) != NULL)
    luaL_error(L, "json.encode: a %s has no JSON form", lua_typename(L, lua_type(L, index)));
  bytes_append_text(e->out, "null");
}

int json_lua_encode(lua_State *L) {
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  struct json_state *s = json_state_of(L);
  struct encoder e = {.L = L, .out = &s->scratch, .guard = &s->guard, .depth = JSON_DEPTH_DEFAULT};
  encode_value(&e, 1);
  lua_pushlstring(L, e.out->data, e.out->len);
  return 1;
}
