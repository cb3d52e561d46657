/* Hashes for tables whose keys strangers may choose: keyed at random per process, by folding
 * 128-bit products of eight bytes at a time. Not for secrets, and not to be stored. */
#pragma once
#include "base/bytes.h"

uint64_t keyed_hash(struct slice data, uint64_t seed);
