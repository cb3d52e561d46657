#include "model/template.h"

#include "base/json.h"

enum { WORK_BYTES = 32 << 20 }; /* of parts that are repeated and may say nothing */

enum piece_kind { PIECE_TEXT, PIECE_VALUE, PIECE_ITEM, PIECE_IF, PIECE_UNLESS, PIECE_END };

struct piece {
  enum piece_kind kind;
  struct slice text; /* as it stands, or the name */
  size_t at;         /* where it begins */
};

struct reader {
  struct slice text;
  size_t at;
  const struct variables *variables; /* NULL: any name will do */
  struct template_problem *problem;
};

static bool fail(const struct reader *r, size_t at, const char *format, ...) PRINTF(3, 4);

static bool fail(const struct reader *r, size_t at, const char *format, ...) {
  va_list list;
  r->problem->line = 1;
  for (size_t i = 0; i < at && i < r->text.len; i++)
    r->problem->line += r->text.data[i] == '\n';
  bytes_clear(&r->problem->sentence);
  va_start(list, format);
  bytes_vprintf(&r->problem->sentence, format, list);
  va_end(list);
  return false;
}

static struct slice trimmed(struct slice text) {
  while (text.len && (text.data[0] == '\n' || text.data[0] == '\r'))
    text = slice_trim(slice_skip(text, 1));
  return slice_trim(text);
}

static bool read_tag(struct reader *r, struct piece *p) {
  const char *begin = r->text.data + r->at + 2, *end = r->text.data + r->text.len;
  const char *close = memmem(begin, (size_t)(end - begin), "}}", 2);
  if (!close) return fail(r, p->at, "{{ without its }}; write \\{{ for two braces");
  struct slice name = trimmed((struct slice){begin, (size_t)(close - begin)});
  r->at = (size_t)(close + 2 - r->text.data);
  p->kind = PIECE_VALUE;
  if (slice_equal_text(name, ".")) {
    p->kind = PIECE_ITEM;
    return true;
  }
  if (name.len && memchr("#^/", name.data[0], 3)) {
    p->kind = name.data[0] == '#' ? PIECE_IF : name.data[0] == '^' ? PIECE_UNLESS : PIECE_END;
    name = slice_trim(slice_skip(name, 1));
  }
  p->text = name;
  if (!name.len) return fail(r, p->at, "{{}} names no variable");
  if (!r->variables || variable_find(r->variables, name)) return true;
  return fail(r, p->at, "{{%.*s}}: there is no such variable", name.len > 64 ? 64 : (int)name.len,
              name.data);
}

/* False at the end, and with a problem, which has a line then. */
static bool next(struct reader *r, struct piece *p) {
  struct slice rest = slice_skip(r->text, r->at);
  p->at = r->at;
  if (!rest.len) return false;
  const char *open = memmem(rest.data, rest.len, "{{", 2);
  if (open == rest.data) return read_tag(r, p);
  p->kind = PIECE_TEXT;
  p->text = open ? (struct slice){rest.data, (size_t)(open - rest.data)} : rest;
  r->at += p->text.len;
  bool is_escaped = open && open[-1] == '\\';
  if (!is_escaped) return true;
  p->text.len--; /* the backslash: the braces are text of the next piece */
  if (p->text.len) {
    r->at--;
    return true;
  }
  p->text = (struct slice){open, 2};
  r->at += 2;
  return true;
}

/* After a PIECE_IF or PIECE_UNLESS: the part up to its end. */
static bool read_part(struct reader *r, const struct piece *open, struct slice *part) {
  struct piece p;
  size_t begin = r->at;
  while (next(r, &p)) {
    if (p.kind == PIECE_IF || p.kind == PIECE_UNLESS)
      return fail(r, p.at, "{{#%.*s}} stands within {{#%.*s}}; parts do not nest", (int)p.text.len,
                  p.text.data, (int)open->text.len, open->text.data);
    if (p.kind != PIECE_END) continue;
    if (!slice_equal(p.text, open->text)) break;
    *part = (struct slice){r->text.data + begin, p.at - begin};
    return true;
  }
  if (r->problem->line) return false;
  return fail(r, open->at, "{{#%.*s}} has no {{/%.*s}}", (int)open->text.len, open->text.data,
              (int)open->text.len, open->text.data);
}

struct rendering {
  const struct template_values *values;
  struct slice item; /* of the list whose part this is; empty: none */
  size_t max_bytes, work;
  struct bytes *out;
};

static void append_value(struct bytes *out, struct slice value) {
  if (!value.len || json_type(value) == JSON_NULL) return;
  if (!json_string(value, out)) bytes_append_slice(out, slice_trim(value));
}

