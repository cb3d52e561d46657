/* The sockets the server listens on, and the files of those that have one. */
#pragma once
#include <sys/types.h>

#include "config/config.h"

struct server_addresses {
  struct socket_file {
    char *path;
    dev_t device;
    ino_t inode;
  } * files;
  size_t count;
};

/* A socket that listens, the caller's; -1, and said why. Others that listen at a TCP address are
 * found out, as with SO_REUSEPORT a second gateway would take half of the first one's clients. */
int server_addresses_open(struct server_addresses *a, const struct config *config,
                          const struct address *address);
/* One more of the same, for another worker: by SO_REUSEPORT for TCP, else of that socket. */
int server_addresses_again(const struct config *config, const struct address *address, int fd);
/* Removes the files, unless another process has put its own in their places. */
void server_addresses_fini(struct server_addresses *a);
