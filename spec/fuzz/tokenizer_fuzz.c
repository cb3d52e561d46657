/* The first byte chooses. Even: the rest is a tokenizer.json, which is refused with a sentence or
 * encodes. Odd: the rest is text for a small vocabulary; what goes from left to right, what merges
 * as it is defined and what comes in pieces agree. */
#include <stdlib.h>

#include "base/json.h"
#include "tokenizer/tokenizer.h"

static const char small[] =
    "{\"added_tokens\":[{\"id\":11,\"content\":\"<s>\",\"special\":true}],\"pre_tokenizer\":{"
    "\"type\":"
    "\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true},\"model\":{\"type\":\"BPE\","
    "\"unk_token\":\"c\",\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\"bc\":4,\"abc\":5,\"aa\":6,"
    "\"aaa\":7,\"cab\":8,\"\xc4\xa0\":9,\"\xc4\xa0"
    "a\":10},\"merges\":[\"a b\",\"b c\",\"ab c\","
    "\"a a\",\"aa a\",\"c ab\",\"\xc4\xa0 a\"]}}";

static uint64_t count(struct tokenizer *t, struct encoder *e, struct slice text) {
  struct bytes ids;
  bytes_init(&ids);
  uint64_t tokens = tokenizer_encode(t, e, text, TOKENIZE_TEXT, &ids);
  must(ids.len == tokens * sizeof(uint32_t));
  bytes_fini(&ids);
  return tokens;
}

static uint64_t count_cut(struct tokenizer *t, struct encoder *e, struct slice text) {
  struct token_counter c;
  token_counter_init(&c, t, e);
  for (size_t at = 0; at < text.len; at++)
    token_counter_feed(&c, (struct slice){text.data + at, 1});
  uint64_t tokens = token_counter_value(&c);
  token_counter_fini(&c);
  return tokens;
}

static bool is_ascii(struct slice text) {
  for (size_t i = 0; i < text.len; i++)
    if (text.data[i] & 0x80) return false;
  return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1) return 0;
  struct slice rest = {(const char *)data + 1, size - 1};
  struct bytes error;
  struct encoder e;
  bytes_init(&error);
  encoder_init(&e);
  bool is_text = data[0] & 1;
  struct tokenizer *t = tokenizer_parse(SLICE("fuzz"), is_text ? slice_of(small) : rest, &error);
  must((t != NULL) == (error.len == 0) && (t || !is_text));
  if (t) {
    uint64_t whole = count(t, &e, is_text ? rest : SLICE("a b c \xe2\x96\x81 <s>"));
    if (is_text && is_ascii(rest)) must(count_cut(t, &e, rest) == whole);
    (void)tokenizer_encode(t, &e, rest, TOKENIZE_SPECIAL, NULL);
  }
  tokenizer_unref(t);
  encoder_fini(&e);
  bytes_fini(&error);
  return 0;
}
