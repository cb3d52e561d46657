/* Microseconds per KB of the detectors, all rules on: ordinary text and what hostile clients send.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "detect/detect.h"

static const char prose[] = "The invoice 2024-0117 was sent to Jane Doe <jane.doe@example.com> on "
                            "17 January. Please call +49 30 901820 "
                            "or write to Mainzer Str. 12, 10247 Berlin. Version 2.14.3 of the "
                            "service runs on 10.0.3.17; its commit is "
                            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b. We paid 1,250.00 EUR by "
                            "card ending in 4242. Order no. 302938471. "
                            "In the meantime the team wrote a small function: `for (int i = 0; i < "
                            "count; i++) total += values[i];` and a "
                            "config {\"timeout_ms\": 3000, \"retries\": 3, \"endpoint\": "
                            "\"https://api.example.com/v1\", \"debug\": false}. ";
static const char chinese[] = "您好，我们公司位于上海市浦东新区世纪大道100号，联系人：李明，电话138"
                              "12345679。请在本周五之前把合同寄过来，"
                              "发票抬头和税号稍后发给您。今天的会议讨论了下一季度的预算，大家同意把"
                              "市场费用减少百分之十，并且增加研发投入。";

struct sample {
  const char *name, *unit;
};

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void measure(const struct detect_rules *rules, const struct sample *s, size_t size) {
  size_t unit = strlen(s->unit);
  char *text = must_alloc(size);
  struct detect_findings found;
  detect_findings_init(&found);
  for (size_t i = 0; i < size; i++)
    text[i] = s->unit[i % unit];
  double start = seconds(), spent = 0;
  unsigned rounds = 0;
  do {
    detect_findings_clear(&found);
    detect_scan(rules, (struct slice){text, size}, &found);
    rounds++;
    spent = seconds() - start;
  } while (spent < 0.3);
  printf("%-28s %8zu KB %9.2f us/KB %7zu findings\n", s->name, size / 1024,
         spent / rounds * 1e6 / ((double)size / 1024), found.count);
  detect_findings_fini(&found);
  free(text);
}

int main(void) {
  static const struct sample samples[] = {
      {"prose and code", prose},
      {"Chinese prose", chinese},
      {"all digits", "7"},
      {"all a", "a"},
      {"all @", "@"},
      {"4111-", "4111-"},
      {"4111 with spaces", "4111 "},
      {"single digits", "1 2 3 4 5 6 7 8 9 0 "},
      {"base64-like", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo"},
      {"one long e-mail", "a.b@c."},
      {"dots", "1.1.1.1.1."},
      {"colons", "fe80::1:"},
      {"passwords", "password=a1B2c3D4e5 "},
      {"names of secrets", "secret token api_key aws azure "},
      {"web tokens", "eyJhbGciOiJIUzI1NiJ9."},
      {"unfinished keys", "-----BEGIN PRIVATE KEY-----\nMIIE"},
      {"seed words", "abandon ability able "},
      {"addresses without end", "市区路一"},
      {"escapes", "\\u0034"},
      {"percent signs", "%34%31"},
      {"full width", "\xef\xbc\x94"},
      {"tokens", "a1 b2c "},
      {"URLs", "x://a:b"},
  };
  struct bytes problem;
  bytes_init(&problem);
  struct detect_options options = {0};
  must(detect_kinds_add(&options.kinds, SLICE("all")));
  struct detect_rules *rules = detect_rules_new(&options, &problem);
  must(rules);
  for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
    measure(rules, &samples[i], 1024);
    measure(rules, &samples[i], 1024 * 1024);
  }
  detect_rules_unref(rules);
  bytes_fini(&problem);
  return 0;
}
