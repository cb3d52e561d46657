#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server.h"

enum { ACCEPTS_PER_TURN = 64 };

uint32_t connections_open(int change) {
  static atomic_uint open;
  if (change == 0) return atomic_load_explicit(&open, memory_order_relaxed);
  unsigned before = atomic_fetch_add_explicit(&open, (unsigned)change, memory_order_relaxed);
  return before + (unsigned)change;
}

static void on_soon(uv_idle_t *idle) {
  struct http_server *server = idle->data;
  uv_idle_stop(idle);
  http_server_flush(server);
  while (!list_empty(&server->soon)) {
    struct conn *c = list_entry(server->soon.next, struct conn, soon);
    list_remove(&c->soon);
    conn_run(c);
  }
}

void server_run_soon(struct http_server *server) {
  if (!server->is_closing) uv_idle_start(&server->idle, on_soon);
}

void http_server_gather(struct http_server *server, struct gather *gather) {
  server->gather = gather;
}

struct http_server *http_server_new(uv_loop_t *loop, struct config *config,
                                    const struct http_handler *handler, void *context) {
  struct http_server *server = must_calloc(1, sizeof *server);
  char error[256];
  server->loop = loop;
  server->config = config_ref(config);
  server->handler = *handler;
  server->context = context;
  list_init(&server->listeners);
  list_init(&server->conns);
  list_init(&server->soon);
  list_init(&server->holding);
  list_init(&server->spare);
  server->input = must_alloc(READ_BYTES);
  wheel_init(&server->wheel, loop, conn_on_due);
  server->wheel.timer.data = server;
  uv_idle_init(loop, &server->idle);
  server->idle.data = server;
  server->handle_count = 2;
  server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (config->tls.certificate) server->tls = tls_context_new(config, error, sizeof error);
  return server;
}

/* The process has no file left: whoever waits to be accepted is turned away with the spare one,
 * as it would wait for ever, and the loop would find it waiting again and again. */
static bool turn_away(struct listener *l) {
  struct http_server *server = l->server;
  if (server->spare_fd < 0) return false;
  close(server->spare_fd);
  int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
  if (fd >= 0) close(fd);
  server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  return fd >= 0;
}

static void on_connection(uv_poll_t *poll, int status, int events) {
  struct listener *l = poll->data;
  (void)status, (void)events;
  for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
    int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
      conn_accept(l, fd);
    else if ((errno == EMFILE || errno == ENFILE) && !turn_away(l))
      return;
    else if (errno == EAGAIN)
      return;
  }
}

void http_server_listen(struct http_server *server, int fd, bool is_tls) {
  struct sockaddr_storage name;
  socklen_t len = sizeof name;
  struct listener *l = must_calloc(1, sizeof *l);
  must(getsockname(fd, (struct sockaddr *)&name, &len) == 0);
  l->server = server;
  l->is_tls = is_tls;
  l->is_unix = name.ss_family == AF_UNIX;
  l->fd = fd;
  must(uv_poll_init(server->loop, &l->poll, fd) == 0);
  l->poll.data = l;
  server->handle_count++;
  list_append(&server->listeners, &l->link);
  must(uv_poll_start(&l->poll, UV_READABLE, on_connection) == 0);
}

void http_server_reload(struct http_server *server, struct config *config) {
  char error[256];
  struct config *old = server->config;
  server->config = config_ref(config);
  config_unref(old);
  SSL_CTX *fresh = config->tls.certificate ? tls_context_new(config, error, sizeof error) : NULL;
  /* Files that changed since http_tls_check passed: the certificate in use stays. */
  if (!fresh) return;
  SSL_CTX_free(server->tls);
  server->tls = fresh;
}

static void on_listener_closed(uv_handle_t *handle) {
  struct listener *l = handle->data;
  struct http_server *server = l->server;
  free(l);
  server_handle_closed(server);
}

static void stop_listening(struct http_server *server) {
  list_each_safe(node, &server->listeners) {
    struct listener *l = list_entry(node, struct listener, link);
    list_remove(&l->link);
    uv_close((uv_handle_t *)&l->poll, on_listener_closed);
    close(l->fd);
  }
}

void http_server_drain(struct http_server *server) {
  server->is_draining = true;
  stop_listening(server);
}

void http_server_part(struct http_server *server, uint64_t idle_before) {
  server->is_parting = true;
  server->part_before = idle_before;
  list_each_safe(node, &server->conns) {
    struct conn *c = list_entry(node, struct conn, link);
    if (c->phase == CONN_IDLE && conn_is_parting(c)) conn_soon(c);
  }
}

size_t http_server_connections(const struct http_server *server) {
  return server->conn_count;
}

void server_handle_closed(struct http_server *server) {
  if (--server->handle_count) return;
  void (*on_closed)(void *) = server->on_closed;
  void *context = server->context;
  streams_free_spare(server);
  bytes_fini(&server->held);
  bytes_fini(&server->scratch);
  bytes_fini(&server->record);
  bytes_fini(&server->cipher);
  if (server->spare_fd >= 0) close(server->spare_fd);
  free(server->input);
  free(server->plain);
  SSL_CTX_free(server->tls);
  config_unref(server->config);
  free(server);
  if (on_closed) on_closed(context);
}

static void on_own_closed(uv_handle_t *handle) {
  server_handle_closed(handle->data);
}

void http_server_close(struct http_server *server, void (*on_closed)(void *context)) {
  server->on_closed = on_closed;
  server->is_draining = server->is_closing = true;
  stop_listening(server);
  list_each_safe(node, &server->conns) {
    struct conn *c = list_entry(node, struct conn, link);
    conn_break(c, "server_closed");
    conn_run(c);
  }
  uv_close((uv_handle_t *)&server->wheel.timer, on_own_closed);
  uv_close((uv_handle_t *)&server->idle, on_own_closed);
}
