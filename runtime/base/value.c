#include "base/value.h"

const struct value *value_find(const struct value *map, const char *key) {
  if (!map || map->type != VALUE_MAP) return NULL;
  for (size_t i = 0; i < map->count; i++)
    if (slice_equal_text(map->items[i].key, key)) return &map->items[i].value;
  return NULL;
}

const char *value_type_name(enum value_type type) {
  switch (type) {
  case VALUE_NIL: return "nothing";
  case VALUE_BOOL: return "true or false";
  case VALUE_NUMBER: return "a number";
  case VALUE_TEXT: return "text";
  case VALUE_LIST: return "a list";
  case VALUE_MAP: return "a table with names";
  }
  return "nothing";
}
