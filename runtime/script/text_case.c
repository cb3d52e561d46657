#include "script/text_case.h"

#include <stdbool.h>
#include <stddef.h>

/* Capital letters low … high: plain ranges have their small ones at a distance; in paired ones
 * capital and small letters take turns, capitals first from low on. */
static const struct {
  uint16_t low, high, distance; /* 0: paired */
} ranges[] = {
    {'A', 'Z', 32},     {0xc0, 0xd6, 32},   {0xd8, 0xde, 32},   {0x100, 0x12f, 0},
    {0x132, 0x137, 0},  {0x139, 0x148, 0},  {0x14a, 0x177, 0},  {0x179, 0x17e, 0},
    {0x1cd, 0x1dc, 0},  {0x1de, 0x1ef, 0},  {0x1f8, 0x21f, 0},  {0x222, 0x233, 0},
    {0x388, 0x38a, 37}, {0x391, 0x3a1, 32}, {0x3a3, 0x3ab, 32}, {0x3d8, 0x3ef, 0},
    {0x400, 0x40f, 80}, {0x410, 0x42f, 32}, {0x460, 0x481, 0},  {0x48a, 0x4bf, 0},
    {0x4c1, 0x4ce, 0},  {0x4d0, 0x52f, 0},  {0x531, 0x556, 48}, {0xff21, 0xff3a, 32},
};

enum { RANGES = sizeof ranges / sizeof *ranges };

uint32_t text_lower(uint32_t point) {
  for (size_t i = 0; i < RANGES && point >= ranges[i].low; i++) {
    if (point > ranges[i].high) continue;
    if (ranges[i].distance) return point + ranges[i].distance;
    return point + !((point - ranges[i].low) & 1);
  }
  if (point == 0x178) return 0xff;
  return point == 0x386 ? 0x3ac : point;
}

uint32_t text_upper(uint32_t point) {
  for (size_t i = 0; i < RANGES && point >= ranges[i].low; i++) {
    uint32_t distance = ranges[i].distance;
    bool is_small = distance
                        ? point - distance >= ranges[i].low && point - distance <= ranges[i].high
                        : point <= ranges[i].high && ((point - ranges[i].low) & 1);
    if (is_small && point != 0x3c2) return point - (distance ? distance : 1);
  }
  if (point == 0xff) return 0x178;
  return point == 0x3ac ? 0x386 : point;
}

uint32_t text_fold(uint32_t point) {
  if (point >= 0xff01 && point <= 0xff5e) point -= 0xfee0;
  if (point == 0x3000 || point == 0xa0 || (point >= 0x2000 && point <= 0x200a)) return ' ';
  return text_lower(point);
}
