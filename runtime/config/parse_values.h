/* One value of the file to one number in stored units. */
#pragma once
#include "base/value.h"
#include "config/decimal.h"

/* false: not of that form at all (a list, "5 seconds", a fraction of a unit, a negative number). */
bool parse_count(const struct value *v, uint64_t *count);
bool parse_duration_ms(const struct value *v, uint64_t *ms);
bool parse_size(const struct value *v, uint64_t *bytes);
/* value x 10^power; numbers and decimal text. */
enum decimal_status parse_decimal(const struct value *v, int power, uint64_t *out);
