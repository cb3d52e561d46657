#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/build.h"
#include "config/parse_values.h"

bool text_has_control(struct slice s) {
  for (size_t i = 0; i < s.len; i++)
    if ((unsigned char)s.data[i] < 0x20 || s.data[i] == 0x7f) return true;
  return false;
}

bool walk_text(struct build *b, const struct place *at, struct slice *out) {
  const struct value *v = at->value;
  if (v->faulty) return false;
  if (v->type != VALUE_TEXT) {
    problem(b, at, "expects text, %s; put it in quotes", got(b, v));
  } else if (v->text.len == 0) {
    problem(b, at, "is empty; give it a value or remove the key");
  } else if (text_has_control(v->text)) {
    problem(b, at, "holds a control byte, such as a line break; remove it");
  } else {
    *out = arena_slice(&b->config->arena, v->text);
    return true;
  }
  return false;
}

bool walk_is_list(struct build *b, const struct place *at, const char *wanted) {
  const struct value *v = at->value;
  if (v->type == VALUE_LIST || (v->type == VALUE_MAP && v->count == 0)) return true;
  problem(b, at, "expects %s, %s; write { … } with values and no names", wanted, got(b, v));
  return false;
}

bool walk_is_map(struct build *b, const struct place *at, const char *wanted) {
  if (at->value->type == VALUE_MAP) return true;
  problem(b, at, "expects %s, %s; write { name = value }", wanted, got(b, at->value));
  return false;
}

void walk_texts(struct build *b, const struct place *at, struct slice **out, size_t *count) {
  struct slice text;
  if (at->value->type == VALUE_TEXT) {
    if (!walk_text(b, at, &text)) return;
    *out = arena_alloc(&b->config->arena, sizeof text);
    (*out)[(*count)++] = text;
    return;
  }
  if (!walk_is_list(b, at, "a list of text")) return;
  *out = arena_alloc(&b->config->arena, at->value->count * sizeof text);
  for (size_t i = 0; i < at->value->count; i++) {
    struct place item = place_item(at, i);
    if (walk_text(b, &item, &text)) (*out)[(*count)++] = text;
  }
}

static const char *bound_text(struct build *b, enum key_type type, double bound) {
  struct arena *a = &b->problems->arena;
  switch (type) {
  case KEY_DURATION: return arena_printf(a, "%.10gs", bound / 1000);
  case KEY_SECONDS: return arena_printf(a, "%.10gs", bound);
  case KEY_SIZE: return arena_printf(a, "%.15g bytes", bound);
  case KEY_PRICE:
  case KEY_PIECE: return arena_printf(a, "%.15g", bound / 1e9);
  case KEY_FACTOR: return arena_printf(a, "%.15g", bound / 1e6);
  default: return arena_printf(a, "%.15g", bound);
  }
}

static bool in_bounds(struct build *b, const struct place *at, const struct key_row *row,
                      uint64_t number) {
  if (row->min >= row->max) return true;
  if ((double)number >= row->min && (double)number <= row->max) return true;
  problem(b, at, "%s is out of range; use %s to %s", got(b, at->value) + 4,
          bound_text(b, row->type, row->min), bound_text(b, row->type, row->max));
  return false;
}

static bool walk_price(struct build *b, const struct place *at, const struct key_row *row,
                       uint64_t *out) {
  int power = row->type == KEY_FACTOR ? 6 : 9;
  enum decimal_status status = parse_decimal(at->value, power, out);
  const char *what = got(b, at->value);
  switch (status) {
  case DECIMAL_OK: return in_bounds(b, at, row, *out);
  case DECIMAL_MALFORMED:
    problem(b, at, "expects %s, %s; write a number such as 2.50", key_type_text(row->type), what);
    break;
  case DECIMAL_NEGATIVE: problem(b, at, "is negative, %s; use 0 or more", what); break;
  case DECIMAL_INEXACT:
    problem(b, at, "is finer than a %s can tell, %s; use at most %d decimals",
            power == 6 ? "millionth" : "billionth of the currency", what, power);
    break;
  case DECIMAL_OVERFLOW:
    problem(b, at, "is too large, %s; use at most %s", what, bound_text(b, row->type, row->max));
    break;
  }
  return false;
}

bool walk_number(struct build *b, const struct place *at, const struct key_row *row,
                 uint64_t *out) {
  const struct value *v = at->value;
  bool is_read = false;
  switch (row->type) {
  case KEY_DURATION: is_read = parse_duration_ms(v, out); break;
  case KEY_SECONDS:
    is_read = parse_duration_ms(v, out) && *out % 1000 == 0;
    *out /= 1000;
    break;
  case KEY_SIZE: is_read = parse_size(v, out); break;
  case KEY_PRICE:
  case KEY_FACTOR:
  case KEY_PIECE: return walk_price(b, at, row, out);
  default: is_read = parse_count(v, out); break;
  }
  if (is_read) return in_bounds(b, at, row, *out);
  problem(b, at, "expects %s, %s", key_type_text(row->type), got(b, v));
  return false;
}

static void store_number(const struct key_row *row, uint64_t number, char *target) {
  uint32_t small = (uint32_t)number;
  size_t size = (size_t)number;
  switch (row->type) {
  case KEY_COUNT:
  case KEY_DURATION:
  case KEY_SECONDS: memcpy(target, &small, sizeof small); break;
  case KEY_SIZE: memcpy(target, &size, sizeof size); break;
  default: memcpy(target, &number, sizeof number); break;
  }
}

