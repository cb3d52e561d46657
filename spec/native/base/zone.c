#include "base/zone.h"

#include <time.h>

#include "check.h"

static const char *const names[] = {
    "Europe/Berlin",     "America/New_York",    "Asia/Shanghai",  "Asia/Kolkata",
    "Europe/Dublin",     "Australia/Lord_Howe", "America/Havana", "America/Santiago",
    "Africa/Casablanca", "Pacific/Apia",        "Asia/Kathmandu", "America/Nuuk",
    "Africa/Cairo",      "Pacific/Chatham",     "Asia/Tehran",    "Etc/GMT+12"};
enum { NAMES = sizeof names / sizeof *names };

/* Every third hour and 7 seconds from 1901 to 2150: the C library reads the same files. */
static void test_like_libc(void) {
  for (int i = 0; i < NAMES; i++) {
    const struct zone *z = zone_find(slice_of(names[i]));
    CHECK(z && strcmp(zone_name(z), names[i]) == 0);
    if (!z) continue;
    setenv("TZ", names[i], 1);
    tzset();
    long wrong = 0;
    for (time_t t = -2170000000; t < 5680000000; t += 3 * 3600 * 13 + 7) {
      struct tm tm;
      localtime_r(&t, &tm);
      wrong += zone_offset_s(z, t) != tm.tm_gmtoff;
    }
    if (wrong) fprintf(stderr, "%s: %ld\n", names[i], wrong);
    CHECK(wrong == 0);
  }
}

/* Around every change from 2020 to 2060, to the second. */
static void test_edges(void) {
  for (int i = 0; i < NAMES; i++) {
    const struct zone *z = zone_find(slice_of(names[i]));
    if (!z) continue;
    setenv("TZ", names[i], 1);
    tzset();
    for (time_t t = 1577836800; t < 2840140800; t += 1800) {
      if (zone_offset_s(z, t) == zone_offset_s(z, t + 1800)) continue;
      for (time_t at = t; at <= t + 1800; at++) {
        struct tm tm;
        localtime_r(&at, &tm);
        CHECK(zone_offset_s(z, at) == tm.tm_gmtoff);
        if (zone_offset_s(z, at) != tm.tm_gmtoff) break;
      }
    }
  }
}

static void test_to_utc(void) {
  const struct zone *z = zone_find(SLICE("Europe/Berlin"));
  if (!z) return;
  int64_t day = civil_days((struct civil){2026, 3, 29}) * 86400;
  CHECK(zone_to_utc(z, day) == day - 3600);
  CHECK(zone_to_utc(z, day + 2 * 3600 + 1800) == day + 3600); /* 2:30 does not exist */
  CHECK(zone_to_utc(z, day + 3 * 3600) == day + 3600);
  day = civil_days((struct civil){2026, 10, 25}) * 86400;
  CHECK(zone_to_utc(z, day + 2 * 3600 + 1800) == day + 1800); /* 2:30 twice: the first */
  CHECK(zone_to_utc(z, day + 3 * 3600) == day + 2 * 3600);
}

static void test_names(void) {
  const char *bad[] = {"",       "../../../etc/passwd", "/etc/localtime", "Mars/Olympus",
                       "Europe", "Europe/Berlin.",      "zone.tab",       "a b"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    CHECK(zone_find(slice_of(bad[i])) == NULL);
  CHECK(zone_find(SLICE("UTC")) && zone_find(SLICE("UTC")) == zone_find(SLICE("UTC")));
  CHECK(zone_offset_s(zone_find(SLICE("UTC")), 1) == 0);
}

static void test_calendar(void) {
  for (int64_t day = -800000; day < 800000; day += 11) {
    struct civil c = civil_of_days(day), next = civil_of_days(day + 1);
    CHECK(civil_days(c) == day && c.month >= 1 && c.month <= 12 && c.day >= 1 && c.day <= 31);
    CHECK(next.day == c.day + 1 || next.day == 1);
  }
  CHECK(civil_days((struct civil){1970, 1, 1}) == 0);
  CHECK(civil_days((struct civil){2000, 2, 29}) == 11016);
  CHECK(civil_days((struct civil){2025, 13, 1}) == civil_days((struct civil){2026, 1, 1}));
  CHECK(civil_weekday(0) == 4 && civil_weekday(civil_days((struct civil){2026, 11, 22})) == 0);
}

static void test_rules(void) {
  struct zone_rule r;
  const char *bad[] = {"",
                       "EST",
                       "E5",
                       "EST5EDT",
                       "EST5EDT,M13.1.0,M11.1.0",
                       "EST5EDT,M3.2.0",
                       "EST5EDT,M3.2.0,M11.1.0x",
                       "EST168",
                       "<+08-8",
                       "EST5EDT,J0,J5"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    CHECK(!zone_rule_parse(slice_of(bad[i]), &r));
  CHECK(zone_rule_parse(SLICE("<+0545>-5:45"), &r) && r.standard_s == 20700 && !r.has_summer);
  CHECK(zone_rule_parse(SLICE("AAA3BBB,J60/0,300/-24:30"), &r));
  int64_t march = civil_days((struct civil){2028, 3, 1}) * 86400 + 3 * 3600; /* J60, leap year */
  CHECK(zone_rule_offset_s(&r, march - 1) == -10800 && zone_rule_offset_s(&r, march) == -7200);
}

int main(void) {
  test_names();
  test_calendar();
  test_rules();
  test_like_libc();
  test_edges();
  test_to_utc();
  return checks_end();
}
