#include <stdlib.h>

#include "config/config.h"

void config_problems_init(struct config_problems *p) {
  *p = (struct config_problems){0};
  arena_init(&p->arena);
}

void config_problems_fini(struct config_problems *p) {
  arena_fini(&p->arena);
  free(p->items);
  free(p->lines);
  *p = (struct config_problems){0};
}

/* Capacity doubles: it is the next power of two from count, so it needs no field. */
static void add(struct config_problems *p, int line, char *text) {
  if ((p->count & (p->count - 1)) == 0) {
    size_t room = p->count ? p->count * 2 : 1;
    p->items = must_realloc(p->items, room * sizeof *p->items);
    p->lines = must_realloc(p->lines, room * sizeof *p->lines);
  }
  p->items[p->count] = text;
  p->lines[p->count++] = line;
}

/* A value from the file may hold anything, and a problem is one line of a terminal or a log. */
static char *printable(struct arena *a, struct slice text) {
  char *copy = arena_text(a, text);
  for (size_t i = 0; i < text.len; i++)
    if (copy[i] == '\n' || copy[i] == '\t')
      copy[i] = ' ';
    else if ((unsigned char)copy[i] < 0x20 || copy[i] == 0x7f)
      copy[i] = '?';
  return copy;
}

static void add_formatted(struct config_problems *p, int line, struct bytes *text) {
  add(p, line, printable(&p->arena, bytes_slice(text)));
  bytes_fini(text);
}

void config_problem(struct config_problems *p, const char *format, ...) {
  struct bytes text;
  va_list list;
  bytes_init(&text);
  va_start(list, format);
  bytes_vprintf(&text, format, list);
  va_end(list);
  add_formatted(p, 0, &text);
}

void config_problem_at(struct config_problems *p, const char *file, int line, const char *format,
                       ...) {
  struct bytes text;
  va_list list;
  bytes_init(&text);
  bytes_append_text(&text, file);
  if (line > 0) bytes_printf(&text, ":%d", line);
  bytes_append_text(&text, ": ");
  va_start(list, format);
  bytes_vprintf(&text, format, list);
  va_end(list);
  add_formatted(p, line, &text);
}

struct located {
  int line;
  size_t order;
  char *text;
};

static int by_line(const void *a, const void *b) {
  const struct located *x = a, *y = b;
  unsigned line_x = (unsigned)x->line - 1, line_y = (unsigned)y->line - 1; /* 0 becomes the last */
  if (line_x != line_y) return line_x < line_y ? -1 : 1;
  return x->order < y->order ? -1 : x->order > y->order;
}

void config_problems_sort(struct config_problems *p) {
  struct located *all = must_calloc(p->count, sizeof *all);
  for (size_t i = 0; i < p->count; i++)
    all[i] = (struct located){p->lines[i], i, p->items[i]};
  qsort(all, p->count, sizeof *all, by_line);
  for (size_t i = 0; i < p->count; i++) {
    p->lines[i] = all[i].line;
    p->items[i] = all[i].text;
  }
  free(all);
}

static bool is_plain(struct slice key) {
  for (size_t i = 0; i < key.len; i++) {
    char c = key.data[i];
    bool is_word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                   c == '_' || c == '-';
    if (!is_word) return false;
  }
  return key.len > 0;
}

/* A zero byte would end the sentence that the key stands in. */
static void append_key(struct bytes *out, struct slice key) {
  for (size_t i = 0; i < key.len; i++)
    bytes_append_byte(out, key.data[i] ? key.data[i] : '?');
}

void config_path_append(struct bytes *path, struct slice key, size_t index) {
  if (index) {
    bytes_printf(path, "[%zu]", index);
  } else if (is_plain(key)) {
    if (path->len) bytes_append_byte(path, '.');
    append_key(path, key);
  } else {
    bytes_append_text(path, "[\"");
    append_key(path, key);
    bytes_append_text(path, "\"]");
  }
}
