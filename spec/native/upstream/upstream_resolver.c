/* Names, by a name server of our own: answers, silence, failures, old answers, hosts that move,
 * addresses that a policy refuses; and the times of connecting. */
#include <fcntl.h>
#include <poll.h>

#include "upstream/fake.h"
#include "upstream/fetch.h"
#include "upstream/upstream.h"

enum dns_mode { DNS_ANSWER, DNS_SILENT, DNS_SERVFAIL, DNS_NXDOMAIN };

static struct dns { /* a name server on a loopback port */
  int fd;
  char text[32];
  pthread_t thread;
  atomic_int mode, queries; /* of type A */
  _Atomic(const char *) v4; /* "127.0.0.1,127.0.0.2" */
  _Atomic(const char *) v6;
} dns;

static void put16(uint8_t *at, unsigned value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

/* RFC 1035, 4.1: each answer points to the name of the question and lives for no second. */
static size_t put_answers(uint8_t *out, size_t at, const char *list, int family) {
  char copy[200], *rest = copy, *one;
  unsigned count = 0;
  size_t bytes = family == AF_INET ? 4 : 16;
  snprintf(copy, sizeof copy, "%s", list ? list : "");
  while ((one = strsep(&rest, ","))) {
    if (inet_pton(family, one, out + at + 12) != 1) continue;
    put16(out + at, 0xc00c);
    put16(out + at + 2, family == AF_INET ? 1 : 28);
    put16(out + at + 4, 1);
    memset(out + at + 6, 0, 4);
    put16(out + at + 10, (unsigned)bytes);
    at += 12 + bytes;
    count++;
  }
  put16(out + 6, count);
  return at;
}

static size_t dns_reply(uint8_t *packet, size_t len) {
  size_t at = 12;
  while (at < len && packet[at])
    at += packet[at] + 1u;
  unsigned type = at + 2 < len ? packet[at + 2] : 0;
  at += 5;
  if (type == 1) atomic_fetch_add(&dns.queries, 1);
  int mode = atomic_load(&dns.mode);
  if (mode == DNS_SILENT || at > len) return 0;
  packet[2] = 0x81;
  packet[3] = mode == DNS_SERVFAIL ? 0x82 : mode == DNS_NXDOMAIN ? 0x83 : 0x80;
  memset(packet + 6, 0, 6);
  if (mode != DNS_ANSWER) return at;
  if (type == 1) return put_answers(packet, at, atomic_load(&dns.v4), AF_INET);
  return put_answers(packet, at, atomic_load(&dns.v6), AF_INET6);
}

static void *dns_main(void *context) {
  (void)context;
  uint8_t packet[1024];
  for (;;) {
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    ssize_t n = recvfrom(dns.fd, packet, 512, 0, (struct sockaddr *)&from, &from_len);
    if (n < 12) return NULL; /* the end */
    size_t len = dns_reply(packet, (size_t)n);
    if (len) sendto(dns.fd, packet, len, 0, (struct sockaddr *)&from, from_len);
  }
}

static struct sockaddr_in dns_address(void) {
  struct sockaddr_in a;
  socklen_t len = sizeof a;
  must(getsockname(dns.fd, (struct sockaddr *)&a, &len) == 0);
  return a;
}

static void dns_start(void) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  dns.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  must(bind(dns.fd, (struct sockaddr *)&a, sizeof a) == 0);
  a = dns_address();
  snprintf(dns.text, sizeof dns.text, "127.0.0.1:%u", ntohs(a.sin_port));
  must(pthread_create(&dns.thread, NULL, dns_main, NULL) == 0);
}

static void dns_stop(void) {
  struct sockaddr_in a = dns_address();
  sendto(dns.fd, "", 0, 0, (struct sockaddr *)&a, sizeof a);
  pthread_join(dns.thread, NULL);
  close(dns.fd);
}

/* Answers with the address that it was reached at. */
static void serve_address(struct fake_conn *c) {
  struct sockaddr_in a;
  socklen_t len = sizeof a;
  char head[4096], text[64], reply[200];
  must(getsockname(c->fd, (struct sockaddr *)&a, &len) == 0);
  inet_ntop(AF_INET, &a.sin_addr, text, sizeof text);
  snprintf(reply, sizeof reply, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(text),
           text);
  while (fake_request(c, head, sizeof head, NULL) && fake_say(c, reply))
    continue;
}

static struct fake f;
static struct rig r;

static void begin(int mode, const char *v4, const char *v6) {
  atomic_store(&dns.queries, 0);
  atomic_store(&dns.mode, mode);
  atomic_store(&dns.v4, v4);
  atomic_store(&dns.v6, v6);
  fake_start_at(&f, serve_address, INADDR_ANY);
  rig_prepare(&r, f.port);
  rig_aim(&r, "gpu1.example", f.port);
  r.config.nameservers = slice_of(dns.text);
  rig_open(&r);
}

