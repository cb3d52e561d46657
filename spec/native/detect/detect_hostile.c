/* A megabyte of what makes a matcher that goes back take hours; ctest allows three minutes. */
#include "detect_kit.h"

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
    size_t whole = findings_in(rules, units[i], 1 << 20);
    size_t small = findings_in(rules, units[i], 1 << 14);
    CHECK(whole >= small);
  }
  detect_rules_unref(rules);
  return checks_end();
}
