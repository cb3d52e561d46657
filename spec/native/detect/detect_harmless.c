/* A glance may say "look", never "nothing" where there is something: at each place of a text, also
 * where blocks of bytes meet, and as streams find it, which never glance. */
#include "base/json.h"
#include "check.h"
#include "detect/harmless.h"

static const struct slice words[] = {{"nightingale", 11}, {"ox", 2}, {"b-52", 4}, {"a b", 3}};
static const struct detect_list list = {.name = {"w", 1}, .words = words, .word_count = 4};

static struct detect_rules *rules_new(void) {
  struct detect_options options = {.lists = &list, .list_count = 1};
  struct bytes problem;
  bytes_init(&problem);
  struct detect_rules *rules = detect_rules_new(&options, &problem);
  must(rules != NULL);
  bytes_fini(&problem);
  return rules;
}

enum { LONGEST = 150 };

static void fill(char *text, size_t len) {
  static const char prose[] = "It was, as they say; the end. No more (of 3) cows! ";
  for (size_t i = 0; i < len; i++)
    text[i] = prose[i % (sizeof prose - 1)];
}

static size_t count_whole(const struct detect_rules *rules, struct slice text) {
  struct detect_findings found;
  detect_findings_init(&found);
  detect_scan(rules, text, &found);
  size_t count = found.count;
  detect_findings_fini(&found);
  return count;
}

static size_t count_stream(const struct detect_rules *rules, struct slice text) {
  struct detect_findings found;
  detect_findings_init(&found);
  struct detect_stream *stream = detect_stream_new(rules);
  (void)detect_stream_feed(stream, text, &found);
  (void)detect_stream_finish(stream, &found);
  detect_stream_free(stream);
  size_t count = found.count;
  detect_findings_fini(&found);
  return count;
}

static void check_hidden(const struct detect_rules *rules, const char *what, bool is_harmless) {
  size_t bytes = strlen(what);
  for (size_t len = bytes; len < LONGEST; len += 7) {
    for (size_t at = 0; at + bytes <= len; at++) {
      char *text = must_alloc(len); /* so that a sanitizer sees a byte too many */
      fill(text, len);
      if (at) text[at - 1] = ' ';
      memcpy(text + at, what, bytes);
      if (at + bytes < len) text[at + bytes] = ' ';
      struct slice all = {text, len};
      if (!is_harmless) CHECK(!harmless_is(rules, all));
      CHECK(count_whole(rules, all) == count_stream(rules, all));
      free(text);
    }
  }
}

static void test_places(const struct detect_rules *rules) {
  static const char *const looked_at[] = {"Nightingale",     "OX",   "b-52",     "a b",
                                          "\xef\xbd\x8fx",   "%6fx", "\\u006fx", "\1",
                                          "\xc3\x85x",       "%",    "\x7f\xff", "bmlnaHRpbmdhbGUg",
                                          "0123456789+/-_AZ"};
  for (size_t i = 0; i < sizeof looked_at / sizeof *looked_at; i++)
    check_hidden(rules, looked_at[i], false);
  check_hidden(rules, "abcdefghijklmno", true); /* a letter short of being read as base64 */
}

