/* HTTP/1.1 over pooled connections (RFC 9112). */
#pragma once
#include "upstream/transport.h"

const struct transport *transport_http1(void);
struct http1 *http1_new(void);
void http1_free(struct http1 *h);
/* Writes the head and lays out the body; before start. */
void http1_prepare(struct http1 *h, const struct attempt_request *request);
void http1_reset(struct http1 *h); /* ready for another request; keeps small buffers */
