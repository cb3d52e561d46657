#include "upstream/health.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "observe/log.h"

enum { BUCKETS = 1024, FIRST_TOKEN_WEIGHT = 8, ERROR_WEIGHT = 16 };

struct health_target {
  struct health_target *next; /* in its bucket; written before the target is published */
  struct slice provider, model;
  atomic_uint in_flight, first_token_us, peak_token_us, error_permille;
  atomic_uint failures_in_row, ejections;
  atomic_uint_fast64_t sampled_ms; /* when the first token was measured last */
  atomic_uint_fast64_t cooling_until_ms, ejected_until_ms; /* 0: not */
  atomic_bool is_probing;
  struct provider_load *load; /* of its provider; NULL in the entry that stands for a provider */
  struct provider_load own;
};

struct health {
  uv_mutex_t lock; /* for adding; targets are never taken out */
  _Atomic(struct health_target *) buckets[BUCKETS];
  atomic_uint requests, retries, retry_percent, retry_min;
};

struct health *health_new(void) {
  struct health *h = must_calloc(1, sizeof *h);
  must(uv_mutex_init(&h->lock) == 0);
  return h;
}

void health_free(struct health *h) {
  for (size_t i = 0; i < BUCKETS; i++) {
    struct health_target *t = atomic_load(&h->buckets[i]);
    while (t) {
      struct health_target *next = t->next;
      free((char *)t->provider.data);
      free(t);
      t = next;
    }
  }
  uv_mutex_destroy(&h->lock);
  free(h);
}

void health_reload(struct health *h, const struct config *config) {
  atomic_store(&h->retry_percent, config->limits.retry_percent);
  atomic_store(&h->retry_min, config->limits.retry_min);
}

static size_t bucket_of(struct slice provider, struct slice model) { /* FNV-1a */
  uint64_t hash = 14695981039346656037u;
  for (size_t i = 0; i < provider.len; i++)
    hash = (hash ^ (unsigned char)provider.data[i]) * 1099511628211u;
  hash = (hash ^ '/') * 1099511628211u;
  for (size_t i = 0; i < model.len; i++)
    hash = (hash ^ (unsigned char)model.data[i]) * 1099511628211u;
  return hash % BUCKETS;
}

static struct health_target *find(struct health *h, size_t bucket, struct slice provider,
                                  struct slice model) {
  struct health_target *t = atomic_load_explicit(&h->buckets[bucket], memory_order_acquire);
  while (t && !(slice_equal(t->provider, provider) && slice_equal(t->model, model)))
    t = t->next;
  return t;
}

static struct health_target *target_new(struct slice provider, struct slice model) {
  struct health_target *t = must_calloc(1, sizeof *t);
  char *text = must_alloc(provider.len + model.len + 1);
  memcpy(text, provider.data, provider.len);
  memcpy(text + provider.len, model.data, model.len);
  t->provider = (struct slice){text, provider.len};
  t->model = (struct slice){text + provider.len, model.len};
  load_init(&t->own);
  return t;
}

static struct health_target *target_get(struct health *h, struct slice provider,
                                        struct slice model) {
  size_t bucket = bucket_of(provider, model);
  struct health_target *t = find(h, bucket, provider, model);
  struct provider_load *load = NULL;
  if (t) return t;
  if (model.len) load = &target_get(h, provider, SLICE(""))->own;
  uv_mutex_lock(&h->lock);
  t = find(h, bucket, provider, model);
  if (!t) {
    t = target_new(provider, model);
    t->load = load;
    t->next = atomic_load(&h->buckets[bucket]);
    atomic_store_explicit(&h->buckets[bucket], t, memory_order_release);
  }
  uv_mutex_unlock(&h->lock);
  return t;
}

struct health_target *health_target_get(struct health *h, struct slice provider,
                                        struct slice model) {
  must(model.len > 0);
  return target_get(h, provider, model);
}

/* An entry without a model's name stands for the provider. */
struct provider_load *health_load_get(struct health *h, struct slice provider) {
  return &target_get(h, provider, SLICE(""))->own;
}

struct provider_load *health_load_of(const struct health_target *t) {
  return t->load;
}

