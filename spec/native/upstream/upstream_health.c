/* The health table: cooling, ejection, the single probe, averages, the retry budget. */
#include <pthread.h>

#include "check.h"
#include "upstream/health.h"

static struct health *h;

static void attempt(struct health_target *t, uint64_t now_ms, enum failure_kind kind) {
  struct health_visit v;
  CHECK(health_enter(&v, t, now_ms, false));
  CHECK(health_view(t, now_ms).in_flight == 1);
  health_leave(&v, now_ms, kind);
  CHECK(health_view(t, now_ms).in_flight == 0);
}

static void test_identity(void) {
  struct health_target *a = health_target_get(h, SLICE("gpu"), SLICE("llama"));
  CHECK(a == health_target_get(h, SLICE("gpu"), SLICE("llama")));
  CHECK(a != health_target_get(h, SLICE("gp"), SLICE("ullama")));
  CHECK(a != health_target_get(h, SLICE("gpu"), SLICE("llama2")));
  CHECK_TEXT(health_view(a, 0).provider, "gpu");
  CHECK_TEXT(health_view(a, 0).model, "llama");
}

static void test_ejection(void) {
  struct health_target *t = health_target_get(h, SLICE("gpu"), SLICE("ejected"));
  uint64_t now = 1000;
  for (int i = 0; i < 4; i++)
    attempt(t, now, FAILURE_UPSTREAM_ERROR);
  attempt(t, now, FAILURE_NONE); /* a success starts the count again */
  for (int i = 0; i < 4; i++)
    attempt(t, now, FAILURE_UPSTREAM_CONNECT);
  attempt(t, now, FAILURE_UPSTREAM_CLIENT); /* says nothing about the target */
  attempt(t, now, FAILURE_CLIENT_GONE);
  attempt(t, now, FAILURE_UPSTREAM_LIMITED);
  CHECK(health_usable(t, now));
  attempt(t, now, FAILURE_UPSTREAM_HEAD_TIMEOUT);
  CHECK(!health_usable(t, now) && health_view(t, now).ejected_ms == EJECT_STEP_MS);

  struct health_visit probe, other;
  CHECK(!health_enter(&other, t, now + EJECT_STEP_MS - 1, false));
  for (uint64_t round = 2; round < 14; round++) { /* the probe fails: longer each time, to a cap */
    now += health_view(t, now).ejected_ms;
    CHECK(health_usable(t, now));
    CHECK(health_enter(&probe, t, now, false) && probe.is_probe);
    CHECK(!health_usable(t, now) && !health_enter(&other, t, now, false));
    health_leave(&probe, now, FAILURE_UPSTREAM_CUT);
    uint64_t want = round * EJECT_STEP_MS < EJECT_MAX_MS ? round * EJECT_STEP_MS : EJECT_MAX_MS;
    CHECK(health_view(t, now).ejected_ms == want);
  }
  now += EJECT_MAX_MS;
  CHECK(health_enter(&probe, t, now, false) && probe.is_probe);
  health_leave(&probe, now, FAILURE_CLIENT_GONE); /* no verdict: the next one probes */
  CHECK(health_enter(&probe, t, now, false) && probe.is_probe);
  health_leave(&probe, now, FAILURE_NONE);
  CHECK(health_usable(t, now) && health_view(t, now).ejections == 0);
  attempt(t, now, FAILURE_UPSTREAM_ERROR);
  CHECK(health_usable(t, now));
}

static void test_panic(void) {
  struct health_target *t = health_target_get(h, SLICE("gpu"), SLICE("panic"));
  struct health_visit v;
  for (int i = 0; i < EJECT_AFTER; i++)
    attempt(t, 5, FAILURE_UPSTREAM_ERROR);
  CHECK(!health_enter(&v, t, 6, false));
  CHECK(health_enter(&v, t, 6, true) && !v.is_probe);
  health_leave(&v, 6, FAILURE_UPSTREAM_ERROR);
  CHECK(health_view(t, 6).ejections == 1); /* only a probe's failure prolongs it */
  CHECK(health_enter(&v, t, 7, true));
  health_leave(&v, 7, FAILURE_NONE);
  CHECK(health_usable(t, 7));
}

/* A stream that is the probe frees its target with its first content, not at its end. */
static void test_alive(void) {
  struct health_target *t = health_target_get(h, SLICE("gpu"), SLICE("alive"));
  struct health_visit probe;
  for (int i = 0; i < EJECT_AFTER; i++)
    attempt(t, 0, FAILURE_UPSTREAM_ERROR);
  CHECK(health_enter(&probe, t, EJECT_STEP_MS, false) && probe.is_probe);
  CHECK(!health_usable(t, EJECT_STEP_MS));
  health_alive(&probe);
  CHECK(health_usable(t, EJECT_STEP_MS) && health_view(t, 0).in_flight == 1);
  health_leave(&probe, EJECT_STEP_MS, FAILURE_UPSTREAM_CUT); /* one failure, not a failed probe */
  CHECK(health_usable(t, EJECT_STEP_MS));
}

