/* Inside of the metrics, for the files of this folder only. */
#pragma once
#include <stdatomic.h>

#include "observe/metric.h"

enum metric_type {
  METRIC_TYPE_COUNTER,
  METRIC_TYPE_GAUGE,
  METRIC_TYPE_SECONDS,
  METRIC_TYPE_TOKENS,
  METRIC_TYPE_CPU_SECONDS
};

enum { METRIC_BOUNDS = 14, METRIC_SERIES_MAX = 2000 };

enum { METRIC_OWN_CELLS = 32 };

struct metric_cell {
  atomic_uint_fast64_t value; /* a histogram's sum */
  atomic_uint_fast64_t buckets[METRIC_BOUNDS + 1];
};

/* What a series counts is the sum of its cells. */
struct metric_series {
  struct metric_family *family;
  struct metric_series *next;
  struct slice values[METRIC_LABELS_MAX];
  struct metric_cell shared;                           /* of all threads without a place */
  _Atomic(struct metric_cell *) own[METRIC_OWN_CELLS]; /* each by one thread only; NULL: unused */
};

struct metric_family {
  const char *name;
  enum metric_type type;
  const char *labels; /* names with commas between */
  const char *help;
  struct metric_series *series;
  size_t series_count;
};

size_t metric_label_count(const struct metric_family *f);
const uint64_t *metric_bounds(enum metric_type type); /* METRIC_BOUNDS upper bounds, rising */
uint64_t metric_value(const struct metric_series *s);
uint64_t metric_bucket(const struct metric_series *s, size_t bucket);
void metric_refresh_process(void);
void metric_render_family(const struct metric_family *f, struct bytes *out);
