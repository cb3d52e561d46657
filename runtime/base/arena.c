#include "base/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 3584, LARGE_BYTES = 1024, SMALL_BYTES = 224 };

struct arena_block {
  struct arena_block *next;
  bool is_large; /* of another size than most */
  alignas(max_align_t) char data[];
};

void arena_init(struct arena *a) {
  *a = (struct arena){0};
}

void arena_init_small(struct arena *a) {
  *a = (struct arena){.small_bytes = SMALL_BYTES};
}

void arena_fini(struct arena *a) {
  while (a->blocks) {
    struct arena_block *next = a->blocks->next;
    free(a->blocks);
    a->blocks = next;
  }
  free(a->spare);
  *a = (struct arena){0};
}

void arena_adopt(struct arena *a, struct arena *from) {
  struct arena_block **last = &a->blocks;
  while (*last)
    last = &(*last)->next;
  *last = from->blocks;
  free(from->spare);
  *from = (struct arena){0};
}

void arena_reset(struct arena *a) {
  struct arena_block *kept = NULL, *spare = a->spare, *block = a->blocks;
  while (block) {
    struct arena_block *next = block->next;
    if (!block->is_large && !kept)
      kept = block;
    else if (!block->is_large && !spare)
      spare = block;
    else
      free(block);
    block = next;
  }
  *a = (struct arena){.blocks = kept, .spare = spare};
  if (!kept) return;
  kept->next = NULL;
  a->next = kept->data;
  a->end = a->next + BLOCK_BYTES;
}

static char *block_new(struct arena *a, size_t bytes, bool is_large) {
  struct arena_block *block = must_alloc(sizeof *block + bytes);
  block->next = a->blocks;
  block->is_large = is_large;
  a->blocks = block;
  return block->data;
}

static void begin_small_block(struct arena *a, size_t least) {
  size_t bytes = a->small_bytes > least ? a->small_bytes : least;
  a->next = block_new(a, bytes, true);
  a->end = a->next + bytes;
  a->small_bytes = 2 * bytes < BLOCK_BYTES ? (unsigned)(2 * bytes) : 0;
}

static void begin_block(struct arena *a) {
  struct arena_block *block = a->spare;
  if (block) {
    a->spare = NULL;
    block->next = a->blocks;
    a->blocks = block;
    a->next = block->data;
  } else {
    a->next = block_new(a, BLOCK_BYTES, false);
  }
  a->end = a->next + BLOCK_BYTES;
}

static char *raw(struct arena *a, size_t bytes) {
  size_t size;
  if (bytes == 0) bytes = 1; /* never NULL, so that memset and memcpy may be called */
  must(!__builtin_add_overflow(bytes, alignof(max_align_t) - 1, &size));
  size &= ~(alignof(max_align_t) - 1);
  if (size > (size_t)(a->end - a->next)) {
    if (size > LARGE_BYTES) return block_new(a, size, true); /* keep filling the current block */
    if (a->small_bytes)
      begin_small_block(a, size);
    else
      begin_block(a);
  }
  char *memory = a->next;
  a->next += size;
  return memory;
}

void *arena_alloc(struct arena *a, size_t bytes) {
  return memset(raw(a, bytes), 0, bytes);
}

char *arena_text(struct arena *a, struct slice s) {
  char *copy = raw(a, s.len + 1);
  if (s.len) memcpy(copy, s.data, s.len);
  copy[s.len] = 0;
  return copy;
}

struct slice arena_slice(struct arena *a, struct slice s) {
  return (struct slice){arena_text(a, s), s.len};
}

struct slice *arena_slices(struct arena *a, const struct slice *items, size_t count) {
  struct slice *copy = arena_alloc(a, (count + 1) * sizeof *copy);
  for (size_t i = 0; i < count; i++)
    copy[i] = arena_slice(a, items[i]);
  return copy;
}

struct slice arena_join(struct arena *a, const struct slice *parts, size_t count) {
  size_t len = 0;
  for (size_t i = 0; i < count; i++)
    len += parts[i].len;
  char *text = raw(a, len + 1), *at = text;
  for (size_t i = 0; i < count; i++) {
    if (parts[i].len) memcpy(at, parts[i].data, parts[i].len);
    at += parts[i].len;
  }
  *at = 0;
  return (struct slice){text, len};
}

char *arena_printf(struct arena *a, const char *format, ...) {
  va_list list, again;
  va_start(list, format);
  va_copy(again, list);
  int need = vsnprintf(NULL, 0, format, list);
  va_end(list);
  must(need >= 0);
  char *text = raw(a, (size_t)need + 1);
  vsnprintf(text, (size_t)need + 1, format, again);
  va_end(again);
  return text;
}