static uint64_t left(uint64_t until_ms, uint64_t now_ms) {
  return until_ms > now_ms ? until_ms - now_ms : 0;
}

bool health_usable(const struct health_target *t, uint64_t now_ms) {
  if (atomic_load(&t->load->is_down)) return false;
  if (left(atomic_load(&t->cooling_until_ms), now_ms)) return false;
  uint64_t ejected = atomic_load(&t->ejected_until_ms);
  return !ejected || (now_ms >= ejected && !atomic_load(&t->is_probing));
}

static bool take_probe(struct health_target *t) {
  bool free_now = false;
  return atomic_compare_exchange_strong(&t->is_probing, &free_now, true);
}

bool health_enter(struct health_visit *v, struct health_target *t, uint64_t now_ms, bool is_panic) {
  bool is_probe = false;
  if (!is_panic && left(atomic_load(&t->cooling_until_ms), now_ms)) return false;
  if (atomic_load(&t->ejected_until_ms)) {
    is_probe = now_ms >= atomic_load(&t->ejected_until_ms) && take_probe(t);
    /* Between the two looks another's probe may have failed and ejected the target again. */
    if (is_probe && now_ms < atomic_load(&t->ejected_until_ms)) {
      atomic_store(&t->is_probing, false);
      is_probe = false;
    }
    if (!is_probe && !is_panic && atomic_load(&t->ejected_until_ms)) return false;
  }
  atomic_fetch_add(&t->in_flight, 1);
  *v = (struct health_visit){t, is_probe};
  return true;
}

static void average(atomic_uint *value, uint32_t sample, uint32_t weight) {
  unsigned old = atomic_load(value), next;
  do {
    int64_t step = ((int64_t)sample - (int64_t)old) / (int64_t)weight;
    if (step == 0 && sample != old) step = sample > old ? 1 : -1;
    next = (unsigned)((int64_t)old + step);
  } while (!atomic_compare_exchange_weak(value, &old, next));
}

static void eject(struct health_target *t, uint64_t now_ms, enum failure_kind kind) {
  uint64_t ms = (uint64_t)(atomic_fetch_add(&t->ejections, 1) + 1) * EJECT_STEP_MS;
  if (ms > EJECT_MAX_MS) ms = EJECT_MAX_MS;
  atomic_store(&t->ejected_until_ms, now_ms + ms);
  log_process(LOG_WARN, "target %.*s/%.*s: set aside for %u s, %u failures in a row, the last: %s",
              (int)t->provider.len, t->provider.data, (int)t->model.len, t->model.data,
              (unsigned)(ms / 1000), atomic_load(&t->failures_in_row), failure_info(kind)->label);
}

static void on_success(struct health_target *t) {
  atomic_store(&t->failures_in_row, 0);
  if (!atomic_load(&t->ejected_until_ms)) return;
  atomic_store(&t->ejections, 0);
  if (atomic_exchange(&t->ejected_until_ms, 0))
    log_process(LOG_INFO, "target %.*s/%.*s: answers again", (int)t->provider.len, t->provider.data,
                (int)t->model.len, t->model.data);
}

/* While a target is ejected only its probe counts: what began before tells nothing new. */
static void on_failure(struct health_target *t, uint64_t now_ms, enum failure_kind kind,
                       bool is_probe) {
  unsigned row = atomic_fetch_add(&t->failures_in_row, 1) + 1;
  uint_fast64_t none = 0;
  if (is_probe ||
      (row >= EJECT_AFTER && atomic_compare_exchange_strong(&t->ejected_until_ms, &none, 1)))
    eject(t, now_ms, kind);
}

void health_leave(struct health_visit *v, uint64_t now_ms, enum failure_kind kind) {
  struct health_target *t = v->target;
  atomic_fetch_sub(&t->in_flight, 1);
  if (kind == FAILURE_NONE)
    on_success(t);
  else if (failure_info(kind)->trips_breaker)
    on_failure(t, now_ms, kind, v->is_probe);
  if (kind == FAILURE_NONE || failure_info(kind)->trips_breaker)
    average(&t->error_permille, kind == FAILURE_NONE ? 0 : 1000, ERROR_WEIGHT);
  if (v->is_probe) atomic_store(&t->is_probing, false);
  v->target = NULL;
}

