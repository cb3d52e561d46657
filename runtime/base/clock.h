/* Monotonic time for timers and measurement, wall time for records. */
#pragma once
#include <stddef.h>
#include <stdint.h>

uint64_t clock_mono_ns(void);
int64_t clock_wall_ms(void); /* milliseconds since 1970-01-01 UTC */
/* The same, read at most once in a turn of the calling thread's loop, for what counts in
 * milliseconds: a reading costs some thirty nanoseconds. A thread that never calls clock_turn reads
 * the clock each time. */
uint64_t clock_turn_mono_ns(void);
int64_t clock_turn_wall_ms(void);
void clock_turn(void); /* the loop is about to wait */
uint64_t clock_turn_number(void);
/* RFC 3339 with milliseconds and Z, 24 characters and a zero byte. */
void clock_format(int64_t wall_ms, char out[25]);
