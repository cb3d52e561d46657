#include "observe/metric.h"

#include <stdatomic.h>
#include <string.h>
#include <uv.h>

#include "base/clock.h"
#include "observe/metric_family.h"

enum { CACHE_SLOTS = 1024 };

static struct metric_family families[METRIC_COUNT] = {
#define METRIC(id, text, kind, names, about)                                                       \
  [METRIC_##id] = {.name = text, .type = METRIC_TYPE_##kind, .labels = names, .help = about},
#include "observe/metrics.def"
#undef METRIC
};

static uv_mutex_t lock; /* creation of series, and rendering */
static uv_once_t once = UV_ONCE_INIT;

static void init_lock(void) {
  must(uv_mutex_init(&lock) == 0);
}

size_t metric_label_count(const struct metric_family *f) {
  size_t count = *f->labels != 0;
  for (const char *c = f->labels; *c; c++)
    count += *c == ',';
  return count;
}

/* FNV-1a, 64 bits, over the labels with a separator that no clean label holds. */
static uint64_t hash_of(enum metric family, const struct slice *values, size_t count) {
  uint64_t hash = 14695981039346656037u ^ (uint64_t)family;
  for (size_t i = 0; i < count; i++) {
    for (size_t k = 0; k < values[i].len; k++)
      hash = (hash ^ (unsigned char)values[i].data[k]) * 1099511628211u;
    hash = (hash ^ 0xff) * 1099511628211u;
  }
  return hash;
}

static bool has_labels(const struct metric_series *s, const struct slice *values, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (!slice_equal(s->values[i], values[i])) return false;
  return true;
}

static struct slice copy(struct slice text) {
  char *data = must_alloc(text.len + 1);
  if (text.len) memcpy(data, text.data, text.len);
  data[text.len] = 0;
  return (struct slice){data, text.len};
}

static struct metric_series *series_new(struct metric_family *f, const struct slice *values,
                                        size_t count) {
  struct metric_series *s = must_calloc(1, sizeof *s);
  s->family = f;
  for (size_t i = 0; i < count; i++)
    s->values[i] = copy(values[i]);
  s->next = f->series;
  f->series = s;
  f->series_count++;
  return s;
}

static struct metric_series *find_locked(struct metric_family *f, const struct slice *values,
                                         size_t count) {
  for (struct metric_series *s = f->series; s; s = s->next)
    if (has_labels(s, values, count)) return s;
  if (f->series_count < METRIC_SERIES_MAX) return series_new(f, values, count);
  struct slice other[METRIC_LABELS_MAX] = {SLICE("other"), SLICE("other"), SLICE("other"),
                                           SLICE("other")};
  if (f->series_count == METRIC_SERIES_MAX) return series_new(f, other, count);
  return f->series; /* the last one made is "other" */
}

struct metric_series *metric_get(enum metric family, const struct slice *values) {
  static _Thread_local struct {
    uint64_t hash;
    struct metric_series *series;
  } cache[CACHE_SLOTS];
  struct metric_family *f = &families[family];
  size_t count = metric_label_count(f);
  uint64_t hash = hash_of(family, values, count);
  size_t slot = (hash ^ hash >> 32) % CACHE_SLOTS;
  struct metric_series *s = cache[slot].series;
  if (s && cache[slot].hash == hash && s->family == f && has_labels(s, values, count)) return s;
  uv_once(&once, init_lock);
  uv_mutex_lock(&lock);
  s = find_locked(f, values, count);
  uv_mutex_unlock(&lock);
  cache[slot].hash = hash;
  cache[slot].series = s;
  return s;
}

static _Thread_local unsigned place; /* in `own`, from 1; 0: none */

void metric_thread_begin(void) {
  static atomic_uint taken;
  unsigned next = atomic_fetch_add(&taken, 1);
  place = next < METRIC_OWN_CELLS ? next + 1 : 0;
}

/* NULL: the thread has no place. */
static struct metric_cell *own_cell(struct metric_series *s) {
  if (!place) return NULL;
  struct metric_cell *cell = atomic_load_explicit(&s->own[place - 1], memory_order_relaxed);
  if (cell) return cell;
  cell = must_calloc(1, sizeof *cell);
  atomic_store_explicit(&s->own[place - 1], cell, memory_order_release);
  return cell;
}

/* Nobody else writes: no need for an operation that keeps others away. */
static inline void add_own(atomic_uint_fast64_t *value, uint64_t amount) {
  uint64_t now = atomic_load_explicit(value, memory_order_relaxed);
  atomic_store_explicit(value, now + amount, memory_order_relaxed);
}

void metric_add(struct metric_series *s, uint64_t amount) {
  struct metric_cell *cell = own_cell(s);
  if (cell)
    add_own(&cell->value, amount);
  else
    atomic_fetch_add_explicit(&s->shared.value, amount, memory_order_relaxed);
}

/* A cell may pass below zero; the sum of all does not. */
void metric_subtract(struct metric_series *s, uint64_t amount) {
  metric_add(s, -amount);
}

static uint64_t own_values(const struct metric_series *s) {
  uint64_t sum = 0;
  for (size_t i = 0; i < METRIC_OWN_CELLS; i++) {
    struct metric_cell *cell = atomic_load_explicit(&s->own[i], memory_order_acquire);
    if (cell) sum += atomic_load_explicit(&cell->value, memory_order_relaxed);
  }
  return sum;
}

/* Whatever threads have added so far. */
void metric_set(struct metric_series *s, uint64_t value) {
  atomic_store_explicit(&s->shared.value, value - own_values(s), memory_order_relaxed);
}

void metric_observe(struct metric_series *s, uint64_t value) {
  const uint64_t *bounds = metric_bounds(s->family->type);
  struct metric_cell *cell = own_cell(s);
  size_t bucket = 0;
  while (bucket < METRIC_BOUNDS && value > bounds[bucket])
    bucket++;
  if (cell) {
    add_own(&cell->buckets[bucket], 1);
    add_own(&cell->value, value);
    return;
  }
  atomic_fetch_add_explicit(&s->shared.buckets[bucket], 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&s->shared.value, value, memory_order_relaxed);
}

uint64_t metric_value(const struct metric_series *s) {
  return atomic_load_explicit(&s->shared.value, memory_order_relaxed) + own_values(s);
}

uint64_t metric_bucket(const struct metric_series *s, size_t bucket) {
  uint64_t sum = atomic_load_explicit(&s->shared.buckets[bucket], memory_order_relaxed);
  for (size_t i = 0; i < METRIC_OWN_CELLS; i++) {
    struct metric_cell *cell = atomic_load_explicit(&s->own[i], memory_order_acquire);
    if (cell) sum += atomic_load_explicit(&cell->buckets[bucket], memory_order_relaxed);
  }
  return sum;
}

void metric_config_reload(bool fine, uint64_t version) {
  struct slice result = fine ? SLICE("ok") : SLICE("refused");
  metric_add(metric_get(METRIC_RELOADS, &result), 1);
  metric_set(metric_get(METRIC_CONFIG_VERSION, NULL), version);
}

void metric_render(struct bytes *out) {
  metric_refresh_process();
  uv_once(&once, init_lock);
  uv_mutex_lock(&lock);
  for (size_t i = 0; i < METRIC_COUNT; i++)
    metric_render_family(&families[i], out);
  uv_mutex_unlock(&lock);
}
