/* The kinds of characters. For the files of the estimate. */
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

/* One character; estimate_wide: the one at `at`, which is not ASCII, returns its bytes. */
void estimate_take(struct estimate *e, enum estimate_kind kind);
size_t estimate_wide(struct estimate *e, const char *at, const char *end);

/* estimate_json without the instructions that only newer processors have. */
bool estimate_json_portable(struct estimate *e, struct slice json);
