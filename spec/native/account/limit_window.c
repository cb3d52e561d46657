#include "account/window.h"
#include "base/zone.h"
#include "check.h"

static int64_t at(int64_t year, unsigned month, unsigned day, int64_t seconds) {
  return civil_days((struct civil){year, month, day}) * 86400 + seconds;
}

static bool is_span(struct limit_window w, int64_t now_s, int64_t start_s, int64_t end_s) {
  struct span s = window_at(&w, now_s * 1000 + 999);
  if (s.start_s == start_s && s.end_s == end_s) return true;
  fprintf(stderr, "unit %d at %lld: %lld to %lld\n", w.unit, (long long)now_s, (long long)s.start_s,
          (long long)s.end_s);
  return false;
}

static void test_utc(void) {
  int64_t now = at(2026, 11, 22, 45296); /* a Sunday, 12:34:56 */
  CHECK(is_span((struct limit_window){.unit = LIMIT_MINUTE}, now, now - 56, now + 4));
  CHECK(is_span((struct limit_window){.unit = LIMIT_HOUR}, now, at(2026, 11, 22, 43200),
                at(2026, 11, 22, 46800)));
  CHECK(is_span((struct limit_window){.unit = LIMIT_DAY}, now, at(2026, 11, 22, 0),
                at(2026, 11, 23, 0)));
  CHECK(is_span((struct limit_window){.unit = LIMIT_WEEK}, now, at(2026, 11, 16, 0),
                at(2026, 11, 23, 0)));
  CHECK(is_span((struct limit_window){.unit = LIMIT_WEEK, .start_day = 7}, now, at(2026, 11, 22, 0),
                at(2026, 11, 29, 0)));
  CHECK(is_span((struct limit_window){.unit = LIMIT_MONTH}, now, at(2026, 11, 1, 0),
                at(2026, 12, 1, 0)));
  CHECK(is_span((struct limit_window){.unit = LIMIT_MONTH, .start_day = 25}, now,
                at(2026, 10, 25, 0), at(2026, 11, 25, 0)));
  CHECK(is_span((struct limit_window){.unit = LIMIT_QUARTER}, now, at(2026, 10, 1, 0),
                at(2027, 1, 1, 0)));
  CHECK(is_span((struct limit_window){.unit = LIMIT_QUARTER, .start_day = 5}, at(2026, 1, 4, 0),
                at(2025, 10, 5, 0), at(2026, 1, 5, 0)));
  CHECK(is_span((struct limit_window){.unit = LIMIT_YEAR}, now, at(2026, 1, 1, 0),
                at(2027, 1, 1, 0)));
  CHECK(is_span((struct limit_window){.unit = LIMIT_MONTH}, at(2028, 2, 29, 86399),
                at(2028, 2, 1, 0), at(2028, 3, 1, 0)));
}

/* A month that has no such day begins a window on its last. */
static void test_last_days(void) {
  struct limit_window month = {.unit = LIMIT_MONTH, .start_day = 31}, year = month;
  year.unit = LIMIT_YEAR;
  CHECK(is_span(month, at(2026, 2, 27, 86399), at(2026, 1, 31, 0), at(2026, 2, 28, 0)));
  CHECK(is_span(month, at(2026, 2, 28, 0), at(2026, 2, 28, 0), at(2026, 3, 31, 0)));
  CHECK(is_span(month, at(2028, 2, 29, 0), at(2028, 2, 29, 0), at(2028, 3, 31, 0)));
  CHECK(is_span(month, at(2026, 4, 29, 0), at(2026, 3, 31, 0), at(2026, 4, 30, 0)));
  CHECK(is_span(month, at(2026, 12, 31, 0), at(2026, 12, 31, 0), at(2027, 1, 31, 0)));
  month.start_day = 29;
  CHECK(is_span(month, at(2027, 2, 28, 0), at(2027, 2, 28, 0), at(2027, 3, 29, 0)));
  CHECK(is_span(year, at(2026, 1, 30, 0), at(2025, 1, 31, 0), at(2026, 1, 31, 0)));
  const struct zone *cairo = zone_find(SLICE("Africa/Cairo"));
  if (!cairo) return;
  /* 2026-04-24 has no first hour there: the month that begins with it begins at one o'clock. */
  month = (struct limit_window){.unit = LIMIT_MONTH, .start_day = 24, .zone = cairo};
  CHECK(is_span(month, at(2026, 4, 24, 0), at(2026, 4, 23, 79200), at(2026, 5, 23, 75600)));
}

static void test_zones(void) {
  const struct zone *berlin = zone_find(SLICE("Europe/Berlin"));
  const struct zone *shanghai = zone_find(SLICE("Asia/Shanghai"));
  if (!berlin || !shanghai) return;
  struct limit_window day = {.unit = LIMIT_DAY, .zone = berlin}, hour = day, month = day;
  hour.unit = LIMIT_HOUR;
  month.unit = LIMIT_MONTH;
  month.zone = shanghai;
  /* 25 and 23 hours; the hour that comes twice is two windows */
  CHECK(is_span(day, at(2026, 10, 25, 0), at(2026, 10, 24, 79200), at(2026, 10, 25, 82800)));
  CHECK(is_span(day, at(2026, 3, 29, 0), at(2026, 3, 28, 82800), at(2026, 3, 29, 79200)));
  CHECK(is_span(hour, at(2026, 10, 25, 1800), at(2026, 10, 25, 0), at(2026, 10, 25, 3600)));
  CHECK(is_span(hour, at(2026, 10, 25, 5400), at(2026, 10, 25, 3600), at(2026, 10, 25, 7200)));
  CHECK(is_span(month, at(2026, 11, 30, 57599), at(2026, 10, 31, 57600), at(2026, 11, 30, 57600)));
  CHECK(is_span(month, at(2026, 11, 30, 57600), at(2026, 11, 30, 57600), at(2026, 12, 31, 57600)));
}

/* Windows of each unit follow each other without gap or overlap, in zones with odd changes. */
static void test_partition(void) {
  static const char *const names[] = {"UTC",          "Europe/Berlin",   "America/Havana",
                                      "Africa/Cairo", "Pacific/Chatham", "Australia/Lord_Howe",
                                      "Asia/Beirut",  "America/Santiago"};
  for (size_t n = 0; n < sizeof names / sizeof *names; n++)
    for (int unit = LIMIT_HOUR; unit <= LIMIT_YEAR; unit++)
      for (uint8_t day = 0; day <= (unit < LIMIT_MONTH ? 7 : 31); day++) {
        struct limit_window w = {.unit = (enum limit_unit)unit, .start_day = day};
        w.zone = zone_find(slice_of(names[n]));
        if (!w.zone) continue;
        int64_t now = at(2025, 12, 31, 12345), end = at(2027, 4, 1, 0);
        struct span s = window_at(&w, now * 1000);
        while (now < end) {
          CHECK(s.start_s <= now && now < s.end_s);
          struct span last = window_at(&w, s.end_s * 1000 - 1);
          struct span next = window_at(&w, s.end_s * 1000);
          CHECK(last.start_s == s.start_s && last.end_s == s.end_s);
          CHECK(next.start_s == s.end_s && next.end_s > next.start_s);
          if (checks_failed) return;
          now = s.end_s;
          s = next;
        }
      }
}

int main(void) {
  test_utc();
  test_last_days();
  test_zones();
  test_partition();
  return checks_end();
}
