/* `gateyes health`: is the gateway of this configuration alive? For container health checks. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "command/commands.h"
#include "command/http.h"
#include "load.h"

enum { TIMEOUT_S = 3 };

static bool is_alive(const struct address *a) {
  static const char request[] =
      "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  int fd = admin_connect(a, TIMEOUT_S);
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
