/* Runs gateyes.lua, and remembers what must never be printed. */
#pragma once
#include "config/config.h"

struct bundle; /* script/bundle.h */
struct lua_State;

struct config_secret {
  struct slice text;
  const char *problem; /* it stands for a variable or file that could not be read; else NULL */
  int line;            /* of the call */
  bool is_told;        /* the problem has been reported, with the place of its value */
  struct config_secret *next;
};

/* What env and secret_file reach for a tenant; neither shows what is the platform's. */
struct config_scope {
  struct slice tenant;
  struct slice secrets_folder; /* empty: no secret files */
  const struct bundle *bundle; /* whose own files file reads; NULL: none */
};

struct config_sandbox {
  struct lua_State *state;
  struct arena arena;
  const char *path;
  struct config_problems *problems;
  struct config_secret *secrets;
  const struct config_scope *scope; /* NULL: the operator's own file */
  size_t used_bytes;
  int faults;           /* variables and files that could not be read */
  uint64_t deadline_ns; /* processor time of this thread */
};

void config_sandbox_init(struct config_sandbox *s, const char *path,
                         struct config_problems *problems);
void config_sandbox_fini(struct config_sandbox *s);
/* Leaves the returned table on the stack; false with a problem. */
bool config_sandbox_run(struct config_sandbox *s, struct slice source);
/* Compares with all secrets: equal, or longer and holding one. NULL when it is none. */
struct config_secret *config_sandbox_secret(const struct config_sandbox *s, struct slice text);
/* Reports what stands at path, once. path may be empty: its value was not found. */
void config_secret_report(struct config_sandbox *s, struct config_secret *secret, const char *path);
/* Appends a plain file to out: NULL, or why that is impossible. */
const char *config_text_read(const char *path, size_t max_bytes, struct bytes *out);
