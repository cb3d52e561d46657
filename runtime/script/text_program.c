#include "script/text_program.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "script/text_case.h"

enum { LAST_POINT = 0x10ffff };

void text_program_fini(struct text_program *p) {
  free(p->items);
  free(p->sets);
  *p = (struct text_program){0};
}

static void reserve(struct text_program *p, uint32_t more) {
  if (p->room - p->count >= more) return;
  p->room = (p->count + more) * 2;
  p->items = must_realloc(p->items, p->room * sizeof *p->items);
}

uint32_t text_program_add(struct text_program *p, struct text_instruction instruction) {
  reserve(p, 1);
  p->items[p->count] = instruction;
  return p->count++;
}

void text_program_insert(struct text_program *p, uint32_t at, struct text_instruction instruction) {
  reserve(p, 1);
  memmove(p->items + at + 1, p->items + at, (p->count++ - at) * sizeof *p->items);
  p->items[at] = instruction;
}

void text_program_copy(struct text_program *p, uint32_t from, uint32_t count) {
  reserve(p, count);
  memcpy(p->items + p->count, p->items + from, count * sizeof *p->items);
  p->count += count;
}

void text_points_add(struct text_points *p, uint32_t low, uint32_t high) {
  if (p->count == p->room) {
    p->room = p->room ? 2 * p->room : 16;
    p->items = must_realloc(p->items, p->room * sizeof *p->items);
  }
  p->items[p->count].low = low;
  p->items[p->count++].high = high;
}

void text_points_fini(struct text_points *p) {
  free(p->items);
  *p = (struct text_points){0};
}

static int compare_ranges(const void *a, const void *b) {
  uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
  return left < right ? -1 : left > right;
}

static void normalise(struct text_points *p) {
  if (p->count == 0) return;
  qsort(p->items, p->count, sizeof *p->items, compare_ranges);
  size_t kept = 0;
  for (size_t i = 1; i < p->count; i++) {
    if (p->items[i].low <= p->items[kept].high + 1) {
      if (p->items[i].high > p->items[kept].high) p->items[kept].high = p->items[i].high;
    } else {
      p->items[++kept] = p->items[i];
    }
  }
  p->count = kept + 1;
}

static void fold_range(struct text_points *p, uint32_t low, uint32_t high) {
  for (uint32_t c = low; c <= high; c++) {
    uint32_t lower = text_lower(c), upper = text_upper(c);
    if (lower != c) text_points_add(p, lower, lower);
    if (upper != c) text_points_add(p, upper, upper);
  }
}

void text_points_fold(struct text_points *p) {
  normalise(p);
  for (size_t i = 0, count = p->count; i < count; i++) {
    uint32_t low = p->items[i].low, high = p->items[i].high;
    if (low <= TEXT_CASE_LAST) fold_range(p, low, high < TEXT_CASE_LAST ? high : TEXT_CASE_LAST);
    if (low <= 0xff5a && high >= 0xff21)
      fold_range(p, low > 0xff21 ? low : 0xff21, high < 0xff5a ? high : 0xff5a);
  }
}

void text_points_negate(struct text_points *p) {
  normalise(p);
  uint32_t next = 0;
  size_t count = p->count;
  struct text_points out = {0};
  for (size_t i = 0; i < count; i++) {
    if (p->items[i].low > next) text_points_add(&out, next, p->items[i].low - 1);
    next = p->items[i].high + 1;
  }
  if (next <= LAST_POINT) text_points_add(&out, next, LAST_POINT);
  text_points_fini(p);
  *p = out;
}

/* Alternatives are written one after the other, each but the last as SPLIT, its code, JUMP; the
 * jumps lead to the end and are mended when that is known. */
struct alternatives {
  struct text_program *program;
  uint32_t start;
};

static void add_bytes(struct alternatives *a, const struct text_instruction *items,
                      uint32_t count) {
  struct text_program *p = a->program;
  if (p->count > a->start + TEXT_PROGRAM_MOST) return; /* refused by the parser */
  text_program_add(p,
                   (struct text_instruction){.op = TEXT_OP_SPLIT, .x = 1, .y = (int32_t)count + 2});
  for (uint32_t i = 0; i < count; i++)
    text_program_add(p, items[i]);
  text_program_add(p, (struct text_instruction){.op = TEXT_OP_JUMP, .low = 1});
}

