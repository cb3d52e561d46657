#include "base/json_edit.h"

void json_edits_init(struct json_edits *e, struct slice text) {
  e->text = text;
  e->insert = (struct slice){"", 0};
  e->count = 0;
}

/* Keeps the list in the order of the text. */
static void add(struct json_edits *e, struct slice old, struct slice text, bool is_removal) {
  must(e->count < JSON_EDITS_MAX);
  must(old.data >= e->text.data && old.data + old.len <= e->text.data + e->text.len);
  size_t offset = (size_t)(old.data - e->text.data), at = e->count++;
  for (; at > 0 && e->items[at - 1].offset > offset; at--)
    e->items[at] = e->items[at - 1];
  e->items[at] = (struct json_edit){offset, old.len, text, is_removal};
}

void json_edit_replace(struct json_edits *e, struct slice value, struct slice replacement) {
  add(e, value, replacement, false);
}

void json_edit_remove(struct json_edits *e, struct slice member) {
  add(e, member, (struct slice){"", 0}, true);
}

void json_edit_insert(struct json_edits *e, struct slice member) {
  must(e->insert.len == 0);
  e->insert = member;
}

static bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static size_t space_end(struct slice text, size_t at) {
  while (at < text.len && is_space(text.data[at]))
    at++;
  return at;
}

static size_t space_start(struct slice text, size_t at) {
  while (at > 0 && is_space(text.data[at - 1]))
    at--;
  return at;
}

/* The last member has no comma behind it, so the one before it goes; where that one went with the
 * members before, their removals are part of this one. */
static void remove_last(struct json_edits *e, size_t index) {
  struct json_edit *edit = &e->items[index];
  size_t start = edit->offset, end = edit->offset + edit->len;
  while (index > 0 && e->items[index - 1].is_removal &&
         e->items[index - 1].offset + e->items[index - 1].len == start) {
    start = e->items[--index].offset;
    e->items[index].len = 0;
  }
  size_t before = space_start(e->text, start);
  if (before > 0 && e->text.data[before - 1] == ',') start = before - 1;
  edit->offset = start;
  edit->len = end - start;
}

static void take_commas(struct json_edits *e) {
  for (size_t i = 0; i < e->count; i++) {
    struct json_edit *edit = &e->items[i];
    if (!edit->is_removal) continue;
    size_t end = space_end(e->text, edit->offset + edit->len);
    if (end < e->text.len && e->text.data[end] == ',')
      edit->len = space_end(e->text, end + 1) - edit->offset;
    else
      remove_last(e, i);
  }
}

/* True when the object, whose brace stands before body, keeps a member of its own. */
static bool keeps_member(const struct json_edits *e, size_t body) {
  size_t first = space_end(e->text, body);
  if (first == e->text.len || e->text.data[first] == '}') return false;
  const struct json_edit *last = e->count ? &e->items[e->count - 1] : NULL;
  if (!last || !last->is_removal || last->offset > first) return true;
  size_t after = space_end(e->text, last->offset + last->len);
  return e->text.data[after] != '}';
}

static size_t add_piece(struct slice *pieces, size_t count, const char *data, size_t len) {
  if (len == 0) return count;
  pieces[count] = (struct slice){data, len};
  return count + 1;
}

size_t json_edit_pieces(struct json_edits *e, struct slice *pieces, size_t *total_bytes) {
  size_t brace = space_end(e->text, 0), at = 0, count = 0;
  must(brace < e->text.len && e->text.data[brace] == '{');
  take_commas(e);
  if (e->insert.len) {
    at = brace + 1;
    count = add_piece(pieces, count, e->text.data, at);
    count = add_piece(pieces, count, e->insert.data, e->insert.len);
    count = add_piece(pieces, count, ",", keeps_member(e, at));
  }
  for (size_t i = 0; i < e->count; i++) {
    const struct json_edit *edit = &e->items[i];
    if (edit->is_removal && edit->len == 0) continue;
    must(edit->offset >= at);
    count = add_piece(pieces, count, e->text.data + at, edit->offset - at);
    count = add_piece(pieces, count, edit->text.data, edit->text.len);
    at = edit->offset + edit->len;
  }
  count = add_piece(pieces, count, e->text.data + at, e->text.len - at);
  if (total_bytes)
    for (size_t i = *total_bytes = 0; i < count; i++)
      *total_bytes += pieces[i].len;
  return count;
}
