/* Prices from a file as models.dev publishes it: providers with models with a `cost` in dollars per
 * million tokens. See price_table.h for what becomes of them. */
#pragma once
#include "config/price_table.h"

struct price_import {
  size_t taken, without_cost, free; /* models */
  struct bytes refused;             /* one line for each that cannot be taken */
  struct bytes prices;              /* JSON object: `prices` of a version */
};

void price_import_init(struct price_import *i);
void price_import_fini(struct price_import *i);
/* False: text is no such file; *problem says so. Models whose input and output cost 0 are left out
 * unless take_free: in such lists 0 mostly stands for "nobody knows". */
bool price_import_read(struct price_import *i, struct slice text, bool take_free,
                       const char **problem);

struct price_import_version {
  struct slice version, source;
  int64_t from_ms;
  struct slice sha256; /* of the source, in hexadecimal */
};
/* The whole table with the new version behind the old ones (NULL: none), as it is to be written. */
void price_table_write(const struct price_table *old, const struct price_import_version *v,
                       struct slice prices, struct bytes *out);
/* Whole or not at all, also when the machine stops in between. False: errno. */
bool price_table_save(const char *path, struct slice text);
/* "2026-11-22.1": the day of from_ms and the first number that no version has. */
void price_version_name(const struct price_table *old, int64_t from_ms, struct bytes *out);
