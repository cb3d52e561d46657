/* Durations in nanoseconds, kept one by one: a run has some hundred thousand of them. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct samples {
  uint64_t *items;
  size_t count, capacity;
};

void samples_add(struct samples *s, uint64_t ns);
void samples_clear(struct samples *s);
/* Prints {"count":,"mean_us":,"p50_us":,"p90_us":,"p99_us":,"max_us":}; sorts the items. */
void samples_print(struct samples *s, const char *name);
