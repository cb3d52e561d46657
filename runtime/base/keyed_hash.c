#include "base/keyed_hash.h"

#include <string.h>
#include <uv.h>

#include "base/digest.h"

static uv_once_t once = UV_ONCE_INIT;
static uint64_t secrets[2];

static void draw_secrets(void) {
  digest_random(secrets, sizeof secrets);
  secrets[0] |= 1;
  secrets[1] |= 1;
}

__extension__ typedef unsigned __int128 wide;

static uint64_t fold(uint64_t a, uint64_t b) {
  wide product = (wide)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t keyed_hash(struct slice data, uint64_t seed) {
  uv_once(&once, draw_secrets);
  uint64_t hash = seed ^ fold(data.len + secrets[1], secrets[0]), word;
  while (data.len >= 8) {
    memcpy(&word, data.data, 8);
    hash = fold(hash ^ word ^ secrets[0], secrets[1] ^ word);
    data = slice_skip(data, 8);
  }
  word = 0;
  if (data.len) memcpy(&word, data.data, data.len);
  hash = fold(hash ^ word ^ secrets[0], secrets[1] ^ word);
  return fold(hash ^ secrets[1], secrets[0]);
}
