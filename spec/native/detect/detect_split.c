/* The same text gives the same findings however it is cut, and nothing is found in what was settled
 * before. */
#include "detect_kit.h"

static const char *const texts[] = {
    "card:\n4111 1111\r\n1111  1111\tand 4111\t1111\n1111 1111",
    "mail jane.doe@example.com, tel +86 138 1234 5679, card 4111 1111 1111 1111; iban DE89 3704 "
    "0044 0532 "
    "0130 00 and nino AB 12 34 56 C, nhs 943 476 5919",
    "４１１１ １１１１ １１１１ １１１１ 4111\xe2\x80\x8b"
    "111111111111 \\u0034111111111111111 jane%40example.com \\ud83d\\ude00x",
    "身份证号：11010519491231002X，手机13812345679，姓名：张三丰，家住北京市海淀区中关村大街27号3号"
    "楼502室，车牌京A12345，军字第1234567号",
    "AKIAZ7Q3NFKD2XWL5TPR password = \"Tr0ub4dor&3x\" api_key: 'zX9kQ2mW7pL4vB8nR3tY' "
    "datadog_key=0123456789abcdef0fedcba987654321 "
    "123456789:AAHk3jLmN0pQrStUvWxYz1a2B3c4D5e6F7g",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.sig_nature-1 "
    "postgres://app:s3cr3tpw@db.internal/x 8.8.4.4 10.1.2.3",
    "legal winner thank year wave sausage worth useful legal winner thank yellow. "
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA0Z3VS5JJcds3xfn\nxyz/+==\n-----END RSA "
    "PRIVATE KEY-----\nnext",
    "Y2FyZCA0MTExIDExMTEgMTExMSAxMTExIHRoYW5rcw== and Project Bluebird, bluebirds, kill process, "
    "KILL it. falcon near partner",
    "39.9042, 116.4074 gps 48.85661, 2.35222 (415) 555-2671 (010) 12345678 "
    "2606:2800:220:1:248:1893:25c8:1946 3c:22:fb:01:02:03",
    "%E8%BA%AB%E4%BB%BD%E8%AF%81%E5%8F%B7%EF%BC%9A11010519491231002X%EF%BC%8C "
    "%EF%BC%91%EF%BC%93812345679 %E8%BA%AB%E4 %F0%9F%98%80 %e4%b8 %C3%28 %EF%BC",
    "HKID A123456(3) ssn 536-22-8726 cpf 529.982.247-25 \xff\xfe broken \xe4\xb8",
};

enum { TEXTS = sizeof texts / sizeof *texts };

/* One scan for several rules gives each of them what its own gives. */
static void test_shared(void) {
  static const char *const kinds[] = {
      "pii",           "secrets", "pii secrets", "email payment_card", "secret_assignment",
      "china network", "all"};
  enum { RULES = sizeof kinds / sizeof *kinds };
  struct detect_rules *shared = kit_rules((struct detect_options){0}, "all");
  size_t covered = 0;
  for (size_t k = 0; k < RULES; k++) {
    struct detect_rules *rules = kit_rules((struct detect_options){0}, kinds[k]);
    if (!detect_rules_cover(shared, rules)) {
      CHECK(strcmp(kinds[k], "secret_assignment") == 0);
      detect_rules_unref(rules);
      continue;
    }
    covered++;
    for (size_t i = 0; i < TEXTS; i++) {
      struct detect_findings all, selected;
      struct bytes want, got;
      detect_findings_init(&all);
      detect_findings_init(&selected);
      bytes_init(&want);
      bytes_init(&got);
      detect_scan(shared, slice_of(texts[i]), &all);
      detect_select(rules, &all, &selected);
      kit_print(&selected, &got);
      kit_scan(rules, slice_of(texts[i]), &want);
      CHECK(slice_equal(bytes_slice(&got), bytes_slice(&want)));
      detect_findings_fini(&all);
      detect_findings_fini(&selected);
      bytes_fini(&want);
      bytes_fini(&got);
    }
    detect_rules_unref(rules);
  }
  CHECK(covered == RULES - 1);
  struct slice word = SLICE("bird");
  struct detect_rules *allowing =
      kit_rules((struct detect_options){.allowed = &word, .allowed_count = 1}, "pii");
  CHECK(!detect_rules_cover(shared, allowing));
  detect_rules_unref(allowing);
  allowing = kit_rules((struct detect_options){.min_score = 90}, "pii");
  CHECK(!detect_rules_cover(shared, allowing));
  detect_rules_unref(allowing);
  detect_rules_unref(shared);
}

