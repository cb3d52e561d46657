#include "base/twice.h"

#include <stdlib.h>

#include "base/arena.h"

static int by_bytes(const void *a, const void *b) {
  const struct slice *x = a, *y = b;
  if (x->len != y->len) return x->len < y->len ? -1 : 1;
  return x->len ? memcmp(x->data, y->data, x->len) : 0;
}

static struct slice key_of(const struct json_walk *w, struct arena *arena) {
  struct bytes plain;
  if (!w->key_escaped) return w->key;
  bytes_init(&plain);
  json_unescape(w->key, &plain);
  struct slice copy = arena_slice(arena, bytes_slice(&plain));
  bytes_fini(&plain);
  return copy;
}

static bool find_here(struct slice object, struct slice *twice, struct arena *arena) {
  size_t count = 0;
  if (json_type(object) != JSON_OBJECT) return false;
  for (struct json_walk w = json_walk_of(object); json_walk_next(&w);)
    count++;
  struct slice *keys = arena_alloc(arena, (count + 1) * sizeof *keys);
  count = 0;
  for (struct json_walk w = json_walk_of(object); json_walk_next(&w);)
    keys[count++] = key_of(&w, arena);
  if (count > 1) qsort(keys, count, sizeof *keys, by_bytes);
  for (size_t i = 1; i < count; i++)
    if (slice_equal(keys[i - 1], keys[i])) {
      *twice = keys[i];
      return true;
    }
  return false;
}

static void append_key(struct bytes *path, struct slice key) {
  if (path->len) bytes_append_byte(path, '.');
  bytes_append_slice(path, key);
}

static bool find(struct slice text, struct bytes *path, struct arena *arena) {
  struct slice twice;
  size_t before = path->len, index = 0;
  if (find_here(text, &twice, arena)) {
    append_key(path, twice);
    return true;
  }
  for (struct json_walk w = json_walk_of(text); json_walk_next(&w); path->len = before) {
    enum json_type type = json_type(w.value);
    index++;
    if (type != JSON_OBJECT && type != JSON_ARRAY) continue;
    if (w.container == JSON_OBJECT)
      append_key(path, key_of(&w, arena));
    else
      bytes_printf(path, "[%zu]", index);
    if (find(w.value, path, arena)) return true;
  }
  return false;
}

bool json_find_twice(struct slice text, struct bytes *path) {
  struct arena arena;
  arena_init(&arena);
  bool is_found = find(text, path, &arena);
  arena_fini(&arena);
  return is_found;
}
