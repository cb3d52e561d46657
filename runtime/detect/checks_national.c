/* National identifiers made of digits alone. Sources stand at each: the issuing authority's rule.
 */
#include "detect/checks.h"

/* Social Security Administration, randomisation notice of 2011. */
bool us_ssn(const uint8_t *d, unsigned count) {
  if (count != 9) return false;
  uint64_t area = check_value(d, 3), value = check_value(d, 9);
  if (area == 0 || area == 666 || area >= 900) return false;
  if (check_value(d + 3, 2) == 0 || check_value(d + 5, 4) == 0) return false;
  return value != 78051120 && value != 219099999 && !check_same(d, 9); /* cards of adverts */
}

/* IRS Publication 1915. */
bool us_itin(const uint8_t *d, unsigned count) {
  unsigned group = d[3] * 10u + d[4];
  return count == 9 && d[0] == 9 &&
         ((group >= 50 && group <= 65) || (group >= 70 && group <= 88) ||
          (group >= 90 && group <= 92) || (group >= 94 && group <= 99));
}

/* 45 CFR 162.406: Luhn with the prefix 80840. */
bool us_npi(const uint8_t *d, unsigned count) {
  uint8_t all[15] = {8, 0, 8, 4, 0};
  if (count != 10 || (d[0] != 1 && d[0] != 2)) return false;
  memcpy(all + 5, d, 10);
  return check_luhn(all, 15);
}

/* North American Numbering Plan: area and exchange begin with 2 to 9; N11 is no area. */
bool us_phone(const uint8_t *d, unsigned count) {
  if (count == 11 && d[0] == 1) d++, count--;
  return count == 10 && d[0] >= 2 && d[3] >= 2 && !(d[1] == 1 && d[2] == 1) && !check_same(d, 10);
}

/* NHS Data Dictionary. */
bool uk_nhs(const uint8_t *d, unsigned count) {
  static const uint8_t weights[] = {10, 9, 8, 7, 6, 5, 4, 3, 2};
  if (count != 10 || check_same(d, 10)) return false;
  return (11 - check_weighted(d, weights, 9) % 11) % 11 == d[9];
}

/* UIDAI: does not begin with 0 or 1. */
bool in_aadhaar(const uint8_t *d, unsigned count) {
  bool mirrored = true;
  for (unsigned i = 0; i < 6 && count == 12; i++)
    mirrored = mirrored && d[i] == d[11 - i];
  return count == 12 && d[0] >= 2 && !mirrored && check_verhoeff(d, 12);
}

/* Resident Registration Act: date, century and sex digit. */
bool kr_rrn_shape(const uint8_t *d, unsigned count) {
  static const unsigned centuries[] = {1800, 1900, 1900, 2000, 2000, 1900, 1900, 2000, 2000, 1800};
  if (count != 13 || check_value(d + 7, 2) > 96) return false; /* 00 to 96: where it was issued */
  if (centuries[d[6]] == 2000 && d[0] >= 5) return false;
  return check_date(centuries[d[6]] + d[0] * 10u + d[1], d[2] * 10u + d[3], d[4] * 10u + d[5]);
}

bool kr_rrn(const uint8_t *d, unsigned count) {
  static const uint8_t weights[] = {2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5};
  if (!kr_rrn_shape(d, count)) return false;
  unsigned check = (11 - check_weighted(d, weights, 12) % 11) % 10;
  /* Foreigners' numbers were long given with two more. */
  return check == d[12] || (d[6] >= 5 && d[6] <= 8 && (check + 2) % 10 == d[12]);
}

/* Service Canada: 8 is not given out; 0 is for tests. */
bool ca_sin(const uint8_t *d, unsigned count) {
  return count == 9 && d[0] != 0 && d[0] != 8 && check_luhn(d, 9) && !check_same(d, 9);
}

/* Australian Taxation Office. */
bool au_tfn(const uint8_t *d, unsigned count) {
  static const uint8_t nine[] = {1, 4, 3, 7, 5, 8, 6, 9, 10}, eight[] = {10, 7, 8, 4, 6, 3, 5, 1};
  if (check_same(d, count)) return false;
  if (count == 8) return check_weighted(d, eight, 8) % 11 == 0;
  return count == 9 && check_weighted(d, nine, 9) % 11 == 0;
}

