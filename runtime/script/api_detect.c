/* gateyes.detect: the rules of runtime/detect over texts, requests and what the model says. */
#include <math.h>
#include <stdlib.h>

#include "detect/detect.h"
#include "script/detect_parts.h"
#include "script/detect_request.h"
#include "script/sandbox.h"
#include "script/surface_private.h"

enum {
  MOST_DETECTORS = 64, /* alive in one state: their memory is not Lua's */
  MOST_WORDS = 20000,
  MOST_LISTS = 64,
  CACHE_KEY_BYTES = 1024
};

struct detector { /* userdata */
  struct detect_rules *rules;
  struct surface *surface;
};

struct detect_rules *surface_detector_rules(lua_State *L, struct surface *s, int index) {
  struct detector *d = (void *)surface_handle(s, L, index, OBJECT_DETECTOR);
  return d ? d->rules : NULL;
}

int surface_detector_collect(lua_State *L) {
  struct detector *d = lua_touserdata(L, 1);
  if (!d->rules) return 0;
  detect_rules_unref(d->rules);
  d->rules = NULL;
  d->surface->detector_count--;
  return 0;
}

/* Leaves the userdata on top, still empty, so that nothing is lost when a later step raises. */
static struct detector *push_detector(lua_State *L, struct surface *s) {
  if (s->detector_count >= MOST_DETECTORS) lua_gc(L, LUA_GCCOLLECT, 0);
  if (s->detector_count >= MOST_DETECTORS)
    luaL_error(L, "%d detectors are in use; make each once and keep it", MOST_DETECTORS);
  struct detector *d = lua_newuserdata(L, sizeof *d);
  *d = (struct detector){NULL, s};
  surface_push_metatable(s, L, OBJECT_DETECTOR);
  lua_setmetatable(L, -2);
  return d;
}

static void add_plain(struct surface *s, struct detect_kinds kinds) {
  bool grows = false;
  for (size_t i = 0; i < sizeof kinds.bits / sizeof *kinds.bits; i++) {
    grows |= kinds.bits[i] & ~s->plain_kinds.bits[i];
    s->plain_kinds.bits[i] |= kinds.bits[i];
  }
  s->plain_count++;
  if (!grows) return;
  detect_rules_unref(s->shared);
  s->shared = NULL;
}

static void make_rules(lua_State *L, struct detector *d, const struct detect_options *options) {
  struct surface *s = d->surface;
  bytes_clear(&s->scratch);
  d->rules = detect_rules_new(options, &s->scratch);
  if (!d->rules) luaL_error(L, "%s", bytes_text(&s->scratch));
  s->detector_count++;
  if (!options->list_count && !options->allowed_count && !options->ignore_test_numbers &&
      detect_rules_min_score(d->rules) == DETECT_SCORE_DEFAULT)
    add_plain(s, detect_rules_kinds(d->rules));
}

/* Text or a list of text at index, into memory that the collector owns (pushed). */
static struct slice *take_texts(lua_State *L, int index, const char *what, size_t *count) {
  bool single = lua_type(L, index) == LUA_TSTRING;
  *count = single ? 1 : lua_istable(L, index) ? lua_objlen(L, index) : 0;
  if (!single && !lua_isnil(L, index) && !lua_istable(L, index))
    luaL_error(L, "%s is text, or a list of text", what);
  if (*count > MOST_WORDS) luaL_error(L, "%s has %d words at most", what, MOST_WORDS);
  struct slice *texts = lua_newuserdata(L, (*count + 1) * sizeof *texts);
  for (size_t i = 0; i < *count; i++) {
    if (single)
      lua_pushvalue(L, index);
    else
      lua_rawgeti(L, index, (int)i + 1);
    if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "%s is text, or a list of text", what);
    texts[i] = state_text(L, -1); /* the list keeps it */
    lua_pop(L, 1);
  }
  return texts;
}

static void take_kinds(lua_State *L, int index, struct detect_kinds *kinds) {
  size_t count;
  const struct slice *names = take_texts(L, index, "kinds", &count);
  for (size_t i = 0; i < count; i++) {
    if (detect_kinds_add(kinds, names[i])) continue;
    lua_pushlstring(L, names[i].data, names[i].len);
    luaL_error(L, "there is no kind %s to detect; see docs/detection.md", lua_tostring(L, -1));
  }
}

