#include "detect/keccak.h"

static uint64_t rotate(uint64_t value, unsigned bits) {
  return bits ? value << bits | value >> (64 - bits) : value;
}

/* The round constants come from the shift register of FIPS 202, 3.2.5. */
static uint64_t round_constant(uint8_t *state) {
  uint64_t constant = 0;
  for (unsigned j = 0; j < 7; j++) {
    if (*state & 1) constant ^= (uint64_t)1 << ((1u << j) - 1);
    *state = (uint8_t)(*state << 1 ^ (*state & 0x80 ? 0x71 : 0));
  }
  return constant;
}

static void theta(uint64_t a[25]) {
  uint64_t c[5];
  for (unsigned x = 0; x < 5; x++)
    c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
  for (unsigned i = 0; i < 25; i++)
    a[i] ^= c[(i + 4) % 5] ^ rotate(c[(i + 1) % 5], 1);
}

static void permute(uint64_t a[25]) {
  uint8_t state = 1;
  for (unsigned round = 0; round < 24; round++) {
    uint64_t b[25];
    theta(a);
    unsigned x = 1, y = 0;
    b[0] = a[0];
    for (unsigned t = 0; t < 24; t++) { /* rho and pi */
      unsigned next = (2 * x + 3 * y) % 5;
      b[y + 5 * next] = rotate(a[x + 5 * y], (t + 1) * (t + 2) / 2 % 64);
      x = y;
      y = next;
    }
    for (unsigned i = 0; i < 25; i++) { /* chi */
      unsigned row = i - i % 5;
      a[i] = b[i] ^ (~b[row + (i + 1) % 5] & b[row + (i + 2) % 5]);
    }
    a[0] ^= round_constant(&state);
  }
}

void keccak256(struct slice data, uint8_t out[32]) {
  enum { RATE = 136 };
  uint64_t a[25] = {0};
  uint8_t block[RATE] = {0};
  must(data.len < RATE);
  if (data.len) memcpy(block, data.data, data.len);
  block[data.len] = 1;
  block[RATE - 1] |= 0x80;
  for (unsigned i = 0; i < RATE; i++)
    a[i / 8] |= (uint64_t)block[i] << (8 * (i % 8));
  permute(a);
  for (unsigned i = 0; i < 32; i++)
    out[i] = (uint8_t)(a[i / 8] >> (8 * (i % 8)));
}
