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
  struct estimate keys = {0}, media = {0};
  CHECK(!estimate_json(
      &keys, SLICE("{\"messages\":[{\"role\":\"user\",\"content\":\"hello big world\"}]}")));
  CHECK(estimate_tokens(&keys) > 4 && estimate_tokens(&keys) <= 8);
  CHECK(estimate_json(
      &media, SLICE("{\"id\":\"abcabcabc\",\"image\":[\"data:image/png;base64,AAAAAAAAAAAA\"],"
                    "\"data\":\"AAAAAAAAAAAAAAAA\",\"a\":\"x\"}")));
  CHECK(estimate_tokens(&media) == 3); /* image, a, x */
  struct estimate broken = {0};
  (void)estimate_json(&broken, SLICE("{\"a\":\"unfinished"));
  (void)estimate_json(&broken, SLICE("\"\\"));
  CHECK(estimate_tokens(&broken) <= 4);
}

/* String by string, each put together as estimate_json says that it counts. */
static void on_slow_string(const struct estimate_string *string, void *user) {
  struct estimate *e = user;
  struct bytes text;
  if (string->is_media) return;
  bytes_init(&text);
  for (struct slice rest = string->text; rest.len;) {
    bool escape = rest.data[0] == '\\', wide = escape && rest.data[1] == 'u';
    if (escape)
      bytes_append_text(&text, wide ? "\u4e00" : rest.data[1] == 'n' ? "\n" : "\"");
    else
      bytes_append_byte(&text, rest.data[0]);
    rest = slice_skip(rest, wide ? 6 : escape ? 2 : 1);
  }
  estimate_feed(e, bytes_slice(&text));
  e->kind = NOTHING;
  bytes_fini(&text);
}

static uint64_t next_random(uint64_t *state, uint64_t below) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (*state >> 33) % below;
}

static void add_some(struct bytes *json, const char *const *some, size_t count, uint64_t *state) {
  bytes_append_text(json, some[next_random(state, count)]);
}

static void add_string(struct bytes *json, uint64_t *state) {
  static const char *const pieces[] = {"word ",
                                       "Word",
                                       "camelCase",
                                       "ABCDEFGH",
                                       "a",
                                       "12345678901",
                                       " ",
                                       "          ",
                                       ".",
                                       "};",
                                       "\\n",
                                       "\\n",
                                       "\\n\\n\\n",
                                       "\\\"",
                                       "\\\\",
                                       "\\t",
                                       "\\u4f60",
                                       "\u00e9t",
                                       "\u4f60",
                                       "\u4f60\u597d",
                                       "\U0001f600",
                                       "\u043f\u0440",
                                       "longerlongerlongerlongerlongerlongerlongerlonger",
                                       "\\/",
                                       "\x7f",
                                       "url",
                                       "{\\\"id\\\":"};
  bytes_append_byte(json, '"');
  for (uint64_t left = next_random(state, 12); left; left--)
    add_some(json, pieces, sizeof pieces / sizeof *pieces, state);
  bytes_append_byte(json, '"');
}

static void add_json(struct bytes *json, uint64_t *state, unsigned depth) {
  static const char *const keys[] = {"\"id\"",   "\"role\"",      "\"content\"",   "\"image_url\"",
                                     "\"data\"", "\"call_id\"",   "\"url\"",       "\"signature\"",
                                     "\"type\"", "\"tool_call\"", "\"file_data\"", "\"i\""};
  static const char *const values[] = {
      "1.5e3",  "true",    "null",    "\"data:image/png;base64,AAAA\"", "\"data:,x\"", "\"image\"",
      "\"id\"", "\"url\"", "\"data\""};
  static const char *const spaces[] = {"", "", "", " ", "\n  ", "\t"};
  uint64_t kind = next_random(state, depth ? 6 : 3);
  if (kind == 0) {
    add_some(json, values, sizeof values / sizeof *values, state);
  } else if (kind < 3) {
    add_string(json, state);
  } else {
    bytes_append_byte(json, kind == 3 ? '[' : '{');
    for (uint64_t i = 0, members = next_random(state, 6); i < members; i++) {
      if (i) bytes_append_byte(json, ',');
      add_some(json, spaces, 6, state);
      if (kind > 3) {
        add_some(json, keys, sizeof keys / sizeof *keys, state);
        add_some(json, spaces, 6, state);
        bytes_append_byte(json, ':');
        add_some(json, spaces, 6, state);
      }
      add_json(json, state, depth - 1);
      add_some(json, spaces, 6, state);
    }
    bytes_append_byte(json, kind == 3 ? ']' : '}');
  }
}

static void test_random_json(void) {
  uint64_t state = 7;
  struct bytes json;
  bytes_init(&json);
  for (int round = 0; round < 20000; round++) {
    bytes_clear(&json);
    add_json(&json, &state, 5);
    struct estimate fast = {0}, portable = {0}, slow = {0};
    bool saw_image = estimate_json(&fast, bytes_slice(&json));
    CHECK(estimate_json_portable(&portable, bytes_slice(&json)) == saw_image);
    estimate_strings(bytes_slice(&json), on_slow_string, &slow);
    if (fast.milli != slow.milli) fprintf(stderr, "%s\n", bytes_text(&json));
    CHECK(fast.milli == slow.milli && portable.milli == slow.milli);
    CHECK(saw_image || !memmem(json.data, json.len, "\"image\"", 7));
  }
  bytes_fini(&json);
}

int main(void) {
  test_splits();
  test_blocks();
  test_scripts();
  test_json();
  test_random_json();
  return checks_end();
}
