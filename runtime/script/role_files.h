/* Files of roles: Lua that returns a table, read as the configuration is. */
#pragma once
#include "base/value.h"
#include "script/bundle.h"

struct role_found {
  struct slice name;        /* of the file, without .lua */
  const char *file;         /* in problems */
  struct slice text;        /* of the whole file */
  const struct value *root; /* a function in it is a VALUE_BOOL that is faulty */
};

struct role_sink {
  void (*on_role)(void *context, const struct role_found *role);
  void *context;
};

/* Every file of that layer of b whose path is folder and a name: folder "rbac/" or "". Nothing in
 * them reaches the environment or files. Values live for the call. */
void role_files_read(const struct bundle *b, struct slice folder, const struct role_sink *sink,
                     struct config_problems *problems);
