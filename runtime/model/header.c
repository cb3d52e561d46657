#include "model/header.h"

#include <string.h>

struct slice header_find_slice(struct headers h, struct slice name) {
  for (const struct header *item = h.items; item < h.items + h.count; item++)
    if (slice_equal_nocase(item->name, name)) return item->value;
  return (struct slice){NULL, 0};
}

/* RFC 9110, 5.6.2: the bytes a token may hold. */
static const bool token[256] = {
    ['!'] = true,         ['#'] = true,         ['$'] = true,         ['%'] = true, ['&'] = true,
    ['\''] = true,        ['*'] = true,         ['+'] = true,         ['-'] = true, ['.'] = true,
    ['^'] = true,         ['_'] = true,         ['`'] = true,         ['|'] = true, ['~'] = true,
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
};

static bool is_clean_byte(unsigned char c) {
  return (c >= 0x20 && c != 0x7f) || c == '\t';
}

/* Eight bytes at once: none below 0x20 and none 0x7f. Source: H. S. Warren, Hacker's Delight, 6-1.
 */
static bool is_clean_word(const char *at) {
  uint64_t word, low = 0x0101010101010101u, high = 0x8080808080808080u;
  memcpy(&word, at, sizeof word);
  uint64_t below = (word - low * 0x20) & ~word & high;
  uint64_t deleted = word ^ low * 0x7f;
  return !(below | ((deleted - low) & ~deleted & high));
}

/* Names are short and nearly always good: no branch for each byte. */
static bool is_token(struct slice name) {
  const unsigned char *at = (const unsigned char *)name.data;
  bool good = name.len > 0;
  size_t i = 0;
  for (; i + 4 <= name.len; i += 4)
    good &= token[at[i]] & token[at[i + 1]] & token[at[i + 2]] & token[at[i + 3]];
  for (; i < name.len; i++)
    good &= token[at[i]];
  return good;
}

bool header_is_clean(struct slice name, struct slice value) {
  if (!is_token(name)) return false;
  size_t at = 0;
  while (at + 8 <= value.len && is_clean_word(value.data + at))
    at += 8;
  bool is_tail = value.len >= 8 && value.len - at < 8;
  if (is_tail && is_clean_word(value.data + value.len - 8)) return true;
  for (; at < value.len; at++)
    if (!is_clean_byte((unsigned char)value.data[at])) return false;
  return true;
}
