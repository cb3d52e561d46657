/* From bytes to a request. llhttp splits the head; these rules are ours, each from RFC 9110 or
 * 9112:
 *
 * - Lines end in CRLF. No line of the head starts with a space or a tab (no folding), no header has
 *   an empty name, and the request line has single spaces.
 * - The version is HTTP/1.1 or HTTP/1.0 (505 else).
 * - Exactly one Host with HTTP/1.1, at most one with 1.0, of host characters.
 * - Transfer-Encoding is one line that says "chunked", never in HTTP/1.0, never beside a
 *   Content-Length. Content-Length is one line of digits; repeating it is refused even if equal.
 * - The target starts with "/", or is an http(s) URL without user and fragment, or is "*" with
 *   OPTIONS. CONNECT is 501; Upgrade is ignored; nothing is ever tunnelled.
 * - Expect is "100-continue" (417 else); HTTP/1.0 may not ask for it, so there it is ignored.
 * - Head bytes and header lines above their limits are 431, a longer target 414, a larger body 413.
 *   Names that differ in "-" and "_" are different names. Trailers are dropped.
 * - A request that breaks a rule gets one answer, then the connection closes; nothing of what
 *   follows on it is parsed. */
#pragma once
#include "http/server.h"

/* Reads more of a head; returns how many bytes it took. Announces the request at its end. */
size_t intake_head(struct conn *c, struct slice data);
/* Answers for http itself, tells the handler if it knows the request, and closes after that. */
void intake_refuse(struct conn *c, int status, const char *sentence);
/* Checks a whole head and fills s->request; false with s->refusal and s->sentence set. */
bool rules_check(struct http_stream *s);
