/* What token patterns ask of a character: its Unicode general category, in groups (classes.def). As
 * masks, so that a set of groups is one test. */
#pragma once
#include <stdint.h>

#include "base/utf8.h"

enum {
  CLASS_UPPER = 1 << 0,  /* Lu, Lt */
  CLASS_LOWER = 1 << 1,  /* Ll */
  CLASS_LETTER = 1 << 2, /* Lm, Lo */
  CLASS_MARK = 1 << 3,
  CLASS_NUMBER = 1 << 4,
  CLASS_SIGN = 1 << 5,  /* punctuation and symbols */
  CLASS_SPACE = 1 << 6, /* white space but for line ends */
  CLASS_NEWLINE = 1 << 7,
  CLASS_OTHER = 1 << 8, /* control, format, unassigned; a byte that is no UTF-8 */
  CLASS_ANY_LETTER = CLASS_UPPER | CLASS_LOWER | CLASS_LETTER,
  CLASS_ANY_SPACE = CLASS_SPACE | CLASS_NEWLINE,
};

struct classes {
  uint16_t ascii[256]; /* 0 from 0x80 on */
  uint16_t pages[0x110000 >> 8];
  uint8_t cells[][256]; /* number of the mask's bit */
};

/* Made at the first call, for good; any thread. */
const struct classes *classes_get(void);

/* Mask of the character at p < end, with its length in bytes. */
static inline unsigned class_at(const struct classes *c, const char *p, const char *end,
                                size_t *len) {
  unsigned mask = c->ascii[(unsigned char)*p];
  *len = 1;
  if (mask) return mask;
  uint32_t point;
  size_t bytes = utf8_decode(p, end, &point);
  if (bytes == 0) return CLASS_OTHER;
  *len = bytes;
  return 1u << c->cells[c->pages[point >> 8]][point & 0xff];
}
