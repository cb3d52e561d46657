#include "config/decimal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct decimal { /* mantissa x 10^exponent; zeros at the end are in the exponent */
  uint64_t mantissa;
  int exponent;
  unsigned pending_zeros;
  bool has_digits, is_long;
};

enum { EXPONENT_LIMIT = 100000 };

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool times_ten(uint64_t *value, unsigned times) {
  while (times-- > 0 && *value)
    if (__builtin_mul_overflow(*value, 10u, value)) return false;
  return true;
}

static void take_digit(struct decimal *d, char c) {
  d->has_digits = true;
  if (c == '0') {
    d->pending_zeros += d->mantissa != 0;
    return;
  }
  if (!times_ten(&d->mantissa, d->pending_zeros + 1) ||
      __builtin_add_overflow(d->mantissa, (uint64_t)(c - '0'), &d->mantissa))
    d->is_long = true;
  d->pending_zeros = 0;
}

static struct slice take_digits(struct decimal *d, struct slice text, bool is_fraction) {
  while (text.len && is_digit(text.data[0])) {
    take_digit(d, text.data[0]);
    if (is_fraction && d->exponent > -EXPONENT_LIMIT) d->exponent--;
    text = slice_skip(text, 1);
  }
  return text;
}

static bool take_exponent(struct decimal *d, struct slice text) {
  if (text.len == 0) return true;
  if (text.data[0] != 'e' && text.data[0] != 'E') return false;
  text = slice_skip(text, 1);
  bool minus = text.len && text.data[0] == '-';
  if (text.len && (minus || text.data[0] == '+')) text = slice_skip(text, 1);
  uint64_t value;
  if (!slice_to_u64(text, &value)) return false;
  if (value > EXPONENT_LIMIT) value = EXPONENT_LIMIT;
  d->exponent += minus ? -(int)value : (int)value;
  return true;
}

enum decimal_status decimal_scale(struct slice text, int power, uint64_t *out) {
  struct decimal d = {0};
  bool minus = text.len && text.data[0] == '-';
  if (minus) text = slice_skip(text, 1);
  text = take_digits(&d, text, false);
  if (text.len && text.data[0] == '.') text = take_digits(&d, slice_skip(text, 1), true);
  if (!d.has_digits || !take_exponent(&d, text)) return DECIMAL_MALFORMED;
  if (minus && d.mantissa) return DECIMAL_NEGATIVE;
  int exponent = d.exponent + (int)d.pending_zeros + power;
  if (d.mantissa && exponent < 0) return DECIMAL_INEXACT;
  if (d.is_long || (d.mantissa && !times_ten(&d.mantissa, (unsigned)exponent)))
    return DECIMAL_OVERFLOW;
  *out = d.mantissa;
  return DECIMAL_OK;
}

void decimal_print(double number, char out[DECIMAL_TEXT_BYTES]) {
  for (int digits = 1; digits <= 17; digits++) {
    snprintf(out, DECIMAL_TEXT_BYTES, "%.*g", digits, number);
    if (isnan(number) || strtod(out, NULL) == number) return;
  }
}
