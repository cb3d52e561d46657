#include "base/clock.h"

#include <time.h>

#include "base/bytes.h"
#include "check.h"

/* As the C library writes it, every two days or so up to the year 9999. */
static void test_like_libc(void) {
  char text[25], want[64];
  for (int64_t ms = 0; ms < 253402300800000; ms += 187469321) {
    time_t second = (time_t)(ms / 1000);
    struct tm utc;
    gmtime_r(&second, &utc);
    size_t len = strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(want + len, sizeof want - len, ".%03dZ", (int)(ms % 1000));
    clock_format(ms, text);
    CHECK_TEXT(slice_of(text), want);
  }
}

static void test_edges(void) {
  static const struct {
    int64_t ms;
    const char *text;
  } cases[] = {
      {0, "1970-01-01T00:00:00.000Z"},
      {951782399999, "2000-02-28T23:59:59.999Z"},
      {951782400000, "2000-02-29T00:00:00.000Z"},
      {951868800000, "2000-03-01T00:00:00.000Z"},
      {4107542400000, "2100-03-01T00:00:00.000Z"},
      {253402300799999, "9999-12-31T23:59:59.999Z"},
  };
  char text[25];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    clock_format(cases[i].ms, text);
    CHECK_TEXT(slice_of(text), cases[i].text);
  }
  clock_format(1000, text);
  CHECK_TEXT(slice_of(text), "1970-01-01T00:00:01.000Z");
  clock_format(1999, text); /* of the same second, and the one after it and before it */
  CHECK_TEXT(slice_of(text), "1970-01-01T00:00:01.999Z");
  clock_format(2000, text);
  CHECK_TEXT(slice_of(text), "1970-01-01T00:00:02.000Z");
  clock_format(1001, text);
  CHECK_TEXT(slice_of(text), "1970-01-01T00:00:01.001Z");
}

int main(void) {
  test_like_libc();
  test_edges();
  return checks_end();
}
