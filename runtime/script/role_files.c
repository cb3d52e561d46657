#include "script/role_files.h"

#include "script/config_file.h"
#include "script/config_sandbox.h"

static void read_file(const struct bundle_file *file, struct slice name,
                      const struct role_sink *sink, struct config_problems *problems) {
  static const struct config_scope nobody; /* env and secret_file refuse */
  struct arena arena;
  struct value root;
  arena_init(&arena);
  const char *shown = arena_text(&arena, file->name);
  struct config_text text = {shown, file->text, &nobody, true};
  if (config_text_tree(&text, &arena, &root, problems)) {
    struct role_found role = {name, shown, file->text, &root};
    sink->on_role(sink->context, &role);
  }
  arena_fini(&arena);
}

void role_files_read(const struct bundle *b, struct slice folder, const struct role_sink *sink,
                     struct config_problems *problems) {
  struct slice end = SLICE(".lua");
  size_t count;
  const struct bundle_file *files = bundle_files(b, &count);
  for (size_t i = 0; i < count; i++) {
    struct slice name = files[i].path;
    if (!slice_starts(name, folder) || bundle_is_spec(name)) continue;
    name = slice_skip(name, folder.len);
    if (name.len <= end.len || memchr(name.data, '/', name.len)) continue;
    if (!slice_equal(slice_skip(name, name.len - end.len), end)) continue;
    name.len -= end.len;
    read_file(&files[i], name, sink, problems);
  }
}
