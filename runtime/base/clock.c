#include "base/clock.h"

#include <stdbool.h>
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

static _Thread_local struct {
  bool has_turns;
  uint64_t number;
  uint64_t mono_ns; /* 0: not read in this turn */
  int64_t wall_ms;
} turn;

void clock_turn(void) {
  turn.has_turns = true;
  turn.number++;
  turn.mono_ns = 0;
  turn.wall_ms = 0;
}

uint64_t clock_turn_number(void) {
  return turn.number;
}

uint64_t clock_turn_mono_ns(void) {
  if (!turn.has_turns) return clock_mono_ns();
  if (!turn.mono_ns) turn.mono_ns = clock_mono_ns();
  return turn.mono_ns;
}

int64_t clock_turn_wall_ms(void) {
  if (!turn.has_turns) return clock_wall_ms();
  if (!turn.wall_ms) turn.wall_ms = clock_wall_ms();
  return turn.wall_ms;
}

static char *put_digits(char *at, unsigned value, int count) {
  for (int i = count; i-- > 0; value /= 10)
    at[i] = (char)('0' + value % 10);
  return at + count;
}

/* Days since 1970 to a date, by years that begin in March. Source: E. G. Richards, Mapping Time,
 * and C. Neri and L. Schneider, Euclidean affine functions and their application to calendar
 * algorithms. */
static char *put_date(char *at, uint32_t days_since_1970) {
  uint32_t days = days_since_1970 + 719468; /* since 0000-03-01 */
  uint32_t century = (4 * days + 3) / 146097, day_of_century = days - 146097 * century / 4;
  uint32_t year = (4 * day_of_century + 3) / 1461, day = day_of_century - 1461 * year / 4;
  uint32_t month = (5 * day + 2) / 153;
  day -= (153 * month + 2) / 5;
  bool is_next = month >= 10;
  at = put_digits(at, 100 * century + year + is_next, 4);
  *at++ = '-';
  at = put_digits(at, is_next ? month - 9 : month + 3, 2);
  *at++ = '-';
  return put_digits(at, day + 1, 2);
}

enum { SECOND_BYTES = 19 }; /* 2026-11-23T12:05:00 */

static void put_second(char *at, uint32_t day, uint32_t second) {
  at = put_date(at, day);
  *at++ = 'T';
  at = put_digits(at, second / 3600, 2);
  *at++ = ':';
  at = put_digits(at, second / 60 % 60, 2);
  *at++ = ':';
  put_digits(at, second % 60, 2);
}

/* Most times that a thread writes are of the second that it wrote before. */
void clock_format(int64_t wall_ms, char out[25]) {
  static _Thread_local int64_t last_s = -1;
  static _Thread_local char last[SECOND_BYTES];
  must(wall_ms >= 0 && wall_ms < 253402300800000); /* years of four digits */
  int64_t second = wall_ms / 1000;
  if (second != last_s) {
    put_second(last, (uint32_t)(second / 86400), (uint32_t)(second % 86400));
    last_s = second;
  }
  memcpy(out, last, SECOND_BYTES);
  char *at = out + SECOND_BYTES;
  *at++ = '.';
  at = put_digits(at, (unsigned)(wall_ms % 1000), 3);
  *at++ = 'Z';
  *at = 0;
}