/* A range whose ends have the same length in UTF-8, split until each byte is a range of its own:
 * the leading bytes may differ only where all that follows is free. */
static void add_sequences(struct alternatives *a, uint32_t low, uint32_t high) {
  char first[4], last[4];
  size_t len = utf8_encode(low, first);
  utf8_encode(high, last);
  for (size_t i = 1; i < len; i++) {
    uint32_t mask = (1u << (6 * i)) - 1;
    if ((low & ~mask) == (high & ~mask)) continue;
    if (low & mask) {
      add_sequences(a, low, low | mask);
      add_sequences(a, (low | mask) + 1, high);
      return;
    }
    if ((high & mask) != mask) {
      add_sequences(a, low, (high & ~mask) - 1);
      add_sequences(a, high & ~mask, high);
      return;
    }
  }
  struct text_instruction items[4];
  for (size_t i = 0; i < len; i++)
    items[i] = (struct text_instruction){
        .op = TEXT_OP_RANGE, .low = (uint8_t)first[i], .high = (uint8_t)last[i]};
  add_bytes(a, items, (uint32_t)len);
}

static void add_range(struct alternatives *a, uint32_t low, uint32_t high) {
  static const uint32_t ends[] = {0x7f, 0x7ff, 0xd7ff, 0xdfff, 0xffff, LAST_POINT};
  for (size_t i = 0; i < sizeof ends / sizeof *ends && low <= high; i++) {
    if (low > ends[i]) continue;
    uint32_t end = high < ends[i] ? high : ends[i];
    bool is_surrogate = ends[i] == 0xdfff;
    if (!is_surrogate) add_sequences(a, low, end);
    low = end + 1;
  }
}

/* All of ASCII in one set. */
static void add_ascii(struct alternatives *a, const struct text_points *points) {
  struct text_program *p = a->program;
  struct text_set set = {{0}};
  bool is_used = false;
  for (size_t i = 0; i < points->count; i++) {
    for (uint32_t c = points->items[i].low; c <= points->items[i].high && c < 0x80; c++) {
      set.bits[c >> 5] |= 1u << (c & 31);
      is_used = true;
    }
  }
  if (!is_used) return;
  if (p->set_count == p->set_room) {
    p->set_room = p->set_room ? 2 * p->set_room : 8;
    p->sets = must_realloc(p->sets, p->set_room * sizeof *p->sets);
  }
  p->sets[p->set_count] = set;
  struct text_instruction item = {.op = TEXT_OP_SET, .x = (int32_t)p->set_count++};
  add_bytes(a, &item, 1);
}

/* The last alternative needs neither split nor jump. */
static void finish(struct alternatives *a, uint32_t last) {
  struct text_program *p = a->program;
  memmove(p->items + last, p->items + last + 1, (p->count - last - 2) * sizeof *p->items);
  p->count -= 2;
  for (uint32_t i = a->start; i < last; i++)
    if (p->items[i].op == TEXT_OP_JUMP) p->items[i].x = (int32_t)(p->count - i);
}

void text_points_emit(struct text_points *points, struct text_program *program) {
  struct alternatives a = {program, program->count};
  normalise(points);
  add_ascii(&a, points);
  for (size_t i = 0; i < points->count; i++)
    if (points->items[i].high >= 0x80)
      add_range(&a, points->items[i].low < 0x80 ? 0x80 : points->items[i].low,
                points->items[i].high);
  if (program->count == a.start) { /* nothing matches: a range that is empty */
    text_program_add(program, (struct text_instruction){.op = TEXT_OP_RANGE, .low = 1, .high = 0});
    return;
  }
  uint32_t last = a.start;
  for (uint32_t i = a.start; i < program->count; i += (uint32_t)program->items[i].y)
    last = i;
  finish(&a, last);
}
