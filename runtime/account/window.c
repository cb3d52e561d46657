#include "account/window.h"

#include "base/zone.h"

enum { MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400 };

static int64_t floor_to(int64_t value, int64_t step) {
  int64_t over = value % step;
  return value - (over < 0 ? over + step : over);
}

static int32_t offset(const struct zone *z, int64_t utc_s) {
  return z ? zone_offset_s(z, utc_s) : 0;
}

static int64_t to_utc(const struct zone *z, int64_t local_s) {
  return z ? zone_to_utc(z, local_s) : local_s;
}

/* The hour that clocks show twice is two hours, and one that a change cuts is shorter. */
static struct span short_span(const struct zone *z, int64_t now_s, int64_t step) {
  int32_t here = offset(z, now_s);
  struct span s = {floor_to(now_s + here, step) - here, 0};
  s.end_s = s.start_s + step;
  for (int64_t low = s.start_s, high = now_s; offset(z, s.start_s) != here;) {
    int64_t middle = low + (high - low) / 2; /* low shows another offset, high this one */
    if (high - low <= 1) s.start_s = high;
    if (offset(z, middle) == here)
      high = middle;
    else
      low = middle;
  }
  for (int64_t low = now_s, high = s.end_s - 1; offset(z, s.end_s - 1) != here;) {
    int64_t middle = low + (high - low) / 2;
    if (high - low <= 1) s.end_s = high;
    if (offset(z, middle) == here)
      low = middle;
    else
      high = middle;
  }
  return s;
}

static struct civil add_months(struct civil date, int months) {
  int64_t count = date.year * 12 + (int64_t)date.month - 1 + months;
  date.year = floor_to(count, 12) / 12;
  date.month = (unsigned)(count - date.year * 12) + 1;
  return date;
}

/* That day of the month, or its last where it is shorter. */
static int64_t day_in_month(struct civil month, unsigned day) {
  month.day = 1;
  int64_t first = civil_days(month), length = civil_days(add_months(month, 1)) - first;
  return first + (day < length ? day : length) - 1;
}

static struct span month_days(const struct limit_window *w, int64_t today, int months) {
  struct civil start = civil_of_days(today);
  unsigned day = w->start_day ? w->start_day : 1;
  start.month = (start.month - 1) / (unsigned)months * (unsigned)months + 1;
  if (day_in_month(start, day) > today) start = add_months(start, -months);
  return (struct span){day_in_month(start, day), day_in_month(add_months(start, months), day)};
}

static struct span week_days(const struct limit_window *w, int64_t today) {
  int first = w->start_day ? w->start_day % 7 : 1;
  int64_t start = today - ((int)civil_weekday(today) - first + 7) % 7;
  return (struct span){start, start + 7};
}

struct span window_at(const struct limit_window *w, int64_t wall_ms) {
  int64_t now_s = floor_to(wall_ms, 1000) / 1000;
  if (w->unit == LIMIT_MINUTE) return short_span(w->zone, now_s, MINUTE_S);
  if (w->unit == LIMIT_HOUR) return short_span(w->zone, now_s, HOUR_S);
  int64_t local_s = now_s + offset(w->zone, now_s), today = floor_to(local_s, DAY_S) / DAY_S;
  struct span days = {today, today + 1};
  switch (w->unit) {
  case LIMIT_WEEK: days = week_days(w, today); break;
  case LIMIT_MONTH: days = month_days(w, today, 1); break;
  case LIMIT_QUARTER: days = month_days(w, today, 3); break;
  case LIMIT_YEAR: days = month_days(w, today, 12); break;
  default: break;
  }
  return (struct span){to_utc(w->zone, days.start_s * DAY_S), to_utc(w->zone, days.end_s * DAY_S)};
}
