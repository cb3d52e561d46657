#include "base/mailbox.h"

#include "base/must.h"

static void deliver_all(struct mailbox *m) {
  struct list batch;
  list_init(&batch);
  uv_mutex_lock(&m->lock);
  while (!list_empty(&m->waiting)) {
    struct list *node = m->waiting.next;
    list_remove(node);
    list_append(&batch, node);
  }
  uv_mutex_unlock(&m->lock);
  while (!list_empty(&batch)) {
    struct mailbox_message *message = list_entry(batch.next, struct mailbox_message, link);
    list_remove(&message->link);
    message->deliver(message, m->owner);
  }
}

static void on_async(uv_async_t *async) {
  deliver_all(async->data);
}

void mailbox_init(struct mailbox *m, uv_loop_t *loop, void *owner) {
  list_init(&m->waiting);
  m->owner = owner;
  must(uv_mutex_init(&m->lock) == 0);
  must(uv_async_init(loop, &m->async, on_async) == 0);
  m->async.data = m;
}

void mailbox_post(struct mailbox *m, struct mailbox_message *message) {
  uv_mutex_lock(&m->lock);
  list_append(&m->waiting, &message->link);
  uv_mutex_unlock(&m->lock);
  uv_async_send(&m->async);
}

static void on_close(uv_handle_t *handle) {
  struct mailbox *m = handle->data;
  uv_mutex_destroy(&m->lock);
  if (m->on_closed) m->on_closed(m);
}

void mailbox_close(struct mailbox *m, void (*on_closed)(struct mailbox *m)) {
  deliver_all(m);
  m->on_closed = on_closed;
  uv_close((uv_handle_t *)&m->async, on_close);
}
