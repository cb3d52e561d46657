/* All lists are one hash table of first words, so that a text is read once whatever they hold.
 * Latin, Cyrillic and the like count as whole words; CJK scripts put no spaces between words, so
 * theirs count anywhere, hashed by their first such character. */
#include "script/text_words.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"
#include "script/sandbox.h"
#include "script/text_api.h"

enum { UP_META = 1, LISTS_MAX = 64, ENTRIES_MAX = 65536, CHECK_EVERY = 1024, NONE = UINT32_MAX };

struct entry {
  const char *text;
  uint32_t len;
  uint32_t lead; /* where the part begins that is hashed */
  uint32_t lead_len;
  bool is_cjk;
  uint32_t list;
  uint32_t next;
  uint32_t seen; /* in which count */
};

/* One block of the state's memory: its entries, buckets and texts follow. */
struct words {
  struct slice names[LISTS_MAX];
  uint32_t list_count, entry_count, mask, counts;
  struct entry *entries;
  uint32_t *buckets;
  char *texts;
};

enum kind { SEPARATOR, LETTER, CJK };

struct unit {
  enum kind kind;
  size_t len;
};

/* By the first bytes: kana, CJK, hangul (E3 to ED) and full-width forms (EF) have three bytes each.
 */
static struct unit unit_at(const char *at, const char *end) {
  unsigned char c = (unsigned char)*at;
  if (c < 0x80) {
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return (struct unit){is_letter ? LETTER : SEPARATOR, 1};
  }
  if (end - at < 3) return (struct unit){LETTER, 1};
  if ((c >= 0xe3 && c <= 0xed) || c == 0xef) return (struct unit){CJK, 3};
  if (c == 0xe2 && (unsigned char)at[1] == 0x80) return (struct unit){SEPARATOR, 3}; /* “ — ” */
  return (struct unit){LETTER, 1};
}

static uint32_t hash_of(const char *text, size_t len) { /* FNV-1a */
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < len; i++)
    hash = (hash ^ (unsigned char)text[i]) * 16777619u;
  return hash ^ hash >> 15;
}

static size_t word_len(const char *at, const char *end) {
  const char *from = at;
  while (at < end && unit_at(at, end).kind == LETTER)
    at++;
  return (size_t)(at - from);
}

/* The word with one space wherever others separate its parts; its length, 0: nothing to look for.
 */
static uint32_t normalise(struct slice word, char *out) {
  const char *at = word.data, *end = word.data + word.len;
  uint32_t len = 0;
  while (at < end) {
    struct unit unit = unit_at(at, end);
    if (unit.kind == SEPARATOR) {
      if (len && out[len - 1] != ' ') out[len++] = ' ';
    } else {
      memcpy(out + len, at, unit.len);
      len += (uint32_t)unit.len;
    }
    at += unit.len;
  }
  return len && out[len - 1] == ' ' ? len - 1 : len;
}

static void add_entry(struct words *w, uint32_t list, const char *text, uint32_t len) {
  struct entry *entry = &w->entries[w->entry_count];
  *entry = (struct entry){.text = text, .len = len, .list = list};
  const char *end = text + len;
  for (const char *at = text; at < end && !entry->lead_len; at += unit_at(at, end).len)
    if (unit_at(at, end).kind == CJK) {
      entry->lead = (uint32_t)(at - text);
      entry->lead_len = 3;
      entry->is_cjk = true;
    }
  if (!entry->lead_len) entry->lead_len = (uint32_t)word_len(text, end);
  uint32_t *bucket = &w->buckets[hash_of(text + entry->lead, entry->lead_len) & w->mask];
  entry->next = *bucket;
  *bucket = w->entry_count++;
}

/* The list at the top of the stack: how much room it takes. */
static void measure(lua_State *L, size_t *entries, size_t *bytes) {
  luaL_argcheck(L, lua_istable(L, -1), 1, "lists of words by name expected");
  size_t count = lua_objlen(L, -1);
  for (size_t i = 1; i <= count; i++) {
    lua_rawgeti(L, -1, (int)i);
    luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 1, "a word is text");
    *bytes += lua_objlen(L, -1) * 2 + 4; /* small letters may be longer */
    lua_pop(L, 1);
  }
  *entries += count;
  luaL_argcheck(L, *entries <= ENTRIES_MAX, 1, "there are too many words");
}

static void add_list(lua_State *L, struct words *w, char **room) {
  size_t count = lua_objlen(L, -1);
  for (size_t i = 1; i <= count; i++) {
    lua_rawgeti(L, -1, (int)i);
    text_push_lower(L, state_text(L, -1));
    uint32_t len = normalise(state_text(L, -1), *room);
    lua_pop(L, 2);
    if (!len) continue;
    add_entry(w, w->list_count, *room, len);
    *room += len;
  }
}

