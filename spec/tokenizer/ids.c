/* ids <name or tokenizer.json> text|special|cut|decode [folder]: for each text on standard input
 * (its length as four bytes, then itself) the number of tokens and the tokens, as four bytes each,
 * on standard output. cut: no tokens, only their number, counted from pieces of 1 to 9 bytes.
 * decode: encoded and decoded again: the text. */
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "tokenizer/tokenizer.h"

static uint32_t count_cut(const struct tokenizer *t, struct encoder *e, struct slice text) {
  struct token_counter c;
  token_counter_init(&c, t, e);
  uint32_t state = (uint32_t)text.len;
  while (text.len) {
    size_t len = 1 + (state = state * 1664525 + 1013904223) / 477218589;
    while (len < text.len && ((unsigned char)text.data[len] & 0xc0) == 0x80)
      len++;
    if (len > text.len) len = text.len;
    token_counter_feed(&c, (struct slice){text.data, len});
    text = slice_skip(text, len);
  }
  uint32_t count = (uint32_t)token_counter_value(&c);
  token_counter_fini(&c);
  return count;
}

/* There and back again, without special tokens on the way back. */
static void write_decoded(const struct tokenizer *t, struct encoder *e, struct slice text) {
  struct bytes ids, out;
  bytes_init(&ids);
  bytes_init(&out);
  uint64_t count = tokenizer_encode(t, e, text, TOKENIZE_SPECIAL, &ids);
  struct token_decoder d;
  token_decoder_init(&d, t, true);
  for (uint64_t i = 0; i < count; i++) {
    uint32_t token;
    memcpy(&token, ids.data + i * sizeof token, sizeof token);
    must(token_decoder_feed(&d, token, &out));
  }
  must(!token_decoder_feed(&d, UINT32_MAX, &out));
  token_decoder_end(&d, &out);
  token_decoder_fini(&d);
  uint32_t len = (uint32_t)out.len;
  fwrite(&len, sizeof len, 1, stdout);
  if (len) fwrite(out.data, 1, len, stdout);
  bytes_fini(&ids);
  bytes_fini(&out);
}

static void answer(const struct tokenizer *t, struct encoder *e, struct slice text,
                   const char *mode) {
  struct bytes ids;
  bytes_init(&ids);
  bool special = strcmp(mode, "special") == 0;
  uint32_t count = strcmp(mode, "cut") == 0
                       ? count_cut(t, e, text)
                       : (uint32_t)tokenizer_encode(
                             t, e, text, special ? TOKENIZE_SPECIAL : TOKENIZE_TEXT, &ids);
  must(ids.len == 0 || ids.len == count * sizeof(uint32_t));
  fwrite(&count, sizeof count, 1, stdout);
  if (ids.len) fwrite(ids.data, 1, ids.len, stdout);
  bytes_fini(&ids);
}

int main(int argc, char **argv) {
  must(argc >= 3);
  struct bytes error, text;
  bytes_init(&error);
  bytes_init(&text);
  char *folder = argc > 3 ? must_strdup(argv[3]) : tokenizer_folder();
  struct tokenizer *t = tokenizer_open(slice_of(argv[1]), folder, &error);
  if (!t) {
    fprintf(stderr, "%s\n", bytes_text(&error));
    return 1;
  }
  struct encoder e;
  encoder_init(&e);
  for (uint32_t len; fread(&len, sizeof len, 1, stdin) == 1;) {
    bytes_clear(&text);
    must(fread(bytes_reserve(&text, len + 1), 1, len, stdin) == len);
    text.len = len;
    if (strcmp(argv[2], "decode") == 0)
      write_decoded(t, &e, bytes_slice(&text));
    else
      answer(t, &e, bytes_slice(&text), argv[2]);
  }
  encoder_fini(&e);
  tokenizer_unref(t);
  bytes_fini(&text);
  bytes_fini(&error);
  free(folder);
  return 0;
}
