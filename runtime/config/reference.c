#include <string.h>

#include "config/config.h"
#include "config/keys.h"

static const char opening[] =
    "# Configuration\n\n"
    "<!-- Made from runtime/config/keys.def by native_config_reference --write. -->\n\n"
    "Gateyes reads one file, `gateyes.lua`. It is a Lua program that returns a table, so comments, "
    "loops and functions are free. [examples/basic/gateyes.lua](../examples/basic/gateyes.lua) is "
    "a "
    "small one to start from.\n\n"
    "The program sees the plain functions of Lua (`pairs`, `ipairs`, `tostring`, `tonumber`, "
    "`type`, "
    "`select`, `error`, `assert`, `unpack`, and `string`, `table` and `math`) and three more:\n\n"
    "- `env \"NAME\"` is an environment variable; `env(\"NAME\", \"default\")` may be missing. A "
    "variable that is empty counts as missing.\n"
    "- `secret_file \"path\"` is the text of a file, without the line break at its end.\n"
    "- `file \"path\"` is the text of a file that is no secret, as it is: rows of rules in JSON, "
    "lists of words. In `tenant.lua` the file lies in the tenant's folder.\n\n"
    "Nothing else is there: no other files, no processes, no network, no other modules. It may run "
    "for "
    "one "
    "second and use 64 MiB. What came from `env` or `secret_file` is never printed, and cannot be "
    "the name of anything.\n\n"
    "Relative file names begin at the folder of the configuration. A duration is a number of "
    "seconds "
    "or text such as `\"500ms\"`, `\"5s\"`, `\"2m\"`, `\"1h\"`; a size is a number of bytes or "
    "text "
    "such as `\"64KiB\"`, `\"20MiB\"`. Prices are decimal and exact to a billionth of the "
    "currency; "
    "one that cannot be kept exactly is refused.\n\n"
    "`gateyes check` reports every problem at once, each as `file:line: key: what is wrong; what "
    "to "
    "do`. A file with a problem changes nothing. In the names below, `*` stands for a name that "
    "you "
    "choose, or for each item of a list.\n";

static void append_range(struct bytes *out, const struct key_row *row) {
  double scale = row->type == KEY_DURATION ? 1e3
                 : row->type == KEY_PRICE  ? 1e9
                 : row->type == KEY_PIECE  ? 1e9
                 : row->type == KEY_FACTOR ? 1e6
                                           : 1;
  if (row->choices) {
    struct slice rest = slice_of(row->choices);
    for (bool is_first = true; rest.len; is_first = false) {
      struct slice one = slice_cut(rest, '|', &rest);
      bytes_printf(out, "%s`%.*s`", is_first ? "" : ", ", (int)one.len, one.data);
    }
  } else if (row->min < row->max) {
    const char *unit = row->type == KEY_DURATION || row->type == KEY_SECONDS ? " s"
                       : row->type == KEY_SIZE                               ? " bytes"
                                                                             : "";
    bytes_printf(out, "%.15g to %.15g%s", row->min / scale, row->max / scale, unit);
  }
}

static void append_fallback(struct bytes *out, const struct key_row *row) {
  if (!row->fallback) return;
  if (row->fallback[0] == '(')
    bytes_append(out, row->fallback + 1, strlen(row->fallback) - 2);
  else
    bytes_printf(out, "`%s`", row->fallback);
}

static const char *short_type(enum key_type type) {
  switch (type) {
  case KEY_DURATION:
  case KEY_SECONDS: return "duration";
  case KEY_SIZE: return "size";
  case KEY_PRICE:
  case KEY_PIECE: return "price";
  case KEY_SECRET: return "text, secret";
  default: break;
  }
  const char *text = key_type_text(type);
  return strncmp(text, "a ", 2) == 0 ? text + 2 : text;
}

/* A bar inside a cell would begin the next one. */
static void append_cell(struct bytes *out, struct bytes *cell) {
  bytes_append_text(out, cell->len ? " " : "");
  for (size_t i = 0; i < cell->len; i++) {
    if (cell->data[i] == '|') bytes_append_byte(out, '\\');
    bytes_append_byte(out, cell->data[i]);
  }
  bytes_append_text(out, " |");
  bytes_clear(cell);
}

static void append_row(struct bytes *out, struct bytes *cell, const struct key_row *row) {
  bytes_append_byte(out, '|');
  size_t prefix = row->path[0] == '@' ? strcspn(row->path, ".") + 1 : 0;
  bytes_printf(cell, "`%s`", row->path + prefix);
  append_cell(out, cell);
  bytes_append_text(cell, short_type(row->type));
  append_cell(out, cell);
  append_fallback(cell, row);
  append_cell(out, cell);
  append_range(cell, row);
  append_cell(out, cell);
  bytes_append_text(cell, row->note);
  append_cell(out, cell);
  bytes_append_byte(out, '\n');
}

void config_reference(struct bytes *out) {
  struct bytes cell;
  size_t count;
  const struct key_row *rows = key_rows(&count);
  bytes_init(&cell);
  bytes_append_text(out, opening);
  for (size_t i = 0; i < count; i++) {
    if (rows[i].section)
      bytes_printf(out,
                   "\n## %s\n%s\n\n| Key | Type | Default | Allowed | What it is |\n"
                   "|---|---|---|---|---|\n",
                   rows[i].path, rows[i].section);
    else
      append_row(out, &cell, &rows[i]);
  }
  bytes_fini(&cell);
}