void health_alive(struct health_visit *v) {
  /* Not a success yet: streams that always break after their first word are failures in a row. */
  if (atomic_load(&v->target->ejected_until_ms)) on_success(v->target);
  if (v->is_probe) atomic_store(&v->target->is_probing, false);
  v->is_probe = false;
}

void health_cool(struct health_target *t, uint64_t now_ms, uint64_t wait_ms) {
  uint_fast64_t old = atomic_load(&t->cooling_until_ms), until = now_ms + wait_ms;
  while (until > old && !atomic_compare_exchange_weak(&t->cooling_until_ms, &old, until))
    continue;
}

/* A target that nobody asks, since it was slow once, is asked again some time later. */
static uint32_t faded(const struct health_target *t, uint64_t now_ms) {
  enum { HALF_MS = 5000, HALVES_MAX = 31 };
  uint64_t sampled_ms = atomic_load(&t->sampled_ms), peak = atomic_load(&t->peak_token_us);
  uint64_t idle_ms = now_ms > sampled_ms ? now_ms - sampled_ms : 0;
  uint64_t halves = idle_ms / HALF_MS;
  if (peak == 0) return 0;
  peak >>= halves < HALVES_MAX ? halves : HALVES_MAX;
  peak -= peak * (idle_ms % HALF_MS) / (2 * HALF_MS);
  return peak ? (uint32_t)peak : 1;
}

void health_first_token(struct health_target *t, uint64_t now_ms, uint64_t after_us) {
  uint32_t sample = after_us > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)after_us;
  if (sample == 0) sample = 1;
  unsigned none = 0;
  if (!atomic_compare_exchange_strong(&t->first_token_us, &none, sample))
    average(&t->first_token_us, sample, FIRST_TOKEN_WEIGHT);
  /* Up at once, down slowly: Finagle's "peak EWMA", where a target that stalls is left at once. A
   * sample of another worker that falls between is lost, which the next one makes good. */
  uint32_t peak = faded(t, now_ms);
  uint32_t step = peak > sample ? (peak - sample) / FIRST_TOKEN_WEIGHT : 0;
  atomic_store(&t->peak_token_us, peak > sample ? peak - step : sample);
  atomic_store(&t->sampled_ms, now_ms);
}

struct health_view health_view(const struct health_target *t, uint64_t now_ms) {
  return (struct health_view){
      .provider = t->provider,
      .model = t->model,
      .in_flight = atomic_load(&t->in_flight),
      .first_token_us = atomic_load(&t->first_token_us),
      .peak_token_us = faded(t, now_ms),
      .error_permille = atomic_load(&t->error_permille),
      .failures_in_row = atomic_load(&t->failures_in_row),
      .ejections = atomic_load(&t->ejections),
      .cooling_ms = left(atomic_load(&t->cooling_until_ms), now_ms),
      .ejected_ms = left(atomic_load(&t->ejected_until_ms), now_ms),
      .is_probing = atomic_load(&t->is_probing),
  };
}

void health_each(struct health *h, uint64_t now_ms,
                 void (*on_target)(const struct health_view *view, void *context), void *context) {
  for (size_t i = 0; i < BUCKETS; i++)
    for (struct health_target *t = atomic_load(&h->buckets[i]); t; t = t->next) {
      if (!t->load) continue;
      struct health_view view = health_view(t, now_ms);
      on_target(&view, context);
    }
}

void health_request_begin(struct health *h) {
  atomic_fetch_add(&h->requests, 1);
}

void health_request_end(struct health *h) {
  must(atomic_fetch_sub(&h->requests, 1) > 0);
}

bool health_retry_begin(struct health *h) {
  uint64_t share = (uint64_t)atomic_load(&h->requests) * atomic_load(&h->retry_percent) / 100;
  unsigned allowed = atomic_load(&h->retry_min), retries = atomic_load(&h->retries);
  if (share > allowed) allowed = (unsigned)share;
  do {
    if (retries >= allowed) return false;
  } while (!atomic_compare_exchange_weak(&h->retries, &retries, retries + 1));
  return true;
}

void health_retry_end(struct health *h) {
  must(atomic_fetch_sub(&h->retries, 1) > 0);
}
