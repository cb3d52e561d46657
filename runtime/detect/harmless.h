/* Whether a text can hold nothing of what is looked for, told at a glance: most texts do not. */
#pragma once
#include "detect/rules.h"

/* True: detect_scan finds nothing. False: it has to look. Costs little more than a read of the
 * text; only rules of few words have such an answer, and only on processors with AVX2. */
bool harmless_is(const struct detect_rules *rules, struct slice text);
/* The same of a text as it stands between the quotes of a JSON string, escapes and all. */
bool harmless_is_quoted(const struct detect_rules *rules, struct slice raw);