static void take_list(lua_State *L, int index, struct detect_list *list) {
  static const char *const names[] = {"name", "words", "exceptions", "partners", "parts", NULL};
  if (!lua_istable(L, index)) luaL_error(L, "a list is {name = …, words = {…}}");
  luaL_checkstack(L, 16, "lists");
  surface_check_keys(L, index, names);
  if (!surface_text_field(L, index, "name", &list->name)) luaL_error(L, "a list has a name");
  sandbox_push_field(L, index, "words");
  list->words = take_texts(L, lua_gettop(L), "words", &list->word_count);
  sandbox_push_field(L, index, "exceptions");
  list->exceptions = take_texts(L, lua_gettop(L), "exceptions", &list->exception_count);
  sandbox_push_field(L, index, "partners");
  list->partners = take_texts(L, lua_gettop(L), "partners", &list->partner_count);
  sandbox_push_field(L, index, "parts");
  list->parts = lua_toboolean(L, -1);
}

static void take_lists(lua_State *L, struct detect_options *options) {
  sandbox_push_field(L, 1, "lists");
  int index = lua_gettop(L);
  if (lua_isnil(L, index)) return;
  if (!lua_istable(L, index)) luaL_error(L, "lists is a list of {name = …, words = {…}}");
  size_t count = lua_objlen(L, index), words = 0;
  if (count > MOST_LISTS) luaL_error(L, "a detector has %d lists at most", MOST_LISTS);
  struct detect_list *lists = lua_newuserdata(L, (count + 1) * sizeof *lists);
  memset(lists, 0, (count + 1) * sizeof *lists);
  for (size_t i = 0; i < count; i++) {
    luaL_checkstack(L, 24, "lists");
    lua_rawgeti(L, index, (int)i + 1);
    take_list(L, lua_gettop(L), &lists[i]); /* what it pushes has to live until the rules do */
    words += lists[i].word_count + lists[i].exception_count + lists[i].partner_count;
    if (words > MOST_WORDS) luaL_error(L, "a detector has %d words at most", MOST_WORDS);
  }
  options->lists = lists;
  options->list_count = count;
}

int api_detector(lua_State *L) {
  static const char *const names[] = {"kinds",     "lists", "allowed", "ignore_test_numbers",
                                      "min_score", NULL};
  struct surface *s = surface_self(L);
  struct detect_options options = {0};
  double score = 0;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  surface_check_keys(L, 1, names);
  struct detector *d = push_detector(L, s);
  sandbox_push_field(L, 1, "kinds");
  take_kinds(L, lua_gettop(L), &options.kinds);
  take_lists(L, &options);
  sandbox_push_field(L, 1, "allowed");
  options.allowed = take_texts(L, lua_gettop(L), "allowed", &options.allowed_count);
  sandbox_push_field(L, 1, "ignore_test_numbers");
  options.ignore_test_numbers = lua_toboolean(L, -1);
  (void)surface_number_field(L, 1, "min_score", &score);
  if (!(score >= 0 && score <= 100)) return luaL_error(L, "min_score is 1 to 100");
  options.min_score = (uint8_t)score;
  make_rules(L, d, &options);
  lua_settop(L, 2);
  return 1;
}

/* The detector at index; names of kinds make one, which is kept for the next call. */
static struct detect_rules *rules_at(lua_State *L, struct surface *s, int index) {
  struct detector *d = (void *)surface_handle(s, L, index, OBJECT_DETECTOR);
  if (d) return d->rules;
  size_t count;
  const struct slice *names = take_texts(L, index, "what to detect", &count);
  if (count == 0) luaL_error(L, "say what to detect: kinds, groups, \"pii\", \"all\"");
  bytes_clear(&s->scratch);
  for (size_t i = 0; i < count && s->scratch.len < CACHE_KEY_BYTES; i++) {
    bytes_append_slice(&s->scratch, names[i]);
    bytes_append_byte(&s->scratch, '\n');
  }
  if (s->scratch.len >= CACHE_KEY_BYTES) luaL_error(L, "too many kinds; make a gateyes.detector");
  surface_push_text(L, bytes_slice(&s->scratch));
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->detectors);
  lua_pushvalue(L, -2);
  lua_rawget(L, -2);
  d = (void *)surface_handle(s, L, -1, OBJECT_DETECTOR);
  if (d) return d->rules;
  lua_pop(L, 1);
  struct detect_options options = {0};
  take_kinds(L, index, &options.kinds);
  lua_pop(L, 1); /* the names */
  d = push_detector(L, s);
  make_rules(L, d, &options);
  lua_insert(L, -3); /* key, cache, detector -> detector, key, cache */
  lua_insert(L, -2); /* detector, cache, key */
  lua_pushvalue(L, -3);
  lua_rawset(L, -3);
  return d->rules;
}

