/* Responses that go on without their connection (`background` of POST /v1/responses). */
#pragma once
#include <stdatomic.h>

#include "exchange_state.h"

struct background { /* in the arena of its exchange; in the list of the process while it runs */
  struct list link;
  struct slice owner, id;
  atomic_bool is_cancelled;
};

/* Before the first attempt: keeps the response as running, and answers a client that does not
 * stream. */
enum step_result background_begin(struct exchange *x);
/* Keeps what has become of it. text: the response object; empty where there is none. */
void background_settle(struct exchange *x, struct slice text);
/* A request to /v1/responses/{id} that may change what is stored. */
struct stored_answer background_answer(struct exchange *x, const struct stored_request *request);
/* The connection has closed. */
void background_detach(struct exchange *x);
