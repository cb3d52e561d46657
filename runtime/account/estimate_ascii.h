/* Text of ASCII characters, up to 64 of them at once: each kind is a mask with one bit for each
 * character, and runs are counted by shifting it. The same sums as character by character. For
 * estimate.c. */
#pragma once
#include "account/estimate.h"

enum estimate_kind { NOTHING, LOWER, UPPER, DIGIT, MARK, SPACE, LINE, WIDE, LETTER, SYMBOL };
enum { ESTIMATE_BLOCK_BYTES = 64 };

/* What a run of so many characters comes to, in thousandths of a token; 0 characters: 0. */
uint64_t estimate_run_milli(enum estimate_kind kind, uint64_t run);
enum estimate_kind estimate_ascii_kind(unsigned char c);

/* Takes the ASCII characters that text begins with, at most ESTIMATE_BLOCK_BYTES; returns how
 * many. */
size_t estimate_ascii(struct estimate *e, struct slice text);
