#include "script/text_regex.h"

#include <lauxlib.h>
#include <string.h>

#include "script/sandbox.h"

enum { CHECK_STEPS = 4096 };

struct todo { /* of following what needs no byte */
  uint32_t pc;
  int32_t slot; /* -1: follow pc; else put `value` back into it */
  size_t value;
};

struct threads { /* a sparse set: each instruction at most once, in order of priority */
  uint32_t count;
  uint32_t *dense, *sparse;
  size_t *slots; /* slot_count for each instruction */
};

struct text_regex {
  uint32_t count, groups, slot_count;
  struct text_instruction *items;
  struct text_set *sets;
  struct threads now, next;
  struct todo *todo;
  uint32_t first[8]; /* bytes that a match can begin with */
  bool can_be_empty; /* or begins with something that is no byte */
  bool is_anchored;
};

struct run {
  struct text_regex *r;
  lua_State *L;
  struct slice text;
  uint32_t slot_count; /* used in this run */
  uint32_t steps;
};

static void set_byte(uint32_t *bits, unsigned c) {
  bits[c >> 5] |= 1u << (c & 31);
}

static bool has_byte(const uint32_t *bits, unsigned char c) {
  return bits[c >> 5] >> (c & 31) & 1;
}

/* Marks pc as reached; false: it was before, with more priority. */
static bool reach(struct threads *t, uint32_t pc) {
  uint32_t at = t->sparse[pc];
  if (at < t->count && t->dense[at] == pc) return false;
  t->sparse[pc] = t->count;
  t->dense[t->count++] = pc;
  return true;
}

static uint32_t push_todo(struct text_regex *r, uint32_t depth, uint32_t pc) {
  r->todo[depth] = (struct todo){pc, -1, 0};
  return depth + 1;
}

/* What a match can begin with, through all that needs no byte. `now` serves as the visited set. */
static void find_first(struct text_regex *r) {
  uint32_t depth = push_todo(r, 0, 0);
  while (depth > 0) {
    uint32_t pc = r->todo[--depth].pc;
    if (!reach(&r->now, pc)) continue;
    const struct text_instruction *i = &r->items[pc];
    switch ((enum text_op)i->op) {
    case TEXT_OP_RANGE:
      for (unsigned c = i->low; c <= i->high; c++)
        set_byte(r->first, c);
      break;
    case TEXT_OP_SET:
      for (int k = 0; k < 8; k++)
        r->first[k] |= r->sets[i->x].bits[k];
      break;
    case TEXT_OP_MATCH: r->can_be_empty = true; break;
    case TEXT_OP_SPLIT: depth = push_todo(r, depth, pc + (uint32_t)i->y); /* fall through */
    case TEXT_OP_JUMP: depth = push_todo(r, depth, pc + (uint32_t)i->x); break;
    case TEXT_OP_SAVE:
    case TEXT_OP_ASSERT: depth = push_todo(r, depth, pc + 1); break;
    }
  }
}

static void *carve(char **at, size_t count, size_t bytes) {
  void *memory = *at;
  *at += (count * bytes + 15) & ~(size_t)15;
  return memory;
}

static void carve_threads(struct threads *t, char **at, uint32_t count, uint32_t slot_count) {
  t->dense = carve(at, count, sizeof *t->dense);
  t->sparse = carve(at, count, sizeof *t->sparse);
  t->slots = carve(at, (size_t)count * slot_count, sizeof *t->slots);
}

static size_t layout(struct text_regex *r, char *memory, const struct text_program *p) {
  char *at = memory;
  carve(&at, 1, sizeof *r);
  r->items = carve(&at, p->count, sizeof *r->items);
  r->sets = carve(&at, p->set_count, sizeof *r->sets);
  carve_threads(&r->now, &at, r->count, r->slot_count);
  carve_threads(&r->next, &at, r->count, r->slot_count);
  r->todo = carve(&at, 2 * (size_t)r->count + 2, sizeof *r->todo);
  return (size_t)(at - memory);
}

/* Runs protected: the program is freed whether or not there is memory. */
static int make_regex(lua_State *L) {
  const struct text_program *p = lua_touserdata(L, 1);
  struct text_regex shape = {
      .count = p->count, .groups = p->groups, .slot_count = 2 * (p->groups + 1)};
  size_t bytes = layout(&shape, NULL, p);
  struct text_regex *r = lua_newuserdata(L, bytes);
  memset(r, 0, bytes);
  *r = shape;
  layout(r, (char *)r, p);
  memcpy(r->items, p->items, p->count * sizeof *p->items);
  if (p->set_count) memcpy(r->sets, p->sets, p->set_count * sizeof *p->sets);
  r->is_anchored = r->items[1].op == TEXT_OP_ASSERT && r->items[1].x == TEXT_AT_START;
  find_first(r);
  return 1;
}

struct text_regex *text_regex_new(lua_State *L, struct slice source, char error[128]) {
  struct text_program program;
  const char *why = text_program_compile(source, &program, error);
  int status = 0;
  if (!why) {
    lua_pushcfunction(L, make_regex);
    lua_pushlightuserdata(L, &program);
    status = lua_pcall(L, 1, 1, 0);
  }
  text_program_fini(&program);
  if (why) return NULL;
  if (status != 0) lua_error(L);
  return lua_touserdata(L, -1);
}

