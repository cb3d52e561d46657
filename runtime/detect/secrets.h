/* Parts that rules about secrets share. */
#pragma once
#include "detect/scan.h"

enum alphabet {
  ALPHABET_HEX,
  ALPHABET_BASE32,
  ALPHABET_UPPER,
  ALPHABET_UPPERDASH,
  ALPHABET_LOWER,
  ALPHABET_ALNUM,
  ALPHABET_WORD,
  ALPHABET_DASH,
  ALPHABET_DOT,
  ALPHABET_BASE64,
  ALPHABET_SLASH,
  ALPHABET_MAIL,
  ALPHABET_DOLLAR,
  ALPHABET_TILDE,
};

/* The end of the run from at; reads at most one byte more than `most`. */
size_t alphabet_run(const struct scan *s, size_t at, enum alphabet alphabet, size_t most);
unsigned text_entropy(struct slice text);
bool text_is_sample(struct slice text);

struct assignment {
  size_t value; /* where the value begins, quotes skipped */
  char quote;   /* 0: none */
};

/* After a name that ends at `end`: the rest of the name, an operator, quotes. False: no assignment,
 * or (then the scan waits from start) not to be told yet. */
bool assignment_read(struct scan *s, size_t start, size_t end, struct assignment *a);

/* For the reference. */
size_t secrets_count(void);
const char *secrets_name(size_t row);
