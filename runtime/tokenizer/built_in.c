/* The encodings of tiktoken that the build packs, and how their text is cut (tiktoken,
 * tiktoken_ext/openai_public.py). */
#include <stdlib.h>
#include <unistd.h>

#include "tokenizer/tokenizer_private.h"

struct built_in {
  const char *name;
  struct split split;
};

static const struct built_in built_ins[] = {
    {"o200k_base", {SPLIT_O200K, 3, .contractions = true}},
    {"cl100k_base", {SPLIT_CL100K, 3, .end_space = true}},
};

static const struct built_in *find_built_in(struct slice name) {
  for (size_t i = 0; i < sizeof built_ins / sizeof *built_ins; i++)
    if (slice_equal_text(name, built_ins[i].name)) return &built_ins[i];
  return NULL;
}

bool tokenizer_is_built_in(struct slice name) {
  return find_built_in(name) != NULL;
}

char *tokenizer_folder(void) {
  const char *chosen = getenv("GATEYES_TOKENIZERS");
  if (chosen && *chosen) return must_strdup(chosen);
  char program[4096];
  ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
  struct bytes path;
  bytes_init(&path);
  bytes_append(&path, program, len > 0 ? (size_t)len : 0);
  while (path.len && path.data[path.len - 1] != '/')
    path.len--;
  size_t beside = path.len;
  bytes_append_text(&path, "tokenizers");
  if (access(bytes_text(&path), R_OK) != 0) {
    path.len = beside;
    bytes_append_text(&path, "../share/gateyes/tokenizers");
  }
  (void)bytes_text(&path);
  size_t taken;
  return bytes_take(&path, &taken);
}

struct tokenizer *tokenizer_open(struct slice name, const char *folder, struct bytes *error) {
  const struct built_in *found = find_built_in(name);
  if (!found) return tokenizer_read(name, error);
  struct tokenizer *t = tokenizer_new(name);
  char *path = arena_printf(&t->arena, "%s/%s.vocabulary", folder, found->name);
  t->splits[0] = found->split;
  t->split_count = 1;
  if (vocabulary_map(&t->vocabulary, path, error)) return t;
  tokenizer_unref(t);
  return NULL;
}