static void test_prose(const struct detect_rules *rules) {
  char text[LONGEST];
  fill(text, LONGEST);
  bool is_seen = true;
  for (size_t len = 0; len < LONGEST; len++)
    is_seen &= harmless_is(rules, (struct slice){text, len});
#if defined(__x86_64__)
  CHECK(is_seen == (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")));
#else
  CHECK(!is_seen);
#endif
}

static uint32_t next_random(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  return *state ^= *state << 5;
}

static void test_random(const struct detect_rules *rules) {
  static const char letters[] = "nightingaleoxb-52a .N\\u006f%\xe5\xa4\x9c\n=+/Zz9";
  uint32_t state = 42;
  for (int round = 0; round < 20000; round++) {
    char text[LONGEST];
    size_t len = next_random(&state) % LONGEST;
    for (size_t i = 0; i < len; i++)
      text[i] = letters[next_random(&state) % (sizeof letters - 1)];
    size_t word = next_random(&state) % 4;
    if (len > 20 && round % 3 == 0)
      memcpy(text + next_random(&state) % (len - 12), words[word].data, words[word].len);
    struct slice all = {text, len};
    CHECK(count_whole(rules, all) == count_stream(rules, all));
    if (harmless_is(rules, all)) CHECK(count_stream(rules, all) == 0);
  }
}

/* The text in quotes, as clients write it: some escape what they need not. */
static void quote(struct slice text, struct bytes *out, uint32_t *state) {
  for (size_t i = 0; i < text.len; i++) {
    unsigned char c = (unsigned char)text.data[i];
    unsigned how = next_random(state) % 40;
    const char *controls = "\bb\nn\rr\tt", *control = c && c < 0x20 ? strchr(controls, c) : NULL;
    if (control && how)
      bytes_printf(out, "\\%c", control[1]);
    else if (c < 0x20 || (c < 0x80 && how == 0))
      bytes_printf(out, "\\u%04x", c);
    else if (c == '"' || c == '\\' || (c == '/' && how < 20))
      bytes_printf(out, "\\%c", c);
    else
      bytes_append_byte(out, (char)c);
  }
}

static size_t test_quoted(const struct detect_rules *rules) {
  static const char letters[] = "nightingaleoxb-52a .N\n\n\r\t\"\"=+/Zz9";
  static const struct slice hidden[] = {SLICE("nightingale"), SLICE("ox"),
                                        SLICE("b-52"),        SLICE("a b"),
                                        SLICE("o\bx"),        SLICE("b3g/b3g/b3g/b3g/b3g/")};
  uint32_t state = 43;
  size_t passed = 0;
  struct bytes raw, text;
  bytes_init(&raw);
  bytes_init(&text);
  for (int round = 0; round < 40000; round++) {
    char plain[LONGEST];
    size_t len = next_random(&state) % LONGEST;
    for (size_t i = 0; i < len; i++)
      plain[i] = next_random(&state) % 4 ? "eeste. "[i % 7]
                                         : letters[next_random(&state) % (sizeof letters - 1)];
    struct slice word = hidden[next_random(&state) % (sizeof hidden / sizeof *hidden)];
    if (len > 30 && round % 3 == 0)
      memcpy(plain + next_random(&state) % (len - word.len), word.data, word.len);
    bytes_clear(&raw);
    bytes_clear(&text);
    quote((struct slice){plain, len}, &raw, &state);
    json_unescape(bytes_slice(&raw), &text);
    CHECK(slice_equal(bytes_slice(&text), (struct slice){plain, len}));
    if (!harmless_is_quoted(rules, bytes_slice(&raw))) continue;
    passed++;
    CHECK(count_stream(rules, bytes_slice(&text)) == 0);
  }
  bytes_fini(&raw);
  bytes_fini(&text);
  return passed;
}

/* A word that begins with what an escape stands for: no text passes. */
static void test_escaped_word(void) {
  static const struct slice odd[] = {{"a\"b", 3}};
  struct detect_list quotes = {.name = {"q", 1}, .words = odd, .word_count = 1};
  struct detect_options options = {.lists = &quotes, .list_count = 1};
  struct bytes problem;
  bytes_init(&problem);
  struct detect_rules *rules = detect_rules_new(&options, &problem);
  must(rules != NULL);
  CHECK(!harmless_is_quoted(rules, SLICE("it said a\\\"b here")));
  CHECK(count_whole(rules, SLICE("it said a\"b here")) == 1);
  detect_rules_unref(rules);
  bytes_fini(&problem);
}

int main(void) {
  struct detect_rules *rules = rules_new();
  test_places(rules);
  test_prose(rules);
  test_random(rules);
  size_t passed = test_quoted(rules);
  CHECK(passed > 1000 || !harmless_is(rules, SLICE("")));
  test_escaped_word();
  detect_rules_unref(rules);
  return checks_end();
}
