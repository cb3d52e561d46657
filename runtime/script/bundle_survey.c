/* Whether a folder has changed, without reading its files. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "script/bundle.h"

enum { DEPTH_MAX = 8 };

struct surveying {
  struct bundle_survey *survey;
  struct bytes sums; /* of each entry, in any order: they are sorted in the end */
  size_t entries, folders;
};

static void note(struct surveying *s, const char *path, const struct stat *info) {
  struct bytes text;
  uint8_t digest[SHA256_BYTES];
  bytes_init(&text);
  bytes_printf(&text, "%s %u %llu %lld.%09ld %lld.%09ld %llu", path, info->st_mode,
               (unsigned long long)info->st_size, (long long)info->st_mtim.tv_sec,
               info->st_mtim.tv_nsec, (long long)info->st_ctim.tv_sec, info->st_ctim.tv_nsec,
               (unsigned long long)info->st_ino);
  digest_sha256(bytes_slice(&text), digest);
  bytes_append(&s->sums, digest, sizeof digest);
  bytes_fini(&text);
  s->entries++;
}

static bool survey_folder(struct surveying *s, const char *folder, int depth) {
  struct bytes path;
  struct stat info;
  bool may_open = depth <= DEPTH_MAX && s->folders <= BUNDLE_FOLDERS_MAX;
  DIR *dir = may_open ? opendir(folder) : NULL;
  if (!dir) return false;
  s->folders++;
  if (s->survey->on_folder) s->survey->on_folder(s->survey->context, folder);
  bytes_init(&path);
  for (const struct dirent *e; (e = readdir(dir)) && s->entries <= BUNDLE_FILES_MAX;) {
    if (e->d_name[0] == '.') continue;
    bytes_clear(&path);
    bytes_printf(&path, "%s/%s", folder, e->d_name);
    if (stat(bytes_text(&path), &info) != 0) memset(&info, 0, sizeof info);
    if (S_ISDIR(info.st_mode))
      survey_folder(s, bytes_text(&path), depth + 1);
    else
      note(s, bytes_text(&path), &info);
  }
  closedir(dir);
  bytes_fini(&path);
  return true;
}

static int by_bytes(const void *a, const void *b) {
  return memcmp(a, b, SHA256_BYTES);
}

bool bundle_survey(struct slice folder, struct bundle_survey *survey) {
  struct surveying s = {.survey = survey};
  struct bytes path;
  bytes_init(&s.sums);
  bytes_init(&path);
  bytes_append_slice(&path, folder);
  while (path.len > 1 && path.data[path.len - 1] == '/')
    path.len--;
  bool fine = survey_folder(&s, bytes_text(&path), 0);
  if (s.entries) qsort(s.sums.data, s.entries, SHA256_BYTES, by_bytes);
  digest_sha256(bytes_slice(&s.sums), survey->digest);
  bytes_fini(&s.sums);
  bytes_fini(&path);
  return fine;
}
