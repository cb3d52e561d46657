#include "script/heap.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/must.h"

/* One slab begins where its address is a multiple of SLAB_BYTES, so that an object finds it. What
 * malloc keeps in front of the next one is left to it: slabs then lie side by side. */
enum { SLAB_BYTES = 16384, MALLOC_BYTES = 16, STEP_BYTES = 16, CLASSES = 32, SPARE_SLABS = 16 };

struct slab {
  struct list link;   /* of those of its class that have room; in no list when it is full */
  struct list owned;  /* of all */
  void *free;         /* the first of those given back; each holds the next */
  char *next, *end;   /* what was never given out */
  size_t class, live; /* live: objects given out */
};

struct heap {
  struct list room[CLASSES], all;
  struct list spares; /* slabs without objects; by link */
  size_t spare_count, slab_count;
};

static size_t class_of(size_t bytes) {
  return (bytes - 1) / STEP_BYTES;
}

struct heap *heap_new(void) {
  struct heap *h = must_calloc(1, sizeof *h);
  for (size_t i = 0; i < CLASSES; i++)
    list_init(&h->room[i]);
  list_init(&h->all);
  list_init(&h->spares);
  return h;
}

void heap_free(struct heap *h) {
  list_each_safe(node, &h->all) free(list_entry(node, struct slab, owned));
  free(h);
}

static struct slab *slab_new(struct heap *h) {
  void *memory;
  must(posix_memalign(&memory, SLAB_BYTES, SLAB_BYTES - MALLOC_BYTES) == 0);
  struct slab *s = memory;
  list_append(&h->all, &s->owned);
  h->slab_count++;
  return s;
}

static struct slab *slab_take(struct heap *h, size_t class) {
  struct slab *s;
  if (list_empty(&h->spares)) {
    s = slab_new(h);
  } else {
    s = list_entry(h->spares.next, struct slab, link);
    list_remove(&s->link);
    h->spare_count--;
  }
  size_t bytes = (class + 1) * STEP_BYTES;
  size_t head = (sizeof *s + STEP_BYTES - 1) / STEP_BYTES * STEP_BYTES;
  s->free = NULL;
  s->next = (char *)s + head;
  s->end = s->next + (SLAB_BYTES - MALLOC_BYTES - head) / bytes * bytes;
  s->class = class;
  s->live = 0;
  list_prepend(&h->room[class], &s->link);
  return s;
}

static void *take(struct heap *h, size_t bytes) {
  size_t class = class_of(bytes);
  struct list *room = &h->room[class];
  struct slab *s =
      list_empty(room) ? slab_take(h, class) : list_entry(room->next, struct slab, link);
  void *object = s->free;
  if (object) {
    memcpy(&s->free, object, sizeof s->free);
  } else {
    object = s->next;
    s->next += (class + 1) * STEP_BYTES;
  }
  s->live++;
  if (!s->free && s->next == s->end) list_remove(&s->link);
  return object;
}

static void retire(struct heap *h, struct slab *s) {
  list_remove(&s->link);
  if (h->spare_count < SPARE_SLABS) {
    list_append(&h->spares, &s->link);
    h->spare_count++;
    return;
  }
  list_remove(&s->owned);
  h->slab_count--;
  free(s);
}

static void give(struct heap *h, void *object) {
  struct slab *s = (struct slab *)((uintptr_t)object & ~(uintptr_t)(SLAB_BYTES - 1));
  if (!s->free && s->next == s->end) list_append(&h->room[s->class], &s->link);
  memcpy(object, &s->free, sizeof s->free);
  s->free = object;
  if (--s->live == 0) retire(h, s);
}

static bool is_large(size_t bytes) {
  return bytes > CLASSES * STEP_BYTES;
}

static void drop(struct heap *h, void *object, size_t bytes) {
  if (is_large(bytes))
    free(object);
  else
    give(h, object);
}

static void *move(struct heap *h, void *old, size_t old_bytes, size_t bytes) {
  if (is_large(old_bytes) && is_large(bytes)) {
    void *moved = realloc(old, bytes);
    must(moved != NULL);
    return moved;
  }
  if (!is_large(old_bytes) && !is_large(bytes) && class_of(old_bytes) == class_of(bytes))
    return old;
  void *moved = is_large(bytes) ? must_alloc(bytes) : take(h, bytes);
  memcpy(moved, old, old_bytes < bytes ? old_bytes : bytes);
  drop(h, old, old_bytes);
  return moved;
}

void *heap_allocate(void *data, void *old, size_t old_bytes, size_t bytes) {
  struct heap *h = data;
  if (old && bytes) return move(h, old, old_bytes, bytes);
  if (bytes) return is_large(bytes) ? must_alloc(bytes) : take(h, bytes);
  if (old) drop(h, old, old_bytes);
  return NULL;
}

size_t heap_slabs(const struct heap *h) {
  return h->slab_count;
}
