#include "base/value_json.h"

static struct slice unescaped(struct arena *arena, struct slice raw) {
  struct bytes text;
  bytes_init(&text);
  json_unescape(raw, &text);
  struct slice copy = {arena_text(arena, bytes_slice(&text)), text.len};
  bytes_fini(&text);
  return copy;
}

static void read_items(struct arena *arena, struct slice json, int depth, struct value *out) {
  size_t count = 0;
  for (struct json_walk w = json_walk_of(json); json_walk_next(&w);)
    count++;
  out->items = arena_alloc(arena, (count + 1) * sizeof *out->items);
  for (struct json_walk w = json_walk_of(json); json_walk_next(&w);) {
    struct value_item *item = &out->items[out->count++];
    item->key = unescaped(arena, w.key);
    value_of_json(arena, w.value, depth - 1, &item->value);
  }
}

void value_of_json(struct arena *arena, struct slice json, int depth, struct value *out) {
  *out = (struct value){.type = VALUE_NIL};
  switch (json_type(json)) {
  case JSON_STRING:
    out->type = VALUE_TEXT;
    out->text = unescaped(arena, json_string_raw(json));
    return;
  case JSON_NUMBER:
    if (json_to_double(json, &out->number)) out->type = VALUE_NUMBER;
    return;
  case JSON_TRUE:
  case JSON_FALSE:
    out->type = VALUE_BOOL;
    out->boolean = json_type(json) == JSON_TRUE;
    return;
  case JSON_OBJECT:
  case JSON_ARRAY:
    if (depth == 0) return;
    out->type = json_type(json) == JSON_OBJECT ? VALUE_MAP : VALUE_LIST;
    read_items(arena, json, depth, out);
    return;
  default: return;
  }
}