uint32_t text_regex_groups(const struct text_regex *r) {
  return r->groups;
}

static bool is_word_at(const struct run *run, size_t at) {
  if (at >= run->text.len) return false;
  unsigned char c = (unsigned char)run->text.data[at];
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool holds(const struct run *run, enum text_assertion kind, size_t at) {
  struct slice text = run->text;
  switch (kind) {
  case TEXT_AT_START: return at == 0;
  case TEXT_AT_END: return at == text.len;
  case TEXT_AT_LINE_START: return at == 0 || text.data[at - 1] == '\n';
  case TEXT_AT_LINE_END: return at == text.len || text.data[at] == '\n';
  default: break;
  }
  bool is_inside = at < text.len && ((unsigned char)text.data[at] & 0xc0) == 0x80;
  if (is_inside) return false; /* of a character */
  bool is_edge = (at > 0 && is_word_at(run, at - 1)) != is_word_at(run, at);
  return is_edge == (kind == TEXT_AT_WORD_EDGE);
}

static void step(struct run *run) {
  if (++run->steps % CHECK_STEPS == 0) sandbox_check(run->L);
}

/* Adds pc and all that follows it without a byte. slots: of the thread; as they were afterwards. */
static void add_thread(struct run *run, struct threads *t, uint32_t pc, size_t at, size_t *slots) {
  struct text_regex *r = run->r;
  uint32_t depth = push_todo(r, 0, pc);
  while (depth > 0) {
    struct todo todo = r->todo[--depth];
    if (todo.slot >= 0) {
      slots[todo.slot] = todo.value;
      continue;
    }
    if (!reach(t, todo.pc)) continue;
    step(run);
    const struct text_instruction *i = &r->items[todo.pc];
    switch ((enum text_op)i->op) {
    case TEXT_OP_SPLIT:
      depth = push_todo(r, depth, todo.pc + (uint32_t)i->y);
      depth = push_todo(r, depth, todo.pc + (uint32_t)i->x);
      break;
    case TEXT_OP_JUMP: depth = push_todo(r, depth, todo.pc + (uint32_t)i->x); break;
    case TEXT_OP_SAVE:
      if ((uint32_t)i->x < run->slot_count) {
        r->todo[depth++] = (struct todo){0, i->x, slots[i->x]};
        slots[i->x] = at;
      }
      depth = push_todo(r, depth, todo.pc + 1);
      break;
    case TEXT_OP_ASSERT:
      if (holds(run, (enum text_assertion)i->x, at)) depth = push_todo(r, depth, todo.pc + 1);
      break;
    default:
      memcpy(t->slots + (size_t)todo.pc * r->slot_count, slots, run->slot_count * sizeof *slots);
    }
  }
}

static bool takes(const struct text_regex *r, const struct text_instruction *i, unsigned char c) {
  if (i->op == TEXT_OP_RANGE) return c >= i->low && c <= i->high;
  return i->op == TEXT_OP_SET && has_byte(r->sets[i->x].bits, c);
}

/* One byte for all threads; true: a thread has matched, those after it are given up. */
static bool advance(struct run *run, size_t at, size_t *found) {
  struct text_regex *r = run->r;
  bool is_match = false;
  r->next.count = 0;
  for (uint32_t k = 0; k < r->now.count && !is_match; k++) {
    uint32_t pc = r->now.dense[k];
    const struct text_instruction *i = &r->items[pc];
    size_t *slots = r->now.slots + (size_t)pc * r->slot_count;
    step(run);
    if (i->op == TEXT_OP_MATCH) {
      memcpy(found, slots, run->slot_count * sizeof *slots);
      is_match = true;
    } else if (at < run->text.len && takes(r, i, (unsigned char)run->text.data[at])) {
      add_thread(run, &r->next, pc + 1, at + 1, slots);
    }
  }
  struct threads swap = r->now;
  r->now = r->next;
  r->next = swap;
  return is_match;
}

/* Where the next match may begin, from `at` on; beyond the end: nowhere. */
static size_t next_start(const struct run *run, size_t at) {
  const struct text_regex *r = run->r;
  if (r->is_anchored) return at == 0 ? 0 : run->text.len + 1;
  if (r->can_be_empty) return at;
  while (at < run->text.len && !has_byte(r->first, (unsigned char)run->text.data[at]))
    at++;
  return at < run->text.len ? at : run->text.len + 1;
}

bool text_regex_match(struct text_regex *r, lua_State *L, struct slice text, size_t from,
                      size_t *slots) {
  struct run run = {r, L, text, slots ? r->slot_count : 0, 0};
  size_t fresh[TEXT_SLOTS], found[TEXT_SLOTS];
  bool is_match = false;
  memset(fresh, 0xff, sizeof fresh);
  r->now.count = 0;
  for (size_t at = from; at <= text.len; at++) {
    if (r->now.count == 0) {
      size_t start = is_match ? text.len + 1 : next_start(&run, at);
      if (start > text.len) break;
      at = start;
    }
    if (!is_match && (!r->is_anchored || at == 0)) add_thread(&run, &r->now, 0, at, fresh);
    if (advance(&run, at, found)) {
      is_match = true;
      if (!slots) return true;
    }
  }
  if (is_match && slots) memcpy(slots, found, r->slot_count * sizeof *slots);
  return is_match;
}
