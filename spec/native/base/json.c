#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"

#include "check.h"

static bool valid(const char *text, uint32_t depth) {
  return json_validate(slice_of(text), depth, NULL);
}

static void test_validate(void) {
  static const char *good[] = {"0",
                               "-0",
                               "[]",
                               " {} ",
                               "\"\"",
                               "[1,2.5e+10,-3E-1,true,false,null,\"a\\u00e9\\n\"]",
                               "{\"a\":{\"b\":[{},[[]]]}}",
                               "\"\xf4\x8f\xbf\xbf\"",
                               "\"\xe2\x80\xa8\x7f\""};
  static const char *bad[] = {"",
                              " ",
                              "[",
                              "]",
                              "{\"a\"}",
                              "{\"a\":1,}",
                              "[1,]",
                              "01",
                              "1.",
                              "-",
                              "1e+",
                              "tru",
                              "truex",
                              "nul",
                              "\"\x01\"",
                              "\"\\q\"",
                              "\"\\u1\"",
                              "\"\\",
                              "{} {}",
                              "[1}",
                              "{1:2}",
                              "'a'",
                              "[1 1]",
                              "\"\xc0\x80\"",
                              "\"\xed\xa0\x80\"",
                              "\"\xe2\x82\"",
                              "\"\xf5\x80\x80\x80\"",
                              "\x80"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    CHECK(valid(good[i], 10));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    CHECK(!valid(bad[i], 10));
  struct json_error error;
  CHECK(!json_validate(SLICE("[1, x]"), 8, &error));
  CHECK(error.offset == 4 && error.message);
  CHECK(!json_validate((struct slice){NULL, 0}, 8, &error) && error.offset == 0);
  CHECK(!json_validate(SLICE("1\0"), 8, NULL));
}

static void test_depth(void) {
  char text[4096];
  for (size_t depth = 1; depth <= 1500; depth += 7) {
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    struct slice s = {text, 2 * depth};
    CHECK(json_validate(s, (uint32_t)depth, NULL) == (depth <= JSON_DEPTH_MAX));
    CHECK(!json_validate(s, (uint32_t)depth - 1, NULL));
  }
  CHECK(valid("1", 0) && !valid("[]", 0));
  CHECK(valid("[{\"a\":[1]},{\"b\":[[1]]}]", 4) && !valid("[{\"a\":[1]},{\"b\":[[1]]}]", 3));
}

static void test_members(void) {
  struct json_member wanted[] = {
      {.key = SLICE("model")}, {.key = SLICE("stream")}, {.key = SLICE("missing")}};
  struct slice body = SLICE(" {\"messages\":[{\"model\":1}], \"model\" : \"a\" ,\"stream\":true,"
                            "\"mod\\u0065l\":[2]}\n");
  CHECK(json_members(body, wanted, 3, 4, NULL));
  CHECK(wanted[0].twice && wanted[0].type == JSON_ARRAY);
  CHECK_TEXT(wanted[0].value, "[2]");
  CHECK_TEXT(wanted[0].member, "\"mod\\u0065l\":[2]");
  CHECK(wanted[1].type == JSON_TRUE && !wanted[1].twice);
  CHECK_TEXT(wanted[1].member, "\"stream\":true");
  CHECK(wanted[2].type == JSON_NONE && !wanted[2].twice);
  CHECK(!json_members(body, wanted, 3, 2, NULL));
  CHECK(json_members(SLICE("{}"), wanted, 3, 1, NULL));
  CHECK(wanted[0].type == JSON_NONE && !wanted[0].twice);
  static const char *bad[] = {"",           "[]",       "\"model\"",         "{\"model\":1",
                              "{\"model\"", "{} x",     "{\"model\":1,}",    "{,}",
                              "{\"a\":1 ",  "{\"a\":}", "{\"a\":1 \"b\":2}", "{"};
  struct json_error error;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    error.message = NULL;
    CHECK(!json_members(slice_of(bad[i]), wanted, 3, 4, &error));
    CHECK(error.message && error.offset <= strlen(bad[i]));
  }
}

