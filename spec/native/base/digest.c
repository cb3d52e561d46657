#include "base/digest.h"

#include "check.h"

static void test_order(void) {
  const uint64_t times[] = {0, 1, 61, 62, 3843, 3844, 1790000000000, 1790000000001, 4000000000000};
  char before[25] = "", id[25];
  for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
    digest_ordered_id(times[i], id, 24);
    CHECK(strlen(id) == 24);
    CHECK(strcmp(before, id) < 0);
    memcpy(before, id, sizeof id);
  }
}

static void test_random_rest(void) {
  char one[25], other[25];
  digest_ordered_id(1790000000000, one, 24);
  digest_ordered_id(1790000000000, other, 24);
  CHECK(memcmp(one, other, DIGEST_TIME_LETTERS) == 0);
  CHECK(strcmp(one + DIGEST_TIME_LETTERS, other + DIGEST_TIME_LETTERS) != 0);
  for (const char *at = one; *at; at++)
    CHECK((*at >= '0' && *at <= '9') || (*at >= 'A' && *at <= 'Z') || (*at >= 'a' && *at <= 'z'));
}

int main(void) {
  test_order();
  test_random_rest();
  return checks_end();
}