static void end(void) {
  rig_stop(&r);
  fake_stop(&f);
}

static enum failure_kind last_kind;
static char last_text[600]; /* body or sentence */

/* Over a new connection, unless the pool has one. */
static bool ask(enum failure_kind kind, const char *text) {
  struct probe p = {0};
  probe_post(&p, &r, false);
  probe_wait(&p, &r, 5000);
  last_kind = p.kind;
  snprintf(last_text, sizeof last_text, "%.*s", (int)p.body.len, p.body.data ? p.body.data : "");
  if (p.is_failed) snprintf(last_text, sizeof last_text, "%s", p.sentence);
  probe_fini(&p);
  return last_kind == kind && strstr(last_text, text) != NULL;
}

static void expect(enum failure_kind kind, const char *text) {
  bool good = ask(kind, text);
  CHECK(good);
  if (!good) fprintf(stderr, "%d \"%s\"\n", last_kind, last_text);
}

static void drop_connections(void) {
  pool_close_idle(r.upstream->pool.routes[0].endpoint);
}

static void wait_ms(uint64_t ms) {
  rig_run(&r, NULL, ms);
}

static void test_answers(void) {
  begin(DNS_ANSWER, "127.0.0.1", NULL);
  for (int i = 0; i < 3; i++) {
    expect(FAILURE_NONE, "127.0.0.1");
    drop_connections();
  }
  CHECK(atomic_load(&dns.queries) == 1);
  end();
  begin(DNS_ANSWER, "127.0.0.1", "::1"); /* nobody listens there: the other family helps */
  expect(FAILURE_NONE, "127.0.0.1");
  end();
  begin(DNS_ANSWER, NULL, NULL);
  expect(FAILURE_UPSTREAM_DNS, "gpu1.example could not be resolved: DNS server returned answer");
  end();
  begin(DNS_NXDOMAIN, NULL, NULL);
  expect(FAILURE_UPSTREAM_DNS, "gpu1.example could not be resolved: Domain name not found");
  end();
  begin(DNS_SERVFAIL, NULL, NULL);
  expect(FAILURE_UPSTREAM_DNS, "gpu1.example could not be resolved: ");
  end();
}

static void test_silence(void) {
  begin(DNS_SILENT, NULL, NULL);
  r.provider.timers.dns_ms = 100;
  uint64_t from = clock_mono_ns();
  expect(FAILURE_UPSTREAM_DNS_TIMEOUT,
         "gpu1.example was not resolved within 0.1 s (upstream.dns); check the gateway's name "
         "server, or raise the time");
  uint64_t ms = (clock_mono_ns() - from) / 1000000;
  CHECK(ms >= 100 && ms < 2000);
  struct probe gone = {0};
  probe_post(&gone, &r, false);
  wait_ms(20);
  attempt_cancel(gone.attempt);
  struct probe late = {0};
  probe_post(&late, &r, false);
  end(); /* while the question is open and somebody waits */
  CHECK(!late.is_ended && !late.is_failed);
}

/* One lookup serves all who wait for it. */
static void test_many_wait(void) {
  enum { COUNT = 40 };
  struct probe p[COUNT] = {0};
  begin(DNS_ANSWER, "127.0.0.1", NULL);
  for (int i = 0; i < COUNT; i++)
    probe_post(&p[i], &r, false);
  attempt_cancel(p[7].attempt);
  for (int i = 0; i < COUNT; i++) {
    if (i == 7) continue;
    probe_wait(&p[i], &r, 5000);
    CHECK(p[i].is_ended);
    probe_fini(&p[i]);
  }
  CHECK(atomic_load(&dns.queries) == 1);
  end();
}

static void test_old_answers(int mode) {
  begin(DNS_ANSWER, "127.0.0.1", NULL);
  r.provider.timers.dns_ms = 300;
  r.upstream->resolver.fresh_ms = 30;
  expect(FAILURE_NONE, "127.0.0.1");
  atomic_store(&dns.mode, mode);
  drop_connections();
  wait_ms(60);
  expect(FAILURE_NONE, "127.0.0.1"); /* having waited for upstream.dns at most */
  int asked = atomic_load(&dns.queries);
  uint64_t from = clock_mono_ns();
  for (int i = 0; i < 5; i++) {
    drop_connections();
    expect(FAILURE_NONE, "127.0.0.1");
  }
  CHECK(clock_mono_ns() - from < 4 * 300 * 1000000ull); /* without waiting each time */
  CHECK(mode == DNS_SILENT || atomic_load(&dns.queries) == asked);
  end();
}

