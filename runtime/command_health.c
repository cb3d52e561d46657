/* `gateyes health`: is the gateway of this configuration alive? For container health checks. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "commands.h"
#include "load.h"

enum { TIMEOUT_S = 3 };

static int connect_unix(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

/* A wildcard listener is asked on loopback. */
static int connect_tcp(const struct address *a) {
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(a->port)};
  bool is_six = inet_pton(AF_INET6, a->host, &six.sin6_addr) == 1;
  if (is_six && IN6_IS_ADDR_UNSPECIFIED(&six.sin6_addr)) six.sin6_addr = in6addr_loopback;
  if (!is_six && inet_pton(AF_INET, a->host, &four.sin_addr) != 1) return -1;
  if (!is_six && four.sin_addr.s_addr == INADDR_ANY) four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
  const void *address = is_six ? (void *)&six : (void *)&four;
  socklen_t len = is_six ? sizeof six : sizeof four;
  struct timeval limit = {.tv_sec = TIMEOUT_S};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (fd >= 0 && connect(fd, address, len) == 0) return fd;
  close(fd);
  return -1;
}

static bool is_alive(const struct address *a) {
  static const char request[] =
      "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  int fd = a->is_unix ? connect_unix(a->host) : connect_tcp(a);
  if (fd < 0) return false;
  char head[16] = "";
  bool fine = send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == sizeof request - 1 &&
              recv(fd, head, sizeof head - 1, MSG_WAITALL) > 12 &&
              strncmp(head, "HTTP/1.1 200", 12) == 0;
  close(fd);
  return fine;
}

int health_main(int argc, char **argv) {
  const char *path = load_path_argument(argc, argv);
  if (!path) return 2;
  struct config_problems problems;
  config_problems_init(&problems);
  struct config *config = load_config(path, &problems);
  load_print_problems(&problems);
  config_problems_fini(&problems);
  if (!config) return 1;
  const struct addresses *admin = &config->admin_listen;
  bool fine = admin->count > 0 && is_alive(&admin->items[0]);
  if (!fine)
    fprintf(stderr, "gateyes health: no answer from %s\n",
            admin->count ? admin->items[0].text.data : "admin.listen, which is not set");
  config_unref(config);
  return fine ? 0 : 1;
}
