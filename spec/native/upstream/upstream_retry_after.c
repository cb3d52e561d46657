/* Every form in which a provider says when to come back. */
#include "check.h"
#include "upstream/retry_after.h"

static const int64_t now_ms = 1784714400000; /* 2026-07-22T10:00:00Z */

static void expect(int64_t want, const struct header *items, size_t count) {
  int64_t got = retry_after_ms((struct headers){items, count}, now_ms);
  CHECK(got == want);
  if (got != want)
    fprintf(stderr, "%.*s: got %lld, want %lld\n", (int)items[0].value.len, items[0].value.data,
            (long long)got, (long long)want);
}

static void one(const char *name, const char *value, int64_t want) {
  struct header h = {slice_of(name), slice_of(value)};
  expect(want, &h, 1);
}

static void test_single(void) {
  one("Retry-After", "3", 3000);
  one("retry-after", " 0 ", 0);
  one("retry-after", "1.5", 1500);
  one("retry-after", "86400", RETRY_AFTER_MAX_MS);
  one("retry-after", "99999999999999999999999999", RETRY_AFTER_MAX_MS);
  one("retry-after", "Wed, 22 Jul 2026 10:00:07 GMT", 7000);
  one("retry-after", "Wednesday, 22-Jul-26 10:00:07 GMT", 7000);
  one("retry-after", "Wed Jul 22 10:00:07 2026", 7000);
  one("retry-after", "Wed, 22 Jul 2026 09:00:00 GMT", 0);
  one("retry-after", "Wed, 22 Jul 2099 09:00:00 GMT", RETRY_AFTER_MAX_MS);
  one("retry-after", "-5", -1);
  one("retry-after", "soon", -1);
  one("retry-after", "", -1);
  one("retry-after", "3 s", -1);
  one("retry-after-ms", "250", 250);
  one("retry-after-ms", "0.5", 1);
  one("x-ratelimit-reset-requests", "1s", 1000);
  one("x-ratelimit-reset-tokens", "1m30s", 90000);
  one("x-ratelimit-reset-tokens", "20ms", 20);
  one("x-ratelimit-reset-tokens", "2m59.56s", 179560);
  one("x-ratelimit-reset-tokens", "1h", RETRY_AFTER_MAX_MS);
  one("x-ratelimit-reset-tokens", "9999999999999999999h9h9h", RETRY_AFTER_MAX_MS);
  one("x-ratelimit-reset-tokens", "1m30", -1);
  one("x-ratelimit-reset-tokens", "s", -1);
  one("x-ratelimit-reset", "12", 12000);
  one("x-ratelimit-reset", "1784714405", 5000);
  one("x-ratelimit-reset", "1784714405500", 5500);
  one("anthropic-ratelimit-requests-reset", "2026-07-22T10:00:10Z", 10000);
  one("x-other", "5", -1);
}

static void test_choice(void) {
  const struct header all[] = {
      {SLICE("retry-after"), SLICE("9")},
      {SLICE("retry-after-ms"), SLICE("100")},
      {SLICE("x-ratelimit-reset-tokens"), SLICE("1s")},
  };
  expect(100, all, 3);
  expect(9000, all, 1);
  const struct header limits[] = {
      {SLICE("x-ratelimit-reset-requests"), SLICE("40s")},
      {SLICE("x-ratelimit-reset-tokens"), SLICE("2s")},
      {SLICE("x-ratelimit-remaining-requests"), SLICE("0")},
      {SLICE("x-ratelimit-remaining-tokens"), SLICE("5000")},
  };
  expect(2000, limits, 2);  /* nobody says which is exhausted */
  expect(40000, limits, 4); /* the exhausted one */
  expect(-1, NULL, 0);
}

int main(void) {
  test_single();
  test_choice();
  return checks_end();
}
