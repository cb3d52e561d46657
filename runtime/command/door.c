#include "command/door.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "model/url.h"

static bool complain(const char *command, const char *url, const char *why) {
  fprintf(stderr, "gateyes %s: GATEYES_ADMIN_URL: %s %s\n", command, url, why);
  return false;
}

static void host_text(const struct addrinfo *found, char host[64]) {
  const void *address = found->ai_family == AF_INET6
                            ? (const void *)&((struct sockaddr_in6 *)found->ai_addr)->sin6_addr
                            : (const void *)&((struct sockaddr_in *)found->ai_addr)->sin_addr;
  inet_ntop(found->ai_family, address, host, 64);
}

static bool resolve(struct slice host, char out[64]) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
  char name[256];
  struct slice bare = url_bare_host(host);
  snprintf(name, sizeof name, "%.*s", (int)bare.len, bare.data);
  if (bare.len >= sizeof name || getaddrinfo(name, NULL, &hints, &found) != 0) return false;
  host_text(found, out);
  freeaddrinfo(found);
  return true;
}

static bool read_url(const char *command, const char *text, struct admin_door *door) {
  struct url url;
  door->address = (struct address){.text = slice_of(text)};
  if (strncmp(text, "unix:/", 6) == 0) {
    door->address.is_unix = true;
    door->address.host = text + 5;
    return true;
  }
  const char *why = url_parse(slice_of(text), &url);
  if (why) return complain(command, text, why);
  if (url.is_tls)
    return complain(command, text,
                    "is https; the admin listener speaks plain HTTP: use a tunnel, such as "
                    "ssh -L 8081:127.0.0.1:8081 HOST, and http://127.0.0.1:8081");
  if (url.path.len && !slice_equal_text(url.path, "/"))
    return complain(command, text, "has a path; write http://HOST:PORT");
  if (!resolve(url.host, door->host))
    return complain(command, text, "has a host that is not found");
  door->address.host = door->host;
  door->address.port = url.port;
  return true;
}

static bool read_config(const char *command, const char *given, struct admin_door *door) {
  struct config_problems problems;
  config_problems_init(&problems);
  door->config = load_config_or_none(load_path(given), load_path_is_asked(given), &problems);
  load_print_problems(&problems);
  config_problems_fini(&problems);
  if (!door->config) {
    fprintf(stderr,
            "gateyes %s: so it is not known where the gateway listens; mend that, or set "
            "GATEYES_ADMIN_URL=http://127.0.0.1:8081\n",
            command);
    return false;
  }
  if (door->config->admin_listen.count) {
    door->address = door->config->admin_listen.items[0];
    door->key = door->config->admin_key;
    return true;
  }
  fprintf(stderr, "gateyes %s: admin.listen is not set\n", command);
  admin_door_close(door);
  return false;
}

bool admin_door_open(const char *command, const char *config_path, struct admin_door *door) {
  const char *url = getenv("GATEYES_ADMIN_URL"), *key = getenv("GATEYES_ADMIN_KEY");
  *door = (struct admin_door){.config = NULL};
  bool from_url = !config_path && url && *url;
  if (!(from_url ? read_url(command, url, door) : read_config(command, config_path, door)))
    return false;
  if (key && *key) door->key = slice_of(key);
  return true;
}

void admin_door_close(struct admin_door *door) {
  config_unref(door->config);
  door->config = NULL;
}
