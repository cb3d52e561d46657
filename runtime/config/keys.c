#include "config/keys.h"

#include <string.h>

#include "config/config.h"

#define DAY_MS 86400000
#define PRICE_MAX 1e18
#define PIECE_MAX 1e15

#define ANY .choices = NULL
#define RANGE(low, high) .min = (low), .max = (high)
#define CHOICES(list) .choices = list
#define SECTION(title, text) {.path = title, .section = text},
#define GROUP(where, kind, text) {.path = where, .type = kind, .note = text},
#define KEY(where, kind, owner, member, standard, bounds, text)                                    \
  {.path = where,                                                                                  \
   .type = kind,                                                                                   \
   .is_stored = true,                                                                              \
   .offset = offsetof(struct owner, member),                                                       \
   .fallback = standard,                                                                           \
   bounds,                                                                                         \
   .note = text},
#define PART(where, kind, standard, bounds, text)                                                  \
  {.path = where, .type = kind, .fallback = standard, bounds, .note = text},

static const struct key_row rows[] = {
#include "config/keys.def"
};

const struct key_row *key_rows(size_t *count) {
  *count = sizeof rows / sizeof *rows;
  return rows;
}

bool key_is_below(const struct key_row *row, const char *parent, struct slice *name) {
  size_t len = strlen(parent);
  if (row->section || strncmp(row->path, parent, len) != 0) return false;
  const char *rest = row->path + len;
  if (len && *rest++ != '.') return false;
  if (*rest == 0 || *rest == '*' || strchr(rest, '.')) return false;
  *name = slice_of(rest);
  return true;
}

const struct key_row *key_find(const char *parent, struct slice key) {
  struct slice name;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (key_is_below(&rows[i], parent, &name) && slice_equal(name, key)) return &rows[i];
  return NULL;
}

bool key_has_value(const struct key_row *row) {
  return row->fallback && row->fallback[0] != '(';
}

const char *key_type_text(enum key_type type) {
  switch (type) {
  case KEY_TABLE: return "a table of settings";
  case KEY_NAMED: return "a table of names";
  case KEY_ENTRIES: return "a list of tables";
  case KEY_TEXT:
  case KEY_SECRET: return "text";
  case KEY_BOOL: return "true or false";
  case KEY_COUNT:
  case KEY_COUNT_64: return "a whole number";
  case KEY_DURATION:
  case KEY_SECONDS: return "a duration: seconds, or text such as \"500ms\", \"5s\", \"2m\", \"1h\"";
  case KEY_SIZE: return "a size: bytes, or text such as \"64KiB\", \"20MiB\"";
  case KEY_PRICE: return "a price per million tokens";
  case KEY_PIECE: return "a price per piece";
  case KEY_FACTOR: return "a factor";
  case KEY_FILE: return "a file name";
  case KEY_FOLDER: return "a folder name";
  case KEY_PATH: return "a file name";
  case KEY_URL: return "a URL";
  case KEY_ADDRESSES: return "a list of addresses";
  case KEY_TEXTS: return "a list of text";
  case KEY_COUNTS: return "a list of whole numbers";
  case KEY_MAP: return "a table of names";
  case KEY_TARGETS: return "a list of targets";
  case KEY_STRATEGY: return "text or a table of settings";
  }
  return "a value";
}