static void compare(const char *text, struct bytes *got, const struct bytes *want,
                    const char *how) {
  if (!slice_equal(bytes_slice(got), bytes_slice(want))) {
    struct bytes wanted = {0};
    bytes_append_slice(&wanted, bytes_slice(want));
    fprintf(stderr, "%s\nin:   %s\ngot:  %s\nwant: %s\n", how, text, bytes_text(got),
            bytes_text(&wanted));
    bytes_fini(&wanted);
    checks_failed++;
  }
}

static int finding_order(const void *left, const void *right) {
  const struct detect_finding *a = left, *b = right;
  if (a->offset != b->offset) return a->offset < b->offset ? -1 : 1;
  if (a->length != b->length) return a->length > b->length ? -1 : 1;
  if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
  return strcmp(a->rule, b->rule);
}

struct run {
  struct detect_stream *stream;
  struct detect_findings found;
  size_t settled;
};

static void run_check(struct run *r, size_t before, size_t settled) {
  for (size_t i = before; i < r->found.count; i++)
    CHECK(r->found.items[i].offset >= r->settled);
  CHECK(settled >= r->settled);
  r->settled = settled;
}

static void run_feed(struct run *r, const char *text, size_t len) {
  size_t before = r->found.count;
  run_check(r, before, detect_stream_feed(r->stream, (struct slice){text, len}, &r->found));
}

/* Pieces of `step` bytes, the first of `first`. */
static void run_split(const struct detect_rules *rules, const char *text, size_t first,
                      size_t step) {
  struct run r = {.stream = detect_stream_new(rules)};
  struct bytes got, want;
  size_t len = strlen(text), at = 0;
  char how[64];
  bytes_init(&got);
  bytes_init(&want);
  detect_findings_init(&r.found);
  while (at < len) {
    size_t piece = at == 0 ? first : step;
    if (piece > len - at) piece = len - at;
    run_feed(&r, text + at, piece);
    at += piece;
  }
  size_t before = r.found.count;
  size_t end = detect_stream_finish(r.stream, &r.found);
  run_check(&r, before, end);
  CHECK(end == len);
  if (r.found.count) qsort(r.found.items, r.found.count, sizeof *r.found.items, finding_order);
  kit_print(&r.found, &got);
  kit_scan(rules, slice_of(text), &want);
  snprintf(how, sizeof how, "first %zu, then by %zu", first, step);
  compare(text, &got, &want, how);
  detect_stream_free(r.stream);
  detect_findings_fini(&r.found);
  bytes_fini(&got);
  bytes_fini(&want);
}

/* What the last byte leaves open is bounded. */
static void test_hold(const struct detect_rules *rules) {
  struct run r = {.stream = detect_stream_new(rules)};
  detect_findings_init(&r.found);
  static const char words[] = "The quick brown fox jumps over the lazy dog and reads on. ";
  for (unsigned i = 0; i < 200; i++)
    run_feed(&r, words, sizeof words - 1);
  CHECK(r.settled + 64 >= 200 * (sizeof words - 1));
  detect_stream_free(r.stream);
  detect_findings_fini(&r.found);
}

int main(void) {
  test_shared();
  struct detect_rules *resident = kit_rules((struct detect_options){0}, "cn_resident_id");
  kit_expect(resident, "%EF%BC%9A11010519491231002X%EF%BC%8C", "9+18 cn_resident_id");
  detect_rules_unref(resident);
  static const struct slice words[] = {SLICE("bluebird"), SLICE("kill")},
                            except[] = {SLICE("kill process")}, falcon[] = {SLICE("falcon")},
                            partner[] = {SLICE("partner")};
  const struct detect_list lists[] = {{.name = SLICE("names"),
                                       .words = words,
                                       .word_count = 2,
                                       .exceptions = except,
                                       .exception_count = 1},
                                      {.name = SLICE("pair"),
                                       .words = falcon,
                                       .word_count = 1,
                                       .partners = partner,
                                       .partner_count = 1}};
  struct detect_rules *rules =
      kit_rules((struct detect_options){.lists = lists, .list_count = 2, .min_score = 40}, "all");
  size_t total = 0;
  for (unsigned i = 0; i < TEXTS; i++) {
    struct detect_findings found;
    detect_findings_init(&found);
    detect_scan(rules, slice_of(texts[i]), &found);
    total += found.count;
    detect_findings_fini(&found);
    for (size_t first = 1; first < strlen(texts[i]); first++)
      run_split(rules, texts[i], first, SIZE_MAX / 2);
    for (size_t step = 1; step < 12; step++)
      run_split(rules, texts[i], step, step);
  }
  CHECK(total > 40);
  test_hold(rules);
  detect_rules_unref(rules);
  return checks_end();
}
