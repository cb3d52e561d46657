/* An index tells the same of a text as walking through it, and nothing outside of it. */
#include "base/json_index.h"

#include <stdlib.h>

#include "check.h"

enum { ROUNDS = 3000 };

static uint64_t seed = 1;

static unsigned any(unsigned below) {
  seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (unsigned)(seed >> 33) % below;
}

static void write_space(struct bytes *out) {
  while (any(5) == 0)
    bytes_append_byte(out, " \n\t\r"[any(4)]);
}

/* Of every length around the sixteen bytes that are looked at together, quotes and backslashes at
 * every place in them. */
static void write_string(struct bytes *out) {
  static const char *const pieces[] = {"a", "\\\"", "\\\\", "\\u0041", "机", "{", "]", ","};
  bytes_append_byte(out, '"');
  for (unsigned left = any(8) ? any(24) : any(90); left > 0; left--)
    bytes_append_text(out, any(4) ? "b" : pieces[any(sizeof pieces / sizeof *pieces)]);
  bytes_append_byte(out, '"');
}

static void write_value(struct bytes *out, int depth) {
  static const char *const scalars[] = {"1", "-2.5e+3", "true", "false", "null", "0"};
  unsigned kind = any(depth > 0 ? 8 : 4), count = any(5);
  if (kind < 2) {
    write_string(out);
  } else if (kind < 4) {
    bytes_append_text(out, scalars[any(6)]);
  } else {
    bool is_object = kind < 6;
    bytes_append_byte(out, is_object ? '{' : '[');
    write_space(out);
    for (unsigned i = 0; i < count; i++) {
      if (i) bytes_append_byte(out, ',');
      write_space(out);
      if (is_object) {
        bytes_printf(out, "\"%c%s\"", 'a' + any(3), any(4) ? "" : "\\u0061");
        write_space(out);
        bytes_append_byte(out, ':');
        write_space(out);
      }
      write_value(out, depth - 1);
      write_space(out);
    }
    bytes_append_byte(out, is_object ? '}' : ']');
  }
}

static bool tells_nothing(struct slice value) {
  struct json_walk w = json_walk_of(value);
  enum json_type type = json_type(value);
  if (type == JSON_STRING) return value.len == 2;
  return (type != JSON_OBJECT && type != JSON_ARRAY) || !json_walk_next(&w);
}

static void compare(const struct json_index *index, uint32_t node, struct slice value) {
  CHECK(slice_equal(json_index_value(index, node), value));
  CHECK(json_index_value(index, node).data == value.data);
  uint32_t at = node + 1, element = 0, next = index->nodes[node].next;
  bool is_list = json_type(value) == JSON_ARRAY;
  for (struct json_walk w = json_walk_of(value); json_walk_next(&w); element++) {
    if (is_list && tells_nothing(w.value)) continue;
    must(at < next);
    if (is_list)
      CHECK(index->nodes[at].key == element);
    else
      CHECK(slice_equal(json_index_key(index, at), w.key));
    compare(index, at, w.value);
    at = index->nodes[at].next;
  }
  CHECK(at == next);
  uint32_t found = json_index_find(index, node, SLICE("aa"));
  struct slice wanted = json_find(value, "aa");
  CHECK((found > 0) == (wanted.data != NULL));
  if (found) CHECK(json_index_value(index, found).data == wanted.data);
}

/* What json_members says of the same text, and finds in it. */
static void compare_check(struct slice text, uint32_t max_depth) {
  struct json_member ours[] = {{.key = SLICE("aa")}, {.key = SLICE("b")}, {.key = SLICE("")}};
  struct json_member theirs[] = {{.key = SLICE("aa")}, {.key = SLICE("b")}, {.key = SLICE("")}};
  struct json_error our_error = {0}, their_error = {0};
  struct json_index index = {0};
  bool is_valid = json_index_check(&index, text, max_depth, &our_error);
  CHECK(is_valid == json_members(text, theirs, 3, max_depth, &their_error));
  if (!is_valid) CHECK(our_error.message == their_error.message);
  if (!is_valid) CHECK(our_error.offset == their_error.offset);
  json_index_members(&index, ours, 3);
  for (size_t i = 0; is_valid && i < 3; i++) {
    CHECK(ours[i].type == theirs[i].type && ours[i].twice == theirs[i].twice);
    CHECK(ours[i].value.data == theirs[i].value.data && ours[i].value.len == theirs[i].value.len);
    CHECK(ours[i].member.data == theirs[i].member.data);
    CHECK(ours[i].member.len == theirs[i].member.len);
  }
  json_index_fini(&index);
}

