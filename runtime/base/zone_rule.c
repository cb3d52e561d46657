#include "base/zone.h"

enum { DAY_S = 86400 };

static int64_t floor_div(int64_t a, int64_t b) {
  return a / b - (a % b < 0);
}

/* Counts years from March, so that the leap day comes last; 400 years are 146,097 days. */
int64_t civil_days(struct civil date) {
  int64_t month = date.month - 1, year = date.year + month / 12;
  month %= 12;
  int64_t from_march = (month + 10) % 12;
  if (month < 2) year--;
  int64_t era = floor_div(year, 400), of_era = year - era * 400;
  int64_t day_of_year = (from_march * 153 + 2) / 5 + date.day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719468;
}

struct civil civil_of_days(int64_t days) {
  days += 719468;
  int64_t era = floor_div(days, 146097), left = days - era * 146097;
  int64_t of_era = (left - left / 1460 + left / 36524 - left / 146096) / 365;
  int64_t day_of_year = left - (of_era * 365 + of_era / 4 - of_era / 100);
  int64_t from_march = (day_of_year * 5 + 2) / 153;
  unsigned month = (unsigned)((from_march + 2) % 12) + 1;
  return (struct civil){era * 400 + of_era + (month <= 2), month,
                        (unsigned)(day_of_year - (from_march * 153 + 2) / 5) + 1};
}

unsigned civil_weekday(int64_t days) {
  return (unsigned)(((days + 4) % 7 + 7) % 7);
}

struct reader {
  const char *at, *end;
};

static bool take(struct reader *r, char c) {
  if (r->at == r->end || *r->at != c) return false;
  r->at++;
  return true;
}

static bool take_number(struct reader *r, int max, int *out) {
  const char *first = r->at;
  int n = 0;
  while (r->at < r->end && *r->at >= '0' && *r->at <= '9' && n <= max)
    n = n * 10 + (*r->at++ - '0');
  *out = n;
  return r->at > first && n <= max;
}

static bool take_name(struct reader *r) {
  const char *first = r->at;
  if (take(r, '<')) {
    while (r->at < r->end && *r->at != '>')
      r->at++;
    return take(r, '>');
  }
  while (r->at < r->end && ((*r->at | 32) >= 'a' && (*r->at | 32) <= 'z'))
    r->at++;
  return r->at - first >= 3;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(struct reader *r, int32_t *seconds) {
  int part, sign = 1;
  if (take(r, '-'))
    sign = -1;
  else
    (void)take(r, '+');
  if (!take_number(r, 167, &part)) return false;
  *seconds = part * 3600;
  for (int unit = 60; unit > 0 && take(r, ':'); unit /= 60) {
    if (!take_number(r, 59, &part)) return false;
    *seconds += part * unit;
  }
  *seconds *= sign;
  return true;
}

static bool take_day(struct reader *r, struct zone_change *out) {
  if (!take(r, ',')) return false;
  if (take(r, 'M')) {
    out->form = 'M';
    return take_number(r, 12, &out->month) && out->month >= 1 && take(r, '.') &&
           take_number(r, 5, &out->week) && out->week >= 1 && take(r, '.') &&
           take_number(r, 6, &out->day);
  }
  out->form = take(r, 'J') ? 'J' : 'N';
  return take_number(r, 365, &out->day) && (out->form == 'N' || out->day >= 1);
}

static bool take_change(struct reader *r, struct zone_change *out) {
  out->time_s = 2 * 3600;
  return take_day(r, out) && (!take(r, '/') || take_time(r, &out->time_s));
}

bool zone_rule_parse(struct slice text, struct zone_rule *out) {
  struct reader r = {text.data, text.data + text.len};
  *out = (struct zone_rule){0};
  if (!take_name(&r) || !take_time(&r, &out->standard_s)) return false;
  out->standard_s = -out->standard_s; /* POSIX counts to the west */
  if (r.at == r.end) return true;
  out->has_summer = true;
  out->summer_s = out->standard_s + 3600;
  if (!take_name(&r)) return false;
  if (r.at < r.end && *r.at != ',') {
    if (!take_time(&r, &out->summer_s)) return false;
    out->summer_s = -out->summer_s;
  }
  return take_change(&r, &out->start) && take_change(&r, &out->end) && r.at == r.end;
}

static bool is_leap(int64_t year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int64_t day_of(const struct zone_change *c, int64_t year) {
  int64_t new_year = civil_days((struct civil){year, 1, 1});
  if (c->form == 'N') return new_year + c->day;
  if (c->form == 'J') return new_year + c->day - 1 + (c->day >= 60 && is_leap(year));
  int64_t first = civil_days((struct civil){year, (unsigned)c->month, 1});
  int64_t next = civil_days((struct civil){year, (unsigned)c->month + 1, 1});
  int64_t day = first + (c->day - (int)civil_weekday(first) + 7) % 7 + (c->week - 1) * 7;
  return day < next ? day : day - 7; /* week 5: the last one */
}

int32_t zone_rule_offset_s(const struct zone_rule *rule, int64_t utc_s) {
  if (!rule->has_summer) return rule->standard_s;
  int64_t year = civil_of_days(floor_div(utc_s + rule->standard_s, DAY_S)).year;
  int64_t start = day_of(&rule->start, year) * DAY_S + rule->start.time_s - rule->standard_s;
  int64_t end = day_of(&rule->end, year) * DAY_S + rule->end.time_s - rule->summer_s;
  bool is_summer = start < end ? utc_s >= start && utc_s < end : !(utc_s >= end && utc_s < start);
  return is_summer ? rule->summer_s : rule->standard_s;
}
