/* GB 11643 (resident ID), GB 32100 (USCC), GB 11714 (organisation code), the numbering plan of the
 * MIIT, and the travel documents of the National Immigration Administration. */
#include "detect/checks.h"

/* Provinces of GB/T 2260; 81 to 83 are the residence permits for Hong Kong, Macau and Taiwan. */
static bool is_region(const uint8_t *d) {
  static const char provinces[] =
      "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 "
      "51 52 53 54 61 62 63 64 65 71 81 82 83";
  for (const char *p = provinces;; p += 3) {
    if (p[0] - '0' == d[0] && p[1] - '0' == d[1]) return true;
    if (p[2] == 0) return false;
  }
}

bool cn_resident_id(const uint8_t *d, unsigned count) {
  if (count != 18 || d[0] == 9 || !is_region(d)) return false;
  unsigned year = (unsigned)check_value(d + 6, 4);
  if (!check_date(year, d[10] * 10u + d[11], d[12] * 10u + d[13])) return false;
  return check_mod11_2(d, 18);
}

bool cn_resident_id_old(const uint8_t *d, unsigned count) {
  if (count != 15 || !is_region(d) || d[0] >= 7) return false;
  return check_date(1900 + d[6] * 10u + d[7], d[8] * 10u + d[9], d[10] * 10u + d[11]);
}

bool cn_foreigner_id(const uint8_t *d, unsigned count) {
  if (count != 18 || d[0] != 9) return false;
  unsigned year = (unsigned)check_value(d + 6, 4);
  if (!check_date(year, d[10] * 10u + d[11], d[12] * 10u + d[13])) return false;
  return check_mod11_2(d, 18);
}

/* Three letters, twelve digits: region, date of birth YYMMDD at 7 to 12, two of sequence, and the
 * check digit of ICAO 9303 (weights 7, 3, 1). */
bool cn_foreigner_old(struct slice t) {
  static const uint8_t weights[] = {7, 3, 1};
  if (t.len != 15) return false;
  unsigned sum = 0;
  for (unsigned i = 0; i < 15; i++) {
    bool letter = t.data[i] >= 'A' && t.data[i] <= 'Z';
    if (letter != (i < 3)) return false;
    unsigned value = (unsigned)(letter ? t.data[i] - 'A' + 10 : t.data[i] - '0');
    if (i < 14) sum += value * weights[i % 3];
  }
  unsigned month = (unsigned)((t.data[9] - '0') * 10 + t.data[10] - '0');
  unsigned day = (unsigned)((t.data[11] - '0') * 10 + t.data[12] - '0');
  return check_date(2000, month, day) && sum % 10 == (unsigned)(t.data[14] - '0');
}

/* 1[3-9]x without what is for satellites, data cards of the machine plan and nothing. */
bool cn_mobile(const uint8_t *d, unsigned count) {
  static const char *const third[] = {
      [3] = "0123456789", [4] = "0156789",    [5] = "012356789",  [6] = "24567",
      [7] = "0123456789", [8] = "0123456789", [9] = "0123456789",
  };
  if (count != 11 || d[0] != 1 || d[1] < 3 || !strchr(third[d[1]], '0' + d[2])) return false;
  if (d[1] == 7 && d[2] == 9) return false;
  return !check_same(d + 3, 8);
}

bool cn_landline(const uint8_t *d, unsigned count) {
  if (d[0] != 0 || d[1] == 0 || count < 10 || count > 12) return false;
  bool three = d[1] == 1 ? d[2] == 0 : d[1] == 2;
  if (three && d[1] == 2 && d[2] == 6) return false;
  if (d[1] == 1 && !three) return false;
  unsigned area = three ? 3 : 4, rest = count - area;
  return (rest == 8 || (rest == 7 && !three)) && d[area] >= 2 && !check_same(d + area, rest);
}

bool cn_bank_card(const uint8_t *d, unsigned count) {
  return count >= 16 && count <= 19 && d[0] == 6 && d[1] == 2 && check_luhn(d, count);
}