static struct words *new_words(lua_State *L, size_t entries, size_t bytes) {
  size_t buckets = 16;
  while (buckets < 2 * entries)
    buckets *= 2;
  size_t sizes[] = {sizeof(struct words), entries * sizeof(struct entry),
                    buckets * sizeof(uint32_t)};
  char *block = lua_newuserdata(L, sizes[0] + sizes[1] + sizes[2] + bytes);
  struct words *w = (struct words *)block;
  *w = (struct words){.mask = (uint32_t)buckets - 1,
                      .entries = (struct entry *)(block + sizes[0]),
                      .buckets = (uint32_t *)(block + sizes[0] + sizes[1]),
                      .texts = block + sizes[0] + sizes[1] + sizes[2]};
  memset(w->buckets, 0xff, sizes[2]);
  return w;
}

static int text_words(lua_State *L) {
  size_t entries = 0, bytes = 0, lists = 0;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1), lists++) {
    luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING, 1, "lists of words by name expected");
    bytes += lua_objlen(L, -2);
    measure(L, &entries, &bytes);
  }
  luaL_argcheck(L, lists <= LISTS_MAX, 1, "there are too many lists");
  struct words *w = new_words(L, entries, bytes);
  char *room = w->texts;
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
    struct slice name = state_text(L, -2);
    memcpy(room, name.data, name.len);
    w->names[w->list_count] = (struct slice){room, name.len};
    room += name.len;
    add_list(L, w, &room);
    w->list_count++;
    sandbox_check(L);
  }
  lua_pushvalue(L, lua_upvalueindex(UP_META));
  lua_setmetatable(L, -2);
  return 1;
}

/* Behind the word that begins at at, or NULL. Any separators stand for its spaces. */
static const char *follow(const char *at, const char *end, struct slice word) {
  const char *want = word.data, *last = word.data + word.len;
  while (want < last) {
    if (*want != ' ') {
      if (at == end || *at++ != *want++) return NULL;
      continue;
    }
    const char *from = at;
    for (struct unit unit; at < end && (unit = unit_at(at, end)).kind == SEPARATOR;)
      at += unit.len;
    if (at == from) return NULL;
    want++;
  }
  return at;
}

/* at: where the hashed part of the entry stands. */
static bool is_there(const struct entry *entry, struct slice text, const char *at, bool is_cjk) {
  const char *end = text.data + text.len;
  if ((size_t)(at - text.data) < entry->lead) return false;
  at = follow(at - entry->lead, end, (struct slice){entry->text, entry->len});
  return at && (is_cjk || at == end || unit_at(at, end).kind != LETTER);
}

struct counting {
  lua_State *L;
  struct words *w;
  struct slice text;
  uint32_t found[LISTS_MAX];
  uint32_t tries;
};

static void look_up(struct counting *c, const char *at, size_t len, bool is_cjk) {
  struct words *w = c->w;
  for (uint32_t i = w->buckets[hash_of(at, len) & w->mask]; i != NONE; i = w->entries[i].next) {
    struct entry *entry = &w->entries[i];
    if (++c->tries % CHECK_EVERY == 0) sandbox_check(c->L);
    if (entry->seen == w->counts || entry->is_cjk != is_cjk) continue;
    if (!is_there(entry, c->text, at, is_cjk)) continue;
    entry->seen = w->counts;
    c->found[entry->list]++;
  }
}

static void count_all(struct counting *c) {
  const char *at = c->text.data, *end = at + c->text.len;
  while (at < end) {
    struct unit unit = unit_at(at, end);
    size_t len = unit.kind == LETTER ? word_len(at, end) : unit.len;
    if (unit.kind != SEPARATOR) look_up(c, at, len, unit.kind == CJK);
    at += len;
  }
}

static struct words *check_words(lua_State *L) {
  bool is_words = lua_type(L, 1) == LUA_TUSERDATA && lua_getmetatable(L, 1);
  if (is_words) {
    is_words = lua_rawequal(L, -1, lua_upvalueindex(UP_META));
    lua_pop(L, 1);
  }
  if (!is_words) luaL_argerror(L, 1, "lists of text.words expected");
  return lua_touserdata(L, 1);
}

static int words_count(lua_State *L) {
  struct counting c = {.L = L, .w = check_words(L)};
  struct slice text;
  text.data = luaL_checklstring(L, 2, &text.len);
  if (++c.w->counts == 0) { /* after 2^32 of them */
    for (uint32_t i = 0; i < c.w->entry_count; i++)
      c.w->entries[i].seen = 0;
    c.w->counts = 1;
  }
  text_push_lower(L, text);
  c.text = state_text(L, -1);
  count_all(&c);
  lua_createtable(L, 0, (int)c.w->list_count);
  for (uint32_t i = 0; i < c.w->list_count; i++) {
    lua_pushlstring(L, c.w->names[i].data, c.w->names[i].len);
    lua_pushnumber(L, c.found[i]);
    lua_rawset(L, -3);
  }
  return 1;
}

void text_words_add(lua_State *L) {
  int module = lua_gettop(L);
  lua_newtable(L); /* the metatable */
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, text_words, 1);
  lua_setfield(L, module, "words");
  lua_newtable(L);
  lua_pushvalue(L, module + 1);
  lua_pushcclosure(L, words_count, 1);
  lua_setfield(L, -2, "count");
  lua_setfield(L, module + 1, "__index");
  lua_pushboolean(L, false);
  lua_setfield(L, module + 1, "__metatable");
  lua_settop(L, module);
}
