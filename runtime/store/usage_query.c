#include "store/usage_query.h"

static const char *const names[USAGE_DIMENSION_COUNT] = {
#define DIMENSION(name, column) #column,
    USAGE_DIMENSIONS(DIMENSION)
#undef DIMENSION
        "tag",
    "all"};

const char *usage_dimension_name(enum usage_dimension dimension) {
  return names[dimension];
}

bool usage_dimension_of(struct slice name, enum usage_dimension *dimension) {
  for (int i = 0; i < USAGE_DIMENSION_COUNT; i++)
    if (slice_equal_text(name, names[i])) {
      *dimension = (enum usage_dimension)i;
      return true;
    }
  return false;
}

bool usage_filter_matches(const struct usage_filter *filter, const struct ledger_record *record) {
#define DIMENSION(name, column)                                                                    \
  if (filter->values[USAGE_BY_##name].len &&                                                       \
      !slice_equal(filter->values[USAGE_BY_##name], record->column))                               \
    return false;
  USAGE_DIMENSIONS(DIMENSION)
#undef DIMENSION
  return true;
}

void used_by_values(const struct used_by_query *query, const struct ledger_record *record,
                    struct slice values[USAGE_BY_TAG]) {
#define DIMENSION(name, column)                                                                    \
  values[USAGE_BY_##name] = query->groups[USAGE_BY_##name] ? record->column : (struct slice){"", 0};
  USAGE_DIMENSIONS(DIMENSION)
#undef DIMENSION
}

void used_add(struct used *used, const struct ledger_record *record) {
  const struct usage *u = &record->usage;
  used->requests++;
  used->failures += record->failure.len > 0;
  used->unpriced += !record->cost_known && record->usage_source != USAGE_NONE;
  if (record->cost_known) used->cost_nanousd += record->cost_nanousd;
  used->input_tokens += usage_prompt_tokens(u);
  used->cache_read_tokens += u->cache_read;
  used->cache_write_tokens += u->cache_write_5m + u->cache_write_1h;
  used->output_tokens += u->output;
  used->reasoning_tokens += u->reasoning;
  used->duration_us += record->duration_us;
}