/* Members of members, in the same pass. */
static void test_inside(void) {
  struct json_member deep[] = {{.key = SLICE("x")}};
  struct json_member inner[] = {{.key = SLICE("deep"), .inside = deep, .inside_count = 1},
                                {.key = SLICE("b")}};
  struct json_member wanted[] = {{.key = SLICE("a"), .inside = inner, .inside_count = 2},
                                 {.key = SLICE("c")}};
  CHECK(
      json_members(SLICE("{\"a\":{\"deep\":{\"x\":[1]},\"b\" : 2 },\"c\":3}"), wanted, 2, 4, NULL));
  CHECK(wanted[0].is_read && inner[0].is_read);
  CHECK_TEXT(wanted[0].value, "{\"deep\":{\"x\":[1]},\"b\" : 2 }");
  CHECK_TEXT(deep[0].value, "[1]");
  CHECK_TEXT(inner[1].value, "2");
  CHECK_TEXT(wanted[1].value, "3");
  CHECK(!json_members(SLICE("{\"a\":{\"deep\":{\"x\":[1]}}}"), wanted, 2, 3, NULL));
  CHECK(json_members(SLICE("{\"a\":[{\"b\":1}]}"), wanted, 2, 3, NULL));
  CHECK(wanted[0].is_read && wanted[0].type == JSON_ARRAY && !inner[0].is_read);
  CHECK_TEXT(inner[1].value, "1");
  CHECK(!json_members(SLICE("{\"a\":[{\"b\":1}]}"), wanted, 2, 2, NULL));
  static const char *const unread[] = {"{\"a\":[{\"b\":1},{\"b\":2}]}",
                                       "{\"a\":[1,{\"b\":2}]}",
                                       "{\"a\":[]}",
                                       "{\"a\":[{\"b\":1},1]}",
                                       "{\"a\":{\"b\":1},\"a\":7}",
                                       "{\"a\":\"{}\"}",
                                       "{}",
                                       "{\"a\":[[{\"b\":1}]]}"};
  for (size_t i = 0; i < sizeof unread / sizeof *unread; i++) {
    CHECK(json_members(slice_of(unread[i]), wanted, 2, 8, NULL));
    CHECK(!wanted[0].is_read && inner[1].type == JSON_NONE && deep[0].type == JSON_NONE);
  }
  CHECK(json_members(SLICE("{\"a\":{\"b\":1},\"a\":{\"deep\":0}}"), wanted, 2, 8, NULL));
  CHECK(wanted[0].twice && wanted[0].is_read && inner[1].type == JSON_NONE && !inner[0].is_read);
  CHECK_TEXT(inner[0].value, "0");
}

/* Each text that is cut or damaged inside fails as one that is read without looking inside. */
static void test_inside_damage(void) {
  static const char whole[] = "{\"a\":[{\"deep\":{\"x\":1},\"b\":\"2\"}],\"c\":{}}";
  struct json_member deep[] = {{.key = SLICE("x")}};
  struct json_member inner[] = {{.key = SLICE("deep"), .inside = deep, .inside_count = 1},
                                {.key = SLICE("b")}};
  struct json_member wanted[] = {{.key = SLICE("a"), .inside = inner, .inside_count = 2}},
                     flat[] = {{.key = SLICE("a")}};
  for (size_t at = 0; at < sizeof whole - 1; at++) {
    char text[sizeof whole];
    struct json_error one = {0}, other = {0};
    memcpy(text, whole, sizeof whole);
    for (const char *byte = "x,]}{\"\0"; *byte; byte++) {
      text[at] = *byte;
      struct slice s = {text, sizeof whole - 1};
      bool fine = json_members(s, wanted, 1, 8, &one);
      CHECK(fine == json_members(s, flat, 1, 8, &other));
      if (!fine) CHECK(one.offset == other.offset);
    }
    CHECK(!json_members((struct slice){whole, at}, wanted, 1, 8, NULL));
  }
}

static void test_find_and_walk(void) {
  struct slice body =
      SLICE("{\"usage\":{\"details\":{\"cached\":7},\"total\":9},\"n\":[1,\"b\",{}]}");
  CHECK_TEXT(json_find_path(body, "usage.details.cached"), "7");
  CHECK_TEXT(json_find_path(body, "usage.total"), "9");
  CHECK(!json_find_path(body, "usage.none.cached").data);
  CHECK(!json_find(SLICE("[1]"), "a").data);
  CHECK(!json_find(SLICE("{\"a\":1"), "a").data);
  size_t count = 0;
  static const char *want[] = {"1", "\"b\"", "{}"};
  for (struct json_walk w = json_walk_of(json_find(body, "n")); json_walk_next(&w); count++)
    CHECK_TEXT(w.value, want[count]);
  CHECK(count == 3);
  for (struct json_walk w = json_walk_of(SLICE("[ ]")); json_walk_next(&w);)
    count++;
  for (struct json_walk w = json_walk_of(SLICE("7")); json_walk_next(&w);)
    count++;
  CHECK(count == 3);
}

