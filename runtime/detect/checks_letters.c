/* National identifiers with letters. text is exact, letters in upper case. */
#include "detect/checks.h"

/* A letter for A, a digit for 9. */
static bool has_shape(struct slice t, const char *shape) {
  if (t.len != strlen(shape)) return false;
  for (size_t i = 0; i < t.len; i++) {
    bool letter = t.data[i] >= 'A' && t.data[i] <= 'Z',
         digit = t.data[i] >= '0' && t.data[i] <= '9';
    if (shape[i] == 'A' ? !letter : !digit) return false;
  }
  return true;
}

static unsigned digit_at(struct slice t, size_t i) {
  return (unsigned)(t.data[i] - '0');
}

static uint64_t number_at(struct slice t, size_t from, size_t count) {
  uint64_t value = 0;
  for (size_t i = from; i < from + count; i++)
    value = value * 10 + digit_at(t, i);
  return value;
}

/* HM Revenue and Customs, NIM39110. */
bool uk_nino(struct slice t) {
  if (!has_shape(t, "AA999999A") || t.data[8] > 'D') return false;
  if (strchr("DFIQUV", t.data[0]) || strchr("DFIQUVO", t.data[1])) return false;
  static const char refused[] = "BGGBKNNKNTTNZZ";
  for (const char *p = refused; *p; p += 2)
    if (p[0] == t.data[0] && p[1] == t.data[1]) return false;
  return true;
}

/* Income Tax Department: the fourth letter is the holder's type. */
bool in_pan(struct slice t) {
  return has_shape(t, "AAAAA9999A") && strchr("ABCFGHJKLPT", t.data[3]) && number_at(t, 5, 4) > 0;
}

/* GSTN: state, PAN, entity, Z, check character by Luhn mod 36. */
bool in_gstin(struct slice t) {
  if (t.len != 15 || t.data[13] != 'Z' || t.data[12] == '0') return false;
  if (!has_shape((struct slice){t.data, 2}, "99")) return false;
  unsigned state = (unsigned)number_at(t, 0, 2);
  if (state == 0 || (state > 38 && state != 97 && state != 99)) return false;
  if (!in_pan((struct slice){t.data + 2, 10})) return false;
  unsigned sum = 0;
  for (size_t i = 0; i < 15; i++) {
    char c = t.data[14 - i];
    bool letter = c >= 'A' && c <= 'Z';
    if (!letter && (c < '0' || c > '9')) return false;
    unsigned value = (unsigned)(letter ? c - 'A' + 10 : c - '0') * (i % 2 ? 2 : 1);
    sum += value / 36 + value % 36;
  }
  return sum % 36 == 0;
}

/* Immigration & Checkpoints Authority. */
bool sg_nric(struct slice t) {
  static const uint8_t weights[] = {2, 7, 6, 5, 4, 3, 2};
  if (!has_shape(t, "A9999999A") || !strchr("STFGM", t.data[0])) return false;
  unsigned sum = strchr("TG", t.data[0]) ? 4 : t.data[0] == 'M' ? 3 : 0;
  for (size_t i = 0; i < 7; i++)
    sum += digit_at(t, i + 1) * weights[i];
  if (t.data[0] == 'M') return t.data[8] == "KLJNPQRTUWX"[10 - sum % 11];
  const char *letters = strchr("ST", t.data[0]) ? "JZIHGFEDCBA" : "XWUTRQPNMLK";
  return t.data[8] == letters[sum % 11];
}

static const char nif_letters[] = "TRWAGMYFPDXBNJZSQVHLCKE"; /* Ministerio del Interior */

bool es_nif(struct slice t) {
  return has_shape(t, "99999999A") && number_at(t, 0, 8) > 0 &&
         t.data[8] == nif_letters[number_at(t, 0, 8) % 23];
}

bool es_nie(struct slice t) {
  if (!has_shape(t, "A9999999A") || t.data[0] < 'X') return false;
  uint64_t number = (uint64_t)(t.data[0] - 'X') * 10000000 + number_at(t, 1, 7);
  return t.data[8] == nif_letters[number % 23];
}

