#include <math.h>
#include <stdio.h>
#include <string.h>

#include "script/api_json_state.h"

enum { BATCH = 16 }; /* values gathered on the Lua stack before their table is made */

struct decoder {
  lua_State *L;
  struct json_cursor cursor;
  struct bytes *scratch;
  int raw_keys;   /* stack index of the set; 0: none */
  uint32_t depth; /* levels still allowed */
  uint32_t values;
  const struct json_guard *guard;
};

static bool decode_value(struct decoder *d);

static void push_text(struct decoder *d, struct slice content, bool escaped) {
  if (escaped) {
    bytes_clear(d->scratch);
    json_unescape(content, d->scratch);
    content = bytes_slice(d->scratch);
  }
  lua_pushlstring(d->L, content.data, content.len);
}

struct decimal { /* digits without zeros at either end, times ten to the power */
  char digits[20];
  size_t count;
  int64_t power;
};

/* False when there are more digits than a double can tell apart. */
static bool decimal_of(struct slice text, struct decimal *d) {
  enum { MOST_DIGITS = 17 };
  size_t zeros = 0;
  bool point = false;
  *d = (struct decimal){0};
  for (size_t i = 0; i < text.len; i++) {
    char c = text.data[i];
    if (c == 'e' || c == 'E') {
      struct slice power = slice_skip(text, i + 1);
      bool negative = power.len && power.data[0] == '-';
      int64_t value;
      if (negative || (power.len && power.data[0] == '+')) power = slice_skip(power, 1);
      while (power.len > 1 && power.data[0] == '0')
        power = slice_skip(power, 1);
      if (power.len > 6 || !json_to_i64(power, &value)) return false;
      d->power += negative ? -value : value;
      break;
    }
    if (c == '.') point = true;
    if (c < '0' || c > '9') continue;
    d->power -= point;
    if (c == '0') {
      zeros += d->count > 0;
      d->power += d->count == 0 ? 0 : 1;
      continue;
    }
    if (d->count + zeros >= MOST_DIGITS) return false;
    for (; zeros > 0; zeros--, d->power--)
      d->digits[d->count++] = '0';
    d->digits[d->count++] = c;
  }
  return true;
}

/* True when number, written back, says what text says. */
static bool same_number(struct slice text, double number) {
  char again[32];
  struct decimal before, after;
  if (!decimal_of(text, &before)) return false;
  if (before.count == 0) return number == 0;
  if (number == 0) return false;
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(again, sizeof again, "%.*g", digits, number);
    if (!decimal_of(slice_of(again), &after)) continue;
    if (after.count == before.count && after.power == before.power &&
        memcmp(after.digits, before.digits, after.count) == 0)
      return true;
  }
  return false;
}

/* A Lua number when nothing is lost, else the text: long integers keep their digits and notation.
 */
static bool decode_number(struct decoder *d) {
  enum { SAFE_DIGITS = 15 };
  const double exact_integers = 9007199254740992.0; /* 2^53 */
  const char *start = d->cursor.at;
  double number;
  if (!json_scan_number(&d->cursor)) return false;
  struct slice text = {start, (size_t)(d->cursor.at - start)};
  bool has_power = memchr(start, 'e', text.len) || memchr(start, 'E', text.len);
  bool is_integer = !has_power && !memchr(start, '.', text.len);
  bool safe = json_to_double(text, &number) && !(is_integer && fabs(number) >= exact_integers);
  if (safe && ((text.len <= SAFE_DIGITS && !has_power) || same_number(text, number)))
    lua_pushnumber(d->L, number);
  else
    json_push_raw(d->L, text);
  return true;
}

static bool is_raw_key(struct decoder *d) { /* the key is on top of the stack */
  if (!d->raw_keys) return false;
  lua_pushvalue(d->L, -1);
  lua_rawget(d->L, d->raw_keys);
  bool found = lua_toboolean(d->L, -1);
  lua_pop(d->L, 1);
  return found;
}

static bool decode_raw(struct decoder *d) {
  const char *start = d->cursor.at;
  if (!json_scan_value(&d->cursor, d->depth)) return false;
  json_push_raw(d->L, (struct slice){start, (size_t)(d->cursor.at - start)});
  return true;
}

/* Moves the gathered values into the table at base, which is made now if it is not yet there. */
static void flush_array(struct decoder *d, int base, int done, int count) {
  lua_State *L = d->L;
  if (done == 0) {
    lua_createtable(L, count, 0);
    lua_replace(L, base);
  }
  for (int i = 1; i <= count; i++) {
    lua_pushvalue(L, base + i);
    lua_rawseti(L, base, done + i);
  }
  lua_settop(L, base);
}

static void flush_object(struct decoder *d, int base, int done, int count) {
  lua_State *L = d->L;
  if (done == 0) {
    lua_createtable(L, 0, count);
    lua_replace(L, base);
  }
  for (int i = 0; i < count; i++) {
    lua_pushvalue(L, base + 2 * i + 1);
    lua_pushvalue(L, base + 2 * i + 2);
    lua_rawset(L, base);
  }
  lua_settop(L, base);
}

