#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/conn.h"

/* Bytes the kernel may hold that were not sent yet: beyond them a slow client is felt here, where
 * its upstream can be paused, whatever the size of the send buffer. */
enum { LISTEN_BACKLOG = 1024, UNSENT_BYTES = 64 * 1024, PROBE_MS = 200 };

static int fail(int fd, const struct address *a, char *error, size_t error_bytes) {
  int code = errno;
  if (fd >= 0) close(fd);
  snprintf(error, error_bytes, "cannot listen on %.*s: %s", (int)a->text.len, a->text.data,
           strerror(code));
  return -1;
}

/* Accepted connections inherit these. */
static void set_options(int fd, int family) {
  int on = 1, unsent = UNSENT_BYTES;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
  if (family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
}

static socklen_t tcp_name(const struct address *a, struct sockaddr_storage *name) {
  struct sockaddr_in *four = (struct sockaddr_in *)name;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)name;
  memset(name, 0, sizeof *name);
  if (inet_pton(AF_INET, a->host, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(a->port);
    return sizeof *four;
  }
  if (inet_pton(AF_INET6, a->host, &six->sin6_addr) != 1) return 0;
  six->sin6_family = AF_INET6;
  six->sin6_port = htons(a->port);
  return sizeof *six;
}

static int tcp_socket(const struct address *a, char *error, size_t error_bytes) {
  struct sockaddr_storage name;
  socklen_t len = tcp_name(a, &name);
  errno = EADDRNOTAVAIL;
  if (!len) return fail(-1, a, error, error_bytes);
  int fd = socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return fail(fd, a, error, error_bytes);
  set_options(fd, name.ss_family);
  if (bind(fd, (struct sockaddr *)&name, len) != 0 || listen(fd, LISTEN_BACKLOG) != 0)
    return fail(fd, a, error, error_bytes);
  return fd;
}

/* A socket file that nobody answers was left by a process that died. False: it is something else,
 * which is not ours to remove. */
static bool remove_stale(const struct sockaddr_un *name) {
  struct stat info;
  if (stat(name->sun_path, &info) != 0) return true;
  if (!S_ISSOCK(info.st_mode)) return false;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return true;
  bool is_stale =
      connect(fd, (const struct sockaddr *)name, sizeof *name) != 0 && errno == ECONNREFUSED;
  close(fd);
  if (is_stale) unlink(name->sun_path);
  return true;
}

static int unix_socket(const struct address *a, mode_t mode, char *error, size_t error_bytes) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  errno = ENAMETOOLONG;
  if (strlen(a->host) >= sizeof name.sun_path) return fail(-1, a, error, error_bytes);
  strcpy(name.sun_path, a->host);
  if (!remove_stale(&name)) {
    snprintf(error, error_bytes,
             "cannot listen on %.*s: there is a file of that name that is no socket; remove it or "
             "choose another path",
             (int)a->text.len, a->text.data);
    return -1;
  }
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return fail(fd, a, error, error_bytes);
  if (bind(fd, (struct sockaddr *)&name, sizeof name) != 0 || chmod(name.sun_path, mode) != 0 ||
      listen(fd, LISTEN_BACKLOG) != 0)
    return fail(fd, a, error, error_bytes);
  return fd;
}

/* Connecting to a port nobody listens on can pick that very port and reach itself. */
static bool is_own(int fd, const struct sockaddr_storage *name, socklen_t len) {
  struct sockaddr_storage own;
  socklen_t own_len = sizeof own;
  memset(&own, 0, sizeof own);
  return getsockname(fd, (struct sockaddr *)&own, &own_len) == 0 && memcmp(&own, name, len) == 0;
}

bool http_socket_is_taken(const struct address *a) {
  struct sockaddr_storage name;
  socklen_t len = a->is_unix ? 0 : tcp_name(a, &name);
  if (!len) return false; /* a unix socket that is answered cannot be bound anyway */
  int fd = socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  bool answered = connect(fd, (struct sockaddr *)&name, len) == 0;
  struct pollfd ready = {.fd = fd, .events = POLLOUT};
  if (!answered && errno == EINPROGRESS && poll(&ready, 1, PROBE_MS) == 1)
    answered = !(ready.revents & POLLERR);
  answered = answered && !is_own(fd, &name, len);
  close(fd);
  return answered;
}

int http_socket_new(const struct address *address, mode_t unix_mode, char *error,
                    size_t error_bytes) {
  return address->is_unix ? unix_socket(address, unix_mode, error, error_bytes)
                          : tcp_socket(address, error, error_bytes);
}
