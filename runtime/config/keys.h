/* The table of every configuration key: what it is called, holds, defaults to and may be. It drives
 * validation, defaults and the reference page. */
#pragma once
#include "base/bytes.h"

enum key_type {
  KEY_TABLE,   /* fixed names inside */
  KEY_NAMED,   /* a table per name that the operator chooses */
  KEY_ENTRIES, /* a list of tables */
  KEY_TEXT,
  KEY_SECRET, /* text that is never printed */
  KEY_BOOL,
  KEY_COUNT,    /* uint32_t */
  KEY_COUNT_64, /* uint64_t */
  KEY_DURATION, /* uint32_t, milliseconds */
  KEY_SECONDS,  /* uint32_t, seconds */
  KEY_SIZE,     /* size_t */
  KEY_PRICE,    /* uint64_t, nano-units per million tokens */
  KEY_PIECE,    /* uint64_t, nano-units per piece */
  KEY_FACTOR,   /* uint32_t, millionths */
  KEY_FILE,     /* const char *, readable, resolved */
  KEY_FOLDER,   /* slice, readable, resolved */
  KEY_PATH,     /* slice, resolved; need not exist */
  KEY_URL,
  KEY_ADDRESSES,
  KEY_TEXTS,
  KEY_COUNTS, /* a list of whole numbers */
  KEY_MAP,
  KEY_TARGETS,
  KEY_STRATEGY,
};

struct key_row {
  const char *path;
  enum key_type type;
  bool is_stored; /* by the walk, at offset of the struct that the path's owner is built into */
  size_t offset;
  const char *fallback; /* NULL: none; "(…)": a rule in words */
  double min, max;      /* stored units; min == max: no bounds */
  const char *choices;  /* "a|b", or NULL */
  const char *note;     /* one sentence */
  const char *section;  /* not NULL: this row is a heading and path is its title */
};

const struct key_row *key_rows(size_t *count);
/* The row of `key` directly below the pattern `parent` ("" for the root), or NULL. */
const struct key_row *key_find(const char *parent, struct slice key);
/* True when row lies directly below the pattern `parent`; *name is then its last part. */
bool key_is_below(const struct key_row *row, const char *parent, struct slice *name);
bool key_has_value(const struct key_row *row); /* its fallback is a value, not a rule */
const char *key_type_text(enum key_type type); /* "a duration such as …" */
