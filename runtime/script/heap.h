/* The memory of a Lua state that makes thousands of small objects for each request and drops them
 * again: slabs of one size each, the free objects of a slab in a list. A slab without objects goes
 * back to the system, but for a few. Large objects are malloc's. One thread at a time. */
#pragma once
#include <stddef.h>

struct heap;

struct heap *heap_new(void);
/* With everything in it. */
void heap_free(struct heap *h);
/* A lua_Alloc; data is the heap. Aborts when memory is out. */
void *heap_allocate(void *data, void *old, size_t old_bytes, size_t bytes);
size_t heap_slabs(const struct heap *h); /* that it holds now */