static void check_unescape(const char *raw, const char *text, size_t len) {
  struct bytes out;
  bytes_init(&out);
  json_unescape(slice_of(raw), &out);
  CHECK(out.len == len && memcmp(bytes_text(&out), text, len) == 0);
  bytes_fini(&out);
}

static void test_strings(void) {
  check_unescape("plain", "plain", 5);
  check_unescape("\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t", 8);
  check_unescape("\\u0000\\u00E9\\u20ac\\ud83D\\uDe00", "\0\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
                 10);
  check_unescape("\\ud83d!\\ude00", "\xef\xbf\xbd!\xef\xbf\xbd", 7);
  check_unescape("\\ud83d\\ud83d\\ude00", "\xef\xbf\xbd\xf0\x9f\x98\x80", 7);
  CHECK(json_key_equal(SLICE("a\\u0062"), SLICE("ab")));
  CHECK(!json_key_equal(SLICE("a\\u0062\\u0062\\u0062"), SLICE("ab")));
  CHECK(!json_key_equal(SLICE(""), SLICE("ab")));
  struct bytes out;
  bytes_init(&out);
  json_quote(&out,
             SLICE("\0\x1f\"\\/\b\f\n\r\t\xc3\xa9\xff\xe2\x82 0123456789abcdef0123456789\x7f"));
  CHECK_TEXT(bytes_slice(&out),
             "\"\\u0000\\u001f\\\"\\\\/\\b\\f\\n\\r\\t\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd "
             "0123456789abcdef0123456789\x7f\"");
  CHECK(json_validate(bytes_slice(&out), 1, NULL));
  bytes_clear(&out);
  json_quote(&out, (struct slice){NULL, 0});
  CHECK_TEXT(bytes_slice(&out), "\"\"");
  bytes_clear(&out);
  CHECK(!json_string(SLICE("12"), &out) && json_string(SLICE("\"x\""), &out) && out.len == 1);
  bytes_fini(&out);
}

/* Every byte at every place around the width of a vector: reads back as it was, or as U+FFFD. */
static void test_quote_positions(void) {
  struct bytes out, back;
  bytes_init(&out);
  bytes_init(&back);
  for (size_t at = 0; at < 40; at++)
    for (int byte = 0; byte < 256; byte++) {
      char text[40];
      memset(text, 'a', sizeof text);
      text[at] = (char)byte;
      bytes_clear(&out);
      bytes_clear(&back);
      json_quote(&out, (struct slice){text, sizeof text});
      CHECK(json_validate(bytes_slice(&out), 1, NULL));
      json_string(bytes_slice(&out), &back);
      CHECK(byte >= 0x80 ? back.len == 42 : back.len == 40 && !memcmp(back.data, text, 40));
    }
  bytes_fini(&out);
  bytes_fini(&back);
}

/* Texts are looked at in pieces of several sizes: none may hide a byte, or end too early. */
static void test_plain_ends(void) {
  static const char special[] = {'"', '\\', 0x1f, 0, (char)0x80, (char)0xff};
  char text[40];
  for (size_t len = 0; len <= sizeof text; len++) {
    memset(text, 'x', sizeof text);
    CHECK(json_plain_end(text, text + len) == text + len);
    for (size_t at = 0; at < len; at++)
      for (size_t i = 0; i < sizeof special; i++) {
        memset(text, 'x', sizeof text);
        memset(text + at, special[i], len - at);
        CHECK(json_plain_end(text, text + len) == text + at);
        memset(text + at + 1, 'x', len - at - 1);
        CHECK(json_plain_end(text, text + len) == text + at);
      }
  }
}

static void check_u64(const char *text, bool ok, uint64_t want) {
  uint64_t value = 0;
  CHECK(json_to_u64(slice_of(text), &value) == ok && value == want);
}

static void check_i64(const char *text, bool ok, int64_t want) {
  int64_t value = 0;
  CHECK(json_to_i64(slice_of(text), &value) == ok && value == want);
}