/* Decreto ministeriale 23 dicembre 1976, letters for digits where two people would share a code. */
bool it_cf(struct slice t) {
  static const char odd_letters[] = {1,  0,  5, 7, 9, 13, 15, 17, 19, 21, 2,  4,  18,
                                     20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23};
  static const char shape[] = "AAAAAA99A99A999A";
  if (t.len != 16) return false;
  unsigned sum = 0;
  char number[16];
  for (size_t i = 0; i < 16; i++) {
    char c = t.data[i];
    bool letter = c >= 'A' && c <= 'Z';
    if (!letter && (c < '0' || c > '9')) return false;
    if (shape[i] == 'A' && !letter) return false;
    const char *doubled = letter ? strchr("LMNPQRSTUV", c) : NULL;
    if (shape[i] == '9' && letter && !doubled) return false;
    number[i] = shape[i] == '9' && letter ? (char)('0' + (doubled - "LMNPQRSTUV")) : c;
    unsigned value = (unsigned)(letter ? c - 'A' : c - '0');
    if (i < 15) sum += i % 2 ? value : (unsigned)odd_letters[value];
  }
  unsigned day = (unsigned)((number[9] - '0') * 10 + number[10] - '0');
  return strchr("ABCDEHLMPRST", t.data[8]) &&
         ((day >= 1 && day <= 31) || (day >= 41 && day <= 71)) &&
         t.data[15] == (char)('A' + sum % 26);
}

/* INSEE: in Corsica 2A counts as 19, 2B as 18. */
bool fr_nir_corsica(struct slice t) {
  if (t.len != 15 || t.data[5] != '2' || (t.data[6] != 'A' && t.data[6] != 'B')) return false;
  uint64_t number = 0;
  for (size_t i = 0; i < 15; i++)
    if (i != 6 && (t.data[i] < '0' || t.data[i] > '9')) return false;
  if (t.data[0] != '1' && t.data[0] != '2') return false;
  for (size_t i = 0; i < 13; i++)
    number = number * 10 + (i == 5 ? 1 : i == 6 ? (t.data[6] == 'A' ? 9 : 8) : digit_at(t, i));
  return 97 - number % 97 == number_at(t, 13, 2);
}

/* Instrução Normativa RFB 2.229/2024: a character counts as its ASCII code less 48. */
bool br_cnpj_letters(struct slice t) {
  static const uint8_t weights[] = {6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2};
  if (t.len != 14) return false;
  uint8_t values[14];
  for (size_t i = 0; i < 14; i++) {
    bool letter = t.data[i] >= 'A' && t.data[i] <= 'Z';
    if ((!letter || i >= 12) && (t.data[i] < '0' || t.data[i] > '9')) return false;
    values[i] = (uint8_t)(t.data[i] - '0');
  }
  unsigned first = check_weighted(values, weights + 1, 12) % 11;
  unsigned second = check_weighted(values, weights, 13) % 11;
  return values[12] == (first < 2 ? 0 : 11 - first) && values[13] == (second < 2 ? 0 : 11 - second);
}

/* Immigration Department: one or two letters, six digits, check character. */
bool hk_id(struct slice t) {
  unsigned sum = 0;
  if (t.len != 8 && t.len != 9) return false;
  size_t letters = t.len - 7;
  if (letters == 1) sum = 36 * 9; /* a space stands for the missing letter */
  for (size_t i = 0; i + 1 < t.len; i++) {
    bool letter = t.data[i] >= 'A' && t.data[i] <= 'Z';
    if (letter != (i < letters)) return false;
    if (!letter && (t.data[i] < '0' || t.data[i] > '9')) return false;
    sum += (unsigned)(letter ? t.data[i] - 'A' + 10 : t.data[i] - '0') * (unsigned)(t.len - i);
  }
  return t.data[t.len - 1] == "0123456789A"[(11 - sum % 11) % 11];
}

/* Ministry of the Interior: area letter, sex digit (8 and 9: residence), check digit. */
bool tw_id(struct slice t) {
  static const char areas[] = "ABCDEFGHJKLMNPQRSTUVXYWZIO"; /* 10 to 35 */
  if (t.len != 10) return false;
  const char *area = t.data[0] ? strchr(areas, t.data[0]) : NULL;
  if (!area) return false;
  for (size_t i = 1; i < 10; i++)
    if (t.data[i] < '0' || t.data[i] > '9') return false;
  if (!strchr("1289", t.data[1])) return false;
  unsigned value = (unsigned)(area - areas) + 10, sum = value / 10 + value % 10 * 9;
  for (size_t i = 1; i < 9; i++)
    sum += digit_at(t, i) * (unsigned)(9 - i);
  return (sum + digit_at(t, 9)) % 10 == 0;
}
