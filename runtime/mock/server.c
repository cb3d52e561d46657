#include "mock/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mock/conn.h"

enum { BACKLOG = 1024 };

struct listener {
  struct list link;
  struct mock_server *server;
  uv_tcp_t tcp;
  uint16_t port;
};

static void on_connection(uv_stream_t *stream, int status) {
  struct listener *l = stream->data;
  if (status == 0) mock_conn_accept(l->server, stream, l->port);
}

static void on_listener_closed(uv_handle_t *handle) {
  free(handle->data);
}

static int resolve(uv_loop_t *loop, const char *address, struct sockaddr_storage *out) {
  const char *colon = strrchr(address, ':');
  if (!colon || strlen(address) > 200) return UV_EINVAL;
  struct slice host = {address, (size_t)(colon - address)};
  if (host.len > 1 && host.data[0] == '[') host = (struct slice){host.data + 1, host.len - 2};
  struct bytes name;
  bytes_init(&name);
  bytes_append_slice(&name, host);
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
  uv_getaddrinfo_t lookup;
  int error = uv_getaddrinfo(loop, &lookup, NULL, bytes_text(&name), colon + 1, &hints);
  if (!error) {
    memcpy(out, lookup.addrinfo->ai_addr, lookup.addrinfo->ai_addrlen);
    uv_freeaddrinfo(lookup.addrinfo);
  }
  bytes_fini(&name);
  return error;
}

static void announce(struct listener *l, const char *address) {
  struct sockaddr_storage bound;
  int len = sizeof bound;
  uv_tcp_getsockname(&l->tcp, (struct sockaddr *)&bound, &len);
  in_port_t port = bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                               : ((struct sockaddr_in *)&bound)->sin_port;
  l->port = ntohs(port);
  printf("mock listening on %s://%.*s:%u\n", l->server->tls ? "https" : "http",
         (int)(strrchr(address, ':') - address), address, l->port);
  fflush(stdout);
}

static int open_listener(struct mock_server *server, const char *address) {
  struct sockaddr_storage where;
  int error = resolve(&server->loop, address, &where);
  if (error) return error;
  struct listener *l = must_calloc(1, sizeof *l);
  l->server = server;
  must(uv_tcp_init(&server->loop, &l->tcp) == 0);
  l->tcp.data = l;
  list_append(&server->listeners, &l->link);
  error = uv_tcp_bind(&l->tcp, (struct sockaddr *)&where, 0);
  if (!error) error = uv_listen((uv_stream_t *)&l->tcp, BACKLOG, on_connection);
  if (!error) announce(l, address);
  return error;
}

static void close_all(struct mock_server *server) {
  list_each_safe(node, &server->listeners) {
    struct listener *l = list_entry(node, struct listener, link);
    list_remove(node);
    uv_close((uv_handle_t *)&l->tcp, on_listener_closed);
  }
  for (int i = 0; i < 2; i++) {
    uv_handle_t *handle = (uv_handle_t *)&server->stop_signals[i];
    if (!uv_is_closing(handle)) uv_close(handle, NULL);
  }
  while (!list_empty(&server->connections)) {
    conn_lost(list_entry(server->connections.next, struct conn, link), MOCK_CLIENT_RESET);
  }
}

static void on_stop(uv_signal_t *handle, int number) {
  (void)number;
  close_all(handle->data);
}

static void watch_signals(struct mock_server *server) {
  static const int numbers[2] = {SIGINT, SIGTERM};
  for (int i = 0; i < 2; i++) {
    must(uv_signal_init(&server->loop, &server->stop_signals[i]) == 0);
    server->stop_signals[i].data = server;
    must(uv_signal_start(&server->stop_signals[i], on_stop, numbers[i]) == 0);
  }
}

static int open_listeners(struct mock_server *server, const struct mock_listen *listen) {
  for (size_t i = 0; i < listen->address_count; i++) {
    int error = open_listener(server, listen->addresses[i]);
    if (!error) continue;
    fprintf(stderr, "gateyes mock: cannot listen on %s: %s\n", listen->addresses[i],
            uv_strerror(error));
    return 1;
  }
  return 0;
}

static int make_tls(struct mock_server *server, const struct mock_listen *listen) {
  if (!listen->certificate) return 0;
  struct bytes problem;
  bytes_init(&problem);
  server->tls = tls_server_context(listen->certificate, listen->key, &problem);
  if (!server->tls) fprintf(stderr, "gateyes mock: %s\n", bytes_text(&problem));
  server->tls_fault = listen->tls_fault;
  if (server->tls && server->tls_fault == MOCK_TLS_OLD) tls_make_old(server->tls);
  bytes_fini(&problem);
  return server->tls ? 0 : 1;
}

int mock_server_run(struct mock_state *state, const struct mock_listen *listen) {
  struct mock_server *server = must_calloc(1, sizeof *server);
  server->state = state;
  list_init(&server->connections);
  list_init(&server->listeners);
  must(uv_loop_init(&server->loop) == 0);
  watch_signals(server);
  int status = make_tls(server, listen);
  if (!status) status = open_listeners(server, listen);
  if (status) close_all(server);
  uv_run(&server->loop, UV_RUN_DEFAULT);
  must(uv_loop_close(&server->loop) == 0);
  SSL_CTX_free(server->tls);
  mock_state_free(state);
  free(server);
  return status;
}
