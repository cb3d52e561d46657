/* Limits on requests in flight that all loops share: limits.upstreams for the process and
 * `concurrency` of each provider. Exact; waiters are served in the order they came. */
#pragma once
#include "base/mailbox.h"
#include "config/config.h"

struct gates;
struct gate;
struct gate_wait; /* one waiting request */

struct gates *gates_new(void);
void gates_free(struct gates *g); /* after the last loop has closed */
/* New limits; wakes waiters where a limit grew. Any thread; gates of old providers stay. */
void gates_reload(struct gates *g, const struct config *config);

/* The gate of the whole process, or of the provider of that name (made on first use; lives as long
 * as g). Any thread. */
struct gate *gates_process(struct gates *g);
struct gate *gates_provider(struct gates *g, struct slice name, uint32_t limit);

bool gate_enter(struct gate *g); /* false: full, or others wait already */
void gate_leave(struct gate *g);
uint32_t gate_limit(const struct gate *g); /* 0: none */
uint32_t gate_used(const struct gate *g);
/* Queues for a slot: on_grant runs on the loop of mailbox, holding the slot, and ends the wait. */
struct gate_wait *gate_wait_start(struct gate *g, struct mailbox *mailbox,
                                  void (*on_grant)(void *context), void *context);
/* Ends the wait without a slot; on_grant will not run. On the waiter's loop. */
void gate_wait_cancel(struct gate_wait *w);
