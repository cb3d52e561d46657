/* CRC-32C (Castagnoli; RFC 3720, appendix B.4): finds damage in files, proves nothing. */
#pragma once
#include "base/bytes.h"

uint32_t checksum_crc32c(struct slice data);
/* The same without the processor's instruction: what machines without it run. */
uint32_t checksum_crc32c_portable(struct slice data);
