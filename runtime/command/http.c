#include "command/http.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { TIMEOUT_S = 300 }; /* a push answers when the specs have run */

static int connect_unix(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

static int connect_tcp(const struct address *a, int timeout_s) {
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(a->port)};
  bool is_six = inet_pton(AF_INET6, a->host, &six.sin6_addr) == 1;
  if (is_six && IN6_IS_ADDR_UNSPECIFIED(&six.sin6_addr)) six.sin6_addr = in6addr_loopback;
  if (!is_six && inet_pton(AF_INET, a->host, &four.sin_addr) != 1) return -1;
  if (!is_six && four.sin_addr.s_addr == INADDR_ANY) four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
  const void *address = is_six ? (void *)&six : (void *)&four;
  socklen_t len = is_six ? sizeof six : sizeof four;
  struct timeval limit = {.tv_sec = timeout_s};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (fd >= 0 && connect(fd, address, len) == 0) return fd;
  close(fd);
  return -1;
}

int admin_connect(const struct address *a, int timeout_s) {
  return a->is_unix ? connect_unix(a->host) : connect_tcp(a, timeout_s);
}

static bool send_all(int fd, struct slice data) {
  while (data.len) {
    ssize_t sent = send(fd, data.data, data.len, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data = slice_skip(data, (size_t)sent);
  }
  return true;
}

static void receive_all(int fd, struct bytes *out) {
  ssize_t got;
  while ((got = recv(fd, bytes_reserve(out, 65536), 65536, 0)) > 0)
    out->len += (size_t)got;
}

/* The answers of this listener have a Content-Length, and the connection closes behind them. */
static bool split(struct bytes *whole, struct admin_reply *reply) {
  static const char blank[] = "\r\n\r\n";
  const char *text = bytes_text(whole), *end = strstr(text, blank);
  int status = 0;
  if (!end || sscanf(text, "HTTP/1.1 %d", &status) != 1) return false;
  reply->status = status;
  bytes_append_slice(&reply->body, slice_skip(bytes_slice(whole), (size_t)(end - text) + 4));
  return true;
}

bool admin_ask(const struct admin_door *door, const struct admin_call *call,
               struct admin_reply *reply) {
  struct bytes request, whole;
  bytes_init(&request);
  bytes_init(&whole);
  bytes_init(&reply->body);
  reply->status = 0;
  bytes_printf(&request,
               "%s %s HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
               "content-type: application/json\r\ncontent-length: %zu\r\n",
               call->method, call->path, call->body.len);
  if (door->key.len)
    bytes_printf(&request, "authorization: Bearer %.*s\r\n", (int)door->key.len, door->key.data);
  bytes_append_text(&request, "\r\n");
  bytes_append_slice(&request, call->body);
  int fd = admin_connect(&door->address, TIMEOUT_S);
  bool fine = fd >= 0 && send_all(fd, bytes_slice(&request));
  if (fine) receive_all(fd, &whole);
  fine = fine && split(&whole, reply);
  if (fd >= 0) close(fd);
  if (!fine)
    fprintf(stderr, "gateyes: no answer from the gateway at %.*s; is it running?\n",
            (int)door->address.text.len, door->address.text.data);
  if (fine && reply->status == 401)
    fprintf(stderr, "gateyes: %s\n",
            door->key.len ? "the gateway does not know that key; it is GATEYES_ADMIN_KEY, else "
                            "admin.key of the configuration"
                          : "set GATEYES_ADMIN_KEY to the key that the first start has shown");
  bytes_fini(&request);
  bytes_fini(&whole);
  return fine;
}
