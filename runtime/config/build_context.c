#include <stdio.h>
#include <stdlib.h>

#include "config/build.h"

/* Each guess compares with every name; after that many problems nobody reads them. */
enum { MEANT_MAX = 100 };

struct place place_root(const struct build *b) {
  return (struct place){.value = b->root, .line = b->root->line};
}

struct place place_item(const struct place *up, size_t item) {
  const struct value_item *i = &up->value->items[item];
  return (struct place){
      .up = up,
      .key = i->key,
      .index = up->value->type == VALUE_LIST ? item + 1 : 0,
      .line = i->value.line ? i->value.line : up->line,
      .value = &i->value,
  };
}

struct place place_find(const struct place *up, const char *key) {
  const struct value *v = up->value ? value_find(up->value, key) : NULL;
  int line = v && v->line ? v->line : up->line;
  return (struct place){.up = up, .key = slice_of(key), .line = line, .value = v};
}

struct place place_hidden(const struct place *at, struct value *copy) {
  struct place hidden = *at;
  *copy = *at->value;
  copy->secret = true;
  hidden.value = copy;
  return hidden;
}

static void append_path(struct bytes *out, const struct place *at) {
  if (!at->up) return;
  append_path(out, at->up);
  config_path_append(out, at->key, at->index);
}

void problem(struct build *b, const struct place *at, const char *format, ...) {
  if (at->value && at->value->faulty) return;
  struct bytes path;
  bytes_init(&path);
  append_path(&path, at);
  if (path.len == 0) bytes_append_text(&path, "configuration");
  va_list list;
  va_start(list, format);
  char *sentence = NULL;
  must(vasprintf(&sentence, format, list) >= 0);
  va_end(list);
  config_problem_at(b->problems, b->config->file, at->line, "%s: %s", bytes_text(&path), sentence);
  free(sentence);
  bytes_fini(&path);
}

const char *got(struct build *b, const struct value *v) {
  if (v->secret) return "got a secret value";
  switch (v->type) {
  case VALUE_TEXT:
    if (v->text.len > 80) return "got a long text";
    return arena_printf(&b->problems->arena, "got \"%.*s\"", (int)v->text.len, v->text.data);
  case VALUE_NUMBER:
    if (v->number != v->number) return "got nan"; /* printf may write -nan */
    return arena_printf(&b->problems->arena, "got %.15g", v->number);
  case VALUE_BOOL: return v->boolean ? "got true" : "got false";
  default: return arena_printf(&b->problems->arena, "got %s", value_type_name(v->type));
  }
}

const char *meant(struct build *b, const struct names *names, struct slice wanted) {
  if (b->problems->count > MEANT_MAX) return "";
  struct slice name = names_nearest(names, wanted);
  if (name.len == 0) return "";
  return arena_printf(&b->problems->arena, " (did you mean \"%.*s\"?)", (int)name.len, name.data);
}

const char *shown(struct build *b, const struct value *v, struct slice text) {
  bool is_secret = v && v->secret;
  for (size_t i = 0; i < item_count(v); i++)
    if (v->items[i].value.secret && slice_equal(v->items[i].value.text, text)) is_secret = true;
  if (is_secret) return "a secret value";
  return arena_printf(&b->problems->arena, "\"%.*s\"", (int)text.len, text.data);
}

size_t item_count(const struct value *v) {
  return v && (v->type == VALUE_LIST || v->type == VALUE_MAP) ? v->count : 0;
}
