#include "samples.h"

#include <stdio.h>
#include <stdlib.h>

void samples_add(struct samples *s, uint64_t ns) {
  if (s->count == s->capacity) {
    s->capacity = s->capacity ? 2 * s->capacity : 1 << 16;
    s->items = realloc(s->items, s->capacity * sizeof *s->items);
    if (!s->items) abort();
  }
  s->items[s->count++] = ns;
}

void samples_clear(struct samples *s) {
  s->count = 0;
}

static int compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static double quantile_us(const struct samples *s, double q) {
  if (s->count == 0) return 0;
  return (double)s->items[(size_t)(q * (double)(s->count - 1) + 0.5)] / 1e3;
}

void samples_print(struct samples *s, const char *name) {
  double sum = 0;
  if (s->count) qsort(s->items, s->count, sizeof *s->items, compare);
  for (size_t i = 0; i < s->count; i++)
    sum += (double)s->items[i];
  printf(",\"%s\":{\"count\":%zu,\"mean_us\":%.2f,\"p50_us\":%.2f,\"p90_us\":%.2f,"
         "\"p99_us\":%.2f,\"max_us\":%.2f}",
         name, s->count, s->count ? sum / (double)s->count / 1e3 : 0, quantile_us(s, 0.5),
         quantile_us(s, 0.9), quantile_us(s, 0.99), quantile_us(s, 1));
}
