#include "account/estimate_ascii.h"

#include "account/estimate_block.h"

uint64_t estimate_run_milli(enum estimate_kind kind, uint64_t run) {
  if (run == 0) return 0;
  switch (kind) {
  case LOWER: return run <= 6 ? 1000 : 1000 + (run - 6) * 120;
  case UPPER: return run <= 3 ? 1000 : 1000 + (run - 3) * 300;
  case DIGIT: return (run + 2) / 3 * 1000;
  case MARK: return 900 + (run - 1) * 150;
  case SPACE: return run == 1 ? 0 : 800 + run / 64 * 1000; /* one space joins the next word */
  case LINE: return 700;
  case WIDE: return run * 720;
  case LETTER: return 500 + run * 230;
  case SYMBOL: return run * 1800;
  case NOTHING: break;
  }
  return 0;
}

enum estimate_kind estimate_ascii_kind(unsigned char c) {
  static const uint8_t kinds[128] = {
      [0 ... 9] = SPACE,     ['\n'] = LINE,        [11 ... 12] = SPACE,   ['\r'] = LINE,
      [14 ... ' '] = SPACE,  ['!' ... '/'] = MARK, ['0' ... '9'] = DIGIT, [':' ... '@'] = MARK,
      ['A' ... 'Z'] = UPPER, ['[' ... '`'] = MARK, ['a' ... 'z'] = LOWER, ['{' ... 127] = MARK};
  return (enum estimate_kind)kinds[c];
}

size_t estimate_ascii(struct estimate *e, struct slice text) {
  char copy[BLOCK];
  const char *at = text.data;
  size_t bytes = text.len < BLOCK ? text.len : BLOCK;
  if (bytes < BLOCK) at = memcpy(memset(copy, 0, BLOCK), at, bytes);
  struct masks m = masks_of(at, bytes);
  if (m.other && (size_t)__builtin_ctzll(m.other) < bytes) bytes = (size_t)__builtin_ctzll(m.other);
  if (bytes == 0) return 0;
  if (bytes < BLOCK) move_up(&m, 0, (unsigned)bytes);
  take_block(e, &m, (unsigned)bytes);
  return bytes;
}
