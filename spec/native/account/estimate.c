#include "account/estimate_ascii.h"

#include "check.h"

static const char prose[] =
    "The gateway reads what a provider reports, and where nothing is reported it estimates. An "
    "estimate is always marked, so that nobody mistakes it for a count!\n\nDoes it matter? Yes: "
    "in 2024, 12345 requests were billed twice.\n    if (x == 1) { return y_value; }\n"
    "\xe4\xbd\xa0\xe5\xa5\xbd\xef\xbc\x8c\xe4\xb8\x96\xe7\x95\x8c\xe3\x80\x82 "
    "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 \xf0\x9f\x98\x80";

/* Any split at a character gives the same count as the whole. */
static void test_splits(void) {
  struct slice all = slice_of(prose);
  uint64_t want = estimate_text(all);
  for (size_t cut = 0; cut <= all.len; cut++) {
    if (cut < all.len && ((unsigned char)all.data[cut] & 0xc0) == 0x80) continue;
    struct estimate e = {0};
    estimate_feed(&e, (struct slice){all.data, cut});
    estimate_feed(&e, slice_skip(all, cut));
    CHECK(estimate_tokens(&e) == want);
  }
}

/* The rule of estimate_ascii.h, character by character. */
static uint64_t slowly(const char *text, size_t len) {
  uint64_t milli = 0, run = 0;
  enum estimate_kind open = NOTHING;
  for (size_t i = 0; i < len; i++) {
    enum estimate_kind kind = estimate_ascii_kind((unsigned char)text[i]);
    if (open == UPPER && run == 1 && kind == LOWER) open = LOWER;
    if (open == MARK && kind == LINE) kind = MARK;
    if (kind != open) {
      milli += estimate_run_milli(open, run);
      run = 0;
    }
    open = kind;
    run++;
  }
  return milli + estimate_run_milli(open, run);
}

/* Many characters of few kinds, so that runs of every length meet every place of a block. */
static size_t write_random(char *text, size_t room, uint64_t *state) {
  static const char some[] = "aaaaaaabcdefghzABZ   \n\t,.;(09\r\x7f";
  size_t len = 0, spread = 1 + (*state >> 40) % 40;
  while (len < room) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    char c = some[(*state >> 33) % (sizeof some - 1)];
    size_t times = 1 + (*state >> 50) % spread;
    for (; times && len < room; times--)
      text[len++] = c;
  }
  return len;
}

static void test_blocks(void) {
  uint64_t state = 42;
  for (int round = 0; round < 20000; round++) {
    char text[300];
    size_t len = write_random(text, 1 + (size_t)round % sizeof text, &state);
    struct estimate whole = {0}, pieces = {0};
    estimate_feed(&whole, (struct slice){text, len});
    for (size_t at = 0, size; at < len; at += size) {
      size = 1 + (state >> 20 ^ at * 7) % 90;
      if (size > len - at) size = len - at;
      estimate_feed(&pieces, (struct slice){text + at, size});
    }
    CHECK(whole.milli == slowly(text, len));
    CHECK(pieces.milli == whole.milli && pieces.run == whole.run && pieces.kind == whole.kind);
  }
}

static void check_near(const char *text, uint64_t low, uint64_t high) {
  uint64_t tokens = estimate_text(slice_of(text));
  if (tokens < low || tokens > high) fprintf(stderr, "%s: %d tokens\n", text, (int)tokens);
  CHECK(tokens >= low && tokens <= high);
}

static void test_scripts(void) {
  check_near("", 0, 0);
  check_near("hello", 1, 1);
  check_near("hello world", 2, 2);
  check_near("The quick brown fox jumps over the lazy dog.", 9, 11);
  check_near("1234567890", 4, 4);
  check_near("getElementById", 3, 5);
  check_near("\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96\xe7\x95\x8c", 2, 4);
  check_near("\xff\xff", 1, 4);
}

static void test_json(void) {
  struct estimate values = {0}, keys = {0}, media = {0};
  struct slice body = SLICE("{\"messages\":[{\"role\":\"user\",\"content\":\"hello big world\"}]}");
  estimate_json(&values, body, false);
  estimate_json(&keys, body, true);
  CHECK(estimate_tokens(&values) == 4 && estimate_tokens(&keys) > 4 && estimate_tokens(&keys) <= 8);
  estimate_json(&media,
                SLICE("{\"id\":\"abcabcabc\",\"image\":[\"data:image/png;base64,AAAAAAAAAAAA\"],"
                      "\"data\":\"AAAAAAAAAAAAAAAA\",\"a\":\"x\"}"),
                false);
  CHECK(estimate_tokens(&media) == 1);
  struct estimate broken = {0};
  estimate_json(&broken, SLICE("{\"a\":\"unfinished"), true);
  estimate_json(&broken, SLICE("\"\\"), true);
  CHECK(estimate_tokens(&broken) <= 2);
}

int main(void) {
  test_splits();
  test_blocks();
  test_scripts();
  test_json();
  return checks_end();
}
