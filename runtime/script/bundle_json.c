/* Bundles as JSON: how they travel to the gateway and lie in its folder of generations. */
#include "base/json.h"
#include "script/bundle_private.h"

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