static bool is_choice(const char *choices, struct slice text) {
  struct slice rest = slice_of(choices);
  while (rest.len)
    if (slice_equal(slice_cut(rest, '|', &rest), text)) return true;
  return false;
}

static void store_text(struct build *b, const struct place *at, const struct key_row *row,
                       char *target) {
  struct slice text;
  if (!walk_text(b, at, &text)) return;
  if (row->choices && !is_choice(row->choices, text)) {
    problem(b, at, "%s is none of %s; use one of them", got(b, at->value) + 4, row->choices);
    return;
  }
  memcpy(target, &text, sizeof text);
}

static bool is_openable(const char *path, enum key_type type) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat info;
  if (fd < 0) return false;
  bool is_right =
      fstat(fd, &info) == 0 && (type == KEY_FOLDER ? S_ISDIR(info.st_mode) : S_ISREG(info.st_mode));
  close(fd);
  return is_right;
}

static void store_path(struct build *b, const struct place *at, const struct key_row *row,
                       char *target) {
  struct slice text, folder = b->folder;
  if (!walk_text(b, at, &text)) return;
  if (text.data[0] == '/') folder.len = 0;
  char *path = arena_printf(&b->config->arena, "%.*s%.*s", (int)folder.len, folder.data,
                            (int)text.len, text.data);
  struct slice whole = slice_of(path);
  if (row->type != KEY_PATH && !is_openable(path, row->type)) {
    const char *shown = at->value->secret ? "a secret value" : path;
    problem(b, at, "cannot read %s %s; check that it exists and may be read",
            row->type == KEY_FOLDER ? "folder" : "file", shown);
  } else if (row->type == KEY_FILE) {
    memcpy(target, &path, sizeof path);
  } else {
    memcpy(target, &whole, sizeof whole);
  }
}

static void store(struct build *b, const struct place *at, const struct key_row *row, void *base) {
  char *target = (char *)base + row->offset;
  const struct value *v = at->value;
  uint64_t number;
  if (v->faulty) return;
  struct value hidden;
  struct place secret;
  switch (row->type) {
  case KEY_TEXT: store_text(b, at, row, target); return;
  case KEY_SECRET:
    secret = place_hidden(at, &hidden);
    store_text(b, &secret, row, target);
    return;
  case KEY_FILE:
  case KEY_FOLDER:
  case KEY_PATH: store_path(b, at, row, target); return;
  case KEY_BOOL:
    if (v->type == VALUE_BOOL)
      memcpy(target, &v->boolean, sizeof v->boolean);
    else
      problem(b, at, "expects true or false, %s", got(b, v));
    return;
  default:
    if (walk_number(b, at, row, &number)) store_number(row, number, target);
    return;
  }
}

static void unknown_key(struct build *b, const struct place *at, const char *pattern) {
  struct nearest nearest;
  struct bytes all;
  struct slice name;
  size_t count;
  const struct key_row *rows = key_rows(&count);
  nearest_init(&nearest, at->key);
  bytes_init(&all);
  for (size_t i = 0; i < count; i++) {
    if (!key_is_below(&rows[i], pattern, &name)) continue;
    nearest_offer(&nearest, name);
    bytes_printf(&all, "%s%.*s", all.len ? ", " : "", (int)name.len, name.data);
  }
  if (nearest.best.len)
    problem(b, at, "unknown key; did you mean \"%.*s\"?", (int)nearest.best.len, nearest.best.data);
  else
    problem(b, at, "unknown key; keys here are %s", bytes_text(&all));
  bytes_fini(&all);
}

void walk_table(struct build *b, const struct place *at, const char *pattern, void *base) {
  if (!walk_is_map(b, at, "a table of settings")) return;
  for (size_t i = 0; i < at->value->count; i++) {
    struct place item = place_item(at, i);
    const struct key_row *row = key_find(pattern, item.key);
    if (!row)
      unknown_key(b, &item, pattern);
    else if (row->type == KEY_TABLE)
      walk_table(b, &item, row->path, base);
    else if (row->is_stored)
      store(b, &item, row, base);
  }
}

static struct value value_of_default(const struct key_row *row) {
  struct value v = {.type = VALUE_TEXT, .text = slice_of(row->fallback)};
  uint64_t number = 0;
  if (row->type == KEY_BOOL) {
    v.type = VALUE_BOOL;
    v.boolean = slice_equal_text(v.text, "true");
  } else if (row->type == KEY_COUNT || row->type == KEY_COUNT_64) {
    must(slice_to_u64(v.text, &number));
    v.type = VALUE_NUMBER;
    v.number = (double)number;
  }
  return v;
}

/* True when the row belongs to the struct of that pattern: no further `*` between them. */
static bool is_owned(const struct key_row *row, const char *pattern) {
  size_t len = strlen(pattern);
  if (strncmp(row->path, pattern, len) != 0) return false;
  if (len == 0 && row->path[0] == '@') return false; /* of another file */
  const char *rest = row->path + len;
  return (len == 0 || *rest == '.') && !strchr(rest, '*');
}

void walk_defaults(struct build *b, const char *pattern, void *base) {
  size_t count;
  const struct key_row *rows = key_rows(&count);
  for (size_t i = 0; i < count; i++) {
    if (!rows[i].is_stored || !key_has_value(&rows[i]) || !is_owned(&rows[i], pattern)) continue;
    struct value v = value_of_default(&rows[i]);
    struct place at = {.key = slice_of(rows[i].path), .value = &v};
    store(b, &at, &rows[i], base);
  }
}