static void test_cooling(void) {
  struct health_target *t = health_target_get(h, SLICE("gpu"), SLICE("cooled"));
  struct health_visit v;
  health_cool(t, 1000, 3000);
  health_cool(t, 1000, 10);
  CHECK(!health_usable(t, 3999) && !health_enter(&v, t, 3999, false));
  CHECK(health_view(t, 2000).cooling_ms == 2000);
  CHECK(health_usable(t, 4000));
  attempt(t, 4000, FAILURE_NONE);
}

static void test_averages(void) {
  struct health_target *t = health_target_get(h, SLICE("gpu"), SLICE("measured"));
  CHECK(health_view(t, 0).first_token_us == 0);
  health_first_token(t, 0, 80000);
  CHECK(health_view(t, 0).first_token_us == 80000);
  for (int i = 0; i < 100; i++)
    health_first_token(t, 0, 200000);
  CHECK(health_view(t, 0).first_token_us > 199000);
  health_first_token(t, 0, 900000);
  CHECK(health_view(t, 0).peak_token_us == 900000);
  CHECK(health_view(t, 0).first_token_us < 300000);
  health_first_token(t, 0, 100000);
  CHECK(health_view(t, 0).peak_token_us == 800000);
  CHECK(health_view(t, 2500).peak_token_us == 600000);
  CHECK(health_view(t, 10000).peak_token_us == 200000);
  CHECK(health_view(t, 3600000).peak_token_us == 1);
  health_first_token(t, 10000, 120000);
  CHECK(health_view(t, 10000).peak_token_us == 190000);
  for (int i = 0; i < 200; i++)
    attempt(t, 0, i % 2 ? FAILURE_NONE : FAILURE_UPSTREAM_ERROR);
  CHECK(health_view(t, 0).error_permille > 400 && health_view(t, 0).error_permille < 600);
}

static void test_retry_budget(void) {
  struct config config = {.limits = {.retry_percent = 20, .retry_min = 3}};
  health_reload(h, &config);
  for (int i = 0; i < 3; i++)
    CHECK(health_retry_begin(h));
  CHECK(!health_retry_begin(h));
  for (int i = 0; i < 50; i++)
    health_request_begin(h);
  for (int i = 0; i < 7; i++)
    CHECK(health_retry_begin(h));
  CHECK(!health_retry_begin(h));
  for (int i = 0; i < 50; i++)
    health_request_end(h);
  for (int i = 0; i < 10; i++)
    health_retry_end(h);
  CHECK(health_retry_begin(h));
  health_retry_end(h);
}

/* Many threads, one ejected target: per round exactly one of them is the probe. */
enum { THREADS = 4, ROUNDS = 200 };
static pthread_barrier_t gather;
static atomic_int probes;

static void *race(void *context) {
  struct health_target *t = context;
  for (uint64_t round = 1; round <= ROUNDS; round++) {
    struct health_visit v = {0};
    pthread_barrier_wait(&gather);
    bool entered = health_enter(&v, t, round * EJECT_MAX_MS, false);
    if (entered) CHECK(v.is_probe);
    if (entered) atomic_fetch_add(&probes, 1);
    pthread_barrier_wait(&gather);
    if (entered) health_leave(&v, round * EJECT_MAX_MS, FAILURE_UPSTREAM_ERROR);
    pthread_barrier_wait(&gather);
  }
  return NULL;
}

static void test_one_probe(void) {
  struct health_target *t = health_target_get(h, SLICE("gpu"), SLICE("raced"));
  pthread_t threads[THREADS];
  for (int i = 0; i < EJECT_AFTER; i++)
    attempt(t, 0, FAILURE_UPSTREAM_ERROR);
  pthread_barrier_init(&gather, NULL, THREADS);
  for (int i = 0; i < THREADS; i++)
    pthread_create(&threads[i], NULL, race, t);
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  CHECK(atomic_load(&probes) == ROUNDS);
  pthread_barrier_destroy(&gather);
}

static void count_one(const struct health_view *view, void *context) {
  CHECK_TEXT(view->provider.len == 3 ? view->provider : SLICE("gpu"), "gpu");
  ++*(int *)context;
}

int main(void) {
  int count = 0;
  h = health_new();
  test_identity();
  test_ejection();
  test_panic();
  test_alive();
  test_cooling();
  test_averages();
  test_retry_budget();
  test_one_probe();
  health_each(h, 0, count_one, &count);
  CHECK(count == 9);
  health_free(h);
  return checks_end();
}
