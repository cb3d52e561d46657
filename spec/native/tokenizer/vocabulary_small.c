/* A small vocabulary, every text over its letters up to a length: the encoder that goes from left
 * to right agrees with merging as it is defined; and the same through pieces. */
#include "check.h"
#include "tokenizer/encode.h"
#include "tokenizer/rank_file.h"

struct sample {
  const char *letters;
  const char *merges[12]; /* in order, NULL behind the last */
};

/* The bytes of a character, some merges inside of it, some over its bounds. */
static const struct sample samples[] = {
    {"abc", {"ab", "bc", "abc", "aa", "aaa", "cab", "abcab", "ba", "bab", "cc"}},
    {"\xe4\xbd\xa0",
     {"\xe4\xbd", "\xa0\xe4", "\xe4\xbd\xa0", "\xa0\xe4\xbd", "\xe4\xbd\xa0\xe4\xbd\xa0",
      "\xbd\xa0", "\xa0\xa0", "\xe4\xbd\xa0\xe4\xbd"}},
    {"\xe4\xbd\xa0",
     {"\xbd\xa0", "\xe4\xbd\xa0", "\xe4\xe4", "\xe4\xbd\xa0\xe4\xbd\xa0", "\xbd\xe4",
      "\xe4\xbd\xa0\xe4\xe4", "\xa0\xe4", "\xbd\xa0\xe4"}},
};

static void append_base64(struct bytes *out, const char *text, size_t len) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < len; i += 3) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; k++)
      bits = bits << 8 | (i + k < len ? (unsigned char)text[i + k] : 0);
    for (size_t k = 0; k < 4; k++)
      bytes_append_byte(out, i + k <= len ? digits[bits >> (18 - 6 * k) & 63] : '=');
  }
}

static void write_ranks(const struct sample *sample, struct bytes *out) {
  for (unsigned i = 0; i < 256; i++) {
    char byte = (char)i;
    append_base64(out, &byte, 1);
    bytes_printf(out, " %u\n", i);
  }
  for (unsigned i = 0; sample->merges[i]; i++) {
    append_base64(out, sample->merges[i], strlen(sample->merges[i]));
    bytes_printf(out, " %u\n", 256 + i);
  }
}

static void compare(const struct vocabulary *v, struct encoder *e, struct encoder *merged,
                    struct slice text) {
  encoder_encode(e, v, text, text.len);
  merged->count = 0;
  encoder_merge(merged, v, text);
  bool is_same = e->count == merged->count &&
                 memcmp(e->tokens, merged->tokens, e->count * sizeof *e->tokens) == 0;
  CHECK(is_same);
  if (!is_same) fprintf(stderr, "%.*s\n", (int)text.len, text.data);
}

/* Each text twice: as it is, and from what was kept of it. */
static void compare_all(const struct vocabulary *v, const char *letters, struct encoder *e) {
  enum { LETTERS = 3, LONGEST = 9 };
  struct encoder merged;
  encoder_init(&merged);
  for (size_t len = 1, texts = LETTERS; len <= LONGEST; len++, texts *= LETTERS) {
    for (size_t number = 0; number < texts; number++) {
      char text[LONGEST];
      for (size_t i = 0, rest = number; i < len; i++, rest /= LETTERS)
        text[i] = letters[rest % LETTERS];
      compare(v, e, &merged, (struct slice){text, len});
      compare(v, e, &merged, (struct slice){text, len});
    }
  }
  encoder_fini(&merged);
}

static void refuse(const char *text) {
  struct vocabulary v = {0};
  struct bytes error;
  bytes_init(&error);
  CHECK(!rank_file_build(slice_of(text), &v, &error));
  CHECK(error.len > 0);
  bytes_fini(&error);
}

/* One encoder for all of them: what it keeps of one vocabulary is not another's. */
static void test_samples(void) {
  struct encoder e;
  encoder_init(&e);
  for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
    struct bytes ranks, error;
    struct vocabulary v = {0};
    bytes_init(&ranks);
    bytes_init(&error);
    write_ranks(&samples[i], &ranks);
    CHECK(rank_file_build(bytes_slice(&ranks), &v, &error));
    CHECK(v.head->flags & VOCABULARY_ORDERED);
    compare_all(&v, samples[i].letters, &e);
    vocabulary_fini(&v);
    bytes_fini(&ranks);
    bytes_fini(&error);
  }
  encoder_fini(&e);
}

/* What follows a piece in memory is not part of it. */
static void test_readable(void) {
  static const char text[] = "abcabababcabcabcabab";
  struct bytes ranks, error;
  struct vocabulary v = {0};
  struct encoder near, far;
  encoder_init(&near);
  encoder_init(&far);
  bytes_init(&ranks);
  bytes_init(&error);
  write_ranks(&samples[0], &ranks);
  CHECK(rank_file_build(bytes_slice(&ranks), &v, &error));
  for (size_t len = 1; len < sizeof text; len++) {
    encoder_encode(&near, &v, (struct slice){text, len}, len);
    encoder_encode(&far, &v, (struct slice){text, len}, sizeof text);
    CHECK(near.count == far.count &&
          memcmp(near.tokens, far.tokens, near.count * sizeof *near.tokens) == 0);
  }
  encoder_fini(&near);
  encoder_fini(&far);
  vocabulary_fini(&v);
  bytes_fini(&ranks);
  bytes_fini(&error);
}

int main(void) {
  struct bytes ranks, error;
  struct vocabulary v = {0};
  bytes_init(&ranks);
  bytes_init(&error);
  write_ranks(&samples[0], &ranks);
  CHECK(rank_file_build(bytes_slice(&ranks), &v, &error));
  CHECK(vocabulary_find(&v, SLICE("abcab")) == 262);
  CHECK(vocabulary_find(&v, SLICE("abca")) == TOKEN_NONE);
  struct vocabulary_match match = vocabulary_longest(&v, SLICE("abcax"));
  CHECK(match.token == 258 && match.len == 3);
  vocabulary_fini(&v);
  test_samples();
  test_readable();
  refuse("");
  refuse("YQ== 0\n");
  refuse("Y! 0\n");
  refuse("YQ== -1\n");
  CHECK(!vocabulary_map(&v, "/dev/null", &error));
  CHECK(!vocabulary_map(&v, "/nowhere/x.vocabulary", &error));
  bytes_fini(&ranks);
  bytes_fini(&error);
  return checks_end();
}
