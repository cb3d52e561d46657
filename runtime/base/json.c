#include "base/json.h"

#include <string.h>

static void set_error(struct json_error *error, const struct json_cursor *c, struct slice text) {
  if (error)
    *error = (struct json_error){c->error, (size_t)(c->at - (text.data ? text.data : c->at))};
}

bool json_validate(struct slice text, uint32_t max_depth, struct json_error *error) {
  struct json_cursor c = json_cursor_of(text);
  json_skip_space(&c);
  if (json_scan_value(&c, max_depth) && json_scan_end(&c)) return true;
  set_error(error, &c, text);
  return false;
}

enum json_type json_type(struct slice value) {
  struct json_cursor c = json_cursor_of(value);
  json_skip_space(&c);
  if (c.at == c.end) return JSON_NONE;
  switch (*c.at) {
  case '{': return JSON_OBJECT;
  case '[': return JSON_ARRAY;
  case '"': return JSON_STRING;
  case 't': return JSON_TRUE;
  case 'f': return JSON_FALSE;
  case 'n': return JSON_NULL;
  default: return *c.at == '-' || (*c.at >= '0' && *c.at <= '9') ? JSON_NUMBER : JSON_NONE;
  }
}

struct json_walk json_walk_of(struct slice container) {
  struct json_walk w = {.cursor = json_cursor_of(container)};
  json_skip_space(&w.cursor);
  w.container = json_type(container);
  if (w.container != JSON_OBJECT && w.container != JSON_ARRAY) w.failed = true;
  return w;
}

/* Moves past the opening bracket or a comma. False at the closing one, and on bad text. */
static bool walk_separator(struct json_walk *w) {
  struct json_cursor *c = &w->cursor;
  char closing = w->container == JSON_OBJECT ? '}' : ']';
  if (w->started) json_skip_space(c);
  if (c->at < c->end && *c->at == closing && w->started) {
    c->at++;
    return false;
  }
  if (w->started && (c->at == c->end || *c->at != ',')) {
    w->failed = true;
    return json_fail(c, "a comma or the end of the list is expected here");
  }
  c->at++;
  json_skip_space(c);
  if (!w->started && c->at < c->end && *c->at == closing) {
    c->at++;
    w->started = true;
    return false;
  }
  w->started = true;
  return true;
}

/* To the first byte of the next value, and past its key in an object. */
static bool walk_to_value(struct json_walk *w) {
  if (w->failed || !walk_separator(w)) return false;
  if (w->container == JSON_OBJECT && !json_scan_key(&w->cursor, &w->key, &w->key_escaped))
    w->failed = true;
  return !w->failed;
}

static bool walk_next(struct json_walk *w, uint32_t max_depth) {
  struct json_cursor *c = &w->cursor;
  if (!walk_to_value(w)) return false;
  const char *start = c->at;
  if (!json_scan_value(c, max_depth)) {
    w->failed = true;
    return false;
  }
  w->value = (struct slice){start, (size_t)(c->at - start)};
  return true;
}

bool json_walk_next(struct json_walk *w) {
  return walk_next(w, JSON_DEPTH_MAX);
}

static bool walk_key_is(const struct json_walk *w, struct slice key) {
  return w->key_escaped ? json_key_equal(w->key, key) : slice_equal(w->key, key);
}

static struct json_member *find_wanted(const struct json_walk *w, struct json_member *wanted,
                                       size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (!w->key_escaped && w->key.len != wanted[i].key.len) continue;
    if (walk_key_is(w, wanted[i].key)) return &wanted[i];
  }
  return NULL;
}

static void take_member(const struct json_walk *w, const char *start, struct json_member *m) {
  const char *key = w->key.data - 1;
  m->twice = m->type != JSON_NONE;
  m->value = (struct slice){start, (size_t)(w->cursor.at - start)};
  m->type = json_type(m->value);
  m->member = (struct slice){key, (size_t)(w->cursor.at - key)};
}

