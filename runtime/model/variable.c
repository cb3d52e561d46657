#include "model/variable.h"

#include <stdio.h>

#include "base/json.h"

enum { NAME_BYTES = 64, SHOWN_BYTES = 512 };

static const struct {
  const char *name, *wanted;
} types[] = {
    [VARIABLE_STRING] = {"string", "a string"},  [VARIABLE_INTEGER] = {"integer", "a whole number"},
    [VARIABLE_NUMBER] = {"number", "a number"},  [VARIABLE_BOOLEAN] = {"boolean", "true or false"},
    [VARIABLE_ENUM] = {"enum", "one of"},        [VARIABLE_ARRAY] = {"array", "a list"},
    [VARIABLE_OBJECT] = {"object", "an object"},
};

enum { TYPES = sizeof types / sizeof *types };

static bool fail(struct bytes *problem, struct slice name, const char *what) {
  size_t len = name.len < NAME_BYTES ? name.len : NAME_BYTES;
  bytes_clear(problem);
  bytes_printf(problem, "variables.%.*s: %s", (int)len, name.data, what);
  return false;
}

static bool is_name(struct slice name) {
  for (size_t i = 0; i < name.len; i++) {
    char c = name.data[i];
    bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
    if (!is_letter && (i == 0 || c < '0' || c > '9')) return false;
  }
  return name.len > 0 && name.len <= NAME_BYTES;
}

/* Characters of a valid string, escapes counted as what they stand for. */
static uint64_t characters(struct slice value) {
  struct bytes text;
  uint64_t count = 0;
  bytes_init(&text);
  (void)json_string(value, &text);
  for (size_t i = 0; i < text.len; i++)
    count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
  bytes_fini(&text);
  return count;
}

static uint64_t items_of(struct slice list) {
  uint64_t count = 0;
  for (struct json_walk w = json_walk_of(list); json_walk_next(&w);)
    count++;
  return count;
}

static bool is_integer(struct slice value) {
  uint64_t positive;
  int64_t any;
  return json_to_u64(value, &positive) || json_to_i64(value, &any);
}

static bool same_text(struct slice a, struct slice b) {
  struct bytes left, right;
  bytes_init(&left);
  bytes_init(&right);
  bool are_texts = json_string(a, &left) && json_string(b, &right);
  bool is_same = are_texts && slice_equal(bytes_slice(&left), bytes_slice(&right));
  bytes_fini(&left);
  bytes_fini(&right);
  return is_same;
}

static bool is_listed(struct slice values, struct slice value) {
  for (struct json_walk w = json_walk_of(values); json_walk_next(&w);)
    if (same_text(w.value, value)) return true;
  return false;
}

static bool is_of_type(const struct variable *v, struct slice value) {
  enum json_type type = json_type(value);
  double number;
  switch (v->type) {
  case VARIABLE_STRING: return type == JSON_STRING;
  case VARIABLE_INTEGER: return is_integer(value);
  case VARIABLE_NUMBER: return json_to_double(value, &number);
  case VARIABLE_BOOLEAN: return type == JSON_TRUE || type == JSON_FALSE;
  case VARIABLE_ENUM: return is_listed(v->values, value);
  case VARIABLE_ARRAY: return type == JSON_ARRAY;
  case VARIABLE_OBJECT: return type == JSON_OBJECT;
  }
  return false;
}

static bool check_value(const struct variable *v, struct slice value, struct bytes *problem) {
  char what[96];
  if (!is_of_type(v, value)) {
    if (v->type != VARIABLE_ENUM) {
      snprintf(what, sizeof what, "expects %s", types[v->type].wanted);
      return fail(problem, v->name, what);
    }
    (void)fail(problem, v->name, "expects one of ");
    bool is_long = v->values.len > SHOWN_BYTES;
    bytes_append_slice(problem, is_long ? (struct slice){v->values.data, SHOWN_BYTES} : v->values);
    return false;
  }
  uint64_t length = 0;
  if (v->type == VARIABLE_STRING) length = characters(value);
  if (v->type == VARIABLE_ARRAY) length = items_of(value);
  if (v->type == VARIABLE_OBJECT) length = value.len;
  if (length <= v->max_length) return true;
  snprintf(what, sizeof what, "is longer than its max_length of %llu",
           (unsigned long long)v->max_length);
  return fail(problem, v->name, what);
}

static bool read_type(struct variable *v, struct slice value, struct bytes *problem) {
  if (json_type(value) == JSON_STRING)
    for (int i = 0; i < TYPES; i++)
      if (slice_equal_text(json_string_raw(value), types[i].name)) {
        v->type = (enum variable_type)i;
        return true;
      }
  return fail(problem, v->name,
              "type: expects string, integer, number, boolean, enum, array or object");
}

