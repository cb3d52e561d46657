/* A run of digits in groups, as people write numbers. */
#pragma once
#include "detect/scan.h"

enum { NUMBER_DIGITS_MAX = 24 };

struct number_group {
  size_t start, end; /* in the text */
  unsigned digits;   /* before the end of this group */
};

struct number {
  size_t start;
  uint8_t digit[NUMBER_DIGITS_MAX];
  struct number_group groups[NUMBER_DIGITS_MAX];
  unsigned group_count;
  char separator; /* between all groups: 0 none, else one of " -./", '?' when they differ */
  bool inner;     /* more digits stand before, after a space */
  bool glued;     /* letters and a dash stand before */
  char sign;      /* '+' directly before, or '$' for money */
};

/* One way to read the first `groups` groups. */
struct number_view {
  const struct number *number;
  unsigned groups, digits;
  char separator;
  uint32_t shape; /* group lengths as hex digits: 3-2-4 is 0x324; 0: one group, or too many */
  bool whole;     /* neither digits before nor after, after spaces */
};

void number_rules(struct scan *s, const struct number_view *v);
void number_phones(struct scan *s, const struct number *n);
void number_bracket(struct scan *s, const struct number *n);
void number_network(struct scan *s, const struct number *n);
