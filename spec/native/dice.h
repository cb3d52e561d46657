/* Numbers that look like chance and are the same in every run: xorshift, by George Marsaglia. */
#pragma once
#include <stdint.h>

static uint64_t dice_state = 88172645463325252u;

static inline uint64_t dice(uint64_t sides) {
  dice_state ^= dice_state << 13;
  dice_state ^= dice_state >> 7;
  dice_state ^= dice_state << 17;
  return dice_state % sides;
}
