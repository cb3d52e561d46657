/* Counted reference for objects shared between threads. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>

struct ref {
  atomic_uint count;
};

static inline void ref_init(struct ref *r) {
  atomic_init(&r->count, 1);
}

static inline void ref_take(struct ref *r) {
  atomic_fetch_add_explicit(&r->count, 1, memory_order_relaxed);
}

/* True when the last reference is gone: the caller frees the object. */
static inline bool ref_drop(struct ref *r) {
  return atomic_fetch_sub_explicit(&r->count, 1, memory_order_acq_rel) == 1;
}
