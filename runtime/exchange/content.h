/* Prompts and replies of tenants that want them kept. For the files exchange*.c only. */
#pragma once
#include "exchange/state.h"

/* Part of a stream, as the client gets it. Does nothing unless the tenant's content is kept. */
void content_append(struct exchange *x, struct slice part);
/* Once, when the request has ended: both go to the store, sealed, a little later. */
void content_settle(struct exchange *x);