static bool read_member(struct variable *v, struct slice key, struct slice value,
                        struct bytes *problem) {
  enum json_type type = json_type(value);
  if (json_key_equal(key, SLICE("type"))) return read_type(v, value, problem);
  if (json_key_equal(key, SLICE("default"))) {
    v->fallback = value;
    return true;
  }
  if (json_key_equal(key, SLICE("required"))) {
    v->is_required = type == JSON_TRUE;
    return type == JSON_TRUE || type == JSON_FALSE ||
           fail(problem, v->name, "required: expects true or false");
  }
  if (json_key_equal(key, SLICE("max_length")))
    return json_to_u64(value, &v->max_length) ||
           fail(problem, v->name, "max_length: expects a whole number");
  if (json_key_equal(key, SLICE("values"))) {
    v->values = value;
    return type == JSON_ARRAY || fail(problem, v->name, "values: expects a list of texts");
  }
  if (json_key_equal(key, SLICE("description")))
    return type == JSON_STRING || fail(problem, v->name, "description: expects a text");
  return fail(problem, v->name,
              "there are: type, required, default, max_length, values, description");
}

static bool check_values(const struct variable *v, struct bytes *problem) {
  if (v->type != VARIABLE_ENUM)
    return !v->values.len || fail(problem, v->name, "values: only an enum has them");
  size_t count = 0;
  for (struct json_walk w = json_walk_of(v->values); json_walk_next(&w); count++)
    if (json_type(w.value) != JSON_STRING)
      return fail(problem, v->name, "values: expects a list of texts");
  return count > 0 || fail(problem, v->name, "values: an enum names at least one");
}

static bool read_variable(struct slice definition, struct variable *v, struct bytes *problem) {
  v->max_length = VARIABLE_LENGTH;
  if (!is_name(v->name))
    return fail(problem, v->name, "a name has letters, digits and _, and no digit first");
  if (json_type(definition) != JSON_OBJECT)
    return fail(problem, v->name, "expects an object such as {\"type\":\"string\"}");
  for (struct json_walk w = json_walk_of(definition); json_walk_next(&w);)
    if (!read_member(v, w.key, w.value, problem)) return false;
  if (!check_values(v, problem)) return false;
  if (!v->fallback.len) return true;
  if (v->is_required) return fail(problem, v->name, "a required variable has no default");
  return check_value(v, v->fallback, problem);
}

bool variables_read(struct slice json, struct arena *arena, struct variables *out,
                    struct bytes *problem) {
  struct variable *items = arena_alloc(arena, VARIABLES_MAX * sizeof *items);
  *out = (struct variables){items, 0};
  if (!json.len || json_type(json) == JSON_NULL) return true;
  for (struct json_walk w = json_walk_of(json); json_walk_next(&w);) {
    struct slice name = arena_slice(arena, w.key);
    if (out->count == VARIABLES_MAX) return fail(problem, name, "there may be 64 variables");
    if (variable_find(out, name)) return fail(problem, name, "stands twice");
    items[out->count].name = name;
    if (!read_variable(w.value, &items[out->count], problem)) return false;
    out->count++;
  }
  return true;
}

const struct variable *variable_find(const struct variables *v, struct slice name) {
  for (size_t i = 0; i < v->count; i++)
    if (slice_equal(v->items[i].name, name)) return &v->items[i];
  return NULL;
}

static const struct variable *named(const struct variables *v, struct slice raw_key) {
  for (size_t i = 0; i < v->count; i++)
    if (json_key_equal(raw_key, v->items[i].name)) return &v->items[i];
  return NULL;
}

static bool take_given(const struct variables *v, struct slice given, struct slice *values,
                       struct slice *name, struct bytes *problem) {
  for (struct json_walk w = json_walk_of(given); json_walk_next(&w);) {
    const struct variable *one = named(v, w.key);
    *name = one ? one->name : w.key;
    if (!one) return fail(problem, w.key, "this prompt has no such variable");
    if (values[one - v->items].data) return fail(problem, one->name, "stands twice; send it once");
    bool is_absent = json_type(w.value) == JSON_NULL;
    if (!is_absent && !check_value(one, w.value, problem)) return false;
    values[one - v->items] = w.value;
  }
  return true;
}

bool variables_take(const struct variables *v, struct slice given, struct slice *values,
                    struct slice *name, struct bytes *problem) {
  for (size_t i = 0; i < v->count; i++)
    values[i] = (struct slice){NULL, 0};
  if (!take_given(v, given, values, name, problem)) return false;
  for (size_t i = 0; i < v->count; i++) {
    const struct variable *one = &v->items[i];
    if (values[i].data && json_type(values[i]) != JSON_NULL) continue;
    values[i] = one->fallback;
    *name = one->name;
    if (one->is_required) return fail(problem, one->name, "is missing, and this prompt needs it");
  }
  return true;
}
