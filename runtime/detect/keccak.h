/* Keccak-256 as Ethereum uses it: the sponge of FIPS 202 with the padding from before the standard,
 * which OpenSSL does not offer. */
#pragma once
#include "base/bytes.h"

void keccak256(struct slice data, uint8_t out[32]); /* data shorter than 136 bytes */
