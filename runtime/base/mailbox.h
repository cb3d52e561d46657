/* Messages from any thread to one loop, delivered on that loop in the order they were posted. */
#pragma once
#include <uv.h>

#include "base/list.h"

struct mailbox_message {
  struct list link;
  void (*deliver)(struct mailbox_message *message, void *owner); /* on the loop; owns message */
};

struct mailbox {
  uv_async_t async;
  uv_mutex_t lock; /* held for a few instructions only */
  struct list waiting;
  void *owner;
  void (*on_closed)(struct mailbox *m);
};

void mailbox_init(struct mailbox *m, uv_loop_t *loop, void *owner);
void mailbox_post(struct mailbox *m,
                  struct mailbox_message *message); /* takes message; any thread */
/* Delivers what is left, then closes the handle; on_closed may be NULL. On the loop's thread. */
void mailbox_close(struct mailbox *m, void (*on_closed)(struct mailbox *m));
