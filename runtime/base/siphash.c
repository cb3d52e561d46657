#include "base/siphash.h"

#include <endian.h>
#include <string.h>

struct sip {
  uint64_t a, b, c, d;
};

static inline uint64_t rotate(uint64_t value, unsigned places) {
  return value << places | value >> (64 - places);
}

static inline void turn(struct sip *s) {
  s->a += s->b;
  s->c += s->d;
  s->b = rotate(s->b, 13) ^ s->a;
  s->d = rotate(s->d, 16) ^ s->c;
  s->a = rotate(s->a, 32);
  s->c += s->b;
  s->a += s->d;
  s->b = rotate(s->b, 17) ^ s->c;
  s->d = rotate(s->d, 21) ^ s->a;
  s->c = rotate(s->c, 32);
}

static inline void take(struct sip *s, uint64_t word) {
  s->d ^= word;
  turn(s);
  turn(s);
  s->a ^= word;
}

static inline uint64_t word_at(const void *at) {
  uint64_t word;
  memcpy(&word, at, sizeof word);
  return le64toh(word);
}

static inline void give(struct sip *s, uint8_t *out) {
  for (int i = 0; i < 4; i++)
    turn(s);
  uint64_t word = htole64(s->a ^ s->b ^ s->c ^ s->d);
  memcpy(out, &word, sizeof word);
}

void siphash(const uint8_t key[SIPHASH_KEY_BYTES], struct slice data, uint8_t out[SIPHASH_BYTES]) {
  uint64_t one = word_at(key), two = word_at(key + 8);
  struct sip s = {one ^ 0x736f6d6570736575u, two ^ 0x646f72616e646f6du ^ 0xee,
                  one ^ 0x6c7967656e657261u, two ^ 0x7465646279746573u};
  size_t whole = data.len / 8 * 8, rest = data.len - whole;
  for (size_t i = 0; i < whole; i += 8)
    take(&s, word_at(data.data + i));
  uint8_t last[8] = {[7] = (uint8_t)data.len};
  if (rest) memcpy(last, data.data + whole, rest);
  take(&s, word_at(last));
  s.c ^= 0xee;
  give(&s, out);
  s.b ^= 0xdd;
  give(&s, out + 8);
}
