#include "server/file.h"

void server_file_note(const char *path, uv_stat_t *out) {
  uv_fs_t request;
  *out = (uv_stat_t){0};
  if (uv_fs_stat(NULL, &request, path, NULL) == 0) *out = request.statbuf;
  uv_fs_req_cleanup(&request);
}

bool server_file_is(const uv_stat_t *noted, const uv_stat_t *now) {
  return noted->st_ino == now->st_ino && noted->st_size == now->st_size &&
         noted->st_mtim.tv_sec == now->st_mtim.tv_sec &&
         noted->st_mtim.tv_nsec == now->st_mtim.tv_nsec;
}