/* After an element: true when another one follows; *closed when the container ends here. */
static bool next_element(struct json_cursor *c, char closing, bool *closed) {
  json_skip_space(c);
  char byte = c->at < c->end ? *c->at : 0;
  *closed = byte == closing;
  if (byte != ',' && byte != closing)
    return json_fail(c, closing == '}' ? "a comma or a closing brace is expected here"
                                       : "a comma or a closing bracket is expected here");
  c->at++;
  json_skip_space(c);
  return !*closed;
}

/* At the opening bracket: true when the container is empty, and then behind it. */
static bool open_empty(struct json_cursor *c, char closing) {
  c->at++;
  json_skip_space(c);
  if (c->at == c->end || *c->at != closing) return false;
  c->at++;
  return true;
}

static bool decode_array(struct decoder *d) {
  lua_State *L = d->L;
  int count = 0, done = 0;
  bool closed = open_empty(&d->cursor, ']');
  lua_pushnil(L);
  int base = lua_gettop(L);
  while (!closed) {
    if (!decode_value(d)) return false;
    count++;
    if (!next_element(&d->cursor, ']', &closed) && !closed) return false;
    if (count < BATCH || closed) continue;
    flush_array(d, base, done, count);
    done += count;
    count = 0;
  }
  flush_array(d, base, done, count);
  lua_pushvalue(L, lua_upvalueindex(UPVALUE_ARRAY));
  lua_setmetatable(L, base);
  return true;
}

static bool decode_member(struct decoder *d) {
  struct slice key;
  bool escaped;
  if (!json_scan_key(&d->cursor, &key, &escaped)) return false;
  push_text(d, key, escaped);
  return is_raw_key(d) ? decode_raw(d) : decode_value(d);
}

static bool decode_object(struct decoder *d) {
  int count = 0, done = 0;
  bool closed = open_empty(&d->cursor, '}');
  lua_pushnil(d->L);
  int base = lua_gettop(d->L);
  while (!closed) {
    if (!decode_member(d)) return false;
    count++;
    if (!next_element(&d->cursor, '}', &closed) && !closed) return false;
    if (count < BATCH || closed) continue;
    flush_object(d, base, done, count);
    done += count;
    count = 0;
  }
  flush_object(d, base, done, count);
  return true;
}

static bool decode_container(struct decoder *d) {
  if (d->depth == 0) return json_fail(&d->cursor, "nested too deeply");
  luaL_checkstack(d->L, 2 * BATCH + 8, "JSON value");
  d->depth--;
  bool ok = *d->cursor.at == '{' ? decode_object(d) : decode_array(d);
  d->depth++;
  return ok;
}

static bool decode_literal(struct decoder *d) {
  char first = d->cursor.at < d->cursor.end ? *d->cursor.at : 0;
  if (!json_scan_literal(&d->cursor)) return false;
  if (first == 'n')
    lua_pushlightuserdata(d->L, NULL);
  else
    lua_pushboolean(d->L, first == 't');
  return true;
}

static bool decode_value(struct decoder *d) {
  struct json_cursor *c = &d->cursor;
  struct slice content;
  bool escaped;
  char byte = c->at < c->end ? *c->at : 0;
  if (++d->values % 256 == 0) json_check(d->L, d->guard);
  if (byte == '{' || byte == '[') return decode_container(d);
  if (byte == '-' || (byte >= '0' && byte <= '9')) return decode_number(d);
  if (byte != '"') return decode_literal(d);
  if (!json_scan_string(c, &content, &escaped)) return false;
  push_text(d, content, escaped);
  return true;
}

int json_lua_decode(lua_State *L) {
  struct slice text;
  lua_settop(L, 2);
  if (!json_raw_text_at(L, 1, &text)) text.data = luaL_checklstring(L, 1, &text.len);
  if (!lua_isnil(L, 2)) luaL_checktype(L, 2, LUA_TTABLE);
  struct json_state *s = json_state_of(L);
  if (text.len > s->guard.most_bytes) return luaL_error(L, "json.decode: the text is too long");
  struct decoder d = {.L = L,
                      .cursor = json_cursor_of(text),
                      .scratch = &s->scratch,
                      .guard = &s->guard,
                      .raw_keys = lua_isnil(L, 2) ? 0 : 2,
                      .depth = JSON_DEPTH_DEFAULT};
  json_skip_space(&d.cursor);
  if (decode_value(&d) && json_scan_end(&d.cursor)) {
    lua_settop(L, 3);
    return 1;
  }
  lua_settop(L, 2);
  lua_pushnil(L);
  lua_pushstring(L, d.cursor.error);
  lua_pushinteger(L, d.cursor.at - text.data + 1);
  return 3;
}
