#include "base/json_fast.h"

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
  return c.at == c.end ? JSON_NONE : json_type_of(*c.at);
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

bool json_members(struct slice text, struct json_member *wanted, size_t count, uint32_t max_depth,
                  struct json_error *error) {
  struct json_cursor c = json_cursor_of(text);
  json_forget(wanted, count);
  json_skip_space(&c);
  if (c.at == c.end || *c.at != '{' || max_depth == 0) {
    json_fail(&c, "an object is expected here");
    set_error(error, &c, text);
    return false;
  }
  const char *behind = json_behind_members(c.at, c.end, wanted, count, max_depth - 1);
  if (behind && behind_space(behind, c.end) == c.end) return true;
  (void)json_validate(text, max_depth, error); /* says what is wrong, and where */
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
