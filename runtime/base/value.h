/* A tree of plain values with the line each came from: how a configuration file reaches C without
 * Lua's headers. Lives in an arena. Maps keep no order promise beyond the order of insertion. */
#pragma once
#include "base/arena.h"

enum value_type { VALUE_NIL, VALUE_BOOL, VALUE_NUMBER, VALUE_TEXT, VALUE_LIST, VALUE_MAP };

struct value {
  enum value_type type;
  int line;    /* 1-based; 0 when unknown */
  bool secret; /* came from env or secret_file: never printed */
  bool faulty; /* reading it failed and was reported: not to be judged again */
  bool boolean;
  double number;
  struct slice text;        /* zero byte follows */
  struct value_item *items; /* VALUE_LIST (key empty) and VALUE_MAP */
  size_t count;
};

struct value_item {
  struct slice key;
  struct value value;
};

const struct value *value_find(const struct value *map, const char *key); /* NULL when absent */
const char *value_type_name(enum value_type type); /* "a table of names", … */
