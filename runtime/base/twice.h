/* Members that stand twice in one object: readers of such a text disagree about it. */
#pragma once
#include "base/json.h"

/* text is valid JSON. Appends the path of one such member, as "limits[2].name", and returns true;
 * false when there is none. Time grows as n log n with the members of an object. */
bool json_find_twice(struct slice text, struct bytes *path);