static struct slice value_of(const struct rendering *g, struct slice name) {
  const struct variable *v = variable_find(g->values->variables, name);
  return v ? g->values->values[v - g->values->variables->items] : (struct slice){"", 0};
}

static bool is_given(struct slice value) {
  struct json_walk w = json_walk_of(value);
  switch (value.len ? json_type(value) : JSON_NONE) {
  case JSON_NONE:
  case JSON_NULL:
  case JSON_FALSE: return false;
  case JSON_STRING: return json_string_raw(value).len > 0;
  case JSON_ARRAY: return json_walk_next(&w);
  default: return true;
  }
}

static bool check_room(const struct reader *r, const struct rendering *g, size_t at) {
  if (g->out->len <= g->max_bytes && g->work <= WORK_BYTES) return true;
  return fail(r, at, "the prompt becomes longer than a request may be");
}

/* A text without parts. */
static bool render_flat(const struct reader *whole, struct slice text, struct rendering *g) {
  struct reader r = {text, 0, whole->variables, whole->problem};
  struct piece p;
  g->work += text.len;
  while (next(&r, &p)) {
    if (p.kind == PIECE_TEXT) bytes_append_slice(g->out, p.text);
    if (p.kind == PIECE_VALUE) append_value(g->out, value_of(g, p.text));
    if (p.kind == PIECE_ITEM) append_value(g->out, g->item);
    if (!check_room(whole, g, 0)) return false;
  }
  return true;
}

static bool render_part(struct reader *r, const struct piece *open, struct rendering *g) {
  struct slice part, value = value_of(g, open->text);
  if (!read_part(r, open, &part)) return false;
  if (open->kind == PIECE_UNLESS) return is_given(value) || render_flat(r, part, g);
  if (!is_given(value)) return true;
  if (json_type(value) != JSON_ARRAY) return render_flat(r, part, g);
  for (struct json_walk w = json_walk_of(value); json_walk_next(&w);) {
    g->item = w.value;
    if (!render_flat(r, part, g)) return false;
  }
  g->item = (struct slice){"", 0};
  return true;
}

bool template_render(struct slice text, const struct template_values *values, size_t max_bytes,
                     struct bytes *out, struct template_problem *problem) {
  struct reader r = {text, 0, values->variables, problem};
  struct rendering g = {.values = values, .max_bytes = out->len + max_bytes, .out = out};
  struct piece p;
  problem->line = 0;
  while (next(&r, &p)) {
    if (p.kind == PIECE_TEXT) bytes_append_slice(out, p.text);
    if (p.kind == PIECE_VALUE) append_value(out, value_of(&g, p.text));
    if (p.kind == PIECE_ITEM) return fail(&r, p.at, "{{.}} stands outside of a list's part");
    if (p.kind == PIECE_END)
      return fail(&r, p.at, "{{/%.*s}} ends nothing", (int)p.text.len, p.text.data);
    if ((p.kind == PIECE_IF || p.kind == PIECE_UNLESS) && !render_part(&r, &p, &g)) return false;
    if (!check_room(&r, &g, p.at)) return false;
  }
  return problem->line == 0;
}

static bool check_part(struct reader *r, const struct piece *open) {
  struct slice part;
  if (!read_part(r, open, &part)) return false;
  const struct variable *v = r->variables ? variable_find(r->variables, open->text) : NULL;
  bool is_list = open->kind == PIECE_IF && (!v || v->type == VARIABLE_ARRAY);
  struct reader inner = {part, 0, NULL, r->problem};
  struct piece p;
  while (next(&inner, &p))
    if (p.kind == PIECE_ITEM && !is_list)
      return fail(r, open->at, "{{.}} stands outside of a list's part");
  return true;
}

bool template_check(struct slice text, const struct variables *variables,
                    struct template_problem *problem) {
  struct reader r = {text, 0, variables, problem};
  struct piece p;
  problem->line = 0;
  if (text.len > TEMPLATE_BYTES) return fail(&r, 0, "a template has 65536 bytes at most");
  while (next(&r, &p)) {
    if (p.kind == PIECE_ITEM) return fail(&r, p.at, "{{.}} stands outside of a list's part");
    if (p.kind == PIECE_END)
      return fail(&r, p.at, "{{/%.*s}} ends nothing", (int)p.text.len, p.text.data);
    if ((p.kind == PIECE_IF || p.kind == PIECE_UNLESS) && !check_part(&r, &p)) return false;
  }
  return problem->line == 0;
}
