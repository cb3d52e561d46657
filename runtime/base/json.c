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

static bool walk_next(struct json_walk *w, uint32_t max_depth) {
  struct json_cursor *c = &w->cursor;
  if (w->failed || !walk_separator(w)) return false;
  if (w->container == JSON_OBJECT && !json_scan_key(c, &w->key, &w->key_escaped)) {
    w->failed = true;
    return false;
  }
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

static void take_member(const struct json_walk *w, struct json_member *wanted, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (!w->key_escaped && w->key.len != wanted[i].key.len) continue;
    if (!walk_key_is(w, wanted[i].key)) continue;
    wanted[i].twice = wanted[i].type != JSON_NONE;
    wanted[i].value = w->value;
    wanted[i].type = json_type(w->value);
    const char *start = w->key.data - 1;
    wanted[i].member = (struct slice){start, (size_t)(w->cursor.at - start)};
    return;
  }
}

bool json_members(struct slice text, struct json_member *wanted, size_t count, uint32_t max_depth,
                  struct json_error *error) {
  for (size_t i = 0; i < count; i++)
    wanted[i] = (struct json_member){.key = wanted[i].key};
  struct json_walk w = json_walk_of(text);
  if (w.container != JSON_OBJECT) json_fail(&w.cursor, "an object is expected here");
  if (w.container != JSON_OBJECT || max_depth == 0) {
    set_error(error, &w.cursor, text);
    return false;
  }
  while (walk_next(&w, max_depth - 1))
    take_member(&w, wanted, count);
  if (!w.failed && json_scan_end(&w.cursor)) return true;
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
