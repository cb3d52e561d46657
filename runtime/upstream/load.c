#include "upstream/load.h"

#include <stdlib.h>
#include <string.h>

enum { NUMBER_BYTES_MAX = 40 };

static const char *const queue_names[] = {"vllm:num_requests_waiting", "sglang:num_queue_reqs",
                                          "llamacpp:requests_deferred"};
static const char *const kv_names[] = {"vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc",
                                       "sglang:token_usage", "llamacpp:kv_cache_usage_ratio"};

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* Below 0: no such number. */
static double number_of(struct slice text) {
  char copy[NUMBER_BYTES_MAX + 1], *end;
  size_t len = text.len < NUMBER_BYTES_MAX ? text.len : NUMBER_BYTES_MAX;
  memcpy(copy, text.data, len);
  copy[len] = 0;
  double value = strtod(copy, &end);
  return end > copy && value >= 0 && value < 1e12 ? value : -1;
}

static bool is_one_of(struct slice name, const char *const *names, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (slice_equal_text(name, names[i])) return true;
  return false;
}

static void add_queue(struct engine_load *load, double value) {
  if (value < 0) return;
  load->queue = load->queue < 0 ? value : load->queue + value;
}

static void add_usage(struct engine_load *load, double value) {
  if (value > load->kv_usage) load->kv_usage = value > 1 ? 1 : value;
}

/* name{label="…"} value [time]: labels may hold any byte but a bare quote or line feed. */
static void read_line(struct slice line, struct engine_load *load) {
  size_t end = 0;
  while (end < line.len && line.data[end] != '{' && line.data[end] != ' ')
    end++;
  struct slice name = {line.data, end}, value = slice_skip(line, end);
  bool is_queue = is_one_of(name, queue_names, COUNT(queue_names));
  if (!is_queue && !is_one_of(name, kv_names, COUNT(kv_names))) return;
  if (value.len && *value.data == '{') {
    const char *close = memrchr(value.data, '}', value.len);
    if (!close) return;
    value = slice_skip(value, (size_t)(close - value.data) + 1);
  }
  double number = number_of(slice_trim(value));
  if (is_queue)
    add_queue(load, number);
  else
    add_usage(load, number);
}

/* The number after each `key`, its quotes, colons and equal signs. */
static void read_pairs(struct slice text, const char *key, struct engine_load *load,
                       void (*add)(struct engine_load *load, double value)) {
  const char *at = text.data, *end = text.data + text.len;
  size_t len = strlen(key);
  while ((at = memmem(at, (size_t)(end - at), key, len))) {
    at += len;
    while (at < end && strchr("\":= ", *at) && *at)
      at++;
    add(load, number_of((struct slice){at, (size_t)(end - at)}));
  }
}

struct engine_load load_read(struct slice body) {
  struct engine_load load = {-1, -1};
  if (body.len && (*body.data == '{' || *body.data == '[')) {
    read_pairs(body, "\"num_waiting_reqs\"", &load, add_queue);
    read_pairs(body, "\"token_usage\"", &load, add_usage);
    return load;
  }
  while (body.len)
    read_line(slice_cut(body, '\n', &body), &load);
  return load;
}

struct engine_load load_read_header(struct slice value) {
  struct engine_load load = {-1, -1};
  if (!value.len) return load;
  read_pairs(value, "num_requests_waiting", &load, add_queue);
  read_pairs(value, "kv_cache_usage_perc", &load, add_usage);
  read_pairs(value, "kv_cache_utilization", &load, add_usage);
  return load;
}

void load_init(struct provider_load *l) {
  atomic_init(&l->queue_milli, -1);
  atomic_init(&l->kv_milli, -1);
  atomic_init(&l->at_ms, 0);
  atomic_init(&l->is_down, false);
}

void load_note(struct provider_load *l, const struct engine_load *load, uint64_t now_ms) {
  if (load->queue < 0 && load->kv_usage < 0) return;
  if (load->queue >= 0) atomic_store(&l->queue_milli, (int_fast64_t)(load->queue * 1000));
  if (load->kv_usage >= 0) atomic_store(&l->kv_milli, (int_fast64_t)(load->kv_usage * 1000));
  atomic_store(&l->at_ms, now_ms);
}

struct engine_load load_view(const struct provider_load *l, uint64_t now_ms) {
  uint64_t at_ms = atomic_load(&l->at_ms);
  if (!at_ms || now_ms > at_ms + LOAD_STALE_MS) return (struct engine_load){-1, -1};
  int64_t queue = atomic_load(&l->queue_milli), kv = atomic_load(&l->kv_milli);
  return (struct engine_load){queue < 0 ? -1 : (double)queue / 1000,
                              kv < 0 ? -1 : (double)kv / 1000};
}

bool load_set_down(struct provider_load *l, bool is_down) {
  return atomic_exchange(&l->is_down, is_down) != is_down;
}
