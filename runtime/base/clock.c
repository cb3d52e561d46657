#include "base/clock.h"

#include <string.h>
#include <time.h>

#include "base/must.h"

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

/* The date changes once a second, the milliseconds with every line. */
void clock_format(int64_t wall_ms, char out[25]) {
  static _Thread_local struct {
    time_t second;
    char date[20];
  } last = {.second = -1};
  time_t seconds = (time_t)(wall_ms / 1000);
  if (seconds != last.second) {
    struct tm utc;
    gmtime_r(&seconds, &utc);
    must(strftime(last.date, sizeof last.date, "%Y-%m-%dT%H:%M:%S", &utc) == 19);
    last.second = seconds;
  }
  unsigned millis = (unsigned)(wall_ms % 1000);
  memcpy(out, last.date, 19);
  out[19] = '.';
  out[20] = (char)('0' + millis / 100);
  out[21] = (char)('0' + millis / 10 % 10);
  out[22] = (char)('0' + millis % 10);
  out[23] = 'Z';
  out[24] = 0;
}
