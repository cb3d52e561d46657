/* Compiled rules, inside the library. */
#pragma once
#include "base/ref.h"
#include "detect/scan.h"

struct listed_word {
  struct slice text; /* normalised */
  uint32_t list;
};

struct compiled_list {
  const char *name;
  struct slice *exceptions; /* normalised, ASCII letters in lower case */
  size_t exception_count;
  bool partners, parts;
};

struct detect_rules {
  struct ref ref;
  struct detect_kinds kinds;
  struct automaton automaton;
  struct compiled_list *lists;
  size_t list_count;
  struct listed_word *words;
  size_t word_count;
  struct slice *allowed; /* normalised, lower case, sorted */
  size_t allowed_count;
  uint32_t *seed_words; /* table of hashes, see crypto_seed.c */
  uint8_t min_score;
  bool ignore_test_numbers;
  bool has_shapes; /* kinds besides the words of lists: numbers and tokens are looked at, too */
};

static inline bool scan_wants(const struct scan *s, enum detect_kind kind) {
  return detect_kinds_has(&s->rules->kinds, kind);
}

/* A listed word or a partner was read. */
void match_listed(struct scan *s, uint32_t word, size_t start, size_t end);
void match_partner(struct scan *s, uint32_t list, size_t start, size_t end);

/* Each adds the words its matchers want to see to the automaton. */
void secrets_words(struct detect_rules *rules);
void special_words(struct detect_rules *rules);
void seed_words(struct detect_rules *rules);
