#include "http/chunked.h"

#include <string.h>

enum { SIZE_LINE_BYTES = 512, TRAILER_BYTES = 8192 };

void chunked_init(struct chunked *c) {
  *c = (struct chunked){.state = CHUNKED_SIZE_FIRST};
}

static int hex_value(unsigned char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

static bool is_text(unsigned char c) {
  return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static bool is_name(unsigned char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool feed_size(struct chunked *c, unsigned char byte) {
  int digit = hex_value(byte);
  if (digit >= 0) {
    if (c->left >> 56) return false;
    c->left = c->left << 4 | (uint64_t)digit;
    c->state = CHUNKED_SIZE;
    return true;
  }
  if (c->state == CHUNKED_SIZE_FIRST) return false;
  if (byte == ';' || byte == '\r') {
    c->state = byte == ';' ? CHUNKED_EXTENSION : CHUNKED_SIZE_LF;
    return true;
  }
  return false;
}

static bool feed_size_end(struct chunked *c, unsigned char byte) {
  if (byte != '\n') return false;
  c->state = c->left ? CHUNKED_DATA_STATE : CHUNKED_LINE_START;
  c->line_bytes = 0;
  return true;
}

static bool step(enum chunked_state *state, bool good, enum chunked_state next) {
  *state = next;
  return good;
}

static bool feed_line_start(struct chunked *c, unsigned char byte) {
  if (byte == '\r') return step(&c->state, true, CHUNKED_END_LF);
  return step(&c->state, is_name(byte), CHUNKED_NAME);
}

/* One byte of framing; false when it breaks the grammar. */
static bool feed_byte(struct chunked *c, unsigned char byte) {
  switch (c->state) {
  case CHUNKED_SIZE_FIRST:
  case CHUNKED_SIZE: return feed_size(c, byte);
  case CHUNKED_EXTENSION:
    if (byte == '\r') return step(&c->state, true, CHUNKED_SIZE_LF);
    return is_text(byte);
  case CHUNKED_SIZE_LF: return feed_size_end(c, byte);
  case CHUNKED_DATA_CR: return step(&c->state, byte == '\r', CHUNKED_DATA_LF);
  case CHUNKED_DATA_LF: return step(&c->state, byte == '\n', CHUNKED_SIZE_FIRST);
  case CHUNKED_LINE_START: return feed_line_start(c, byte);
  case CHUNKED_NAME:
    if (byte == ':') return step(&c->state, true, CHUNKED_VALUE);
    return is_name(byte);
  case CHUNKED_VALUE:
    if (byte == '\r') return step(&c->state, true, CHUNKED_VALUE_LF);
    return is_text(byte);
  case CHUNKED_VALUE_LF: return step(&c->state, byte == '\n', CHUNKED_LINE_START);
  case CHUNKED_END_LF: return byte == '\n';
  case CHUNKED_DATA_STATE: break;
  }
  return false;
}

static struct slice take_data(struct chunked *c, struct slice *input) {
  size_t count = input->len < c->left ? input->len : (size_t)c->left;
  struct slice data = {input->data, count};
  *input = slice_skip(*input, count);
  c->left -= count;
  if (c->left == 0) c->state = CHUNKED_DATA_CR;
  return data;
}

enum chunked_result chunked_feed(struct chunked *c, struct slice *input, struct slice *data) {
  while (input->len) {
    if (c->state == CHUNKED_DATA_STATE) {
      *data = take_data(c, input);
      return CHUNKED_DATA;
    }
    bool is_end = c->state == CHUNKED_END_LF;
    bool in_trailer = c->state >= CHUNKED_LINE_START;
    if (!feed_byte(c, (unsigned char)input->data[0])) return CHUNKED_BAD;
    *input = slice_skip(*input, 1);
    if (is_end) return CHUNKED_DONE;
    if (++c->line_bytes > (in_trailer ? TRAILER_BYTES : SIZE_LINE_BYTES)) return CHUNKED_BAD;
  }
  return CHUNKED_MORE;
}
