#include "model/limit.h"

static const char *const kinds[] = {"requests",     "input_tokens", "output_tokens",
                                    "total_tokens", "concurrent",   "money"};
static const char *const subjects[] = {"key",   "user",     "project", "tenant",
                                       "model", "provider", "customer"};
static const char *const units[] = {"rolling", "minute", "hour",    "day",
                                    "week",    "month",  "quarter", "year"};

enum { UNITS = sizeof units / sizeof *units };

static int find(const char *const *names, int count, struct slice name) {
  for (int i = 0; i < count; i++)
    if (slice_equal_text(name, names[i])) return i;
  return -1;
}

const char *limit_kind_name(enum limit_kind kind) {
  must(kind < LIMIT_KINDS);
  return kinds[kind];
}

const char *limit_subject_name(enum limit_subject subject) {
  must(subject < LIMIT_SUBJECTS);
  return subjects[subject];
}

const char *limit_unit_name(enum limit_unit unit) {
  must((int)unit < UNITS);
  return units[unit];
}

int limit_kind_find(struct slice name) {
  return find(kinds, LIMIT_KINDS, name);
}

int limit_subject_find(struct slice name) {
  return find(subjects, LIMIT_SUBJECTS, name);
}

int limit_unit_find(struct slice name) {
  return find(units, UNITS, name);
}
