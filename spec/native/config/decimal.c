/* Decimal text to whole units: exact or refused. */
#include "config/decimal.h"

#include <math.h>

#include "check.h"
#include "config/parse_values.h"

static enum decimal_status status_of(const char *text, int power) {
  uint64_t out;
  return decimal_scale(slice_of(text), power, &out);
}

static void exact(const char *text, int power, uint64_t wanted) {
  uint64_t out = wanted + 1;
  enum decimal_status status = decimal_scale(slice_of(text), power, &out);
  if (status == DECIMAL_OK && out == wanted) return;
  fprintf(stderr, "%s x 10^%d: status %d, %llu\n", text, power, status, (unsigned long long)out);
  checks_failed++;
}

static void test_scale(void) {
  exact("2.5", 3, 2500);
  exact("0.001", 3, 1);
  exact("1e-3", 3, 1);
  exact("0", 3, 0);
  exact("-0", 3, 0);
  exact("0.000000000000000000000000000000", 3, 0);
  exact("0e999999999999999999", 3, 0);
  exact(".5", 3, 500);
  exact("5.", 3, 5000);
  exact("000000000000000000000000001.50", 3, 1500);
  exact("1000000000000000000000e-20", 1, 100);
  exact("18446744073709551615", 0, UINT64_MAX);
  exact("18446744073709551.615", 3, UINT64_MAX);
  CHECK(status_of("18446744073709551616", 0) == DECIMAL_OVERFLOW);
  CHECK(status_of("1e308", 3) == DECIMAL_OVERFLOW);
  CHECK(status_of("1e99999999999999999999", 3) == DECIMAL_MALFORMED);
  CHECK(status_of("0.0001", 3) == DECIMAL_INEXACT);
  CHECK(status_of("1e-308", 3) == DECIMAL_INEXACT);
  CHECK(status_of("2.5000000000000000000001", 3) == DECIMAL_INEXACT);
  CHECK(status_of("-1", 3) == DECIMAL_NEGATIVE);
  const char *malformed[] = {"",   ".",     "-",    "e5",  "1e",  "1e+", "1 ",
                             " 1", "1.2.3", "0x10", "nan", "inf", "1,5"};
  for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
    CHECK(status_of(malformed[i], 3) == DECIMAL_MALFORMED);
}

/* Every price of up to three decimals that a float can carry comes back as it was written. */
static void test_numbers(void) {
  for (uint64_t nano = 0; nano < 200000; nano += 7) {
    char text[32];
    snprintf(text, sizeof text, "%llu.%03llu", (unsigned long long)nano / 1000,
             (unsigned long long)nano % 1000);
    struct value v = {.type = VALUE_NUMBER, .number = strtod(text, NULL)};
    uint64_t out = 0;
    CHECK(parse_decimal(&v, 3, &out) == DECIMAL_OK && out == nano);
  }
  uint64_t out;
  struct value v = {.type = VALUE_NUMBER, .number = 0.1 + 0.2}; /* 0.30000000000000004 */
  CHECK(parse_decimal(&v, 3, &out) == DECIMAL_INEXACT);
  v.number = NAN;
  CHECK(parse_decimal(&v, 3, &out) == DECIMAL_MALFORMED);
  v.number = INFINITY;
  CHECK(parse_decimal(&v, 3, &out) == DECIMAL_MALFORMED);
  v.number = -INFINITY;
  CHECK(parse_decimal(&v, 3, &out) == DECIMAL_NEGATIVE);
}

static bool duration(const char *text, uint64_t wanted) {
  uint64_t out;
  struct value v = {.type = VALUE_TEXT, .text = slice_of(text)};
  return parse_duration_ms(&v, &out) && out == wanted;
}

static bool size(const char *text, uint64_t wanted) {
  uint64_t out;
  struct value v = {.type = VALUE_TEXT, .text = slice_of(text)};
  return parse_size(&v, &out) && out == wanted;
}

static void test_units(void) {
  CHECK(duration("500ms", 500) && duration("5s", 5000) && duration("2m", 120000));
  CHECK(duration("1h", 3600000) && duration("1.5h", 5400000) && duration("0.25s", 250));
  CHECK(duration("90", 90000) && duration("1 d", 86400000) && duration("0", 0));
  CHECK(!duration("0.5ms", 0) && !duration("s", 0) && !duration("5 seconds", 5000));
  CHECK(!duration("-1s", 0) && !duration("", 0) && !duration("99999999999999999h", 0));
  CHECK(size("64KiB", 65536) && size("20MiB", 20971520) && size("1.5GiB", 1610612736));
  CHECK(size("1GB", 1000000000) && size("17", 17) && size("17 B", 17));
  CHECK(!size("0.5B", 0) && !size("64kib", 65536) && !size("KiB", 0) && !size("-1", 0));
}

int main(void) {
  test_scale();
  test_numbers();
  test_units();
  return checks_end();
}
