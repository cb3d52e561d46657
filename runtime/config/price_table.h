/* The price table: a JSON file that `gateyes prices import` writes and that keeps every version, so
 * that an old bill can be explained.
 *   { "format": 1, "versions": [ { "version": "2026-11-22.1", "from": "2026-11-22T10:00:00Z",
 *     "source": "models.json", "sha256": "…", "prices": { "openai/gpt-4o": { "input": 2.5,
 *     "output": 10, "cache_read": 1.25, "tiers": [ { "above": 200000, … } ] }, … } }, … ] }
 * Names and units are those of models.*.price. */
#pragma once
#include "config/config.h"

struct price_table {
  struct price_version {
    struct slice version, source, sha256;
    int64_t from_ms;
    struct slice prices; /* JSON object */
  } * versions;          /* by from_ms, rising */
  size_t count;
};

struct price_table *price_table_none(struct arena *arena); /* without a version */
/* NULL: one sentence is in problem. Everything lives in the arena. */
struct price_table *price_table_read(struct slice text, struct arena *arena, const char **problem);
struct price_table *price_table_load(const char *path, struct arena *arena, const char **problem);
/* One entry of `prices`; absent rates follow the rule of models.*.price. NULL when it is fine, else
 * what is wrong with it. */
const char *price_read(struct slice json, struct arena *arena, struct price *out);
/* Fills in the rates that were not given. has_… say which were. */
struct price_given {
  bool cache_read, cache_write_5m, cache_write_1h;
};
void price_complete(struct price_rates *rates, struct price_given given);
/* "2026-11-22" or "2026-11-22T10:00:00Z" to milliseconds since 1970. */
bool price_date(struct slice text, int64_t *out_ms);
