/* Monotonic time for timers and measurement, wall time for records. */
#pragma once
#include <stddef.h>
#include <stdint.h>

uint64_t clock_mono_ns(void);
int64_t clock_wall_ms(void); /* milliseconds since 1970-01-01 UTC */
/* RFC 3339 with milliseconds and Z, 24 characters and a zero byte. */
void clock_format(int64_t wall_ms, char out[25]);
