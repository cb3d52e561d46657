#include "server/addresses.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/conn.h"
#include "observe/log.h"

static int open_socket(const struct config *config, const struct address *address) {
  char error[256];
  mode_t mode = 0;
  for (size_t i = 0; i < config->unix_mode.len; i++)
    mode = mode * 8 + (mode_t)(config->unix_mode.data[i] - '0');
  int fd = http_socket_new(address, mode, error, sizeof error);
  if (fd < 0) log_process(LOG_ERROR, "%s", error);
  return fd;
}

static void note_file(struct server_addresses *a, const struct address *address) {
  struct stat about;
  if (!address->is_unix || stat(address->host, &about) != 0) return;
  a->files = must_realloc(a->files, (a->count + 1) * sizeof *a->files);
  a->files[a->count++] =
      (struct socket_file){must_strdup(address->host), about.st_dev, about.st_ino};
}

int server_addresses_open(struct server_addresses *a, const struct config *config,
                          const struct address *address) {
  if (http_socket_is_taken(address)) {
    log_process(LOG_ERROR, "%.*s: another process already listens there; stop it first",
                (int)address->text.len, address->text.data);
    return -1;
  }
  int fd = open_socket(config, address);
  if (fd >= 0) note_file(a, address);
  return fd;
}

int server_addresses_again(const struct config *config, const struct address *address, int fd) {
  return address->is_unix ? dup(fd) : open_socket(config, address);
}

void server_addresses_fini(struct server_addresses *a) {
  struct stat about;
  for (size_t i = 0; i < a->count; i++) {
    const struct socket_file *file = &a->files[i];
    bool is_ours = stat(file->path, &about) == 0 && about.st_dev == file->device &&
                   about.st_ino == file->inode;
    if (is_ours) unlink(file->path);
    free(file->path);
  }
  free(a->files);
}
