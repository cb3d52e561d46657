/* A small vocabulary, every text over its letters up to a length: the encoder that goes from left
 * to right agrees with merging as it is defined; and the same through pieces. */
#include "check.h"
#include "tokenizer/encode.h"
#include "tokenizer/rank_file.h"

static const char *const merges[] = {"ab",  "bc",    "abc", "aa",  "aaa",
                                     "cab", "abcab", "ba",  "bab", "cc"};

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

static void write_ranks(struct bytes *out) {
  for (unsigned i = 0; i < 256; i++) {
    char byte = (char)i;
    append_base64(out, &byte, 1);
    bytes_printf(out, " %u\n", i);
  }
  for (unsigned i = 0; i < sizeof merges / sizeof *merges; i++) {
    append_base64(out, merges[i], strlen(merges[i]));
    bytes_printf(out, " %u\n", 256 + i);
  }
}

static void compare(const struct vocabulary *v, struct encoder *e, struct encoder *merged,
                    struct slice text) {
  encoder_encode(e, v, text);
  merged->count = 0;
  encoder_merge(merged, v, text);
  bool is_same = e->count == merged->count &&
                 memcmp(e->tokens, merged->tokens, e->count * sizeof *e->tokens) == 0;
  CHECK(is_same);
  if (!is_same) fprintf(stderr, "%.*s\n", (int)text.len, text.data);
}

static void compare_all(const struct vocabulary *v) {
  enum { LETTERS = 3, LONGEST = 9 };
  struct encoder e, merged;
  encoder_init(&e);
  encoder_init(&merged);
  for (size_t len = 1, texts = LETTERS; len <= LONGEST; len++, texts *= LETTERS) {
    for (size_t number = 0; number < texts; number++) {
      char text[LONGEST];
      for (size_t i = 0, rest = number; i < len; i++, rest /= LETTERS)
        text[i] = (char)('a' + rest % LETTERS);
      compare(v, &e, &merged, (struct slice){text, len});
    }
  }
  encoder_fini(&e);
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

int main(void) {
  struct bytes ranks, error;
  struct vocabulary v = {0};
  bytes_init(&ranks);
  bytes_init(&error);
  write_ranks(&ranks);
  CHECK(rank_file_build(bytes_slice(&ranks), &v, &error));
  CHECK(v.head->flags & VOCABULARY_ORDERED);
  CHECK(vocabulary_find(&v, SLICE("abcab")) == 262);
  CHECK(vocabulary_find(&v, SLICE("abca")) == TOKEN_NONE);
  CHECK(vocabulary_longest(&v, SLICE("abcax")) == 258);
  compare_all(&v);
  vocabulary_fini(&v);
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