static void test_name_gone(void) {
  begin(DNS_ANSWER, "127.0.0.1", NULL);
  r.upstream->resolver.fresh_ms = 30;
  expect(FAILURE_NONE, "127.0.0.1");
  atomic_store(&dns.mode, DNS_NXDOMAIN);
  drop_connections();
  wait_ms(60);
  expect(FAILURE_UPSTREAM_DNS, "not found");
  end();
}

static void test_move(void) {
  begin(DNS_ANSWER, "127.0.0.1", NULL);
  r.upstream->resolver.fresh_ms = 30;
  r.upstream->pool.routes[0].endpoint->refresh_ms = 0;
  expect(FAILURE_NONE, "127.0.0.1");
  atomic_store(&dns.v4, "127.0.0.1,127.0.0.2");
  wait_ms(60);
  expect(FAILURE_NONE, "127.0.0.1"); /* asks again by the way */
  wait_ms(60);
  expect(FAILURE_NONE, "127.0.0.1");
  CHECK(atomic_load(&f.connections) == 1); /* an address more is no move */
  atomic_store(&dns.v4, "127.0.0.3");
  bool has_moved = false;
  for (int i = 0; i < 100 && !has_moved; i++) {
    wait_ms(20);
    has_moved = ask(FAILURE_NONE, "127.0.0.3");
    CHECK(last_kind == FAILURE_NONE);
  }
  CHECK(has_moved);
  end();
}

static void test_policy(void) {
  static const struct address_policy none;
  struct address_rule rule;
  struct address_policy own = {.internal = {&rule, 1}};
  begin(DNS_ANSWER, "127.0.0.1", "::1");
  r.provider.addresses = &none;
  expect(FAILURE_UPSTREAM_ADDRESS, " has the loopback address ");
  CHECK(atomic_load(&f.connections) == 0);
  CHECK(address_rule_parse(SLICE("127.0.0.0/8"), &rule) == NULL);
  r.provider.addresses = &own;
  expect(FAILURE_NONE, "127.0.0.1");
  end();
}

struct answer {
  bool is_done;
  enum failure_kind failure;
};

static void on_answer(const struct fetch_answer *answer, void *user) {
  *(struct answer *)user = (struct answer){true, answer->failure};
}

/* A public address to be judged by, another to connect to: each lookup finds the other one, and the
 * answers live for no second. */
static void test_rebinding(void) {
  static const struct address_policy none;
  char url[64];
  begin(DNS_ANSWER, "192.0.2.1,127.0.0.1", "::ffff:127.0.0.1,::1,64:ff9b::7f00:1");
  r.upstream->resolver.fresh_ms = 1;
  r.config.upstream.connect_ms = 100;
  snprintf(url, sizeof url, "http://rebind.example:%u/", f.port);
  for (int i = 0; i < 20; i++) {
    struct answer answer = {0};
    struct fetch_request request = {
        .url = slice_of(url), .timeout_ms = 150, .answer_bytes = 10, .addresses = &none};
    atomic_store(&dns.v4, i % 2 ? "127.0.0.1" : "8.8.8.8");
    atomic_store(&dns.v6, NULL);
    wait_ms(5);
    fetch_start(r.upstream, &request, on_answer, &answer);
    rig_run(&r, &answer.is_done, 3000);
    CHECK(answer.is_done && answer.failure != FAILURE_NONE);
    if (i % 2) CHECK(answer.failure == FAILURE_UPSTREAM_ADDRESS);
  }
  CHECK(atomic_load(&f.connections) == 0);
  end();
}

/* A socket whose queue is full: the kernel lets further connections wait. */
struct hole {
  int listener, fillers[64], count;
  uint16_t port;
};

static bool hole_open(struct hole *h, const char *address) {
  struct sockaddr_in a = {.sin_family = AF_INET};
  socklen_t len = sizeof a;
  memset(h, 0, sizeof *h);
  inet_pton(AF_INET, address, &a.sin_addr);
  h->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  must(bind(h->listener, (struct sockaddr *)&a, len) == 0 && listen(h->listener, 0) == 0);
  must(getsockname(h->listener, (struct sockaddr *)&a, &len) == 0);
  h->port = ntohs(a.sin_port);
  for (; h->count < 64; h->count++) {
    struct pollfd ready = {socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), POLLOUT,
                           0};
    h->fillers[h->count] = ready.fd;
    if (connect(ready.fd, (struct sockaddr *)&a, len) != 0 && poll(&ready, 1, 200) == 0) {
      h->count++;
      return true;
    }
  }
  return false;
}

