#include "detect/offsets.h"

#include <stdlib.h>

void offsets_fini(struct offsets *o) {
  free(o->marks);
}

static void reserve(struct offsets *o) {
  if (o->count < o->cap) return;
  o->cap = o->cap ? o->cap * 2 : 16;
  o->marks = must_realloc(o->marks, o->cap * sizeof *o->marks);
}

void offsets_add(struct offsets *o, struct offset_mark mark) {
  if (o->count && o->marks[o->count - 1].made == mark.made) o->count--;
  reserve(o);
  o->marks[o->count++] = mark;
}

/* The last mark at or before position; NULL when there is none. */
static const struct offset_mark *mark_find(const struct offsets *o, size_t position) {
  size_t low = 0, high = o->count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (o->marks[middle].made <= position)
      low = middle + 1;
    else
      high = middle;
  }
  return low ? &o->marks[low - 1] : NULL;
}

size_t offsets_start(const struct offsets *o, size_t position) {
  const struct offset_mark *mark = mark_find(o, position);
  if (!mark) return position;
  return mark->width ? mark->source : mark->source + (position - mark->made);
}

size_t offsets_end(const struct offsets *o, size_t position) {
  const struct offset_mark *mark = mark_find(o, position);
  if (mark && mark->width) return mark->source + mark->width;
  return offsets_start(o, position) + 1;
}

void offsets_drop(struct offsets *o, size_t count) {
  if (count == 0) return;
  const struct offset_mark *mark = mark_find(o, count);
  size_t past = mark ? (size_t)(mark - o->marks) + 1 : 0;
  struct offset_mark first = mark ? *mark : (struct offset_mark){0, 0, 0};
  if (!first.width) first.source += count - first.made;
  first.made = count;
  if (past == 0) { /* room for the new first mark */
    reserve(o);
    memmove(o->marks + 1, o->marks, o->count * sizeof *o->marks);
    o->count++;
    past = 1;
  }
  o->marks[past - 1] = first;
  o->count -= past - 1;
  memmove(o->marks, o->marks + past - 1, o->count * sizeof *o->marks);
  for (size_t i = 0; i < o->count; i++)
    o->marks[i].made -= count;
}
