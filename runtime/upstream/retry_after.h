/* How long a provider asks to be left alone, read from the head of its answer.
 *   retry-after-ms                  milliseconds (OpenAI, Azure)
 *   retry-after                     seconds or an HTTP date (RFC 9110, 10.2.3 and 5.6.7)
 *   x-ratelimit-reset[-requests|-tokens], anthropic-ratelimit-*-reset
 *                                   "1s", "6m0s", "20ms" (OpenAI's rate limit guide), seconds, a
 *                                   Unix time, or RFC 3339 (Anthropic's); of the limits whose
 *                                   *-remaining-* says 0, else the nearest
 * The first of the three that is present and legible counts. */
#pragma once
#include "model/header.h"

enum { RETRY_AFTER_MAX_MS = 5 * 60 * 1000 };

/* Milliseconds, at most RETRY_AFTER_MAX_MS; -1 when nothing legible was said. now: wall clock. */
int64_t retry_after_ms(struct headers headers, int64_t now_wall_ms);
