#include "base/json_fast.h"

const char *json_behind_rich_string(const char *at, const char *end) {
  struct json_cursor c = {at, end, NULL};
  struct slice content;
  bool escaped;
  return json_scan_string(&c, &content, &escaped) ? c.at : NULL;
}

const char *json_behind_rich_number(const char *at, const char *end) {
  struct json_cursor c = {at, end, NULL};
  return json_scan_number(&c) ? c.at : NULL;
}

static inline const char *behind_key(const char *at, const char *end) {
  if (at == end || *at != '"' || !(at = behind_string(at, end))) return NULL;
  at = behind_space(at, end);
  return at < end && *at == ':' ? behind_space(at + 1, end) : NULL;
}

struct open { /* one bit for each open container, the innermost lowest: set for an object */
  uint64_t objects;
  uint32_t level, max;
};

/* Closes what closes here; at the next value, or, with level 0, behind the whole. */
static inline const char *leave(const char *at, const char *end, struct open *o) {
  for (; o->level; o->level--, o->objects >>= 1) {
    at = behind_space(at, end);
    if (at == end) return NULL;
    if (*at == ',') {
      at = behind_space(at + 1, end);
      return o->objects & 1 ? behind_key(at, end) : at;
    }
    if (*at++ != (o->objects & 1 ? '}' : ']')) return NULL;
  }
  return at;
}

/* Behind the opening bracket: at the first value, or at the closing bracket of an empty one. */
static inline const char *enter(const char *at, const char *end, struct open *o, bool *is_empty) {
  bool object = *at == '{';
  if (o->level == o->max) return NULL;
  o->objects = o->objects << 1 | object;
  o->level++;
  at = behind_space(at + 1, end);
  *is_empty = at < end && *at == (object ? '}' : ']');
  return object && !*is_empty ? behind_key(at, end) : at;
}

const char *json_behind_value(const char *at, const char *end, uint32_t max_depth) {
  struct open o = {0, 0, max_depth < 64 ? max_depth : 64};
  while (at && at < end) {
    bool is_done = true;
    if (*at == '{' || *at == '[')
      at = enter(at, end, &o, &is_done);
    else
      at = behind_scalar(at, end);
    if (!at) return NULL;
    if (!is_done) continue;
    at = leave(at, end, &o);
    if (o.level == 0) return at;
  }
  return NULL;
}
