/* Where words of an automaton may begin: most bytes of a text begin none, and are passed over
 * without a step of it. Answers may be too many, never too few. Few words are looked for sixteen
 * bytes at a time by their first two, many by a table of bits under a hash of their first three.
 * Letters match without case, and so do other bytes that differ only by 0x20. */
#pragma once
#include "base/bytes.h"

enum { PREFIX_PAIRS_MAX = 6, PREFIX_WORDS_MAX = 16 };

struct prefix_word { /* the first four bytes, fewer of a shorter word */
  uint32_t value, mask;
};

struct prefixes {
  struct prefix_word *words; /* while words are added: all; after: at most PREFIX_WORDS_MAX */
  size_t count, cap;
  struct prefix_pair { /* a byte, as often as it is compared at once */
    uint8_t first[16], second[16];
  } pairs[PREFIX_PAIRS_MAX];
  uint32_t pair_count;
  uint8_t *bits; /* NULL: pairs are in force */
  uint32_t shift;
  bool is_useless;  /* a word of one byte: everything is a beginning */
  bool has_escaped; /* one of the first four bytes is what JSON writes as \" \n \r \t */
};

void prefixes_init(struct prefixes *p);
void prefixes_fini(struct prefixes *p);
void prefixes_add(struct prefixes *p, struct slice word);
void prefixes_build(struct prefixes *p); /* once, after the last word */
/* A word begins with these four bytes. Only while pairs are in force. */
bool prefixes_may_begin(const struct prefixes *p, const char *at);
/* The first place from `at` on, before `end`, where a word may begin; end when there is none. The
 * last bytes of the text, where it cannot tell, count as such places. at <= end <= text.len. */
size_t prefixes_next(const struct prefixes *p, struct slice text, size_t at, size_t end);
