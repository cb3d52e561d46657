/* Counters, gauges and histograms of the process (metrics.def), shown in Prometheus' text format
 * 0.0.4. Changing one is a relaxed atomic, or less where the thread counts for itself; finding one
 * is a hash in the thread's own cache. */
#pragma once
#include "base/bytes.h"

enum metric {
#define METRIC(name, ...) METRIC_##name,
#include "observe/metrics.def"
#undef METRIC
  METRIC_COUNT
};

enum { METRIC_LABELS_MAX = 4 };

struct metric_series; /* lives as long as the process */

/* For a thread that counts much: from now on it adds to cells that no other thread writes, so that
 * cores do not fight for them. Its counts outlive it. */
void metric_thread_begin(void);
/* values: one for each label of the family, in its order. A family that holds too many series
 * answers with the one whose labels all read "other". */
struct metric_series *metric_get(enum metric family, const struct slice *values);
void metric_add(struct metric_series *s, uint64_t amount);
void metric_subtract(struct metric_series *s, uint64_t amount); /* gauges */
void metric_set(struct metric_series *s, uint64_t value);
void metric_observe(struct metric_series *s, uint64_t value); /* nanoseconds, or tokens */
void metric_config_reload(bool fine, uint64_t version);
void metric_render(struct bytes *out);
