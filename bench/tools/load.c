/* Sends requests to one server on this machine and tells what came of it, as one line of JSON. One
 * thread; it must not share a core with the server under test. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "response.h"
#include "samples.h"

enum { EVENTS = 256, DUE_MAX = 1 << 16, READ_BYTES = 1 << 16, STALLED_WINDOW = 1 << 15 };

struct client {
  struct response response; /* first: on_stamp finds the client by it */
  int fd;
  bool busy, stalled;
  uint64_t due_ns;
  struct client *next_idle;
};

static struct {
  struct options options;
  struct client *clients, *idle;
  int epoll;
  bool measuring;
  uint64_t now_ns, next_due_ns;
  uint64_t due[DUE_MAX]; /* a ring: requests that found no idle connection */
  size_t due_first, due_count;
  struct samples latency, first, hop;
  uint64_t sent, done, chunks, failed, lost;
} load;

static uint64_t clock_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void on_stamp(struct response *r, uint64_t stamp_ns) {
  struct client *c = (struct client *)r;
  if (!load.measuring) return;
  load.chunks++;
  if (r->stamps == 1) samples_add(&load.first, load.now_ns - c->due_ns);
  samples_add(&load.hop, load.now_ns > stamp_ns ? load.now_ns - stamp_ns : 0);
}

static void client_open(struct client *c) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)load.options.port)};
  int one = 1, window = STALLED_WINDOW;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (load.options.hold == HOLD_STALLED)
    setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
  if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0) die("connect");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, c->fd, &event) != 0) die("epoll_ctl");
}

static void client_send(struct client *c, uint64_t due_ns) {
  response_init(&c->response, on_stamp);
  c->busy = true;
  load.sent++;
  c->due_ns = due_ns;
  for (size_t sent = 0; sent < load.options.request_len;) {
    ssize_t n =
        send(c->fd, load.options.request + sent, load.options.request_len - sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EINTR) return; /* reading tells that the connection is lost */
    if (n > 0) sent += (size_t)n;
  }
}

static void client_idle(struct client *c) {
  c->busy = false;
  if (load.options.hold == HOLD_NONE && load.options.rate == 0) {
    if (!load.options.requests || load.sent < load.options.requests) client_send(c, clock_ns());
  } else if (load.due_count) {
    uint64_t due_ns = load.due[load.due_first];
    load.due_first = (load.due_first + 1) % DUE_MAX;
    load.due_count--;
    client_send(c, due_ns);
  } else {
    c->next_idle = load.idle;
    load.idle = c;
  }
}

static void client_reopen(struct client *c) {
  close(c->fd);
  client_open(c);
  if (c->busy) client_idle(c);
}

static void client_done(struct client *c) {
  const struct response *r = &c->response;
  unsigned chunks = load.options.chunks;
  if (load.measuring) {
    load.done++;
    samples_add(&load.latency, clock_ns() - c->due_ns);
    if (r->status != 200 || (chunks && (!r->ended_well || r->stamps != chunks))) load.failed++;
  }
  if (r->closes)
    client_reopen(c);
  else
    client_idle(c);
}

static void client_read(struct client *c) {
  static char buffer[READ_BYTES];
  if (c->stalled) return;
  ssize_t n = recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n > 0 && c->busy) {
    load.now_ns = clock_ns();
    response_feed(&c->response, buffer, (size_t)n);
    if (c->response.state == RESPONSE_DONE) client_done(c);
    if (c->response.state != RESPONSE_BROKEN) {
      if (load.options.hold == HOLD_STALLED && c->response.stamps) {
        c->stalled = true;
        epoll_ctl(load.epoll, EPOLL_CTL_DEL, c->fd, NULL);
      }
      return;
    }
  }
  if (c->busy) load.lost++;
  client_reopen(c);
}

/* The gaps of a Poisson process: no two runs align, and no stream with another. */
static uint64_t next_gap_ns(void) {
  return (uint64_t)(-log(1 - drand48()) * 1e9 / load.options.rate);
}

static void send_due(void) {
  uint64_t now = clock_ns();
  while (load.next_due_ns <= now) {
    struct client *c = load.idle;
    if (c) {
      load.idle = c->next_idle;
      client_send(c, load.next_due_ns);
    } else if (load.due_count < DUE_MAX) {
      load.due[(load.due_first + load.due_count++) % DUE_MAX] = load.next_due_ns;
    } else {
      load.lost++;
    }
    load.next_due_ns += next_gap_ns();
  }
}

