/* E.164 numbers with their plus, and forms that only phone numbers have. */
#include "detect/checks.h"
#include "detect/number.h"
#include "detect/rules.h"

/* Country codes of E.164 (ITU-T list of assigned codes) as ranges of their first one to three
 * digits.
 */
static unsigned country_digits(const uint8_t *d) {
  unsigned two = d[0] * 10u + d[1], three = two * 10 + d[2];
  static const char twos[] =
      "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 "
      "58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98";
  if (d[0] == 1 || d[0] == 7) return 1;
  for (const char *p = twos;; p += 3) {
    if ((unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0') == two) return 2;
    if (p[2] == 0) break;
  }
  bool assigned = (three >= 211 && three <= 269) || (three >= 290 && three <= 299) ||
                  (three >= 350 && three <= 389) || (three >= 420 && three <= 423) ||
                  (three >= 500 && three <= 509) || (three >= 590 && three <= 599) ||
                  (three >= 670 && three <= 692) || (three >= 850 && three <= 856) ||
                  three == 880 || three == 886 || (three >= 960 && three <= 998);
  return assigned ? 3 : 0;
}

static void phone_hit(struct scan *s, enum detect_kind kind, struct hit_at at, unsigned score) {
  bool context = scan_near(s, CONTEXT_CN_PHONE, at.start);
  if (context && score < 95) score = score + 20 > 95 ? 95 : score + 20;
  scan_hit(s, kind, at, (struct detect_finding){.score = (uint8_t)score, .context = context});
}

/* The longest prefix of whole groups with 8 to 15 digits. */
static void plus_phone(struct scan *s, const struct number *n) {
  unsigned country = country_digits(n->digit);
  if (country == 0) return;
  for (unsigned i = n->group_count; i-- > 0;) {
    unsigned digits = n->groups[i].digits;
    if (digits > 15) continue;
    if (digits < 8) return;
    struct hit_at at = {n->start - 1, n->groups[i].end, n->start - 1};
    if (check_same(n->digit + country, digits - country)) return;
    if (n->digit[0] == 8 && n->digit[1] == 6 && cn_mobile(n->digit + 2, digits - 2))
      phone_hit(s, DETECT_CN_MOBILE, at, 95);
    phone_hit(s, DETECT_PHONE, at, 85);
    return;
  }
}

/* 86 or 0086 before a mobile number; a landline with its country code. */
static void china_phone(struct scan *s, const struct number *n) {
  unsigned skip = n->digit[0] == 8 && n->digit[1] == 6 ? 2
                  : n->digit[0] == 0 && n->digit[1] == 0 && n->digit[2] == 8 && n->digit[3] == 6
                      ? 4
                      : 0;
  if (skip == 0 || n->sign == '+') return;
  for (unsigned i = 0; i < n->group_count; i++) {
    if (n->groups[i].digits != skip + 11 || !cn_mobile(n->digit + skip, 11)) continue;
    struct hit_at at = {n->start, n->groups[i].end, n->start};
    phone_hit(s, DETECT_CN_MOBILE, at, skip == 4 || n->group_count > 1 ? 90 : 70);
  }
}

/* 415-555-2671, 415.555.2671, 1-415-555-2671; brackets see below. */
static void us_groups(struct scan *s, const struct number *n) {
  unsigned first = n->digit[0] == 1 && n->groups[0].digits == 1 ? 1 : 0;
  if (n->group_count < first + 3 || n->sign == '+') return;
  if (n->groups[first].digits != first + 3 || n->groups[first + 1].digits != first + 6 ||
      n->groups[first + 2].digits != first + 10)
    return;
  char separator = s->text[n->groups[first].end];
  size_t end = n->groups[first + 2].end;
  if (separator == '/' || s->text[n->groups[first + 1].end] != separator || n->inner ||
      n->group_count > first + 3 || !us_phone(n->digit, first + 10))
    return;
  phone_hit(s, DETECT_PHONE, (struct hit_at){n->start, end, n->start}, separator == ' ' ? 50 : 70);
}

static bool digits_at(const struct scan *s, size_t at, unsigned count) {
  for (unsigned i = 0; i < count; i++)
    if (!is_digit(scan_byte(s, at + i))) return false;
  return !is_alnum(scan_byte(s, at + count));
}

/* (415) 555-2671 and (010) 12345678. */
void number_bracket(struct scan *s, const struct number *n) {
  size_t end = n->groups[0].end, open = n->start - 1;
  if (scan_before(s, n->start) != '(' || n->groups[0].digits > 4 || n->groups[0].digits < 3) return;
  if (scan_is_open(s, end, ")- .0123456789", 14)) {
    scan_wait(s, open);
    return;
  }
  if (scan_byte(s, end) != ')') return;
  size_t at = end + 1;
  if (scan_byte(s, at) == ' ' || scan_byte(s, at) == '-') at++;
  if (n->digit[0] == 0) {
    unsigned rest = digits_at(s, at, 8) ? 8 : digits_at(s, at, 7) ? 7 : 0;
    uint8_t all[12];
    unsigned area = n->groups[0].digits;
    memcpy(all, n->digit, area);
    for (unsigned i = 0; i < rest; i++)
      all[area + i] = (uint8_t)(s->text[at + i] - '0');
    if (rest && cn_landline(all, area + rest))
      phone_hit(s, DETECT_CN_LANDLINE, (struct hit_at){open, at + rest, open}, 75);
    return;
  }
  char dash = scan_byte(s, at + 3);
  if (n->groups[0].digits == 3 && n->digit[0] >= 2 && digits_at(s, at, 3) &&
      (dash == '-' || dash == ' ' || dash == '.') && digits_at(s, at + 4, 4))
    phone_hit(s, DETECT_PHONE, (struct hit_at){open, at + 8, open}, 80);
}

void number_phones(struct scan *s, const struct number *n) {
  if (n->sign == '+') plus_phone(s, n);
  china_phone(s, n);
  us_groups(s, n);
}
