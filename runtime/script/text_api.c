#include "script/text_api.h"

#include <lauxlib.h>

#include "base/utf8.h"
#include "script/sandbox.h"
#include "script/text_case.h"
#include "script/text_library.h"
#include "script/text_regex_api.h"
#include "script/text_words.h"

enum { CHECK_EVERY = 4096 };

static struct slice check_slice(lua_State *L, int index) {
  struct slice text;
  text.data = luaL_checklstring(L, index, &text.len);
  return text;
}

/* Invisible between letters: soft hyphen, zero-width space and joiners, marks of direction, BOM. */
static bool is_invisible(uint32_t c) {
  return c == 0xad || (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
         (c >= 0x2060 && c <= 0x2064) || c == 0xfeff;
}

static uint32_t fold_or_drop(uint32_t point) {
  return is_invisible(point) ? UINT32_MAX : text_fold(point);
}

/* Adds the ASCII that text begins with, its letters from first on in the other case. */
static size_t add_ascii(luaL_Buffer *out, const char *at, const char *end, unsigned char first) {
  const char *from = at;
  while (at < end && (unsigned char)*at < 0x80) {
    size_t count = 0, most = (size_t)(end - at);
    char *room = luaL_prepbuffer(out);
    if (most > LUAL_BUFFERSIZE) most = LUAL_BUFFERSIZE;
    for (; count < most && (unsigned char)at[count] < 0x80; count++) {
      bool turns = (unsigned char)((unsigned char)at[count] - first) < 26;
      room[count] = (char)(at[count] ^ (turns << 5));
    }
    luaL_addsize(out, count);
    at += count;
  }
  return (size_t)(at - from);
}

/* Pushes text with each character mapped (UINT32_MAX: dropped); what is not UTF-8 stays. */
static void push_mapped(lua_State *L, struct slice text, uint32_t (*map)(uint32_t)) {
  luaL_Buffer out;
  unsigned char first = map == text_upper ? 'a' : 'A'; /* of the ASCII letters that change */
  char encoded[4];
  const char *at = text.data, *end = text.data + text.len;
  luaL_buffinit(L, &out);
  for (size_t n = 0; at < end; n++) {
    if (n % CHECK_EVERY == 0) sandbox_check(L);
    if ((at += add_ascii(&out, at, end, first)) == end) break;
    uint32_t point;
    size_t len = utf8_decode(at, end, &point);
    if (len == 0) {
      luaL_addchar(&out, *at++);
      continue;
    }
    at += len;
    point = map(point);
    if (point != UINT32_MAX) luaL_addlstring(&out, encoded, utf8_encode(point, encoded));
  }
  luaL_pushresult(&out);
}

void text_push_lower(lua_State *L, struct slice text) {
  push_mapped(L, text, text_lower);
}

static int text_lower_case(lua_State *L) {
  text_push_lower(L, check_slice(L, 1));
  return 1;
}

static int text_upper_case(lua_State *L) {
  push_mapped(L, check_slice(L, 1), text_upper);
  return 1;
}

static int text_folded(lua_State *L) {
  push_mapped(L, check_slice(L, 1), fold_or_drop);
  return 1;
}

static int text_contains(lua_State *L) {
  struct slice text = check_slice(L, 1), part = check_slice(L, 2);
  if (lua_toboolean(L, 3)) {
    push_mapped(L, text, fold_or_drop);
    push_mapped(L, part, fold_or_drop);
    text = state_text(L, -2);
    part = state_text(L, -1);
  }
  lua_pushboolean(L, text_search(L, text, part) != NULL);
  return 1;
}

static int text_starts_with(lua_State *L) {
  lua_pushboolean(L, slice_starts(check_slice(L, 1), check_slice(L, 2)));
  return 1;
}

static int text_ends_with(lua_State *L) {
  struct slice text = check_slice(L, 1), part = check_slice(L, 2);
  bool is_end = part.len <= text.len && slice_equal(slice_skip(text, text.len - part.len), part);
  lua_pushboolean(L, is_end);
  return 1;
}

static int text_split(lua_State *L) {
  struct slice text = check_slice(L, 1), separator = check_slice(L, 2);
  lua_Number most = luaL_optnumber(L, 3, (lua_Number)text.len + 1);
  luaL_argcheck(L, separator.len > 0, 2, "a separator expected");
  int count = 0;
  const char *next;
  lua_newtable(L);
  while (count + 1 < most && (next = text_search(L, text, separator)) != NULL) {
    size_t len = (size_t)(next - text.data);
    lua_pushlstring(L, text.data, len);
    lua_rawseti(L, -2, ++count);
    text = slice_skip(text, len + separator.len);
    if (count % CHECK_EVERY == 0) sandbox_check(L);
  }
  lua_pushlstring(L, text.data, text.len);
  lua_rawseti(L, -2, ++count);
  return 1;
}

static bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

static int text_trim(lua_State *L) {
  struct slice text = check_slice(L, 1);
  while (text.len && is_space(*text.data))
    text = slice_skip(text, 1);
  while (text.len && is_space(text.data[text.len - 1]))
    text.len--;
  lua_pushlstring(L, text.data, text.len);
  return 1;
}

static int text_length(lua_State *L) {
  struct slice text = check_slice(L, 1);
  lua_Integer count = 0;
  for (const char *at = text.data, *end = at + text.len; at < end; count++) {
    uint32_t point;
    size_t len = utf8_decode(at, end, &point);
    at += len ? len : 1;
    if (count % CHECK_EVERY == 0) sandbox_check(L);
  }
  lua_pushinteger(L, count);
  return 1;
}

static int text_truncate(lua_State *L) {
  struct slice text = check_slice(L, 1);
  lua_Number most = luaL_checknumber(L, 2);
  if (most < (lua_Number)text.len) {
    text.len = most >= 1 ? (size_t)most : 0;
    while (text.len && ((unsigned char)text.data[text.len] & 0xc0) == 0x80)
      text.len--;
  }
  lua_pushlstring(L, text.data, text.len);
  return 1;
}

/* The rows of text.def that other files implement are added by these. */
void text_api_push(lua_State *L) {
  static const luaL_Reg functions[] = {{"lower", text_lower_case},
                                       {"upper", text_upper_case},
                                       {"fold", text_folded},
                                       {"contains", text_contains},
                                       {"split", text_split},
                                       {"trim", text_trim},
                                       {"starts_with", text_starts_with},
                                       {"length", text_length},
                                       {"truncate", text_truncate},
                                       {"ends_with", text_ends_with},
                                       {NULL, NULL}};
  lua_newtable(L);
  for (const luaL_Reg *f = functions; f->name; f++) {
    lua_pushcfunction(L, f->func);
    lua_setfield(L, -2, f->name);
  }
  text_library_add(L);
  text_regex_add(L);
  text_words_add(L);
}
