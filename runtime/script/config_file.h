/* gateyes.lua: a Lua program that returns the configuration as a table. It runs in a state of its
 * own that has no files, no processes and no other modules, for a second at most and in 64 MiB. */
#pragma once
#include "base/value.h"
#include "config/config.h"

/* Reads the file into a tree in the arena; keys of a map come in the order of their lines. False
 * when there is no tree. Problems may be added in either case (a missing variable leaves a tree in
 * which that one value is marked faulty), so look at their count. */
bool config_file_read(const char *path, struct arena *arena, struct value *root,
                      struct config_problems *problems);

struct config_scope; /* script/config_sandbox.h */

struct config_text {
  const char *name; /* in problems */
  struct slice source;
  const struct config_scope *scope; /* NULL: the operator's own file */
  bool has_functions; /* a function is read as a VALUE_BOOL that is faulty, and is no problem */
};

/* The same from text at hand. */
bool config_text_tree(const struct config_text *text, struct arena *arena, struct value *root,
                      struct config_problems *problems);

/* A file read, and not yet built: reading runs the file, which may take its whole second. */
struct config_tree {
  struct arena arena;
  struct value root;
  bool is_read;
};

void config_tree_init(struct config_tree *tree, const char *path, struct config_problems *problems);
void config_tree_fini(struct config_tree *tree);
/* problems: those that reading left. NULL with every problem as below; the tree may go then. */
struct config *config_tree_build(const struct config_tree *tree, const char *path,
                                 config_check *also, struct config_problems *problems);
/* Reads and builds. NULL with every problem, in the order of lines, when anything is wrong. also:
 * see config_build. */
struct config *config_file_load(const char *path, config_check *also,
                                struct config_problems *problems);
