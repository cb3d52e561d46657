#include "base/json_fast.h"

struct wanted {
  struct json_member *members;
  size_t count;
};

static inline const char *behind_any(const char *at, const char *end, uint32_t max_depth) {
  if (at < end && *at != '{' && *at != '[') return behind_scalar(at, end);
  struct json_cursor c = {at, end, NULL};
  return json_scan_value(&c, max_depth) ? c.at : NULL;
}

void json_forget(struct json_member *wanted, size_t count) {
  for (struct json_member *m = wanted; m < wanted + count; m++) {
    m->value = (struct slice){NULL, 0};
    m->member = (struct slice){NULL, 0};
    m->type = JSON_NONE;
    m->twice = m->is_read = false;
    if (m->inside) json_forget(m->inside, m->inside_count);
  }
}

static inline const char *behind_key(const char *at, const char *end, struct slice *key,
                                     bool *escaped) {
  if (at == end || *at != '"') return NULL;
  const char *start = at + 1, *close = plain_end(start, end);
  *escaped = close == end || *close != '"';
  if (*escaped) {
    struct json_cursor c = {at, end, NULL};
    return json_scan_key(&c, key, escaped) ? c.at : NULL;
  }
  *key = (struct slice){start, (size_t)(close - start)};
  at = behind_space(close + 1, end);
  return at < end && *at == ':' ? behind_space(at + 1, end) : NULL;
}

static inline struct json_member *find(struct slice key, bool escaped, struct wanted wanted) {
  for (struct json_member *m = wanted.members; m < wanted.members + wanted.count; m++) {
    bool may_be = escaped || (key.len == m->key.len && key.len && *key.data == *m->key.data);
    if (may_be && (escaped ? json_key_equal(key, m->key) : slice_equal(key, m->key))) return m;
  }
  return NULL;
}

static const char *behind_inside(const char *at, const char *end, struct json_member *m,
                                 uint32_t max_depth);

static const char *behind_member(const char *at, const char *end, struct wanted wanted,
                                 uint32_t max_depth) {
  struct slice key;
  bool escaped;
  const char *start = behind_key(at, end, &key, &escaped);
  if (!start) return NULL;
  struct json_member *m = find(key, escaped, wanted);
  const char *behind =
      m && m->inside ? behind_inside(start, end, m, max_depth) : behind_any(start, end, max_depth);
  if (!m || !behind) return behind;
  m->twice = m->type != JSON_NONE;
  m->type = json_type_of(*start);
  m->value = (struct slice){start, (size_t)(behind - start)};
  m->member = (struct slice){at, (size_t)(behind - at)};
  return behind;
}

const char *json_behind_members(const char *at, const char *end, struct json_member *wanted,
                                size_t count, uint32_t max_depth) {
  at = behind_space(at + 1, end);
  if (at < end && *at == '}') return at + 1;
  for (;;) {
    at = behind_member(at, end, (struct wanted){wanted, count}, max_depth);
    if (!at) return NULL;
    at = behind_space(at, end);
    if (at == end) return NULL;
    if (*at == '}') return at + 1;
    if (*at != ',') return NULL;
    at = behind_space(at + 1, end);
  }
}

static const char *behind_object(const char *at, const char *end, struct json_member *m,
                                 uint32_t max_depth) {
  if (max_depth == 0) return NULL;
  m->is_read = true;
  return json_behind_members(at, end, m->inside, m->inside_count, max_depth - 1);
}

/* A list of one object is read like the object. max_depth is that of its elements. */
static const char *behind_list(const char *at, const char *end, struct json_member *m,
                               uint32_t max_depth) {
  at = behind_space(at + 1, end);
  if (at < end && *at == ']') return at + 1;
  for (bool is_first = true; at < end; is_first = false) {
    if (!is_first && m->is_read) {
      m->is_read = false;
      json_forget(m->inside, m->inside_count);
    }
    bool is_object = is_first && *at == '{';
    at = is_object ? behind_object(at, end, m, max_depth) : behind_any(at, end, max_depth);
    if (!at) return NULL;
    at = behind_space(at, end);
    if (at == end || (*at != ',' && *at != ']')) return NULL;
    if (*at == ']') return at + 1;
    at = behind_space(at + 1, end);
  }
  return NULL;
}

static const char *behind_inside(const char *at, const char *end, struct json_member *m,
                                 uint32_t max_depth) {
  if (m->type != JSON_NONE) { /* of duplicates the last counts */
    m->is_read = false;
    json_forget(m->inside, m->inside_count);
  }
  if (at < end && *at == '{') return behind_object(at, end, m, max_depth);
  if (at == end || *at != '[') return behind_any(at, end, max_depth);
  return max_depth ? behind_list(at, end, m, max_depth - 1) : NULL;
}
