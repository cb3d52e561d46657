/* Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/ */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

#include "observe/log.h"
#include "observe/metric_family.h"

/* OpenTelemetry's advised bounds for generative AI: durations in seconds, and tokens. */
static const uint64_t seconds_bounds[METRIC_BOUNDS] = {
    1000000u,   5000000u,    10000000u,   25000000u,   50000000u,    100000000u,   250000000u,
    500000000u, 1000000000u, 2500000000u, 5000000000u, 10000000000u, 30000000000u, 80000000000u};
static const uint64_t token_bounds[METRIC_BOUNDS] = {
    1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864};

const uint64_t *metric_bounds(enum metric_type type) {
  return type == METRIC_TYPE_TOKENS ? token_bounds : seconds_bounds;
}

static void append_value(struct bytes *out, enum metric_type type, uint64_t value) {
  bool is_time = type == METRIC_TYPE_SECONDS || type == METRIC_TYPE_CPU_SECONDS;
  if (is_time)
    bytes_printf(out, "%llu.%09llu", (unsigned long long)(value / 1000000000u),
                 (unsigned long long)(value % 1000000000u));
  else
    bytes_append_u64(out, value);
}

static void append_escaped(struct bytes *out, struct slice text) {
  for (size_t i = 0; i < text.len; i++) {
    char c = text.data[i];
    if (c == '\\' || c == '"') bytes_append_byte(out, '\\');
    if (c == '\n')
      bytes_append_text(out, "\\n");
    else
      bytes_append_byte(out, c);
  }
}

/* "{a="x",b="y"" without the closing brace, so that a histogram can add its bound; empty without
 * labels. */
static void append_labels(struct bytes *out, const struct metric_series *s) {
  struct slice names = slice_of(s->family->labels);
  for (size_t i = 0; names.len; i++) {
    struct slice name = slice_cut(names, ',', &names);
    bytes_append_byte(out, i ? ',' : '{');
    bytes_append_slice(out, name);
    bytes_append_text(out, "=\"");
    append_escaped(out, s->values[i]);
    bytes_append_byte(out, '"');
  }
}

static void append_sample(struct bytes *out, const struct metric_series *s, const char *suffix,
                          uint64_t value) {
  bytes_append_text(out, s->family->name);
  bytes_append_text(out, suffix);
  append_labels(out, s);
  bytes_append_text(out, *s->family->labels ? "} " : " ");
  enum metric_type type = strcmp(suffix, "_count") == 0 ? METRIC_TYPE_COUNTER : s->family->type;
  append_value(out, type, value);
  bytes_append_byte(out, '\n');
}

static void append_bucket(struct bytes *out, const struct metric_series *s, size_t bucket,
                          uint64_t count) {
  bytes_append_text(out, s->family->name);
  bytes_append_text(out, "_bucket");
  append_labels(out, s);
  bytes_append_text(out, *s->family->labels ? ",le=\"" : "{le=\"");
  if (bucket == METRIC_BOUNDS)
    bytes_append_text(out, "+Inf");
  else
    append_value(out, s->family->type, metric_bounds(s->family->type)[bucket]);
  bytes_printf(out, "\"} %llu\n", (unsigned long long)count);
}

static void append_histogram(struct bytes *out, struct metric_series *s) {
  uint64_t count = 0;
  for (size_t i = 0; i <= METRIC_BOUNDS; i++) {
    count += metric_bucket(s, i);
    append_bucket(out, s, i, count);
  }
  append_sample(out, s, "_sum", metric_value(s));
  append_sample(out, s, "_count", count);
}

void metric_render_family(const struct metric_family *f, struct bytes *out) {
  static const char *const types[] = {"counter", "gauge", "histogram", "histogram", "counter"};
  if (!f->series) return;
  bytes_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, types[f->type]);
  bool is_histogram = f->type == METRIC_TYPE_SECONDS || f->type == METRIC_TYPE_TOKENS;
  for (struct metric_series *s = f->series; s; s = s->next) {
    if (is_histogram)
      append_histogram(out, s);
    else
      append_sample(out, s, "", metric_value(s));
  }
}

static uint64_t open_files(void) {
  uv_fs_t request;
  int count = uv_fs_scandir(NULL, &request, "/proc/self/fd", 0, NULL);
  uv_fs_req_cleanup(&request);
  return count > 0 ? (uint64_t)count : 0;
}

void metric_refresh_process(void) {
  size_t resident = 0;
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  uv_resident_set_memory(&resident);
  metric_set(metric_get(METRIC_RESIDENT, NULL), resident);
  metric_set(metric_get(METRIC_OPEN_FILES, NULL), open_files());
  uint64_t microseconds = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000u +
                          (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
  metric_set(metric_get(METRIC_CPU, NULL), microseconds * 1000u);
  metric_set(metric_get(METRIC_LOG_DROPPED, NULL), log_dropped_total());
}
