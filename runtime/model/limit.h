/* Limits and budgets as data: what is limited, for whom, over which time. Config and store make
 * definitions, account/limit.h keeps their counters, the exchange says what a request is about. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct zone;

enum limit_kind {
  LIMIT_REQUESTS,
  LIMIT_INPUT_TOKENS, /* all prompt tokens, those read from a cache included */
  LIMIT_OUTPUT_TOKENS,
  LIMIT_TOTAL_TOKENS,
  LIMIT_CONCURRENT, /* requests that have begun and not ended; has no window */
  LIMIT_MONEY,      /* nano-units of the currency */
  LIMIT_KINDS
};

enum limit_subject {
  LIMIT_KEY,
  LIMIT_USER,
  LIMIT_PROJECT,
  LIMIT_TENANT,
  LIMIT_MODEL,    /* the public model, aliases resolved */
  LIMIT_PROVIDER, /* only known once an attempt is chosen: see limit_request.provider */
  LIMIT_CUSTOMER, /* the end customer that the client names */
  LIMIT_SUBJECTS
};

enum limit_unit {
  LIMIT_ROLLING, /* in any stretch of that length, wherever it begins */
  LIMIT_MINUTE,  /* calendar: from one mark of the local clock to the next */
  LIMIT_HOUR,
  LIMIT_DAY,
  LIMIT_WEEK,
  LIMIT_MONTH,
  LIMIT_QUARTER,
  LIMIT_YEAR
};

struct limit_window {
  enum limit_unit unit;
  uint64_t rolling_ns;     /* LIMIT_ROLLING: 1 s to 366 days */
  const struct zone *zone; /* calendar; NULL: UTC. Zones live as long as the process */
  uint8_t start_day;       /* week: 1 Monday to 7; month, quarter, year: 1 to 28. 0 reads as 1 */
};

/* One part of a scope. Users, projects and customers are counted per tenant, so that two tenants'
 * namesakes share nothing. A project also holds for the projects below it. */
enum limit_form {
  LIMIT_NAMED,    /* the one of that name */
  LIMIT_TOGETHER, /* all that the name's * and ? match share one counter */
  LIMIT_APART     /* those that it matches have a counter each */
};

struct limit_condition {
  enum limit_subject subject;
  struct slice name; /* empty: each of them has a counter of its own, whatever the form */
  enum limit_form form;
};

enum { LIMIT_THRESHOLDS_MAX = 4, LIMIT_PROJECTS_MAX = 8 };

/* Counters belong to (id, kind, window, scope): a changed amount, burst or threshold keeps them. */
struct limit_definition {
  struct slice id; /* as refusals, headers and events name it */
  enum limit_kind kind;
  uint64_t amount; /* 0 refuses everything in its scope */
  struct limit_window window;
  /* Rolling windows: 0 allows the whole amount at once and at most `amount` in any window; else a
   * bucket of that size which refills evenly with `amount` per window. */
  uint64_t burst;
  bool is_soft;                               /* warns and admits */
  uint8_t warn_percent[LIMIT_THRESHOLDS_MAX]; /* rising, of amount; 0 ends the list */
  struct limit_condition scope[LIMIT_SUBJECTS];
  uint8_t scope_count; /* 0: every request; conditions hold together; each subject once */
};

/* "requests", "input_tokens", …; "key", …; "rolling", "minute", … */
const char *limit_kind_name(enum limit_kind kind);
const char *limit_subject_name(enum limit_subject subject);
const char *limit_unit_name(enum limit_unit unit);
/* Index of the name in that table, or -1. */
int limit_kind_find(struct slice name);
int limit_subject_find(struct slice name);
int limit_unit_find(struct slice name);
