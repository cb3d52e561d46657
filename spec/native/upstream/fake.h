/* A provider on a loopback port, one thread to a connection, that does what the test scripts; and a
 * probe that records what an attempt reported. */
#pragma once
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "check.h"
#include "upstream/attempt.h"
#include "upstream/gate.h"

struct fake;
struct fake_conn {
  struct fake *fake;
  int fd, number; /* 1 for the first connection */
};
typedef void (*fake_serve)(struct fake_conn *c);

struct fake {
  int fd;
  uint16_t port;
  fake_serve serve;
  void *script;
  size_t cut; /* for scripts that walk over every byte */
  pthread_t acceptor;
  atomic_int connections, requests, open;
  atomic_bool stop;
};

static inline void *fake_conn_main(void *context) {
  struct fake_conn *c = context;
  struct fake *f = c->fake;
  f->serve(c);
  if (c->fd >= 0) close(c->fd);
  free(c);
  atomic_fetch_sub(&f->open, 1);
  return NULL;
}

static inline void *fake_accept_main(void *context) {
  struct fake *f = context;
  for (;;) {
    int fd = accept(f->fd, NULL, NULL);
    if (fd < 0 || atomic_load(&f->stop)) {
      if (fd >= 0) close(fd);
      return NULL;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct timeval patience = {10, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    struct fake_conn *c = must_calloc(1, sizeof *c);
    *c = (struct fake_conn){f, fd, atomic_fetch_add(&f->connections, 1) + 1};
    atomic_fetch_add(&f->open, 1);
    pthread_t thread;
    must(pthread_create(&thread, NULL, fake_conn_main, c) == 0);
    pthread_detach(thread);
  }
}

static inline void fake_start_at(struct fake *f, fake_serve serve, uint32_t address) {
  memset(f, 0, sizeof *f);
  f->serve = serve;
  f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
  socklen_t len = sizeof a;
  must(bind(f->fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(f->fd, 512) == 0);
  must(getsockname(f->fd, (struct sockaddr *)&a, &len) == 0);
  f->port = ntohs(a.sin_port);
  must(pthread_create(&f->acceptor, NULL, fake_accept_main, f) == 0);
}

static inline void fake_start(struct fake *f, fake_serve serve) {
  fake_start_at(f, serve, INADDR_LOOPBACK);
}

/* Waits until no connection is served: then the script may be changed. */
static inline void fake_settle(struct fake *f) {
  for (int i = 0; i < 15000 && atomic_load(&f->open) > 0; i++)
    usleep(1000);
  CHECK(atomic_load(&f->open) == 0);
}

static inline void fake_stop(struct fake *f) {
  atomic_store(&f->stop, true);
  shutdown(f->fd, SHUT_RDWR);
  pthread_join(f->acceptor, NULL);
  close(f->fd);
  for (int i = 0; i < 1500 && atomic_load(&f->open) > 0; i++)
    usleep(10000);
  CHECK(atomic_load(&f->open) == 0);
}

static inline bool fake_send(struct fake_conn *c, const void *data, size_t len) {
  const char *p = data;
  while (len > 0) {
    ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);
    if (n <= 0) return false;
    p += n;
    len -= (size_t)n;
  }
  return true;
}

static inline bool fake_say(struct fake_conn *c, const char *text) {
  return fake_send(c, text, strlen(text));
}

/* Reads one request whole; head receives it up to the empty line. False at the end. */
static inline bool fake_request(struct fake_conn *c, char *head, size_t head_bytes, size_t *body) {
  size_t have = 0;
  char *end = NULL;
  while (have + 1 < head_bytes && !end) {
    ssize_t n = recv(c->fd, head + have, 1, 0);
    if (n <= 0) return false;
    have++;
    head[have] = 0;
    end = strstr(head, "\r\n\r\n");
  }
  const char *length = strstr(head, "Content-Length: ");
  size_t left = length ? strtoul(length + 16, NULL, 10) : 0;
  if (body) *body = left;
  char buffer[65536];
  while (left > 0) {
    ssize_t n = recv(c->fd, buffer, left < sizeof buffer ? left : sizeof buffer, 0);
    if (n <= 0) return false;
    left -= (size_t)n;
  }
  atomic_fetch_add(&c->fake->requests, 1);
  return true;
}

/* Blocks until the other side closes; the time in ns. */
static inline uint64_t fake_wait_close(struct fake_conn *c) {
  char byte;
  while (recv(c->fd, &byte, 1, 0) > 0)
    continue;
  return clock_mono_ns();
}

static inline void fake_reset(struct fake_conn *c) {
  struct linger hard = {1, 0};
  setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close(c->fd);
  c->fd = -1;
}

/* Everything one loop needs, with one provider at the fake. */
struct rig {
  uv_loop_t loop;
  struct gates *gates;
  struct upstream *upstream;
  struct config config;
  struct provider provider;
  char host[64];
  bool is_closed;
};

static inline void rig_on_closed(void *context) {
  ((struct rig *)context)->is_closed = true;
}

static inline void rig_aim(struct rig *r, const char *host, uint16_t port) {
  snprintf(r->host, sizeof r->host, "%s:%u", host, port);
  r->provider.host = slice_of(r->host);
  r->provider.port = port;
}

static inline void rig_prepare(struct rig *r, uint16_t port) {
  memset(r, 0, sizeof *r);
  signal(SIGPIPE, SIG_IGN);
  r->provider = (struct provider){.name = SLICE("gpu"), .scheme = SLICE("http")};
  rig_aim(r, "127.0.0.1", port);
  r->provider.timers = (struct upstream_timers){.dns_ms = 1000,
                                                .connect_ms = 1000,
                                                .tls_ms = 1000,
                                                .head_ms = 3000,
                                                .first_token_ms = 3000,
                                                .idle_ms = 3000,
                                                .pool_idle_ms = 5000,
                                                .pool_lifetime_ms = 60000,
                                                .idle_counts_comments = true};
  r->config = (struct config){.providers = &r->provider, .provider_count = 1};
  r->config.limits.upstreams = 1024;
  r->config.queue_wait_ms = 300;
}

static inline void rig_open(struct rig *r) {
  must(uv_loop_init(&r->loop) == 0);
  r->gates = gates_new();
  gates_reload(r->gates, &r->config);
  r->upstream = upstream_new(&r->loop, &r->config, r->gates);
}

static inline void rig_start(struct rig *r, uint16_t port) {
  rig_prepare(r, port);
  rig_open(r);
}

static inline void rig_stop(struct rig *r) {
  upstream_close(r->upstream, rig_on_closed, r);
  uv_run(&r->loop, UV_RUN_DEFAULT);
  CHECK(r->is_closed);
  CHECK(uv_loop_close(&r->loop) == 0);
  CHECK(gate_used(gates_process(r->gates)) == 0);
  gates_free(r->gates);
}

struct probe {
  struct attempt *attempt;
  int status, heads, chunks;
  char content_type[64];
  size_t header_count;
  struct bytes body;
  bool is_ended, is_failed, is_stale, has_paused;
  enum failure_kind kind;
  char sentence[600];
  struct attempt_timing timing;
  uint64_t ended_ns;
  size_t pause_at; /* pause once so many bytes have come; 0: never */
  bool first_token_on_data;
};

static inline void probe_on_head(struct attempt *a, int status, struct headers headers,
                                 void *user) {
  struct probe *p = user;
  CHECK(p->attempt == a && !p->is_ended && !p->is_failed);
  p->heads++;
  p->status = status;
  p->header_count = headers.count;
  struct slice type = header_find(headers, "content-type");
  snprintf(p->content_type, sizeof p->content_type, "%.*s", (int)type.len, type.data);
}

static inline void probe_on_data(struct attempt *a, struct slice data, void *user) {
  struct probe *p = user;
  CHECK(p->attempt == a && p->heads == 1 && !p->is_ended && !p->is_failed && data.len > 0);
  bytes_append_slice(&p->body, data);
  p->chunks++;
  if (p->first_token_on_data) attempt_first_token(a);
  if (p->pause_at && p->body.len >= p->pause_at) {
    attempt_pause(a);
    p->has_paused = true;
  }
}

static inline void probe_on_end(struct attempt *a, void *user) {
  struct probe *p = user;
  CHECK(p->attempt == a && p->heads == 1 && !p->is_ended && !p->is_failed);
  p->is_ended = true;
  p->timing = attempt_timing(a);
  p->ended_ns = clock_mono_ns();
}

static inline void probe_on_failure(struct attempt *a, enum failure_kind kind, const char *sentence,
                                    void *user) {
  struct probe *p = user;
  CHECK(p->attempt == a && !p->is_ended && !p->is_failed);
  p->is_failed = true;
  p->kind = kind;
  p->is_stale = attempt_is_stale(a);
  p->timing = attempt_timing(a);
  p->ended_ns = clock_mono_ns();
  snprintf(p->sentence, sizeof p->sentence, "%s", sentence);
}

static const struct attempt_events probe_events = {probe_on_head, probe_on_data, NULL, probe_on_end,
                                                   probe_on_failure};

static inline void probe_send(struct probe *p, struct rig *r,
                              const struct attempt_request *request) {
  p->attempt = attempt_start(r->upstream, request, &probe_events, p);
  CHECK(!p->is_failed && !p->is_ended);
}

/* A small POST to the rig's provider. */
static inline void probe_post(struct probe *p, struct rig *r, bool is_stream) {
  static const struct slice body = {"{\"model\":\"m\"}", 13};
  static const struct header type = {{"Content-Type", 12}, {"application/json", 16}};
  struct attempt_request request = {.provider = &r->provider,
                                    .method = SLICE("POST"),
                                    .path = SLICE("/v1/chat/completions?x=1"),
                                    .headers = {&type, 1},
                                    .body = &body,
                                    .body_count = 1,
                                    .is_stream = is_stream};
  probe_send(p, r, &request);
}

static inline void rig_on_tick(uv_timer_t *timer) {
  (void)timer;
}

static inline void rig_on_tick_closed(uv_handle_t *handle) {
  *(bool *)handle->data = true;
}

/* Runs the loop until *done or the time is over. */
static inline void rig_run(struct rig *r, const bool *done, uint64_t limit_ms) {
  uv_timer_t tick;
  bool closed = false;
  uint64_t end = clock_mono_ns() + limit_ms * 1000000;
  uv_timer_init(&r->loop, &tick);
  tick.data = &closed;
  uv_timer_start(&tick, rig_on_tick, 5, 5);
  while (!(done && *done) && clock_mono_ns() < end)
    uv_run(&r->loop, UV_RUN_ONCE);
  uv_close((uv_handle_t *)&tick, rig_on_tick_closed);
  while (!closed)
    uv_run(&r->loop, UV_RUN_ONCE);
}

static inline void probe_wait(struct probe *p, struct rig *r, uint64_t limit_ms) {
  uv_timer_t tick;
  bool closed = false;
  uint64_t end = clock_mono_ns() + limit_ms * 1000000;
  uv_timer_init(&r->loop, &tick);
  tick.data = &closed;
  uv_timer_start(&tick, rig_on_tick, 5, 5);
  while (!p->is_ended && !p->is_failed && clock_mono_ns() < end)
    uv_run(&r->loop, UV_RUN_ONCE);
  uv_close((uv_handle_t *)&tick, rig_on_tick_closed);
  while (!closed)
    uv_run(&r->loop, UV_RUN_ONCE);
}

static inline void probe_fini(struct probe *p) {
  bytes_fini(&p->body);
  memset(p, 0, sizeof *p);
}
