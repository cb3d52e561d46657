/* Bundles as JSON: how they travel to the gateway and lie in its folder of generations. */
#include "base/json.h"
#include "base/utf8.h"
#include "script/bundle_private.h"

/* What does not decode; NULL when all of it does. */
static const char *odd_byte(struct slice text) {
  const char *end = text.data + text.len;
  uint32_t point;
  for (const char *p = text.data; p < end;) {
    size_t len = utf8_decode(p, end, &point);
    if (len == 0) return p;
    p += len;
  }
  return NULL;
}

static size_t line_of(struct slice text, const char *at) {
  size_t line = 1;
  for (const char *p = text.data; p < at; p++)
    line += *p == '\n';
  return line;
}

bool bundle_check_texts(const struct bundle *b, struct config_problems *problems) {
  size_t before = problems->count;
  for (size_t i = 0; i < b->count && problems->count < before + 20; i++) {
    const struct bundle_file *file = &b->files[i];
    const char *odd = odd_byte(file->text), *name = arena_text(&problems->arena, file->name);
    if (odd_byte(file->path))
      config_problem_at(problems, name, 0, "its name is no UTF-8; rename it");
    else if (odd)
      config_problem_at(problems, name, (int)line_of(file->text, odd),
                        "is no UTF-8 text; save it as UTF-8, or keep it elsewhere");
  }
  return problems->count == before;
}

void bundle_write_json(const struct bundle *b, struct bytes *out) {
  bytes_append_byte(out, '{');
  for (size_t i = 0; i < b->count; i++) {
    if (i) bytes_append_byte(out, ',');
    json_quote(out, b->files[i].path);
    bytes_append_byte(out, ':');
    json_quote(out, b->files[i].text);
  }
  bytes_append_byte(out, '}');
}

static void add_member(struct bundle *b, struct json_walk *w, struct config_problems *problems) {
  struct bytes path, text;
  bytes_init(&path);
  bytes_init(&text);
  json_unescape(w->key, &path);
  const char *why = json_string(w->value, &text)
                        ? bundle_add(b, bytes_slice(&path), bytes_slice(&text))
                        : "its text is no string";
  if (why) config_problem(problems, "%s: cannot be taken: %s", bytes_text(&path), why);
  bytes_fini(&path);
  bytes_fini(&text);
}

bool bundle_add_json(struct bundle *b, struct slice object, struct config_problems *problems) {
  size_t before = problems->count;
  if (json_type(object) != JSON_OBJECT)
    config_problem(problems, "files: expects an object of paths and texts");
  for (struct json_walk w = json_walk_of(object);
       json_walk_next(&w) && problems->count < before + 20;)
    add_member(b, &w, problems);
  return problems->count == before;
}
