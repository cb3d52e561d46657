#include "base/checksum.h"

#include <pthread.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

enum { LANES = 8 };

static const uint32_t polynomial = 0x82f63b78; /* reflected */
static uint32_t tables[LANES][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

/* tables[k][b]: the remainder of byte b followed by k zero bytes, so that eight bytes are taken at
 * a time. */
static void fill_tables(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++)
      crc = crc & 1 ? crc >> 1 ^ polynomial : crc >> 1;
    tables[0][byte] = crc;
  }
  for (int lane = 1; lane < LANES; lane++)
    for (uint32_t byte = 0; byte < 256; byte++) {
      uint32_t before = tables[lane - 1][byte];
      tables[lane][byte] = before >> 8 ^ tables[0][before & 0xff];
    }
}

static uint32_t crc_portable(uint32_t crc, const uint8_t *at, size_t len) {
  pthread_once(&tables_once, fill_tables);
  for (; len >= LANES; at += LANES, len -= LANES) {
    uint32_t next = 0;
    for (uint32_t i = 0; i < LANES; i++) {
      uint8_t byte = i < 4 ? at[i] ^ (uint8_t)(crc >> 8 * i) : at[i];
      next ^= tables[LANES - 1 - i][byte];
    }
    crc = next;
  }
  for (; len > 0; at++, len--)
    crc = crc >> 8 ^ tables[0][(crc ^ *at) & 0xff];
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t crc, const uint8_t *at,
                                                            size_t len) {
  uint64_t wide = crc;
  for (; len >= 8; at += 8, len -= 8) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    wide = _mm_crc32_u64(wide, word);
  }
  crc = (uint32_t)wide;
  for (; len > 0; at++, len--)
    crc = _mm_crc32_u8(crc, *at);
  return crc;
}
#endif

uint32_t checksum_crc32c(struct slice data) {
  const uint8_t *at = (const uint8_t *)data.data;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return ~crc_sse42(~0u, at, data.len);
#endif
  return ~crc_portable(~0u, at, data.len);
}

uint32_t checksum_crc32c_portable(struct slice data) {
  return ~crc_portable(~0u, (const uint8_t *)data.data, data.len);
}
