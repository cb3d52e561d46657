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
/* The same with the time in front: ids that were made later sort behind, so that an index of them
 * grows at its end. len is above DIGEST_TIME_LETTERS; all letters behind those are random. */
enum { DIGEST_TIME_LETTERS = 8 };
void digest_ordered_id(uint64_t time_ms, char *out, size_t len);
bool digest_ordered_time(struct slice id, uint64_t *time_ms); /* false: no id can begin like this */
