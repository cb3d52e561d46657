/* A compiled regular expression (script/text_program.h) as a Lua value, at work. */
#pragma once
#include <lua.h>

#include "script/text_program.h"

struct text_regex;

enum { TEXT_SLOTS = 2 * (TEXT_GROUPS + 1) };
#define TEXT_NO_MATCH ((size_t)-1) /* a slot of a group that took no part */

/* Pushes it as userdata without a metatable; all its memory is the state's. NULL and nothing
 * pushed: error says why. */
struct text_regex *text_regex_new(lua_State *L, struct slice source, char error[128]);
uint32_t text_regex_groups(const struct text_regex *r);
/* The first match at or after `from`; slots[2g] and slots[2g + 1] are where group g begins and
 * ends, group 0 being all. slots NULL: only whether there is one. May raise (sandbox_check). */
bool text_regex_match(struct text_regex *r, lua_State *L, struct slice text, size_t from,
                      size_t *slots);
