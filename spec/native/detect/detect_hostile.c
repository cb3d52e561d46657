/* A megabyte of what makes a matcher that goes back take hours: four times the text takes about
 * four times the time of the processor. */
#include <time.h>

#include "detect_kit.h"

enum { SMALL = 1 << 18, WHOLE = 1 << 20, ROUNDS = 4 };

static uint64_t cpu_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static size_t findings_in(const struct detect_rules *rules, const char *unit, size_t size) {
  struct detect_findings found;
  size_t len = strlen(unit);
  char *text = must_alloc(size);
  for (size_t i = 0; i < size; i++)
    text[i] = unit[i % len];
  detect_findings_init(&found);
  detect_scan(rules, (struct slice){text, size}, &found);
  size_t count = found.count;
  CHECK(found.truncated == (count == DETECT_FINDINGS_MAX));
  detect_findings_fini(&found);
  free(text);
  return count;
}

/* The best of some rounds each, as neighbours on the processor only ever make it slower. */
static void check_linear(const struct detect_rules *rules, const char *unit) {
  uint64_t best[2] = {UINT64_MAX, UINT64_MAX};
  size_t counts[2];
  for (int round = 0; round < ROUNDS; round++) {
    for (int i = 0; i < 2; i++) {
      uint64_t started = cpu_ns();
      counts[i] = findings_in(rules, unit, i ? WHOLE : SMALL);
      uint64_t used = cpu_ns() - started;
      if (used < best[i]) best[i] = used;
    }
    if (best[1] <= best[0] * 7) break;
  }
  if (best[1] > best[0] * 7)
    fprintf(stderr, "%s: %.1f ms, then %.1f ms\n", unit, (double)best[0] / 1e6,
            (double)best[1] / 1e6);
  CHECK(best[1] <= best[0] * 7);
  CHECK(counts[1] >= counts[0]);
}

int main(void) {
  static const char *const units[] = {
      "7",
      "a",
      "@",
      "4111-",
      "4111 ",
      "1 2 3 4 5 6 7 8 9 0 ",
      "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo",
      "a.b@c.",
      "1.1.1.1.1.",
      "fe80::1:",
      "password=",
      "password=x",
      "eyJhbGciOiJIUzI1NiJ9.",
      "eyJ",
      "-----BEGIN PRIVATE KEY-----\n",
      "-----BEGIN ",
      "abandon ability able ",
      "市区路",
      "市区路一1号",
      "\\u0034",
      "\\u",
      "%34",
      "%",
      "\xef\xbc\x94",
      "\xe2\x80\x8b",
      "a1 b2c ",
      "x://a:b",
      "AKIA",
      "ghp_",
      "\xff",
      "姓名",
      "12:34:",
      "00-11-22-",
      "((((",
      "++++",
      "39.90421, 116.4074 ",
  };
  struct detect_rules *rules = kit_rules((struct detect_options){.min_score = 1}, "all");
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    check_linear(rules, units[i]);
  }
  detect_rules_unref(rules);
  return checks_end();
}
