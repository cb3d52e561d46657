#include "script/bundle.h"

#include <stdlib.h>
#include <string.h>

#include "base/ref.h"
#include "script/bundle_private.h"
#include "script/embedded.h"

struct bundle *bundle_new(struct slice folder, struct bundle *below) {
  struct bundle *b = must_calloc(1, sizeof *b);
  ref_init(&b->refs);
  arena_init_small(&b->arena);
  while (folder.len > 1 && folder.data[folder.len - 1] == '/')
    folder.len--;
  b->folder = arena_slice(&b->arena, folder);
  if (below) b->below = bundle_ref(below);
  return b;
}

struct bundle *bundle_ref(struct bundle *b) {
  ref_take(&b->refs);
  return b;
}

void bundle_unref(struct bundle *b) {
  while (b && ref_drop(&b->refs)) {
    struct bundle *below = b->below;
    arena_fini(&b->arena);
    free(b->files);
    free(b);
    b = below;
  }
}

static bool is_plain_part(struct slice part) {
  if (part.len == 0 || part.data[0] == '.') return false;
  for (size_t i = 0; i < part.len; i++)
    if ((unsigned char)part.data[i] < 0x20 || part.data[i] == 0x7f || part.data[i] == '\\')
      return false;
  return true;
}

static const char *judge_path(struct slice path) {
  if (path.len == 0 || path.len > BUNDLE_PATH_BYTES) return "its path is empty or too long";
  if (path.data[path.len - 1] == '/') return "its path names a folder";
  for (struct slice rest = path; rest.len;)
    if (!is_plain_part(slice_cut(rest, '/', &rest)))
      return "its path is not plain; use names without a leading dot, with / between them";
  return NULL;
}

static int by_path(const void *a, const void *b) {
  const struct bundle_file *x = a, *y = b;
  size_t shorter = x->path.len < y->path.len ? x->path.len : y->path.len;
  int order = memcmp(x->path.data, y->path.data, shorter);
  return order ? order : (x->path.len > y->path.len) - (x->path.len < y->path.len);
}

static void append(struct bundle *b, struct bundle_file file) {
  if ((b->count & (b->count - 1)) == 0)
    b->files = must_realloc(b->files, (b->count ? b->count * 2 : 1) * sizeof *b->files);
  b->files[b->count++] = file;
  b->is_sealed = false;
}

const char *bundle_add(struct bundle *b, struct slice path, struct slice text) {
  const char *why = judge_path(path);
  if (why) return why;
  if (text.len > BUNDLE_FILE_BYTES) return "it has more than 1 MiB";
  if (b->count >= BUNDLE_FILES_MAX) return "there are more than 2000 files";
  if (b->text_bytes + text.len > BUNDLE_BYTES) return "all files together have more than 16 MiB";
  for (size_t i = 0; i < b->count; i++)
    if (slice_equal(b->files[i].path, path)) return "two files have this path";
  b->text_bytes += text.len;
  struct slice own = arena_slice(&b->arena, path);
  struct slice parts[] = {b->folder, SLICE("/"), own};
  append(b,
         (struct bundle_file){own, arena_join(&b->arena, parts, 3), arena_slice(&b->arena, text)});
  return NULL;
}

static void digest_append(struct bytes *out, struct slice part) {
  uint8_t digest[SHA256_BYTES];
  digest_sha256(part, digest);
  bytes_append(out, digest, sizeof digest);
}

void bundle_seal(struct bundle *b) {
  struct bytes sums;
  bytes_init(&sums);
  if (b->count) qsort(b->files, b->count, sizeof *b->files, by_path);
  for (size_t i = 0; i < b->count; i++) {
    digest_append(&sums, b->files[i].path);
    digest_append(&sums, b->files[i].text);
  }
  digest_sha256(bytes_slice(&sums), b->digest);
  bytes_fini(&sums);
  b->is_sealed = true;
}

static struct bundle *embedded_bundle(void) {
  struct bundle *b = bundle_new(SLICE("lua"), NULL);
  for (const struct embedded_file *f = embedded_files(); f->name; f++) {
    struct slice path = slice_of(f->name), text = {f->start, (size_t)(f->end - f->start)};
    struct slice parts[] = {SLICE("lua/"), path};
    append(b, (struct bundle_file){path, arena_join(&b->arena, parts, 2), text});
  }
  bundle_seal(b);
  return b;
}

struct bundle *bundle_new_base(struct slice lua_path, struct config_problems *problems) {
  return lua_path.len ? bundle_read(lua_path, NULL, problems) : embedded_bundle();
}

const struct bundle_file *bundle_own_find(const struct bundle *b, struct slice path) {
  must(b->is_sealed);
  struct bundle_file wanted = {.path = path};
  return b->count ? bsearch(&wanted, b->files, b->count, sizeof *b->files, by_path) : NULL;
}

const struct bundle_file *bundle_find(const struct bundle *b, struct slice path) {
  const struct bundle_file *found = NULL;
  for (; b && !found; b = b->below)
    found = bundle_own_find(b, path);
  return found;
}

const struct bundle_file *bundle_module_find(const struct bundle *b, struct slice module) {
  char path[BUNDLE_PATH_BYTES + 4];
  if (module.len == 0 || module.len > BUNDLE_PATH_BYTES) return NULL;
  for (size_t i = 0; i < module.len; i++) {
    if (module.data[i] == '/') return NULL; /* one spelling, so that no module loads twice */
    path[i] = module.data[i] == '.' ? '/' : module.data[i];
  }
  memcpy(path + module.len, ".lua", 4);
  return bundle_find(b, (struct slice){path, module.len + 4});
}

const struct bundle_file *bundle_files(const struct bundle *b, size_t *count) {
  *count = b->count;
  return b->files;
}

struct bundle *bundle_below(const struct bundle *b) {
  return b->below;
}

const uint8_t *bundle_digest(const struct bundle *b) {
  must(b->is_sealed);
  return b->digest;
}

bool bundle_is_spec(struct slice path) {
  struct slice end = SLICE("_spec.lua");
  return path.len > end.len &&
         slice_equal((struct slice){path.data + path.len - end.len, end.len}, end);
}

struct bundle *bundle_over(const struct bundle *b, struct bundle *below) {
  struct bundle *copy = bundle_new(b->folder, below);
  for (size_t i = 0; i < b->count; i++)
    append(copy, (struct bundle_file){arena_slice(&copy->arena, b->files[i].path),
                                      arena_slice(&copy->arena, b->files[i].name),
                                      arena_slice(&copy->arena, b->files[i].text)});
  copy->text_bytes = b->text_bytes;
  bundle_seal(copy);
  return copy;
}
