/* Digests, encodings and random bytes; all from OpenSSL. */
#pragma once
#include "base/bytes.h"

enum { SHA256_BYTES = 32 };

void digest_sha256(struct slice data, uint8_t out[SHA256_BYTES]);
/* HMAC-SHA-256 (RFC 2104). */
void digest_hmac(struct slice key, struct slice data, uint8_t out[SHA256_BYTES]);
bool digest_equal(const uint8_t a[SHA256_BYTES], const uint8_t b[SHA256_BYTES]); /* constant time */
void digest_hex(const uint8_t *data, size_t len, char *out); /* 2 x len + 1 bytes */
bool digest_from_hex(struct slice hex, uint8_t *out,
                     size_t len); /* false unless exactly len bytes */
void digest_random(void *out, size_t len);
/* Letters and digits from the system's generator, zero-terminated: out holds len + 1 bytes. */
void digest_random_id(char *out, size_t len);