static void hole_close(struct hole *h) {
  for (int i = 0; i < h->count; i++)
    close(h->fillers[i]);
  close(h->listener);
}

static void test_connect_time(void) {
  struct hole h;
  CHECK(hole_open(&h, "127.0.0.1"));
  begin(DNS_ANSWER, "127.0.0.1", NULL);
  rig_aim(&r, "gpu1.example", h.port);
  r.provider.timers.connect_ms = 150;
  uint64_t from = clock_mono_ns();
  char want[200];
  snprintf(want, sizeof want,
           "gpu1.example:%u did not accept a connection within 0.15 s (upstream.connect); check "
           "that it runs and can be reached from here, or raise the time",
           h.port);
  expect(FAILURE_UPSTREAM_CONNECT_TIMEOUT, want);
  uint64_t ms = (clock_mono_ns() - from) / 1000000;
  CHECK(ms >= 150 && ms < 2000);
  end();
  hole_close(&h);
}

static char asked[4096];

static void serve_proxy(struct fake_conn *c) {
  char head[4096];
  if (!fake_request(c, asked, sizeof asked, NULL)) return;
  if (c->fake->script) fake_wait_close(c);
  fake_say(c, "HTTP/1.1 200 Connection established\r\n\r\n");
  while (fake_request(c, head, sizeof head, NULL))
    fake_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

/* SOCKS 5 (RFC 1928): what it is asked for, by address (1) or by name (3). */
static void serve_socks(struct fake_conn *c) {
  unsigned char in[300];
  if (recv(c->fd, in, 2, MSG_WAITALL) != 2) return;
  if (recv(c->fd, in, in[1], MSG_WAITALL) < 1) return;
  fake_send(c, "\5\0", 2);
  if (recv(c->fd, in, 5, MSG_WAITALL) != 5) return;
  size_t left = in[3] == 1 ? 5 : in[4] + 2u;
  asked[0] = (char)('0' + in[3]);
  if (recv(c->fd, in + 5, left, MSG_WAITALL) != (ssize_t)left) return;
  if (in[3] == 1)
    inet_ntop(AF_INET, in + 4, asked + 1, 100);
  else
    snprintf(asked + 1, 100, "%.*s", in[4], (char *)in + 5);
  fake_send(c, "\5\0\0\1\0\0\0\0\0\0", 10);
  char head[4096];
  while (fake_request(c, head, sizeof head, NULL))
    fake_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

static void begin_proxy(fake_serve serve, const char *scheme, const char *v4, void *script) {
  static char proxy[100];
  begin(DNS_ANSWER, v4, NULL);
  f.serve = serve;
  f.script = script;
  rig_stop(&r); /* the provider has a proxy from the beginning */
  rig_prepare(&r, f.port);
  rig_aim(&r, "gpu1.example", 80);
  snprintf(proxy, sizeof proxy, "%s://user:p%%40ss@proxy.example:%u/", scheme, f.port);
  r.provider.proxy = proxy;
  r.config.nameservers = slice_of(dns.text);
  rig_open(&r);
}

static void test_proxies(void) {
  begin_proxy(serve_proxy, "http", "127.0.0.1", NULL);
  expect(FAILURE_NONE, "hello");
  CHECK(strncmp(asked, "CONNECT gpu1.example:80 HTTP/1.1\r\n", 34) == 0);
  CHECK(atomic_load(&dns.queries) == 1); /* for the proxy alone */
  end();
  begin_proxy(serve_proxy, "http", "127.0.0.1", (void *)"silent");
  r.provider.timers.tls_ms = 100;
  r.provider.timers.connect_ms = 50;
  expect(FAILURE_UPSTREAM_TLS_TIMEOUT,
         "the proxy of gpu1.example:80 opened no tunnel within 0.1 s");
  end();
  begin_proxy(serve_socks, "socks5h", "127.0.0.1", NULL);
  expect(FAILURE_NONE, "hello");
  CHECK(strcmp(asked, "3gpu1.example") == 0 && atomic_load(&dns.queries) == 1);
  end();
  begin_proxy(serve_socks, "socks5", "127.0.0.1", NULL);
  expect(FAILURE_NONE, "hello");
  CHECK(strcmp(asked, "1127.0.0.1") == 0 && atomic_load(&dns.queries) == 2);
  end();
}

int main(void) {
  dns_start();
  test_answers();
  test_silence();
  test_many_wait();
  test_old_answers(DNS_SILENT);
  test_old_answers(DNS_SERVFAIL);
  test_name_gone();
  test_move();
  test_policy();
  test_rebinding();
  test_connect_time();
  test_proxies();
  dns_stop();
  return checks_end();
}
