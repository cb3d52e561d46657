/* JSON text as a tree of values. */
#pragma once
#include "base/json.h"
#include "base/value.h"

/* json must be valid. What lies deeper than depth, and null, becomes VALUE_NIL. Lives in the arena.
 */
void value_of_json(struct arena *arena, struct slice json, int depth, struct value *out);
