/* Lua tables do not know where they were written, and problems with a configuration must. This
 * finds the table that the source returns and the line of each key written out in it. */
#pragma once
#include "base/arena.h"

struct source_entry {
  struct slice key; /* the place as a decimal number when is_index */
  bool is_index;
  int line;
  struct source_table *table; /* NULL unless the value is a constructor, or a local one's name */
};

struct source_table {
  int line;
  struct source_entry *entries;
  size_t count, room;
  bool is_sorted;
};

/* A key that is written twice in one constructor: Lua keeps one and says nothing. */
struct source_twice {
  struct slice key;
  int line, first_line;
  struct source_twice *next;
};

struct source_lines {
  struct source_table *root; /* NULL when the returned table is not written out */
  struct source_twice *twice;
};

/* source must have been compiled without an error; it and the arena outlive the result. */
void source_lines_scan(struct source_lines *lines, struct slice source, struct arena *arena);
/* The last entry of that key, NULL when the constructor does not show it. table may be NULL. */
const struct source_entry *source_entry_find(struct source_table *table, struct slice key,
                                             bool is_index);
