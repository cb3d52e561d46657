/* Failures and usage between Lua tables and C structs: one place for the whole folder. */
#pragma once
#include "model/error_detail.h"
#include "model/usage.h"
#include "script/state.h"

/* state_call, with a raised error turned into `translation_error` and its traceback logged. */
bool script_call(lua_State *L, int args, int results, struct error_detail *error);
/* The failure table at index (anything else reads as a fault of the script). */
void script_read_failure(lua_State *L, int index, struct arena *arena, struct error_detail *out);
void script_push_failure(lua_State *L, const struct error_detail *error);
bool script_read_usage(lua_State *L, int index, struct usage *out); /* false unless a table */