static void set_flag(lua_State *L, const char *name, bool flag) {
  lua_pushboolean(L, flag);
  lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *text) {
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

/* Pushes a finding; base is taken off its offset. */
static void push_finding(lua_State *L, const struct detect_finding *f, size_t base) {
  lua_createtable(L, 0, 12);
  set_text(L, "kind", detect_kind_name(f->kind));
  set_text(L, "group", detect_group_name(detect_kind_group(f->kind)));
  set_text(L, "rule", f->rule);
  lua_pushnumber(L, (double)(f->offset - base) + 1);
  lua_setfield(L, -2, "first");
  lua_pushnumber(L, (double)(f->offset - base + f->length));
  lua_setfield(L, -2, "last");
  lua_pushinteger(L, f->score);
  lua_setfield(L, -2, "score");
  set_flag(L, "validated", f->validated);
  set_flag(L, "context", f->context);
  set_flag(L, "decoded", f->decoded);
  if (f->cut) set_flag(L, "cut", true);
}

static void set_value(lua_State *L, struct slice scanned, const struct detect_finding *f) {
  lua_pushlstring(L, scanned.data + f->offset, f->length);
  lua_setfield(L, -2, "value");
}

/* Says where the finding on top lies; the handle of the text is at `handle`. */
static void set_place(lua_State *L, const struct body_text *text, int handle) {
  lua_pushvalue(L, handle);
  lua_setfield(L, -2, "text");
  set_text(L, "where", text_where_name(text->where));
  lua_pushinteger(L, text->turn);
  lua_setfield(L, -2, "turn");
}

/* Appends s->findings to the list at `list`. text_index: of the request's text, or -1. */
static void add_findings(lua_State *L, struct surface *s, struct slice scanned, int text_index) {
  enum { LIST = 3 };
  size_t before = lua_objlen(L, LIST);
  if (s->findings.count == 0) return;
  if (text_index >= 0) {
    struct handle handle = {s->run->id, (uint32_t)text_index, s->run->version};
    surface_push_handle(s, L, OBJECT_TEXT, &handle);
  }
  int handle = lua_gettop(L);
  for (size_t i = 0; i < s->findings.count; i++) {
    push_finding(L, &s->findings.items[i], 0);
    if (!s->findings.items[i].cut) set_value(L, scanned, &s->findings.items[i]);
    if (text_index >= 0) set_place(L, &policy_texts(s->run)->items[text_index], handle);
    lua_rawseti(L, LIST, (int)(before + i) + 1);
    if (i % 256 == 255) sandbox_check(L);
  }
  lua_settop(L, text_index >= 0 ? handle - 1 : handle);
  if (!s->findings.truncated) return;
  lua_pushboolean(L, 1);
  lua_setfield(L, LIST, "truncated");
}

/* parts: what texts of one turn hold together; may be NULL. */
static void scan_text(lua_State *L, struct surface *s, const struct detect_rules *rules,
                      const struct detect_parts *parts, int text_index) {
  if (!detect_request_text(s, rules, (size_t)text_index)) sandbox_check(L);
  if (parts) detect_parts_merge(parts, (size_t)text_index, &s->findings);
  add_findings(L, s, bytes_slice(&s->scratch), text_index);
}

/* Leaves the parts to the collector, since what follows may raise. */
static void scan_request(lua_State *L, struct surface *s, const struct detect_rules *rules) {
  size_t count = policy_texts(s->run)->count;
  struct detect_parts *parts = detect_parts_push(L, s, rules);
  for (size_t i = 0; i < count; i++) {
    if (i % 16 == 15) sandbox_check(L);
    scan_text(L, s, rules, parts, (int)i);
  }
}

/* Stack: subject, rules, list of findings. */
int api_detect(lua_State *L) {
  struct surface *s = surface_self(L);
  lua_settop(L, 2);
  const struct detect_rules *rules = rules_at(L, s, 2);
  lua_settop(L, 2);
  lua_newtable(L);
  if (lua_type(L, 1) == LUA_TSTRING) {
    if (!detect_request_scan(s, rules, state_text(L, 1))) sandbox_check(L);
    add_findings(L, s, state_text(L, 1), -1);
  } else if (surface_handle(s, L, 1, OBJECT_TEXT)) {
    scan_text(L, s, rules, NULL, (int)surface_text_index(L, s));
  } else {
    (void)surface_check(s, L, OBJECT_REQUEST);
    scan_request(L, s, rules);
  }
  lua_settop(L, 3);
  return 1;
}

static void start_stream(struct window *w, struct detect_rules *rules) {
  if (w->rules == rules) return;
  detect_stream_free(w->stream);
  detect_rules_unref(w->rules);
  detect_findings_clear(&w->pending);
  w->rules = detect_rules_ref(rules);
  w->stream = detect_stream_new(rules);
  w->fed = 0;
  w->unfed = w->text.len;
}

static int by_place(const void *a, const void *b) {
  const struct detect_finding *x = a, *y = b;
  if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
  if (x->length != y->length) return x->length > y->length ? -1 : 1;
  return (x->kind > y->kind) - (x->kind < y->kind);
}

/* How many of the window's findings nothing that comes can overlap; until: how far the text may go,
 * in bytes of the whole. What overlaps is decided on together, however the text is cut. */
static size_t ripe_findings(struct window *w, size_t settled, size_t *until) {
  struct detect_findings *all = &w->pending;
  if (all->count > 1) qsort(all->items, all->count, sizeof *all->items, by_place);
  size_t ripe = 0, end = 0;
  *until = settled;
  for (size_t i = 0; i < all->count; i++) {
    const struct detect_finding *f = &all->items[i];
    if (f->offset >= end) { /* a group of its own begins */
      ripe = i;
      if (f->offset >= settled) return ripe;
    }
    if (f->offset + f->length > end) end = f->offset + f->length;
    if (end > settled) {
      *until = all->items[ripe].offset;
      return ripe;
    }
  }
  return all->count;
}

static void push_ripe(lua_State *L, struct window *w, size_t count, size_t base) {
  int kept = 0;
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    const struct detect_finding *f = &w->pending.items[i];
    struct detect_finding here = *f;
    size_t gone = f->offset < base ? base - f->offset : 0; /* that the hook has let go */
    if (gone >= f->length) continue;
    here.offset += gone;
    here.length -= gone;
    here.cut = gone > 0;
    push_finding(L, &here, base);
    here.offset -= base;
    if (!gone && here.offset + here.length <= w->text.len)
      set_value(L, bytes_slice(&w->text), &here);
    lua_rawseti(L, -2, ++kept);
  }
  if (w->pending.truncated) {
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "truncated");
  }
  w->pending.count -= count;
  if (w->pending.count == 0) return;
  memmove(w->pending.items, w->pending.items + count, w->pending.count * sizeof *w->pending.items);
}