/* Issuers outside the 62 range: ICBC 9558, ABC 95599, CCB 4367, 5240, BOC 4563 … */
bool cn_other_card(const uint8_t *d, unsigned count) {
  return count >= 16 && count <= 19 &&
         (d[0] == 9 || d[0] == 4 || d[0] == 5 || d[0] == 3 || d[0] == 6) && check_luhn(d, count) &&
         !check_same(d, count);
}

bool tw_permit(const uint8_t *d, unsigned count) {
  return (count == 8 || count == 10) && !check_same(d, count);
}

static int index_of(const char *alphabet, char c) {
  const char *at = c ? strchr(alphabet, c) : NULL;
  return at ? (int)(at - alphabet) : -1;
}

bool cn_org_code(struct slice t) {
  static const uint8_t weights[] = {3, 7, 9, 10, 5, 8, 4, 2};
  static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  if (t.len != 9) return false;
  unsigned sum = 0;
  for (unsigned i = 0; i < 8; i++) {
    int value = index_of(alphabet, t.data[i]);
    if (value < 0) return false;
    sum += (unsigned)value * weights[i];
  }
  return t.data[8] == "0X987654321"[sum % 11];
}

bool cn_uscc(struct slice t) {
  static const uint8_t weights[] = {1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28};
  static const char alphabet[] = "0123456789ABCDEFGHJKLMNPQRTUWXY";
  if (t.len != 18 || !strchr("123456789ANY", t.data[0])) return false;
  unsigned sum = 0;
  for (unsigned i = 0; i < 17; i++) {
    int value = index_of(alphabet, t.data[i]);
    if (value < 0 || (i >= 2 && i < 8 && value > 9)) return false;
    sum += (unsigned)value * weights[i];
  }
  return t.data[17] == alphabet[(31 - sum % 31) % 31];
}

static struct slice digits_text(const uint8_t *d, unsigned count, char *out) {
  for (unsigned i = 0; i < count; i++)
    out[i] = (char)('0' + d[i]);
  return (struct slice){out, count};
}

bool cn_uscc_digits(const uint8_t *d, unsigned count) {
  char text[18];
  return count == 18 && d[0] > 0 && cn_uscc(digits_text(d, count, text));
}

bool cn_org_digits(const uint8_t *d, unsigned count) {
  char text[9];
  return count == 9 && !check_same(d, 9) && cn_org_code(digits_text(d, count, text));
}

static bool digits_from(struct slice t, size_t at, size_t count) {
  for (size_t i = at; i < at + count; i++)
    if (t.data[i] < '0' || t.data[i] > '9') return false;
  return t.len == at + count;
}

bool cn_resident_id_x(struct slice t) {
  uint8_t d[18];
  if (t.len != 18 || t.data[17] != 'X') return false;
  for (size_t i = 0; i < 17; i++) {
    if (t.data[i] < '0' || t.data[i] > '9') return false;
    d[i] = (uint8_t)(t.data[i] - '0');
  }
  d[17] = 10;
  return cn_resident_id(d, 18) || cn_foreigner_id(d, 18);
}

/* Ordinary E and G (since 2012 E and a letter), service and diplomatic SE, DE, PE, S, D, P; 14 and
 * 15 with 7 digits. */
bool cn_passport(struct slice t) {
  if (t.len != 9) return false;
  if (strchr("EGDSPK", t.data[0]) && digits_from(t, 1, 8)) return true;
  bool second = t.data[1] >= 'A' && t.data[1] <= 'Z' && t.data[1] != 'I' && t.data[1] != 'O';
  return second && strchr("EDSPK", t.data[0]) && digits_from(t, 2, 7);
}

/* C and W: to Hong Kong and Macau; H and M: home. */
bool cn_hk_macau_permit(struct slice t) {
  if (strchr("CWHM", t.data[0]) &&
      (digits_from(t, 1, 8) || (t.data[0] >= 'H' && digits_from(t, 1, 10))))
    return true;
  return t.len == 9 && t.data[0] == 'C' && t.data[1] >= 'A' && t.data[1] <= 'Z' &&
         digits_from(t, 2, 7);
}

bool cn_taiwan_permit(struct slice t) {
  return (t.data[0] == 'L' || t.data[0] == 'T') && digits_from(t, 1, 8);
}
