#include "model/header.h"

#include <string.h>

struct slice header_find(struct headers h, const char *name) {
  struct slice wanted = slice_of(name);
  for (size_t i = 0; i < h.count; i++)
    if (slice_equal_nocase(h.items[i].name, wanted)) return h.items[i].value;
  return (struct slice){NULL, 0};
}

static bool is_token(struct slice s) {
  static const uint32_t allowed[8] = {0, 0x3ff6cfa, 0xc7fffffe, 0x57ffffff,
                                      0, 0,         0,          0}; /* a bit per byte */
  for (size_t i = 0; i < s.len; i++) {
    unsigned char c = (unsigned char)s.data[i];
    if (!(allowed[c >> 5] >> (c & 31) & 1)) return false;
  }
  return s.len > 0;
}

bool header_is_clean(struct slice name, struct slice value) {
  unsigned bad = 0;
  for (size_t i = 0; i < value.len; i++) {
    unsigned char c = (unsigned char)value.data[i];
    bad |= (c < 0x20 && c != '\t') || c == 0x7f;
  }
  return !bad && is_token(name);
}
