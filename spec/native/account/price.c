#include "account/price.h"

#include "check.h"

static const uint64_t values[] = {0, 1, 1ull << 31, (1ull << 53) + 1, INT64_MAX, UINT64_MAX};
enum { VALUES = sizeof values / sizeof *values };

/* Exact or refused: against 128 bits, for every pair of values in two terms at once. */
static void test_extremes(void) {
  for (int i = 0; i < VALUES; i++)
    for (int j = 0; j < VALUES; j++)
      for (int k = 0; k < VALUES; k++) {
        struct price p = {.known = true, .input = values[i], .output = 7, .request = values[k]};
        struct usage u = {.input = values[j], .output = values[k] / 16};
        unsigned __int128 want = (unsigned __int128)values[i] * values[j];
        want += (unsigned __int128)7 * (values[k] / 16) + values[k];
        uint64_t cost = 1;
        enum price_status status = cost_nanousd(&p, &u, &cost);
        CHECK(status == (want > INT64_MAX ? PRICE_OVERFLOW : PRICE_KNOWN));
        CHECK(cost == (status == PRICE_KNOWN ? (uint64_t)want : 0));
      }
}

static void test_parts(void) {
  struct price p = {.known = true,
                    .has_reasoning = true,
                    .has_audio_input = true,
                    .input = 2500,
                    .cache_read = 1250,
                    .cache_write_5m = 3125,
                    .cache_write_1h = 5000,
                    .output = 10000,
                    .reasoning = 12000,
                    .audio_input = 40000,
                    .image = 7,
                    .request = 3};
  struct usage u = {.input = 100,
                    .cache_read = 10,
                    .cache_write_5m = 20,
                    .cache_write_1h = 30,
                    .output = 50,
                    .reasoning = 20,
                    .audio_input = 5,
                    .audio_output = 6,
                    .images = 2};
  uint64_t cost;
  CHECK(cost_nanousd(&p, &u, &cost) == PRICE_KNOWN);
  CHECK(cost == 95 * 2500 + 5 * 40000 + 10 * 1250 + 20 * 3125 + 30 * 5000 + 30 * 10000 +
                    20 * 12000 + 2 * 7 + 3);
  u.reasoning = 500; /* more than the output it is part of */
  CHECK(cost_nanousd(&p, &u, &cost) == PRICE_KNOWN);
  CHECK(cost == 95 * 2500 + 5 * 40000 + 10 * 1250 + 20 * 3125 + 30 * 5000 + 50 * 12000 + 2 * 7 + 3);
  p.known = false;
  CHECK(cost_nanousd(&p, &u, &cost) == PRICE_UNKNOWN && cost == 0);
  CHECK(strcmp(price_status_name(PRICE_UNKNOWN), "unknown") == 0);
}

int main(void) {
  test_extremes();
  test_parts();
  return checks_end();
}