static void check_double(double number, const char *text) {
  struct bytes out;
  double back = -1;
  bytes_init(&out);
  json_append_double(&out, number);
  CHECK_TEXT(bytes_slice(&out), text);
  CHECK(json_to_double(bytes_slice(&out), &back) && back == number);
  bytes_fini(&out);
}

static void test_numbers(void) {
  check_u64("0", true, 0);
  check_u64("18446744073709551615", true, UINT64_MAX);
  check_u64("18446744073709551616", false, 0);
  check_u64("9007199254740993", true, 9007199254740993);
  check_u64("1.0", true, 1);
  check_u64("2e3", true, 2000);
  check_u64("1.5", false, 0);
  check_u64("-1", false, 0);
  check_u64("01", false, 0);
  check_u64("00", false, 0);
  check_u64("18446744073709551609", true, UINT64_MAX - 6);
  check_u64("18446744073709551620", false, 0);
  check_u64("99999999999999999999", false, 0);
  check_u64("184467440737095516150", false, 0);
  check_u64("", false, 0);
  check_u64("\"1\"", false, 0);
  check_u64("1e400", false, 0);
  check_i64("-9223372036854775808", true, INT64_MIN);
  check_i64("-9223372036854775809", false, 0);
  check_i64("9223372036854775807", true, INT64_MAX);
  check_i64("9223372036854775808", false, 0);
  check_i64("-0", true, 0);
  check_double(0.1, "0.1");
  check_double(-0.7, "-0.7");
  check_double(123456.0625, "123456.0625");
  check_double(9007199254740991.0, "9007199254740991");
  check_double(1e300, "1e+300");
  check_double(0.30000000000000004, "0.30000000000000004");
  check_double(2.2250738585072014e-308, "2.2250738585072014e-308");
  double number = 7;
  CHECK(!json_to_double(SLICE("1e999"), &number) && number == 7);
  CHECK(!json_to_double(SLICE("1x"), &number) && !json_to_double(SLICE(""), &number));
}

static void test_digits(void) {
  uint64_t number = 0;
  struct bytes out;
  bytes_init(&out);
  for (int count = 1; count <= 20; count++) {
    number = count < 20 ? number * 10 + 7 : UINT64_MAX;
    const uint64_t values[] = {number, number / 7 - (count == 20), count < 20 ? number + 2 : 0};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
      char want[32];
      snprintf(want, sizeof want, "%" PRIu64, values[i]);
      bytes_clear(&out);
      bytes_append_u64(&out, values[i]);
      CHECK_TEXT(bytes_slice(&out), want);
    }
  }
  bytes_fini(&out);
}

/* Deep inside lists a text is read token by token, else without: both must say the same of
 * whatever five of these make. */
static void test_two_readers(void) {
  static const char *const pieces[] = {
      "", "{", "}", "[", "]", ",", ":", "1 ", "01", "-0.5e+3", " true", "nul,", "\"\\n\xc3\xa9\""};
  enum { PIECES = sizeof pieces / sizeof *pieces, LONGEST = 5, DEPTH = 70, SHALLOW = LONGEST + 1 };
  size_t total = 1, different = 0, good = 0;
  for (int i = 0; i < LONGEST; i++)
    total *= PIECES;
  for (size_t number = 0; number < total; number++) {
    char text[2 * DEPTH + LONGEST * 8], *end = text + DEPTH;
    for (size_t i = 0, rest = number; i < LONGEST; i++, rest /= PIECES)
      end = stpcpy(end, pieces[rest % PIECES]);
    memset(text, '[', DEPTH);
    memset(end, ']', DEPTH);
    struct slice shallow = {text + DEPTH - SHALLOW, (size_t)(end - text) - DEPTH + 2 * SHALLOW};
    bool fast = json_validate(shallow, 100, NULL);
    different +=
        fast != json_validate((struct slice){text, (size_t)(end - text) + DEPTH}, 100, NULL);
    good += fast;
  }
  CHECK(different == 0);
  CHECK(good > 300);
}

int main(void) {
  test_validate();
  test_two_readers();
  test_depth();
  test_members();
  test_inside();
  test_inside_damage();
  test_find_and_walk();
  test_strings();
  test_quote_positions();
  test_plain_ends();
  test_numbers();
  test_digits();
  return checks_end();
}
