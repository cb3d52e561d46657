/* Rules over texts of a surface's running request, without Lua. What they find is in s->findings,
 * and the text that was looked at in s->scratch. */
#pragma once
#include "script/surface_private.h"

enum { DETECT_REQUEST_PIECE_BYTES = 64 << 10 }; /* scanned without a look at the clock */

/* Each: false when the script's time is over, and the findings are not all. */
bool detect_request_scan(struct surface *s, const struct detect_rules *rules, struct slice text);
/* index: of policy_texts. One scan serves all rules without lists and allowed values. */
bool detect_request_text(struct surface *s, const struct detect_rules *rules, size_t index);
