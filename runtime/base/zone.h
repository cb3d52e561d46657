/* Time zones of the IANA database, as the system's tzdata has them (TZif: RFC 9636), without the C
 * library's one global zone: any thread may use several at once. Also the proleptic Gregorian
 * calendar. Leap seconds are not counted, as in POSIX time. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct zone;

/* "Europe/Berlin"; "UTC" is known without tzdata. NULL: no such zone on this machine, or its file
 * is damaged. Reads a file the first time; lives as long as the process. Any thread. */
const struct zone *zone_find(struct slice name);
const char *zone_name(const struct zone *z);
/* Seconds that local clocks are ahead of UTC at that instant (seconds since 1970). */
int32_t zone_offset_s(const struct zone *z, int64_t utc_s);
/* The first instant at which a local clock shows that time (seconds since 1970-01-01 00:00 of the
 * local calendar), or, where clocks jump over it, the instant of the jump. */
int64_t zone_to_utc(const struct zone *z, int64_t local_s);

struct civil {
  int64_t year;
  unsigned month, day; /* from 1 */
};
int64_t civil_days(struct civil date); /* since 1970-01-01; a month above 12 counts on */
struct civil civil_of_days(int64_t days);
unsigned civil_weekday(int64_t days); /* 0 Sunday */

/* What holds after the last change that a zone's file lists: its last line, a TZ string of POSIX
 * (8.3) with hours from -167 to 167. */
struct zone_rule {
  int32_t standard_s, summer_s;
  bool has_summer;
  struct zone_change {
    char form; /* 'M' month.week.day, 'J' day 1-365 without 29 February, 'N' day 0-365 */
    int month, week, day;
    int32_t time_s;
  } start, end;
};
bool zone_rule_parse(struct slice text, struct zone_rule *out);
int32_t zone_rule_offset_s(const struct zone_rule *rule, int64_t utc_s);
