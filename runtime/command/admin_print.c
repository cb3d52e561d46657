#include <stdio.h>

#include "command/admin.h"

enum { COLUMNS_MAX = 12, CELL_MAX = 48 };

struct table {
  struct slice names[COLUMNS_MAX]; /* with a ! where an empty cell is something to be named */
  size_t count, widths[COLUMNS_MAX];
  struct slice currency; /* JSON, of all rows; or none */
};

/* What another party wrote must not steer the terminal. */
static void append_cell(struct slice value, struct bytes *out) {
  struct bytes text;
  bytes_init(&text);
  if (!value.data || json_type(value) == JSON_NULL)
    bytes_append_byte(&text, '-');
  else if (!json_string(value, &text))
    bytes_append_slice(&text, value);
  for (size_t i = 0; i < text.len; i++) {
    char c = text.data[i];
    bool is_space = c == '\n' || c == '\t';
    bytes_append_byte(out, is_space ? ' ' : (unsigned char)c < 0x20 || c == 0x7f ? '?' : c);
  }
  bytes_fini(&text);
}

static void read_columns(const char *columns, struct table *t) {
  struct slice rest = slice_of(columns);
  while (rest.len && t->count < COLUMNS_MAX)
    t->names[t->count++] = slice_cut(rest, ' ', &rest);
}

static bool is_named_empty(struct slice column) {
  return column.len && column.data[column.len - 1] == '!';
}

static struct slice title_of(struct slice column) {
  return is_named_empty(column) ? (struct slice){column.data, column.len - 1} : column;
}

static struct slice member_of(struct slice row, struct slice name) {
  for (struct json_walk w = json_walk_of(row); json_walk_next(&w);)
    if (json_key_equal(w.key, name)) return w.value;
  return (struct slice){NULL, 0};
}

static bool is_none(struct slice row, struct slice name) {
  struct slice value = member_of(row, name);
  return value.data && (json_type(value) == JSON_FALSE || slice_equal_text(value, "0"));
}

/* Money is an integer of billionths under another name: people read it in their currency. What used
 * nothing has no cost that somebody should know. */
static bool append_money(const struct table *t, struct slice row, struct slice name,
                         struct bytes *out) {
  char key[64];
  uint64_t nano;
  snprintf(key, sizeof key, "%.*s_nanousd", (int)name.len, name.data);
  struct slice value = member_of(row, slice_of(key)), own = member_of(row, SLICE("currency"));
  if (!value.data || !json_to_u64(value, &nano)) return false;
  snprintf(key, sizeof key, "%.*s_known", (int)name.len, name.data);
  if (is_none(row, slice_of(key))) {
    bytes_append_text(out, is_none(row, SLICE("usage_source")) ? "-" : "unknown");
    return true;
  }
  bytes_append_money(out, nano);
  if (!own.data) own = t->currency;
  if (!own.data) return true;
  bytes_append_byte(out, ' ');
  append_cell(own, out);
  return true;
}

static void write_cell(const struct table *t, struct slice row, size_t column, struct bytes *out) {
  struct slice name = title_of(t->names[column]);
  bytes_clear(out);
  if (append_money(t, row, name, out)) return;
  append_cell(member_of(row, name), out);
  if (out->len == 0) bytes_append_text(out, is_named_empty(t->names[column]) ? "(none)" : "-");
}

static void print_row(const struct table *t, struct slice row) {
  struct bytes cell;
  bytes_init(&cell);
  for (size_t i = 0; i < t->count; i++) {
    bytes_clear(&cell);
    if (row.data)
      write_cell(t, row, i, &cell);
    else
      bytes_append_slice(&cell, title_of(t->names[i]));
    bool is_last = i + 1 == t->count;
    printf("%-*s%s", is_last ? 0 : (int)t->widths[i], bytes_text(&cell), is_last ? "\n" : "  ");
  }
  bytes_fini(&cell);
}

static void measure(struct table *t, struct slice data) {
  struct bytes cell;
  bytes_init(&cell);
  for (size_t i = 0; i < t->count; i++)
    t->widths[i] = title_of(t->names[i]).len;
  for (struct json_walk w = json_walk_of(data); json_walk_next(&w);)
    for (size_t i = 0; i < t->count; i++) {
      write_cell(t, w.value, i, &cell);
      size_t wide = cell.len < CELL_MAX ? cell.len : CELL_MAX;
      if (wide > t->widths[i]) t->widths[i] = wide;
    }
  bytes_fini(&cell);
}

static void print_fields(struct slice object, struct bytes *cell) {
  for (struct json_walk w = json_walk_of(object); json_walk_next(&w);) {
    bytes_clear(cell);
    append_cell(w.value, cell);
    printf("  %.*s %s", (int)w.key.len, w.key.data, bytes_text(cell));
  }
  printf("\n");
}

/* A list of things is a line for each. */
static bool is_list_of_things(struct slice value) {
  struct json_walk w = json_walk_of(value);
  return json_type(value) == JSON_ARRAY && json_walk_next(&w) && json_type(w.value) == JSON_OBJECT;
}

static void print_members(struct slice json) {
  struct bytes cell;
  bytes_init(&cell);
  for (struct json_walk w = json_walk_of(json); json_walk_next(&w);) {
    if (is_list_of_things(w.value)) {
      printf("%.*s\n", (int)w.key.len, w.key.data);
      for (struct json_walk item = json_walk_of(w.value); json_walk_next(&item);)
        print_fields(item.value, &cell);
      continue;
    }
    bytes_clear(&cell);
    append_cell(w.value, &cell);
    printf("%-22.*s %s\n", (int)w.key.len, w.key.data, bytes_text(&cell));
  }
  bytes_fini(&cell);
}

void admin_print(struct slice json, const char *columns) {
  struct slice data = json_find(json, "data");
  struct table table = {.currency = json_find(json, "currency")};
  read_columns(columns, &table);
  if (!data.data || json_type(data) != JSON_ARRAY) {
    print_members(json);
    return;
  }
  measure(&table, data);
  print_row(&table, (struct slice){NULL, 0});
  for (struct json_walk w = json_walk_of(data); json_walk_next(&w);)
    print_row(&table, w.value);
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
