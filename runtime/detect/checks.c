#include "detect/checks.h"

bool check_luhn(const uint8_t *d, unsigned count) {
  unsigned sum = 0;
  for (unsigned i = 0; i < count; i++) {
    unsigned v = d[count - 1 - i];
    if (v > 9) return false;
    if (i % 2) v = v * 2 > 9 ? v * 2 - 9 : v * 2;
    sum += v;
  }
  return sum % 10 == 0;
}

bool check_verhoeff(const uint8_t *d, unsigned count) {
  static const char product[] = "0123456789"
                                "1234067895"
                                "2340178956"
                                "3401289567"
                                "4012395678"
                                "5987604321"
                                "6598710432"
                                "7659821043"
                                "8765932104"
                                "9876543210";
  static const char permutation[] = "0123456789"
                                    "1576283094"
                                    "5803796142"
                                    "8916043527"
                                    "9453126870"
                                    "4286573901"
                                    "2793806415"
                                    "7046913258";
  unsigned c = 0;
  for (unsigned i = 0; i < count; i++) {
    unsigned v = (unsigned)(permutation[i % 8 * 10 + d[count - 1 - i]] - '0');
    c = (unsigned)(product[c * 10 + v] - '0');
  }
  return c == 0;
}

bool check_mod11_2(const uint8_t *d, unsigned count) {
  unsigned p = 0;
  for (unsigned i = 0; i + 1 < count; i++) {
    if (d[i] > 9) return false;
    p = (p + d[i]) * 2 % 11;
  }
  return (p + d[count - 1]) % 11 == 1;
}

bool check_mod11_10(const uint8_t *d, unsigned count) {
  unsigned p = 10;
  for (unsigned i = 0; i + 1 < count; i++) {
    unsigned sum = (p + d[i]) % 10;
    p = (sum ? sum : 10) * 2 % 11;
  }
  return (p + d[count - 1]) % 10 == 1;
}

uint64_t check_value(const uint8_t *d, unsigned count) {
  uint64_t value = 0;
  for (unsigned i = 0; i < count; i++)
    value = value * 10 + d[i];
  return value;
}

bool check_date(unsigned year, unsigned month, unsigned day) {
  static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (year < 1850 || year > 2099 || month < 1 || month > 12 || day < 1) return false;
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return day <= days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

bool check_same(const uint8_t *d, unsigned count) {
  bool same = true, rising = true;
  for (unsigned i = 1; i < count; i++) {
    same = same && d[i] == d[0];
    rising = rising && d[i] == (d[i - 1] + 1) % 10;
  }
  return same || rising;
}

unsigned check_weighted(const uint8_t *d, const uint8_t *weights, unsigned count) {
  unsigned sum = 0;
  for (unsigned i = 0; i < count; i++)
    sum += (unsigned)d[i] * weights[i];
  return sum;
}
