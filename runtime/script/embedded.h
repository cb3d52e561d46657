/* The Lua files that ship inside the binary; a row without a name ends the table. */
#pragma once

struct embedded_file {
  const char *name; /* "dialects/chat.lua" */
  const char *start, *end;
};

const struct embedded_file *embedded_files(void);
