/* Responses that go on without their connection (`background` of POST /v1/responses). */
#pragma once
#include <stdatomic.h>

#include "exchange/state.h"

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
/* The last event has been written: the recording is complete. */
void background_finish(struct exchange *x);
/* Does a worker of this process still run it? */
bool background_is_running(struct slice owner, struct slice id);
/* The host's timer runs while there is anything to look at. */
void background_watch(struct exchange_host *host, bool begins);
/* The connection has closed. */
void background_detach(struct exchange *x);