/* Australian Business Register: one is taken from the first digit. */
bool au_abn(const uint8_t *d, unsigned count) {
  static const uint8_t weights[] = {10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19};
  return count == 11 && d[0] > 0 && (check_weighted(d, weights, 11) - 10) % 89 == 0;
}

/* Services Australia; an eleventh digit is the person on the card. */
bool au_medicare(const uint8_t *d, unsigned count) {
  static const uint8_t weights[] = {1, 3, 7, 9, 1, 3, 7, 9};
  return (count == 10 || count == 11) && d[0] >= 2 && d[0] <= 6 && d[9] > 0 &&
         check_weighted(d, weights, 8) % 10 == d[8];
}

/* Bundeszentralamt für Steuern: of the first ten digits one occurs twice or thrice. */
bool de_steuer_id(const uint8_t *d, unsigned count) {
  unsigned seen[10] = {0}, twice = 0, thrice = 0;
  if (count != 11 || d[0] == 0) return false;
  for (unsigned i = 0; i < 10; i++)
    seen[d[i]]++;
  for (unsigned i = 0; i < 10; i++) {
    twice += seen[i] == 2;
    thrice += seen[i] == 3;
    if (seen[i] > 3) return false;
  }
  for (unsigned i = 0; i + 2 < 10; i++)
    if (d[i] == d[i + 1] && d[i] == d[i + 2]) return false;
  return twice + thrice == 1 && check_mod11_10(d, 11);
}

/* INSEE: sex, year, month, department, commune, order, key. */
bool fr_nir(const uint8_t *d, unsigned count) {
  if (count != 15) return false;
  unsigned month = d[3] * 10u + d[4];
  if (d[0] == 0 || (d[0] > 4 && d[0] < 7) || d[0] > 8) return false;
  if (month < 1 || (month > 12 && month < 20) || (month > 42 && month < 50)) return false;
  if (check_value(d + 5, 2) == 0) return false;
  return 97 - check_value(d, 13) % 97 == check_value(d + 13, 2);
}

static unsigned digit_mod11(const uint8_t *d, const uint8_t *weights, unsigned count) {
  unsigned rest = check_weighted(d, weights, count) % 11;
  return rest < 2 ? 0 : 11 - rest;
}

/* Receita Federal. */
bool br_cpf(const uint8_t *d, unsigned count) {
  static const uint8_t weights[] = {11, 10, 9, 8, 7, 6, 5, 4, 3, 2};
  bool same = true;
  for (unsigned i = 1; i < 11 && count == 11; i++)
    same = same && d[i] == d[0];
  return count == 11 && !same && digit_mod11(d, weights + 1, 9) == d[9] &&
         digit_mod11(d, weights, 10) == d[10];
}

bool br_cnpj(const uint8_t *d, unsigned count) {
  static const uint8_t weights[] = {6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2};
  return count == 14 && !check_same(d, 12) && digit_mod11(d, weights + 1, 12) == d[12] &&
         digit_mod11(d, weights, 13) == d[13];
}

/* Ministerstwo Cyfryzacji: the month carries the century. Nobody was born after 2049 yet. */
bool pl_pesel(const uint8_t *d, unsigned count) {
  static const uint8_t weights[] = {1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1};
  if (count != 11) return false;
  unsigned month = d[2] * 10u + d[3], year = d[0] * 10u + d[1];
  if (month >= 80)
    year += year >= 50 ? 1800 : 0;
  else if (month >= 20)
    year += month < 40 && year < 50 ? 2000 : 0;
  else
    year += 1900;
  return check_date(year, month % 20, d[4] * 10u + d[5]) &&
         check_weighted(d, weights, 11) % 10 == 0;
}

/* Ordinance No. 85 of 2014 of the Ministry of Internal Affairs and Communications. */
bool jp_my_number(const uint8_t *d, unsigned count) {
  static const uint8_t weights[] = {6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2};
  return count == 12 && !check_same(d, 12) && digit_mod11(d, weights, 11) == d[11];
}
