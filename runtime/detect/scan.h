/* One pass over normalised text, inside the library. Every matcher looks at a bounded window around
 * the place that triggered it and at nothing that other matchers found, so that what is found does
 * not depend on where a pass began or how the text was cut. */
#pragma once
#include "detect/automaton.h"
#include "detect/detect.h"

/* Kinds of words nearby; contexts.def has the words. */
enum context {
  CONTEXT_NONE,
#define CONTEXT(id, words) CONTEXT_##id,
#include "detect/contexts.def"
#undef CONTEXT
  CONTEXTS
};

enum {
  CONTEXT_WORD_BYTES_MAX = 40,
  CONTEXT_REACH = DETECT_NEAR_BYTES, /* from the end of a word to the start of what it speaks of */
  SCAN_BEHIND =
      640, /* bytes before the first trigger that stay readable: the longest look behind */
};

/* What the automaton reports: the high byte of a word's value, the rest is an index. */
enum scan_word {
  WORD_CONTEXT = 1, /* index: enum context */
  WORD_TOKEN,       /* of secrets.def */
  WORD_SPECIAL,     /* enum special_word */
  WORD_LISTED,      /* into the rules' table of listed words */
  WORD_PARTNER,     /* list */
};

static inline uint32_t scan_word_value(enum scan_word type, uint32_t index) {
  return (uint32_t)type << 24 | index;
}

struct hit {
  struct detect_finding finding; /* offset and length in normalised text until settled */
  size_t anchor;                 /* first byte that the decision hangs on */
};

struct scan {
  const struct detect_rules *rules;
  const char *text; /* normalised */
  size_t len;
  size_t from; /* triggers before this were judged in an earlier pass */
  bool ended;  /* no more text will follow */
  size_t live; /* lowest anchor of what cannot be judged yet */
  struct hit *hits;
  size_t hit_count, hit_cap;
  bool truncated;
  size_t context_end[CONTEXTS]; /* where a word of that context ended last; 0: none */
  size_t *list_end;             /* the same for words and partners of each list, in pairs */
};

/* Judges every trigger from s->from on; fills hits and live. */
void scan_run(struct scan *s);

/* Cannot be judged before more text is there. Always false. */
static inline bool scan_wait(struct scan *s, size_t anchor) {
  if (!s->ended && anchor < s->live) s->live = anchor;
  return false;
}

struct hit_at {
  size_t start, end, anchor;
};

/* score is with context already counted in; below the minimum nothing happens. */
void scan_hit(struct scan *s, enum detect_kind kind, struct hit_at at, struct detect_finding like);

/* A word of this context ends at most CONTEXT_REACH bytes before position. */
static inline bool scan_near(const struct scan *s, enum context context, size_t position) {
  size_t end = s->context_end[context];
  return context != CONTEXT_NONE && end && end <= position && position - end <= CONTEXT_REACH;
}

static inline bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static inline bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}

static inline bool is_alpha(char c) {
  return (c | 32) >= 'a' && (c | 32) <= 'z';
}

static inline bool is_alnum(char c) {
  return is_digit(c) || is_alpha(c);
}

static inline char upper(char c) {
  return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

/* The byte at position, 0 before the text and after it. */
static inline char scan_byte(const struct scan *s, size_t position) {
  return position < s->len ? s->text[position] : 0;
}

static inline char scan_before(const struct scan *s, size_t position) {
  return position > 0 ? s->text[position - 1] : 0;
}

/* Where a number begins whose digits begin at start: signs and brackets belong to some. */
static inline size_t scan_sign(const struct scan *s, size_t start) {
  char c = scan_before(s, start);
  return c && strchr("+-(", c) ? start - 1 : start;
}

/* From `at` to the end of the text there is nothing but these characters and more may come: what is
 * read there cannot be judged yet. Looks at most `most` bytes ahead. */
static inline bool scan_is_open(const struct scan *s, size_t at, const char *set, size_t most) {
  size_t end = at;
  while (end < s->len && end - at < most && s->text[end] && strchr(set, s->text[end]))
    end++;
  return end == s->len && !s->ended && end - at < most;
}

/* A run of letters and digits, both bounds known. */
struct token {
  size_t start, end;
  unsigned digits, uppers, lowers;
};

bool scan_mail_byte(char c); /* in the local part of an address */

/* The matchers. Each is called at its trigger. */
void match_number(struct scan *s, size_t start);
void match_groups(struct scan *s, size_t start); /* of letters and digits */
void match_token(struct scan *s, const struct token *t);
void match_email(struct scan *s, size_t at);
void match_url(struct scan *s, size_t colon);
void match_colons(struct scan *s, size_t start);
void match_dashes(struct scan *s, size_t start);
void match_crypto(struct scan *s, const struct token *t);
void match_seed(struct scan *s, const struct token *t);
void match_secret(struct scan *s, unsigned row, size_t start, size_t end);
enum special_word {
  SPECIAL_PEM,
  SPECIAL_JWT,
  SPECIAL_URL,
  SPECIAL_PASSWORD,
  SPECIAL_SECRET,
  SPECIAL_MILITARY,
  SPECIAL_PLATE,
  SPECIAL_NAME,
  SPECIAL_PLACE,
  SPECIALS
};
void match_assignment(struct scan *s, bool password, size_t start, size_t end);
void match_military(struct scan *s, size_t start, size_t end);
void match_plate(struct scan *s, size_t start, size_t end);
void match_name(struct scan *s, size_t start, size_t end);
void match_place(struct scan *s, size_t start, size_t end);
void match_special(struct scan *s, enum special_word word, size_t start, size_t end);