/* delta:detect(what): the stream of rules goes on from window to window, so that what a word nearby
 * says is not lost where the text was cut. */
int delta_detect(lua_State *L) {
  struct surface *s = surface_self(L);
  struct window *w = surface_window(L, s);
  bool last = s->run->call == POLICY_ON_REPLY || s->run->delta->is_last;
  lua_settop(L, 2);
  struct detect_rules *rules = rules_at(L, s, 2);
  start_stream(w, rules);
  size_t unfed = w->unfed < w->text.len ? w->unfed : w->text.len;
  struct slice fresh = slice_skip(bytes_slice(&w->text), w->text.len - unfed);
  size_t settled = detect_stream_feed(w->stream, fresh, &w->pending), until;
  w->fed += fresh.len;
  w->unfed = 0;
  if (last) (void)detect_stream_finish(w->stream, &w->pending);
  if (last) settled = w->fed;
  size_t count = ripe_findings(w, settled, &until);
  if (last) count = w->pending.count;
  if (last) until = w->fed;
  /* The window is the end of what was fed. */
  size_t base = w->fed > w->text.len ? w->fed - w->text.len : 0;
  push_ripe(L, w, count, base);
  until = until > base ? until - base : 0;
  if (last) detect_findings_clear(&w->pending);
  if (last) w->fed = 0;
  lua_pushnumber(L, (double)(until < w->text.len ? until : w->text.len));
  return 2;
}
