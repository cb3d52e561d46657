/* Intrusive doubly linked list; a member that is in no list points to itself. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct list {
  struct list *next, *prev;
};

#define list_entry(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))
#define list_each(node, head)                                                                      \
  for (struct list *node = (head)->next; node != (head); node = node->next)
/* The loop body may remove the current node. */
#define list_each_safe(node, head)                                                                 \
  for (struct list *node = (head)->next, *node##_next = node->next; node != (head);                \
       node = node##_next, node##_next = node->next)

static inline void list_init(struct list *l) {
  l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l) {
  return l->next == l;
}

static inline void list_remove(struct list *node) {
  node->prev->next = node->next;
  node->next->prev = node->prev;
  list_init(node);
}

static inline void list_append(struct list *head, struct list *node) {
  node->prev = head->prev;
  node->next = head;
  head->prev->next = node;
  head->prev = node;
}

static inline void list_prepend(struct list *head, struct list *node) {
  list_append(head->next, node);
}
