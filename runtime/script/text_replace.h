/* What a match found, on its way to Lua: captures and replacements, for patterns and regular
 * expressions alike. */
#pragma once
#include <lauxlib.h>

#include "script/text_pattern.h"

enum { TEXT_ABSENT = -3 }; /* len of a capture that took no part */

struct text_found {
  const char *text; /* the whole text, from which positions count */
  struct slice whole;
  const struct text_capture *captures;
  int count;
};

/* The captures, or the whole match when there are none: how many were pushed. */
int text_push_captures(lua_State *L, const struct text_found *found);

/* gsub's third argument at work: text with %0 to %9, a table, or a function. */
struct text_replacer {
  lua_State *L;
  int index, type; /* of the replacement on the stack */
  unsigned marks;  /* captures of a template that were put in */
  luaL_Buffer out;
};

void text_check_replacement(lua_State *L, int index);
void text_replacer_init(struct text_replacer *r, lua_State *L, int index);
void text_replacer_add(struct text_replacer *r,
                       const struct text_found *found); /* appends to out */
