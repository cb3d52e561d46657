/* Decimal text to whole units, without a float in between: 2.5 x 10^3 is 2500 or an error, never
 * 2499. */
#pragma once
#include "base/bytes.h"

enum decimal_status {
  DECIMAL_OK,
  DECIMAL_MALFORMED, /* NaN and infinity too */
  DECIMAL_NEGATIVE,
  DECIMAL_INEXACT, /* a fraction of a unit is left over */
  DECIMAL_OVERFLOW,
};

enum { DECIMAL_TEXT_BYTES = 40 };

/* text x 10^power as a whole number. Takes "12", "0.5", ".5", "1e-3". */
enum decimal_status decimal_scale(struct slice text, int power, uint64_t *out);
/* The shortest decimal that reads back as `number`: what the author of a file most likely wrote. */
void decimal_print(double number, char out[DECIMAL_TEXT_BYTES]);
