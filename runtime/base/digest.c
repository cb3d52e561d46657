#include "base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>

/* The context is kept per thread: making one costs three times the digest of a key. The key exists
 * for its destructor, which runs when a thread ends. */
static _Thread_local EVP_MD_CTX *context;
static pthread_key_t at_exit;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void free_context(void *value) {
  EVP_MD_CTX_free(value);
}

static void make_key(void) {
  must(pthread_key_create(&at_exit, free_context) == 0);
}

static void make_context(void) {
  pthread_once(&once, make_key);
  context = EVP_MD_CTX_new();
  must(context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1);
  must(pthread_setspecific(at_exit, context) == 0);
}

void digest_sha256(struct slice data, uint8_t out[SHA256_BYTES]) {
  if (!context) make_context();
  must(EVP_DigestInit_ex(context, NULL, NULL) == 1); /* the same again, without a look-up */
  must(EVP_DigestUpdate(context, data.data, data.len) == 1);
  must(EVP_DigestFinal_ex(context, out, NULL) == 1);
}

/* out may be where data lies: it is written last. */
static void digest_two(const uint8_t pad[64], struct slice data, uint8_t out[SHA256_BYTES]) {
  if (!context) make_context();
  must(EVP_DigestInit_ex(context, NULL, NULL) == 1);
  must(EVP_DigestUpdate(context, pad, 64) == 1);
  must(EVP_DigestUpdate(context, data.data, data.len) == 1);
  must(EVP_DigestFinal_ex(context, out, NULL) == 1);
}

void digest_hmac(struct slice key, struct slice data, uint8_t out[SHA256_BYTES]) {
  uint8_t inner[64] = {0}, outer[64];
  if (key.len > sizeof inner)
    digest_sha256(key, inner);
  else if (key.len)
    memcpy(inner, key.data, key.len);
  for (size_t i = 0; i < sizeof inner; i++) {
    outer[i] = inner[i] ^ 0x5c;
    inner[i] ^= 0x36;
  }
  uint8_t middle[SHA256_BYTES];
  digest_two(inner, data, middle);
  digest_two(outer, (struct slice){(char *)middle, sizeof middle}, out);
  OPENSSL_cleanse(inner, sizeof inner);
  OPENSSL_cleanse(outer, sizeof outer);
}

bool digest_equal(const uint8_t a[SHA256_BYTES], const uint8_t b[SHA256_BYTES]) {
  return CRYPTO_memcmp(a, b, SHA256_BYTES) == 0;
}

void digest_hex(const uint8_t *data, size_t len, char *out) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < len; i++) {
    out[2 * i] = digits[data[i] >> 4];
    out[2 * i + 1] = digits[data[i] & 15];
  }
  out[2 * len] = 0;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool digest_from_hex(struct slice hex, uint8_t *out, size_t len) {
  if (hex.len != 2 * len) return false;
  for (size_t i = 0; i < len; i++) {
    int high = hex_digit(hex.data[2 * i]), low = hex_digit(hex.data[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = (uint8_t)(high << 4 | low);
  }
  return true;
}

void digest_random(void *out, size_t len) {
  must(RAND_bytes(out, (int)len) == 1);
}

/* Ids take from a pool per thread: asking the generator for each costs a system call. */
static _Thread_local struct {
  char letters[1024];
  size_t left;
} pool;

static void pool_fill(void) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  uint8_t bytes[sizeof pool.letters];
  digest_random(bytes, sizeof bytes);
  /* Bytes of 248 and above are thrown away, so that every letter is equally likely. */
  for (size_t i = 0; i < sizeof bytes; i++)
    if (bytes[i] < 248) pool.letters[pool.left++] = letters[bytes[i] % 62];
  OPENSSL_cleanse(bytes, sizeof bytes);
}

void digest_random_id(char *out, size_t len) {
  for (size_t at = 0, count; at < len; at += count) {
    if (!pool.left) pool_fill();
    count = len - at < pool.left ? len - at : pool.left;
    char *from = pool.letters + pool.left - count;
    memcpy(out + at, from, count);
    memset(from, 0, count); /* what was handed out is not kept */
    pool.left -= count;
  }
  out[len] = 0;
}

static const char time_letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

void digest_ordered_id(uint64_t time_ms, char *out, size_t len) {
  static _Thread_local struct { /* many ids are of the same millisecond */
    uint64_t time_ms;
    char letters[DIGEST_TIME_LETTERS];
  } last = {0, {'0', '0', '0', '0', '0', '0', '0', '0'}};
  must(len > DIGEST_TIME_LETTERS);
  if (last.time_ms != time_ms) {
    last.time_ms = time_ms;
    for (size_t i = DIGEST_TIME_LETTERS; i-- > 0; time_ms /= 62)
      last.letters[i] = time_letters[time_ms % 62];
  }
  memcpy(out, last.letters, sizeof last.letters);
  digest_random_id(out + DIGEST_TIME_LETTERS, len - DIGEST_TIME_LETTERS);
}

bool digest_ordered_time(struct slice id, uint64_t *time_ms) {
  *time_ms = 0;
  if (id.len < DIGEST_TIME_LETTERS) return false;
  for (size_t i = 0; i < DIGEST_TIME_LETTERS; i++) {
    const char *letter = memchr(time_letters, id.data[i], sizeof time_letters - 1);
    if (!letter) return false;
    *time_ms = *time_ms * 62 + (uint64_t)(letter - time_letters);
  }
  return true;
}
