#include "tokenizer/rank_file.h"

#include <stdlib.h>

#include "base/arena.h"

static int digit_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Base64 (RFC 4648, section 4), padded. */
static bool decode_base64(struct slice text, char *out, size_t *len) {
  while (text.len && text.data[text.len - 1] == '=')
    text.len--;
  uint32_t bits = 0;
  *len = 0;
  for (size_t i = 0; i < text.len; i++) {
    int digit = digit_of(text.data[i]);
    if (digit < 0) return false;
    bits = bits << 6 | (uint32_t)digit;
    if (i % 4) out[(*len)++] = (char)(bits >> (6 - 2 * (i % 4)) & 0xff);
  }
  return text.len % 4 != 1;
}

static bool read_line(struct slice line, struct arena *arena, struct slice *tokens) {
  struct slice rank_text, code = slice_cut(line, ' ', &rank_text);
  uint64_t rank;
  if (!slice_to_u64(rank_text, &rank) || rank >= VOCABULARY_TOKENS_MAX || code.len == 0)
    return false;
  char *text = arena_alloc(arena, code.len);
  size_t len;
  if (!decode_base64(code, text, &len) || len > VOCABULARY_TOKEN_BYTES_MAX) return false;
  tokens[rank] = (struct slice){text, len};
  return true;
}

static bool read_lines(struct slice text, struct arena *arena, struct slice *tokens) {
  size_t total = 0;
  for (struct slice rest = text; rest.len;) {
    struct slice line = slice_cut(rest, '\n', &rest);
    if (line.len && !read_line(line, arena, tokens)) return false;
    total += line.len;
  }
  return total <= VOCABULARY_TEXT_BYTES_MAX;
}

bool rank_file_build(struct slice text, struct vocabulary *v, struct bytes *error) {
  struct slice *tokens = must_calloc(VOCABULARY_TOKENS_MAX, sizeof *tokens);
  struct arena arena;
  arena_init(&arena);
  bool is_good = read_lines(text, &arena, tokens);
  uint32_t byte_token[256];
  memset(byte_token, 0xff, sizeof byte_token);
  size_t count = 0;
  for (size_t i = 0; i < VOCABULARY_TOKENS_MAX; i++) {
    if (tokens[i].len == 1) byte_token[(unsigned char)*tokens[i].data] = (uint32_t)i;
    if (tokens[i].len) count = i + 1;
  }
  for (size_t i = 0; i < 256; i++)
    is_good &= byte_token[i] != TOKEN_NONE;
  struct vocabulary_source source = {.tokens = tokens,
                                     .token_count = count,
                                     .byte_token = byte_token,
                                     .flags = VOCABULARY_BYTES | VOCABULARY_WHOLE,
                                     .unknown = TOKEN_NONE};
  if (is_good)
    vocabulary_build(v, &source);
  else
    bytes_append_text(error, "is no rank file: lines of base64 and rank with all 256 bytes");
  arena_fini(&arena);
  free(tokens);
  return is_good;
}