static void forget_members(struct json_member *wanted, size_t count) {
  for (size_t i = 0; i < count; i++) {
    wanted[i] = (struct json_member){
        .key = wanted[i].key, .inside = wanted[i].inside, .inside_count = wanted[i].inside_count};
    forget_members(wanted[i].inside, wanted[i].inside_count);
  }
}

static bool scan_inside(struct json_cursor *c, struct json_member *m, uint32_t max_depth);

/* At the opening brace; max_depth is that of its values. It goes as deep as the caller's tables. */
static bool scan_members(struct json_cursor *c, struct json_member *wanted, size_t count,
                         uint32_t max_depth) {
  struct json_walk w = {.cursor = *c, .container = JSON_OBJECT};
  while (walk_to_value(&w)) {
    struct json_member *m = find_wanted(&w, wanted, count);
    const char *start = w.cursor.at;
    bool fine = m && m->inside ? scan_inside(&w.cursor, m, max_depth)
                               : json_scan_value(&w.cursor, max_depth);
    if (!fine) {
      w.failed = true;
      break;
    }
    if (m) take_member(&w, start, m);
  }
  *c = w.cursor;
  return !w.failed;
}

static bool scan_inner_object(struct json_cursor *c, struct json_member *m, uint32_t max_depth) {
  if (max_depth == 0) return json_fail(c, "nested too deeply");
  m->is_read = scan_members(c, m->inside, m->inside_count, max_depth - 1);
  return m->is_read;
}

static bool scan_inner_list(struct json_cursor *c, struct json_member *m, uint32_t max_depth) {
  struct json_walk w = {.cursor = *c, .container = JSON_ARRAY};
  size_t count = 0;
  if (max_depth == 0) return json_fail(c, "nested too deeply");
  for (; walk_to_value(&w); count++) {
    bool is_first_object = count == 0 && w.cursor.at < w.cursor.end && *w.cursor.at == '{';
    bool fine = is_first_object ? scan_inner_object(&w.cursor, m, max_depth - 1)
                                : json_scan_value(&w.cursor, max_depth - 1);
    if (fine) continue;
    w.failed = true;
    break;
  }
  *c = w.cursor;
  if (m->is_read && count > 1) {
    m->is_read = false;
    forget_members(m->inside, m->inside_count);
  }
  return !w.failed;
}

static bool scan_inside(struct json_cursor *c, struct json_member *m, uint32_t max_depth) {
  char byte = c->at < c->end ? *c->at : 0;
  if (m->type != JSON_NONE) { /* of duplicates the last counts */
    m->is_read = false;
    forget_members(m->inside, m->inside_count);
  }
  if (byte == '{') return scan_inner_object(c, m, max_depth);
  return byte == '[' ? scan_inner_list(c, m, max_depth) : json_scan_value(c, max_depth);
}

bool json_members(struct slice text, struct json_member *wanted, size_t count, uint32_t max_depth,
                  struct json_error *error) {
  forget_members(wanted, count);
  struct json_walk w = json_walk_of(text);
  if (w.container != JSON_OBJECT) json_fail(&w.cursor, "an object is expected here");
  if (w.container != JSON_OBJECT || max_depth == 0) {
    set_error(error, &w.cursor, text);
    return false;
  }
  if (scan_members(&w.cursor, wanted, count, max_depth - 1) && json_scan_end(&w.cursor))
    return true;
  set_error(error, &w.cursor, text);
  return false;
}

static struct slice find(struct slice object, struct slice key) {
  struct slice found = {NULL, 0};
  struct json_walk w = json_walk_of(object);
  if (w.container != JSON_OBJECT) return found;
  while (json_walk_next(&w))
    if (walk_key_is(&w, key)) found = w.value;
  return w.failed ? (struct slice){NULL, 0} : found;
}

struct slice json_find(struct slice object, const char *key) {
  return find(object, slice_of(key));
}

struct slice json_find_path(struct slice object, const char *path) {
  struct slice rest = slice_of(path);
  while (rest.len > 0 && object.data)
    object = find(object, slice_cut(rest, '.', &rest));
  return object;
}