static void run_until(uint64_t end_ns) {
  struct epoll_event events[EVENTS];
  for (uint64_t now; (now = clock_ns()) < end_ns;) {
    if (load.options.requests && load.done + load.lost >= load.options.requests) return;
    uint64_t wake_ns = end_ns;
    if (load.options.rate > 0) {
      send_due();
      if (load.next_due_ns < wake_ns) wake_ns = load.next_due_ns;
    }
    now = clock_ns();
    uint64_t wait_ns = wake_ns > now ? wake_ns - now : 0;
    struct timespec wait = {(time_t)(wait_ns / 1000000000u), (long)(wait_ns % 1000000000u)};
    int n = epoll_pwait2(load.epoll, events, EVENTS, &wait, NULL);
    for (int i = 0; i < n; i++)
      client_read(events[i].data.ptr);
  }
}

static void seconds_pass(double seconds) {
  run_until(clock_ns() + (uint64_t)(seconds * 1e9));
}

static void measure(void) {
  const struct options *o = &load.options;
  for (size_t i = 0; i < o->connections; i++) {
    client_open(&load.clients[i]);
    client_idle(&load.clients[i]);
  }
  load.next_due_ns = clock_ns();
  load.measuring = o->requests > 0;
  seconds_pass(o->warm_seconds);
  uint64_t started = clock_ns(), cpu_ns = processes_cpu_ns(&o->processes);
  load.measuring = true;
  seconds_pass(o->seconds);
  load.measuring = false;
  cpu_ns = processes_cpu_ns(&o->processes) - cpu_ns;
  double seconds = (double)(clock_ns() - started) / 1e9;
  printf("{\"seconds\":%.3f,\"requests\":%llu,\"failed\":%llu,\"lost\":%llu,\"chunks\":%llu,"
         "\"cpu_us\":%.1f,\"memory_kib\":%llu",
         seconds, (unsigned long long)load.done, (unsigned long long)load.failed,
         (unsigned long long)load.lost, (unsigned long long)load.chunks, (double)cpu_ns / 1e3,
         (unsigned long long)processes_memory_kib(&o->processes));
  samples_print(&load.latency, "latency");
  samples_print(&load.first, "first");
  samples_print(&load.hop, "hop");
  printf("}\n");
}

/* A first few connections make the server take the memory that it needs once. */
static void hold(void) {
  const struct options *o = &load.options;
  size_t few = o->connections / 10;
  uint64_t before = 0, reached = 0;
  for (size_t i = 0; i < o->connections; i++) {
    if (i == few) {
      seconds_pass(o->seconds);
      before = processes_memory_kib(&o->processes);
    }
    client_open(&load.clients[i]);
    client_send(&load.clients[i], clock_ns());
    seconds_pass(0.001);
  }
  seconds_pass(o->seconds);
  uint64_t after = processes_memory_kib(&o->processes);
  for (size_t i = 0; i < o->connections; i++) {
    const struct client *c = &load.clients[i];
    reached += o->hold == HOLD_IDLE   ? !c->busy && c->response.status == 200
               : o->hold == HOLD_OPEN ? c->busy && c->response.stamps > 0
                                      : c->stalled;
  }
  printf("{\"connections\":%zu,\"reached\":%llu,\"lost\":%llu,\"base_kib\":%llu,"
         "\"kib_each\":%.2f}\n",
         o->connections, (unsigned long long)reached, (unsigned long long)load.lost,
         (unsigned long long)before,
         ((double)after - (double)before) / (double)(o->connections - few));
}

int main(int argc, char **argv) {
  struct rlimit files;
  options_parse(&load.options, argc, argv);
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  prctl(PR_SET_TIMERSLACK, 1UL);
  srand48((long)clock_ns());
  load.epoll = epoll_create1(EPOLL_CLOEXEC);
  load.clients = calloc(load.options.connections, sizeof *load.clients);
  if (!load.clients) abort();
  if (load.options.hold == HOLD_NONE)
    measure();
  else
    hold();
  return 0;
}
