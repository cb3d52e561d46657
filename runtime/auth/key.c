#include "auth/key.h"

#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/* The first letters of the SHA-256 of what stands before it, in base 62. */
static void write_check(struct slice body, char out[KEY_CHECK_LETTERS]) {
  uint8_t digest[SHA256_BYTES];
  uint64_t number = 0;
  digest_sha256(body, digest);
  for (int i = 0; i < 7; i++)
    number = number << 8 | digest[i];
  for (int i = 0; i < KEY_CHECK_LETTERS; i++, number /= 62)
    out[i] = letters[number % 62];
}

void key_make(char out[KEY_BYTES + 1]) {
  memcpy(out, "gy-", 3);
  digest_random_id(out + 3, KEY_LETTERS);
  write_check((struct slice){out, 3 + KEY_LETTERS}, out + 3 + KEY_LETTERS);
  out[KEY_BYTES] = 0;
}

bool key_is_well_formed(struct slice text) {
  char check[KEY_CHECK_LETTERS];
  if (text.len != KEY_BYTES || !slice_starts(text, SLICE("gy-"))) return false;
  for (size_t i = 3; i < text.len; i++)
    if (!memchr(letters, text.data[i], sizeof letters - 1)) return false;
  write_check((struct slice){text.data, 3 + KEY_LETTERS}, check);
  return memcmp(check, text.data + 3 + KEY_LETTERS, KEY_CHECK_LETTERS) == 0;
}

struct key_hash key_hash_of_digest(struct slice server_secret, const uint8_t sha256[SHA256_BYTES]) {
  struct key_hash hash;
  digest_hmac(server_secret, (struct slice){(const char *)sha256, SHA256_BYTES}, hash.bytes);
  return hash;
}

struct key_hash key_hash(struct slice server_secret, struct slice key) {
  uint8_t digest[SHA256_BYTES];
  digest_sha256(key, digest);
  return key_hash_of_digest(server_secret, digest);
}

void key_hash_text(const struct key_hash *hash, char out[2 * SHA256_BYTES + 1]) {
  digest_hex(hash->bytes, SHA256_BYTES, out);
}

bool key_hash_read(struct slice text, struct key_hash *out) {
  return digest_from_hex(text, out->bytes, SHA256_BYTES);
}
