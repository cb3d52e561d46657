/* Questions about what was used. */
#pragma once
#include "model/ledger.h"

/* DIMENSION(NAME, column): what usage can be broken down by, and filtered for. */
#define USAGE_DIMENSIONS(DIMENSION)                                                                \
  DIMENSION(TENANT, tenant)                                                                        \
  DIMENSION(PROJECT, project)                                                                      \
  DIMENSION(USER, user)                                                                            \
  DIMENSION(KEY, key_id)                                                                           \
  DIMENSION(CUSTOMER, customer)                                                                    \
  DIMENSION(MODEL, model)                                                                          \
  DIMENSION(PROVIDER, provider)                                                                    \
  DIMENSION(UPSTREAM_MODEL, upstream_model)                                                        \
  DIMENSION(RESIDENCY, residency)                                                                  \
  DIMENSION(DIALECT, dialect)                                                                      \
  DIMENSION(FAILURE, failure)

enum usage_dimension {
#define DIMENSION(name, column) USAGE_BY_##name,
  USAGE_DIMENSIONS(DIMENSION)
#undef DIMENSION
      USAGE_BY_TAG, /* no filter; a record with two tags counts under both */
  USAGE_BY_NOTHING,
  USAGE_DIMENSION_COUNT
};

const char *usage_dimension_name(enum usage_dimension dimension); /* "tenant", … "all" */
bool usage_dimension_of(struct slice name, enum usage_dimension *dimension);

struct usage_filter {
  struct slice values[USAGE_BY_TAG]; /* empty: any */
};

enum { MS_PER_DAY = 86400000 };

struct usage_query {
  int64_t from_day, to_day; /* UTC days since 1970; to_day is not part of it */
  struct usage_filter filter;
  enum usage_dimension by;
  bool is_per_day; /* a row for each day, too: a trend */
  uint32_t limit;  /* most expensive first; 0: all. Not with is_per_day */
};

struct used {
  uint64_t requests, failures, unpriced, cost_nanousd;
  uint64_t input_tokens; /* prompt tokens of all kinds */
  uint64_t cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens;
  uint64_t duration_us;
};

struct usage_row {
  struct slice value; /* of the dimension */
  int64_t day;        /* with is_per_day */
  struct used used;
};

struct usage_sink {
  void (*on_row)(void *context, const struct usage_row *row);
  void *context;
};

struct used_query { /* for limits: what has a subject used since its window began? */
  struct usage_filter filter;
  int64_t from_ms;
};

/* The same for every subject at once: a row for each combination of the grouped dimensions and each
 * stretch of bucket_ms (0: one for all), the oldest first. Records that no provider was billed for
 * do not count; rollups know of those only where all of a day's with the same failure were so. */
struct used_by_query {
  struct usage_filter filter;
  bool groups[USAGE_BY_TAG];
  int64_t from_ms;
  uint64_t bucket_ms;
  int64_t rollups_until_ms; /* whole days before it are summed up already: quicker, and no piece is
                               smaller; records may be gone. 0: every record by itself */
};

struct used_by_row {
  struct slice values[USAGE_BY_TAG]; /* of grouped dimensions; else empty */
  int64_t end_ms;                    /* of the stretch */
  struct used used;
};

struct used_by_sink {
  void (*on_row)(void *context, const struct used_by_row *row);
  void *context;
};

bool usage_filter_matches(const struct usage_filter *filter, const struct ledger_record *record);
void used_by_values(const struct used_by_query *query, const struct ledger_record *record,
                    struct slice values[USAGE_BY_TAG]);
void used_add(struct used *used, const struct ledger_record *record);

struct request_query {
  struct usage_filter filter;
  struct slice request_id;
  int64_t from_ms, to_ms; /* to_ms 0: no end */
  uint32_t status;        /* 0: any */
  uint64_t before;        /* sequence of the last row of the page before; 0: the newest */
  uint32_t limit;         /* 0: all. More come where the last ones have the same sequence */
};

struct request_sink {
  void (*on_row)(void *context, uint64_t sequence, const struct ledger_record *record);
  void *context;
};
