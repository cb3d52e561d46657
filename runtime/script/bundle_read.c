/* From a folder on disk to a bundle. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "script/bundle_private.h"

enum { DEPTH_MAX = 8 };

struct reading {
  struct bundle *bundle;
  struct config_problems *problems;
  const char *root; /* resolved: nothing outside of it is read */
  struct bytes text;
  size_t problem_count; /* before the reading began */
  size_t folders;
  bool is_full; /* more files or folders than are read */
};

static const char left_folder[] = "it is a link that leaves the folder";

static void complain(struct reading *r, const char *path, const char *why) {
  config_problem_at(r->problems, path, 0, "cannot be read: %s", why);
}

static bool is_inside(const struct reading *r, const char *path) {
  char *resolved = realpath(path, NULL);
  size_t len = strlen(r->root);
  bool inside = resolved && strncmp(resolved, r->root, len) == 0 &&
                (resolved[len] == '/' || resolved[len] == 0 || len == 1);
  free(resolved);
  return inside;
}

static const char *read_text(int fd, struct bytes *out) {
  ssize_t got;
  bytes_clear(out);
  while ((got = read(fd, bytes_reserve(out, 16384), 16384)) > 0) {
    out->len += (size_t)got;
    if (out->len > BUNDLE_FILE_BYTES) break; /* bundle_add says so */
  }
  return got < 0 ? strerror(errno) : NULL;
}

/* What was opened, not what the path led to before: a link may have been changed in between. */
static const char *judge_opened(const struct reading *r, int fd) {
  char path[32];
  struct stat info;
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  if (fstat(fd, &info) != 0) return strerror(errno);
  if (!S_ISREG(info.st_mode)) return "it is no file any more";
  return is_inside(r, path) ? NULL : left_folder;
}

static void read_file(struct reading *r, const char *path, struct slice inner) {
  if (r->bundle->count == BUNDLE_FILES_MAX) {
    complain(r, r->root, "it holds more than 2000 files");
    r->is_full = true;
    return;
  }
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  const char *why = fd < 0 ? strerror(errno) : judge_opened(r, fd);
  if (!why) why = read_text(fd, &r->text);
  if (fd >= 0) close(fd);
  if (!why) why = bundle_add(r->bundle, inner, bytes_slice(&r->text));
  if (why) complain(r, path, why);
}

static void read_folder(struct reading *r, const char *folder, struct slice inner, int depth);

static void read_entry(struct reading *r, const char *folder, struct slice inner,
                       const struct dirent *entry, int depth) {
  struct arena *a = &r->problems->arena;
  const char *path = arena_printf(a, "%s/%s", folder, entry->d_name);
  const char *own = inner.len
                        ? arena_printf(a, "%.*s/%s", (int)inner.len, inner.data, entry->d_name)
                        : entry->d_name;
  struct stat info;
  if (stat(path, &info) != 0)
    complain(r, path, strerror(errno));
  else if (!is_inside(r, path))
    complain(r, path, left_folder);
  else if (!S_ISREG(info.st_mode) && strcmp(own, "tenant.lua") == 0)
    complain(r, path,
             "it is no file"); /* without it the tenant would be served without its rules */
  else if (S_ISDIR(info.st_mode))
    read_folder(r, path, slice_of(own), depth + 1);
  else if (S_ISREG(info.st_mode))
    read_file(r, path, slice_of(own));
}

static bool has_enough(const struct reading *r) {
  return r->is_full || r->problems->count > r->problem_count + 20;
}

static void read_folder(struct reading *r, const char *folder, struct slice inner, int depth) {
  if (r->folders++ == BUNDLE_FOLDERS_MAX) {
    complain(r, r->root, "it holds more than 2000 folders");
    r->is_full = true;
    return;
  }
  DIR *dir = depth <= DEPTH_MAX ? opendir(folder) : NULL;
  if (!dir) {
    complain(r, folder, depth > DEPTH_MAX ? "folders lie too deep" : strerror(errno));
    return;
  }
  for (const struct dirent *e; (e = readdir(dir)) && !has_enough(r);) {
    size_t len = strlen(e->d_name);
    bool is_saved = e->d_name[0] == '#' && e->d_name[len - 1] == '#';  /* by editors, unfinished */
    bool is_hidden = e->d_name[0] == '.' || e->d_name[len - 1] == '~'; /* editors' copies */
    if (!is_hidden && !is_saved) read_entry(r, folder, inner, e, depth);
  }
  closedir(dir);
}

struct bundle *bundle_read(struct slice folder, struct bundle *below,
                           struct config_problems *problems) {
  struct reading r = {
      .bundle = bundle_new(folder, below), .problems = problems, .problem_count = problems->count};
  bytes_init(&r.text);
  char *root = realpath(arena_text(&problems->arena, folder), NULL);
  r.root = root;
  if (root)
    read_folder(&r, arena_text(&problems->arena, r.bundle->folder), (struct slice){"", 0}, 0);
  else
    complain(&r, arena_text(&problems->arena, folder), strerror(errno));
  free(root);
  bytes_fini(&r.text);
  bundle_seal(r.bundle);
  if (problems->count == r.problem_count) return r.bundle;
  bundle_unref(r.bundle);
  return NULL;
}