/* A few bytes become others, most often those that have a meaning. */
static void spoil(struct slice text) {
  static const char bytes[] = "{}[]\",:\\ 0-.eutfn\n\x01\x80\xc3";
  for (unsigned i = any(3) + 1; i > 0 && text.len; i--)
    ((char *)text.data)[any((unsigned)text.len)] = bytes[any(sizeof bytes - 1)];
}

static void compare_verdicts(void) {
  struct bytes text;
  bytes_init(&text);
  for (int round = 0; round < ROUNDS; round++) {
    bytes_clear(&text);
    if (any(4)) bytes_append_text(&text, "{\"aa\":");
    write_value(&text, 5);
    if (any(4)) bytes_append_text(&text, ",\"b\":[],\"\\u0061a\": {} }");
    compare_check(bytes_slice(&text), any(2) ? JSON_DEPTH_DEFAULT : any(8));
    spoil(bytes_slice(&text));
    compare_check(bytes_slice(&text), JSON_DEPTH_DEFAULT);
  }
  static const char *const wrong[] = {"{\"aa\":}", "{\"aa\":1,}", "{\"aa\"}",    "{\"aa\":1]",
                                      "{]",        "[}",          "{\"aa\":1}x", "",
                                      "{\"aa\":1", "{,}",         "{\"aa\" 1}",  "\"aa\""};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    compare_check(slice_of(wrong[i]), JSON_DEPTH_DEFAULT);
  for (unsigned depth = 60; depth < 70; depth++) {
    bytes_clear(&text);
    for (unsigned i = 0; i < depth; i++)
      bytes_append_text(&text, "{\"aa\":");
    bytes_append_text(&text, "0");
    for (unsigned i = 0; i < depth; i++)
      bytes_append_byte(&text, '}');
    compare_check(bytes_slice(&text), 65);
    compare_check(bytes_slice(&text), JSON_DEPTH_DEFAULT);
  }
  bytes_fini(&text);
}

/* In memory of its own, whose end a sanitizer guards. */
static struct slice copy(const struct bytes *text, size_t len) {
  char *data = must_alloc(len + 1);
  memcpy(data, text->data, len);
  return (struct slice){must_realloc(data, len ? len : 1), len};
}

/* What follows makes it wrong, and only the reader of any text reads that. */
static void compare_slow(struct bytes *text) {
  struct json_index index;
  struct slice value = bytes_slice(text);
  bytes_append_byte(text, ']');
  value.data = text->data;
  json_index_init(&index, bytes_slice(text));
  compare(&index, 0, value);
  json_index_fini(&index);
}

int main(void) {
  struct bytes text;
  bytes_init(&text);
  for (int round = 0; round < ROUNDS; round++) {
    struct json_index index;
    bytes_clear(&text);
    write_value(&text, 5);
    struct slice whole = copy(&text, text.len), part = copy(&text, any((unsigned)text.len));
    must(json_validate(whole, JSON_DEPTH_DEFAULT, NULL));
    json_index_init(&index, whole);
    compare(&index, 0, whole);
    json_index_fini(&index);
    json_index_init(&index, part); /* no valid text: only that nothing breaks */
    for (uint32_t i = 0; i < index.count; i++)
      CHECK(index.nodes[i].end <= part.len && index.nodes[i].next <= index.count);
    json_index_fini(&index);
    free((char *)whole.data);
    free((char *)part.data);
    compare_slow(&text);
  }
  bytes_clear(&text);
  for (int i = 0; i < 3000; i++)
    bytes_append_byte(&text, '[');
  struct json_index deep;
  json_index_init(&deep, bytes_slice(&text)); /* deeper than any valid text may be */
  CHECK(deep.count == JSON_DEPTH_MAX);
  json_index_fini(&deep);
  bytes_fini(&text);
  compare_verdicts();
  return checks_end();
}
