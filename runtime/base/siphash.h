/* SipHash-2-4 with 128 bits of output: a keyed function for short inputs, as hard to forge as its
 * key is to guess, at a sixth of what SHA-256 takes. For what never leaves the process. Source:
 * J.-P. Aumasson and D. J. Bernstein, "SipHash: a fast short-input PRF", 2012, and the authors'
 * reference code for the longer output. */
#pragma once
#include "base/bytes.h"

enum { SIPHASH_KEY_BYTES = 16, SIPHASH_BYTES = 16 };

void siphash(const uint8_t key[SIPHASH_KEY_BYTES], struct slice data, uint8_t out[SIPHASH_BYTES]);
