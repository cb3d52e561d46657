#include <stdio.h>

#include "command_admin.h"

enum { COLUMNS_MAX = 12, CELL_MAX = 48 };

/* What another party wrote must not steer the terminal. */
static void append_cell(struct slice value, struct bytes *out) {
  struct bytes text;
  bytes_init(&text);
  if (!value.data || json_type(value) == JSON_NULL)
    bytes_append_byte(&text, '-');
  else if (!json_string(value, &text))
    bytes_append_slice(&text, value);
  for (size_t i = 0; i < text.len; i++)
    bytes_append_byte(
        out, (unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f ? '?' : text.data[i]);
  bytes_fini(&text);
}

static size_t columns_of(const char *columns, struct slice *out) {
  struct slice rest = slice_of(columns);
  size_t count = 0;
  while (rest.len && count < COLUMNS_MAX)
    out[count++] = slice_cut(rest, ' ', &rest);
  return count;
}

static struct slice cell_of(struct slice row, struct slice column) {
  for (struct json_walk w = json_walk_of(row); json_walk_next(&w);)
    if (json_key_equal(w.key, column)) return w.value;
  return (struct slice){NULL, 0};
}

static void print_row(struct slice row, const struct slice *columns, size_t count, size_t *widths) {
  struct bytes cell;
  bytes_init(&cell);
  for (size_t i = 0; i < count; i++) {
    bytes_clear(&cell);
    if (row.data)
      append_cell(cell_of(row, columns[i]), &cell);
    else
      bytes_append_slice(&cell, columns[i]);
    bool is_last = i + 1 == count;
    printf("%-*s%s", is_last ? 0 : (int)widths[i], bytes_text(&cell), is_last ? "\n" : "  ");
  }
  bytes_fini(&cell);
}

static void measure(struct slice data, const struct slice *columns, size_t count, size_t *widths) {
  struct bytes cell;
  bytes_init(&cell);
  for (size_t i = 0; i < count; i++)
    widths[i] = columns[i].len;
  for (struct json_walk w = json_walk_of(data); json_walk_next(&w);)
    for (size_t i = 0; i < count; i++) {
      bytes_clear(&cell);
      append_cell(cell_of(w.value, columns[i]), &cell);
      size_t wide = cell.len < CELL_MAX ? cell.len : CELL_MAX;
      if (wide > widths[i]) widths[i] = wide;
    }
  bytes_fini(&cell);
}

static void print_members(struct slice json) {
  struct bytes cell;
  bytes_init(&cell);
  for (struct json_walk w = json_walk_of(json); json_walk_next(&w);) {
    bytes_clear(&cell);
    append_cell(w.value, &cell);
    printf("%-22.*s %s\n", (int)w.key.len, w.key.data, bytes_text(&cell));
  }
  bytes_fini(&cell);
}

void admin_print(struct slice json, const char *columns) {
  struct slice data = json_find(json, "data"), names[COLUMNS_MAX];
  size_t widths[COLUMNS_MAX], count = columns_of(columns, names);
  if (!data.data || json_type(data) != JSON_ARRAY) {
    print_members(json);
    return;
  }
  measure(data, names, count, widths);
  print_row((struct slice){NULL, 0}, names, count, widths);
  for (struct json_walk w = json_walk_of(data); json_walk_next(&w);)
    print_row(w.value, names, count, widths);
  struct slice more = json_find(json, "next_cursor");
  if (!more.data || json_type(more) != JSON_STRING) return;
  struct bytes cursor;
  bytes_init(&cursor);
  append_cell(more, &cursor);
  printf("there is more: add --cursor %s\n", bytes_text(&cursor));
  bytes_fini(&cursor);
}

void admin_print_error(const char *command, struct slice json) {
  struct bytes text;
  bytes_init(&text);
  append_cell(json_find_path(json, "error.message"), &text);
  fprintf(stderr, "gateyes %s: %s\n", command, bytes_text(&text));
  bytes_fini(&text);
}
