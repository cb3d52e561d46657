#include "model/header.h"

#include <string.h>

struct slice header_find(struct headers h, const char *name) {
  struct slice wanted = slice_of(name);
  for (size_t i = 0; i < h.count; i++)
    if (slice_equal_nocase(h.items[i].name, wanted)) return h.items[i].value;
  return (struct slice){NULL, 0};
}

static bool is_token(unsigned char c) {
  static const bool table[256] = {
      ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['!'] = true,  ['#'] = true,
      ['$'] = true,         ['%'] = true,         ['&'] = true,         ['\''] = true, ['*'] = true,
      ['+'] = true,         ['-'] = true,         ['.'] = true,         ['^'] = true,  ['_'] = true,
      ['`'] = true,         ['|'] = true,         ['~'] = true,
  };
  return table[c];
}

/* Eight bytes at once: true when one of them may be below 0x20 or is 0x7f. */
static bool is_suspect(const char *eight) {
  const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
  uint64_t word, del;
  memcpy(&word, eight, sizeof word);
  del = word ^ (ones * 0x7f);
  return (((word - ones * 0x20) & ~word) | ((del - ones) & ~del)) & high;
}

static bool is_clean_text(struct slice s) {
  for (size_t i = 0; i < s.len; i++) {
    unsigned char c = (unsigned char)s.data[i];
    if ((c < 0x20 && c != '\t') || c == 0x7f) return false;
  }
  return true;
}

static bool is_clean_value(struct slice s) {
  if (s.len < 8) return is_clean_text(s);
  for (size_t i = 0; i + 8 < s.len; i += 8)
    if (is_suspect(s.data + i)) return is_clean_text(s);
  return !is_suspect(s.data + s.len - 8) || is_clean_text(s);
}

bool header_is_clean(struct slice name, struct slice value) {
  for (size_t i = 0; i < name.len; i++)
    if (!is_token((unsigned char)name.data[i])) return false;
  return name.len > 0 && is_clean_value(value);
}
