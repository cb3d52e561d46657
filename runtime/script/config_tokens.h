/* Tokens of Lua source with their lines: just enough to find table constructors. The text has been
 * compiled before, so it is known to be well formed. Source: Lua 5.1 reference manual, 2.1. */
#pragma once
#include "base/arena.h"

enum token_type { TOKEN_END, TOKEN_NAME, TOKEN_STRING, TOKEN_NUMBER, TOKEN_SYMBOL };

struct token {
  enum token_type type;
  struct slice text; /* of a string: what it means, escapes resolved; of a symbol: its characters */
  int line;          /* where it begins */
};

struct tokens {
  const char *at, *end;
  int line;
  struct arena *arena;
  struct token now, next; /* one token ahead */
};

void tokens_init(struct tokens *t, struct slice source, struct arena *arena);
void tokens_advance(struct tokens *t);
bool token_is(const struct token *t, const char *text); /* a symbol or a word, not a string */
