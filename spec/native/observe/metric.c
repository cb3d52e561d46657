#include "observe/metric.h"

#include <pthread.h>

#include "check.h"

static struct bytes render(void) {
  struct bytes out;
  bytes_init(&out);
  metric_render(&out);
  bytes_append_byte(&out, 0);
  return out;
}

static bool shows(const char *line) {
  struct bytes out = render();
  const char *at = strstr(out.data, line);
  bool found = at && (at == out.data || at[-1] == '\n') && at[strlen(line)] == '\n';
  if (!found) fprintf(stderr, "missing: %s\n", line);
  bytes_fini(&out);
  return found;
}

static struct metric_series *requests(const char *model, const char *status) {
  struct slice labels[] = {slice_of(model), SLICE("p"), SLICE("chat"), slice_of(status)};
  return metric_get(METRIC_REQUESTS, labels);
}

static void test_counters(void) {
  metric_add(requests("m", "200"), 2);
  metric_add(requests("m", "200"), 1);
  metric_add(requests("m", "429"), 1);
  CHECK(requests("m", "200") == requests("m", "200"));
  CHECK(requests("m", "200") != requests("m", "429"));
  CHECK(shows(
      "gateyes_requests_total{model=\"m\",provider=\"p\",dialect=\"chat\",status=\"200\"} 3"));
  CHECK(shows(
      "gateyes_requests_total{model=\"m\",provider=\"p\",dialect=\"chat\",status=\"429\"} 1"));
  CHECK(shows("# TYPE gateyes_requests_total counter"));
  metric_add(requests("a\"b\\c\nd", "200"), 1);
  CHECK(shows("gateyes_requests_total{model=\"a\\\"b\\\\c\\nd\",provider=\"p\",dialect=\"chat\","
              "status=\"200\"} 1"));
  struct metric_series *active = metric_get(METRIC_ACTIVE, NULL);
  metric_add(active, 5);
  metric_subtract(active, 2);
  CHECK(shows("gateyes_active_requests 3") && shows("# TYPE gateyes_active_requests gauge"));
  metric_config_reload(true, 7);
  CHECK(shows("gateyes_config_version 7"));
  CHECK(shows("gateyes_config_reloads_total{result=\"ok\"} 1"));
}

#define OVERHEAD(rest) "gateyes_overhead_seconds" rest

static void test_histogram(void) {
  struct slice dialect = SLICE("chat");
  struct metric_series *s = metric_get(METRIC_OVERHEAD, &dialect);
  metric_observe(s, 1000000);       /* on a bound: inside */
  metric_observe(s, 1000001);       /* just above it */
  metric_observe(s, 200000000000u); /* beyond the last */
  CHECK(shows(OVERHEAD("_bucket{dialect=\"chat\",le=\"0.001000000\"} 1")));
  CHECK(shows(OVERHEAD("_bucket{dialect=\"chat\",le=\"0.005000000\"} 2")));
  CHECK(shows(OVERHEAD("_bucket{dialect=\"chat\",le=\"80.000000000\"} 2")));
  CHECK(shows(OVERHEAD("_bucket{dialect=\"chat\",le=\"+Inf\"} 3")));
  CHECK(shows(OVERHEAD("_sum{dialect=\"chat\"} 200.002000001")));
  CHECK(shows(OVERHEAD("_count{dialect=\"chat\"} 3")));
}

/* Labels that never end (a client inventing names) fill the family, then share one series. */
static void test_cap(void) {
  struct metric_series *shared = NULL;
  for (int i = 0; i < 5000; i++) {
    char name[32];
    snprintf(name, sizeof name, "model-%d", i);
    struct slice labels[] = {slice_of(name), SLICE("p")};
    struct metric_series *s = metric_get(METRIC_COST, labels);
    metric_add(s, 1);
    if (i > 4000 && shared) CHECK(s == shared);
    if (i > 4000) shared = s;
  }
  CHECK(shows("gateyes_cost_nanousd_total{model=\"model-0\",provider=\"p\"} 1"));
  CHECK(shows("gateyes_cost_nanousd_total{model=\"other\",provider=\"other\"} 3000"));
}

enum { THREADS = 48 }; /* with a place of their own and, as there are not that many, without */

static void *count_up(void *index) {
  struct slice dialect = SLICE("messages");
  if (*(int *)index % 4) metric_thread_begin();
  metric_add(metric_get(METRIC_ACTIVE, NULL), 10); /* another thread takes it off again */
  for (int i = 0; i < 2000; i++) {
    struct slice labels[] = {SLICE("gpu"), i % 2 ? SLICE("ok") : SLICE("failed")};
    metric_add(metric_get(METRIC_ATTEMPTS, labels), 1);
    metric_observe(metric_get(METRIC_OVERHEAD, &dialect), i % 2 ? 1000000 : 200000000000u);
  }
  return index;
}

static void test_threads(void) {
  pthread_t threads[THREADS];
  int indexes[THREADS];
  for (int i = 0; i < THREADS; i++) {
    indexes[i] = i;
    CHECK(pthread_create(&threads[i], NULL, count_up, &indexes[i]) == 0);
  }
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  metric_thread_begin();
  metric_subtract(metric_get(METRIC_ACTIVE, NULL), 10 * THREADS - 1);
  CHECK(shows("gateyes_upstream_attempts_total{provider=\"gpu\",outcome=\"ok\"} 48000"));
  CHECK(shows("gateyes_upstream_attempts_total{provider=\"gpu\",outcome=\"failed\"} 48000"));
  CHECK(shows("gateyes_active_requests 4")); /* 3 of before */
  metric_set(metric_get(METRIC_ACTIVE, NULL), 2);
  CHECK(shows("gateyes_active_requests 2"));
  metric_add(metric_get(METRIC_ACTIVE, NULL), 5);
  CHECK(shows("gateyes_active_requests 7"));
  CHECK(shows(OVERHEAD("_bucket{dialect=\"messages\",le=\"0.001000000\"} 48000")));
  CHECK(shows(OVERHEAD("_count{dialect=\"messages\"} 96000")));
  CHECK(shows(OVERHEAD("_sum{dialect=\"messages\"} 9600048.000000000")));
}

/* With a file name: writes what it renders, for promtool check metrics. */
int main(int count, char **arguments) {
  test_counters();
  test_histogram();
  test_cap();
  test_threads();
  CHECK(shows("# TYPE process_cpu_seconds_total counter"));
  if (count > 1) {
    struct bytes out = render();
    FILE *file = fopen(arguments[1], "w");
    must(file);
    fwrite(out.data, 1, out.len - 1, file);
    fclose(file);
    bytes_fini(&out);
  }
  return checks_end();
}
