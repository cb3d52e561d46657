#include "config/parse_values.h"

struct unit {
  const char *name;
  uint64_t factor;
};

static const struct unit durations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0},
};
static const struct unit sizes[] = {
    {"KiB", 1024},      {"MiB", 1048576}, {"GiB", 1073741824}, {"KB", 1000}, {"MB", 1000000},
    {"GB", 1000000000}, {"B", 1},         {NULL, 0},
};

enum decimal_status parse_decimal(const struct value *v, int power, uint64_t *out) {
  char text[DECIMAL_TEXT_BYTES];
  if (v->type == VALUE_TEXT) return decimal_scale(slice_trim(v->text), power, out);
  if (v->type != VALUE_NUMBER) return DECIMAL_MALFORMED;
  if (v->number < 0) return DECIMAL_NEGATIVE;
  decimal_print(v->number, text);
  return decimal_scale(slice_of(text), power, out);
}

static bool is_number_part(char c) {
  return (c >= '0' && c <= '9') || c == '.';
}

/* "1.5h": three decimals at most, and a whole number of the smallest unit. */
static bool with_unit(struct slice text, const struct unit *units, uint64_t *out) {
  size_t digits = 0;
  uint64_t thousandths;
  while (digits < text.len && is_number_part(text.data[digits]))
    digits++;
  if (decimal_scale((struct slice){text.data, digits}, 3, &thousandths) != DECIMAL_OK) return false;
  struct slice name = slice_trim(slice_skip(text, digits));
  for (; units->name; units++) {
    if (!slice_equal_text(name, units->name)) continue;
    if (__builtin_mul_overflow(thousandths, units->factor, out) || *out % 1000) return false;
    *out /= 1000;
    return true;
  }
  return false;
}

bool parse_count(const struct value *v, uint64_t *count) {
  return v->type == VALUE_NUMBER && parse_decimal(v, 0, count) == DECIMAL_OK;
}

bool parse_duration_ms(const struct value *v, uint64_t *ms) {
  if (v->type == VALUE_TEXT && with_unit(slice_trim(v->text), durations, ms)) return true;
  return parse_decimal(v, 3, ms) == DECIMAL_OK;
}

bool parse_size(const struct value *v, uint64_t *bytes) {
  if (v->type == VALUE_TEXT && with_unit(slice_trim(v->text), sizes, bytes)) return true;
  return parse_decimal(v, 0, bytes) == DECIMAL_OK;
}
