/* Writes a gateyes.lua, loads it, and compares every problem word for word. */
#pragma once
#include <unistd.h>

#include "check.h"
#include "script/config_file.h"

static char config_folder[] = "/tmp/gateyes-config-XXXXXX";
static char config_path[64];

static inline void write_beside(const char *name, const char *text, size_t len) {
  char path[128];
  snprintf(path, sizeof path, "%s/%s", config_folder, name);
  FILE *f = fopen(path, "w");
  CHECK(f && fwrite(text, 1, len, f) == len && fclose(f) == 0);
}

static inline void kit_init(void) {
  CHECK(mkdtemp(config_folder) != NULL);
  snprintf(config_path, sizeof config_path, "%s/gateyes.lua", config_folder);
}

static inline int kit_end(void) {
  char command[64];
  snprintf(command, sizeof command, "rm -r %s", config_folder);
  CHECK(system(command) == 0);
  return checks_end();
}

static inline struct config *load_bytes(const char *text, size_t len, struct config_problems *p) {
  write_beside("gateyes.lua", text, len);
  config_problems_init(p);
  return config_file_load(config_path, NULL, p);
}

static inline void print_problems(const struct config_problems *p) {
  for (size_t i = 0; i < p->count; i++)
    fprintf(stderr, "  %s\n", p->items[i]);
}

/* Problems as they are written, without "<folder>/gateyes.lua:" in front; NULL ends wanted. */
static inline void check_refused(int line, const char *text, const char *const *wanted) {
  struct config_problems p;
  struct config *c = load_bytes(text, strlen(text), &p);
  size_t i = 0, prefix = strlen(config_path) + 1;
  bool is_same = c == NULL;
  for (; wanted[i] && i < p.count; i++)
    is_same = is_same && strncmp(p.items[i], config_path, prefix - 1) == 0 &&
              strcmp(p.items[i] + prefix, wanted[i]) == 0;
  if (!is_same || wanted[i] || i != p.count) {
    fprintf(stderr, "line %d: not the problems that were wanted:\n", line);
    print_problems(&p);
    checks_failed++;
  }
  config_unref(c);
  config_problems_fini(&p);
}

#define REFUSED(text, ...) check_refused(__LINE__, text, (const char *const[]){__VA_ARGS__, NULL})

static inline struct config *accepted(const char *text) {
  struct config_problems p;
  struct config *c = load_bytes(text, strlen(text), &p);
  print_problems(&p);
  CHECK(c != NULL);
  config_problems_fini(&p);
  if (!c) exit(1);
  return c;
}

/* Problems that name the folder, which is only known at run time; eight live at a time. */
static inline const char *beside(const char *before, const char *name, const char *after) {
  static char texts[8][256];
  static size_t at;
  char *text = texts[at++ % 8];
  snprintf(text, sizeof texts[0], "%s%s/%s%s", before, config_folder, name, after);
  return text;
}

#define CANNOT_READ(where, name)                                                                   \
  beside(where ": cannot read file ", name, "; check that it exists and may be read")
#define CANNOT_READ_FOLDER(where, name)                                                            \
  beside(where ": cannot read folder ", name, "; check that it exists and may be read")
#define SECRET_FILE(where, name, why, meant)                                                       \
  beside(where ": secret file ", name,                                                             \
         " cannot be read (" why ")" meant "; check that it is there and may be read")
