#include "base/clock.h"

#include <stdio.h>
#include <time.h>

uint64_t clock_mono_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int64_t clock_wall_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void clock_format(int64_t wall_ms, char out[25]) {
  time_t seconds = (time_t)(wall_ms / 1000);
  struct tm utc;
  gmtime_r(&seconds, &utc);
  size_t at = strftime(out, 25, "%Y-%m-%dT%H:%M:%S", &utc);
  snprintf(out + at, 25 - at, ".%03uZ", (unsigned)(wall_ms % 1000) & 1023u);
}
