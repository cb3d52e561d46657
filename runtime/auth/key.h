/* Keys that Gateyes makes: "gy-", 43 letters and digits (256 bits from the system's generator), and
 * 6 that are a checksum, so that a mistyped key and a scanner that looks for leaked ones can tell
 * it without asking. Only a keyed hash of a key is ever stored. */
#pragma once
#include "base/digest.h"

enum { KEY_LETTERS = 43, KEY_CHECK_LETTERS = 6, KEY_BYTES = 3 + KEY_LETTERS + KEY_CHECK_LETTERS };

struct key_hash {
  uint8_t bytes[SHA256_BYTES];
};

void key_make(char out[KEY_BYTES + 1]);
bool key_is_well_formed(struct slice text); /* form and checksum */
/* HMAC-SHA-256 under the server's secret of the key's SHA-256: static keys, of which only the
 * SHA-256 may be known, and keys of the store are looked up the same way. */
struct key_hash key_hash(struct slice server_secret, struct slice key);
struct key_hash key_hash_of_digest(struct slice server_secret, const uint8_t sha256[SHA256_BYTES]);
/* As entity.lookup holds it. */
void key_hash_text(const struct key_hash *hash, char out[2 * SHA256_BYTES + 1]);
bool key_hash_read(struct slice text, struct key_hash *out);
