/* Lua patterns (Lua 5.1 reference manual, 5.4.1), matched in time linear in the text.
 *
 * What makes the stock matcher catastrophic is trying the same rest of the pattern at the same
 * place again and again. A rest that failed once at a place fails there always, as long as the
 * pattern has no back reference: so failures are remembered, one bit for each repetition and place,
 * once a match has taken more steps than an innocent one does. %b remembers where brackets close.
 * Patterns with back references (%1) have no such rule; they get a limit on steps instead.
 *
 * Differences to stock: a malformed pattern is an error even if the fault is not reached, and a
 * zero byte in a pattern is a character like any other. */
#pragma once
#include <lua.h>

#include "base/bytes.h"

enum { TEXT_CAPTURES = 32, TEXT_ITEMS_ON_STACK = 40 };

struct text_item {
  uint8_t kind, quantifier; /* of text_pattern.c; '*', '+', '-', '?' or 0 */
  uint8_t a, b;             /* a character, the pair of %b, or the number of a capture */
  uint16_t row;             /* of the memory of failures, or of bracket ends */
  uint32_t set[8];          /* the characters that match */
};

struct text_pattern {
  struct text_item *items;
  size_t count;
  uint16_t rows, balances;
  uint8_t captures;
  bool is_anchored, has_back_reference;
};

/* Items need room for source.len + 1 of them. NULL, or what is wrong with the pattern. A leading ^
 * is an anchor when can_anchor, else a character. */
const char *text_pattern_compile(struct slice source, bool can_anchor, struct text_item *items,
                                 struct text_pattern *out);

enum { TEXT_POSITION = -2 }; /* len of a position capture */

struct text_capture {
  const char *at;
  ptrdiff_t len;
};

/* One text and what is remembered of it, for as many matches as wanted. */
struct text_matcher {
  lua_State *L;
  const struct text_pattern *pattern;
  struct slice text;
  uint8_t *failed;  /* bits: row x (text.len + 1) + place; NULL: not yet */
  uint32_t *closes; /* row x text.len + place -> place after the closing bracket, 0: none */
  int slots; /* pseudo-index or index of two stack places that hold the memory of the former */
  uint64_t steps, next_check, remember_after;
  unsigned depth;
  struct text_capture captures[TEXT_CAPTURES];
};

/* slots: two indices, slots and slots - 1 or + 1 as upvalues go: both belong to the matcher. */
void text_matcher_init(struct text_matcher *m, lua_State *L, const struct text_pattern *pattern,
                       struct slice text);
/* The end of the match that begins exactly at `at`; NULL: none. May raise a Lua error: time is up,
 * too complex, no memory. */
const char *text_match_at(struct text_matcher *m, const char *at);
/* The first match at or after `at`, from where to *end; NULL: none. */
const char *text_match_from(struct text_matcher *m, const char *at, const char **end);
