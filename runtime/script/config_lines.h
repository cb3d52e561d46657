/* Lua tables do not know where they were written, and problems with a configuration must. This
 * finds the table that the source returns and the line of each key written out in it. */
#pragma once
#include "base/arena.h"
#include "base/bytes.h"

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
  bool is_sorted, is_reached; /* from the root, at: */
  struct source_table *up;
  struct slice key;
  size_t place; /* from 1; 0: at the key */
};

/* A key that is written twice in one constructor: Lua keeps one and says nothing. */
struct source_twice {
  struct source_table *table; /* that it stands in */
  struct slice key;
  size_t place; /* from 1; 0: has a key */
  int line, first_line;
  struct source_twice *next;
};

struct source_lines {
  struct source_table *root; /* NULL when the returned table is not written out */
  struct source_twice *twice;
};

/* source must have been compiled without an error; it and the arena outlive the result. */
void source_lines_scan(struct source_lines *lines, struct slice source, struct arena *arena);
/* Appends the way from the root to that table, as config_path_append writes it; nothing when the
 * root does not lead there. */
void source_path_append(const struct source_table *table, struct bytes *path);
/* Appends the way to the only value that is written on that line; nothing when there are several.
 * One pass over everything. */
void source_path_at(const struct source_lines *lines, int line, struct bytes *path);
/* The last entry of that key, NULL when the constructor does not show it. table may be NULL. */
const struct source_entry *source_entry_find(struct source_table *table, struct slice key,
                                             bool is_index);
