/* What happens over time: timers, back pressure, clients that leave, pipelining, draining. */
#include "kit.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static struct kit *fresh(struct kit *kit) {
  memset(kit, 0, sizeof *kit);
  kit_config(&kit->config);
  return kit;
}

static void say(struct kit *kit, int fd, const char *text) {
  client_send(kit, fd, slice_of(text));
}

static uint64_t ms_since(uint64_t start_ns) {
  return (clock_mono_ns() - start_ns) / 1000000;
}

static void finish(struct kit *kit, int fd, struct bytes *in) {
  close(fd);
  bytes_fini(in);
  kit_stop(kit);
}

static void test_header_deadline(void) {
  struct kit kit;
  struct bytes in = {0};
  fresh(&kit)->config.client.header_ms = 300;
  kit_start(&kit, false, NULL);
  int fd = client_open(&kit);
  uint64_t start = clock_mono_ns();
  say(&kit, fd, "GET / HTTP/1.1\r\nX: ");
  while (ms_since(start) < 280) { /* bytes that trickle do not move the deadline */
    say(&kit, fd, "a");
    usleep(5000);
  }
  CHECK(client_read_all(&kit, fd, &in));
  CHECK(ms_since(start) >= 295 && ms_since(start) < 600);
  CHECK(strstr(bytes_text(&in), "HTTP/1.1 408 "));
  CHECK(kit.requests == 0);
  finish(&kit, fd, &in);
}

static void test_silent_connection(void) {
  struct kit kit;
  struct bytes in = {0};
  fresh(&kit)->config.client.header_ms = 100;
  kit_start(&kit, false, NULL);
  int fd = client_open(&kit);
  CHECK(client_read_all(&kit, fd, &in));
  CHECK(in.len == 0);
  finish(&kit, fd, &in);
}

static void test_body_deadlines(void) {
  for (int i = 0; i < 2; i++) {
    struct kit kit;
    struct bytes in = {0};
    fresh(&kit);
    if (i)
      kit.config.client.body_idle_ms = 100;
    else
      kit.config.client.body_total_ms = 100;
    kit_start(&kit, false, NULL);
    int fd = client_open(&kit);
    say(&kit, fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
    CHECK(client_read_all(&kit, fd, &in));
    CHECK(strstr(bytes_text(&in), "HTTP/1.1 408 "));
    CHECK(kit.ended == 1 && kit.cut == 1 && strcmp(kit.reason, "body_timeout") == 0);
    finish(&kit, fd, &in);
  }
}

static void test_keepalive(void) {
  struct kit kit;
  struct bytes in = {0};
  fresh(&kit)->config.client.keepalive_ms = 150;
  kit_start(&kit, false, NULL);
  int fd = client_open(&kit);
  say(&kit, fd, GET("/a"));
  CHECK(client_read_until(&kit, fd, &in, "/a|"));
  uint64_t start = clock_mono_ns();
  CHECK(client_read_all(&kit, fd, &in));
  CHECK(ms_since(start) >= 130 && ms_since(start) < 450);
  CHECK(!strstr(bytes_text(&in), " 408 "));
  finish(&kit, fd, &in);
}

static void test_stall(void) {
  struct kit kit;
  struct bytes in = {0};
  fresh(&kit)->config.client.write_stall_ms = 200;
  kit_start(&kit, false, NULL);
  int fd = client_open(&kit);
  say(&kit, fd, GET("/flood"));
  KIT_UNTIL(&kit, 100, kit.ended);
  uint64_t written = kit.written;
  CHECK(written > 65536 && written < 16u << 20);
  CHECK(kit.ended == 0);
  KIT_UNTIL(&kit, 1000, kit.ended);
  CHECK(kit.written == written); /* nothing was produced for a client that does not read */
  CHECK(kit.cut == 1 && strcmp(kit.reason, "client_stalled") == 0);
  finish(&kit, fd, &in);
}

static void test_back_pressure(void) {
  struct kit kit;
  struct bytes in = {0};
  kit_start(fresh(&kit), false, NULL);
  int fd = client_open(&kit);
  say(&kit, fd, "GET /flood HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  KIT_UNTIL(&kit, 50, kit.ended);
  CHECK(client_read_all(&kit, fd, &in));
  CHECK(kit.written == FLOOD_BYTES && in.len > FLOOD_BYTES);
  CHECK(kit.writable > 3 && kit.cut == 0);
  CHECK(memcmp(in.data + in.len - 5, "0\r\n\r\n", 5) == 0);
  finish(&kit, fd, &in);
}

static void test_pipelining(void) {
  struct kit kit;
  struct bytes in = {0}, out = {0};
  kit_start(fresh(&kit), false, NULL);
  for (int i = 0; i < 1000; i++)
    bytes_printf(&out, "POST /n%d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", i);
  bytes_append_text(&out, "GET /late HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  int fd = client_open(&kit);
  client_send(&kit, fd, bytes_slice(&out));
  CHECK(client_read_all(&kit, fd, &in));
  const char *at = bytes_text(&in);
  for (int i = 0; i < 1000 && at; i++) {
    char want[64];
    snprintf(want, sizeof want, "\r\n\r\n/n%d|abcHTTP/1.1 200 OK", i);
    at = strstr(at, want);
  }
  CHECK(at && strstr(at, "late"));
  CHECK(kit.requests == 1001 && kit.cut == 0);
  bytes_fini(&out);
  finish(&kit, fd, &in);
}

/* Each answer comes later than its request was read: the rest waits unparsed, and a client that
 * sends without end is not read without end. */
static void test_pipelining_waits(void) {
  struct kit kit;
  struct bytes in = {0}, out = {0};
  kit_start(fresh(&kit), false, NULL);
  bytes_append_text(&out, GET("/late"));
  for (int i = 0; i < 200000; i++)
    bytes_append_text(&out, GET("/a"));
  int fd = client_open(&kit);
  struct slice rest = bytes_slice(&out);
  for (int i = 0; i < 100; i++) {
    ssize_t sent = send(fd, rest.data, rest.len, MSG_NOSIGNAL);
    if (sent > 0) rest = slice_skip(rest, (size_t)sent);
    kit_turn(&kit);
    if (kit.ended) break;
  }
  CHECK(kit.requests == 1 && rest.len > 0);
  KIT_UNTIL(&kit, 500, kit.requests > 100);
  CHECK(kit.requests > 100);
  bytes_fini(&out);
  finish(&kit, fd, &in);
}

static void test_continue(void) {
  struct kit kit;
  struct bytes in = {0};
  kit_start(fresh(&kit), false, NULL);
  int fd = client_open(&kit);
  say(&kit, fd, "POST /c HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  CHECK(client_read_until(&kit, fd, &in, "HTTP/1.1 100 Continue\r\n\r\n"));
  CHECK(in.len == 25);
  say(&kit, fd, "abc");
  CHECK(client_read_until(&kit, fd, &in, "/c|abc"));
  close(fd);
  bytes_clear(&in);
  fd = client_open(&kit); /* a handler that is not ready for the body yet */
  uint64_t start = clock_mono_ns();
  say(&kit, fd,
      "POST /resume HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  CHECK(client_read_until(&kit, fd, &in, "100 Continue"));
  CHECK(ms_since(start) >= 50);
  say(&kit, fd, "abc");
  CHECK(client_read_until(&kit, fd, &in, "/resume|abc"));
  finish(&kit, fd, &in);
}

static void test_pause(void) {
  struct kit kit;
  struct bytes in = {0};
  fresh(&kit)->config.client.body_idle_ms = 40; /* does not run while the handler pauses */
  kit_start(&kit, false, NULL);
  int fd = client_open(&kit);
  uint64_t start = clock_mono_ns();
  say(&kit, fd, "POST /resume HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc");
  say(&kit, fd, "def" GET("/b"));
  CHECK(client_read_until(&kit, fd, &in, "/b|"));
  CHECK(ms_since(start) >= 50 && strstr(bytes_text(&in), "/resume|abcdef"));
  finish(&kit, fd, &in);
}

static void test_unix(void) {
  struct kit kit;
  struct bytes in = {0};
  char path[64];
  snprintf(path, sizeof path, "/tmp/http-flow-%d.sock", (int)getpid());
  kit_start(fresh(&kit), false, path);
  int fd = client_open(&kit);
  say(&kit, fd, GET("/u"));
  CHECK(client_read_until(&kit, fd, &in, "/u|"));
  finish(&kit, fd, &in);
  kit_start(fresh(&kit), false, path); /* the file is still there, but nobody listens */
  fd = client_open(&kit);
  say(&kit, fd, GET("/v"));
  CHECK(client_read_until(&kit, fd, &in, "/v|"));
  struct address taken = {.is_unix = true, .host = path, .text = slice_of(path)};
  char error[128];
  CHECK(http_socket_new(&taken, 0600, error, sizeof error) == -1 && strstr(error, "in use"));
  say(&kit, fd, GET("/wait"));
  close(fd);
  KIT_UNTIL(&kit, 300, kit.cut);
  CHECK(kit.cut == 1 && strcmp(kit.reason, "client_closed") == 0);
  bytes_fini(&in);
  kit_stop(&kit);
  unlink(path);
}

static void test_half_close(void) {
  struct kit kit;
  struct bytes in = {0};
  kit_start(fresh(&kit), false, NULL);
  int fd = client_open(&kit);
  say(&kit, fd, GET("/late"));
  shutdown(fd, SHUT_WR);
  CHECK(client_read_all(&kit, fd, &in));
  CHECK(strstr(bytes_text(&in), "HTTP/1.1 200 OK") && strstr(in.data, "late"));
  CHECK(kit.cut == 0);
  finish(&kit, fd, &in);
}

/* A client that closes its socket is noticed in every phase, also when nothing is written to it. */
static void test_client_leaves(const char *path, bool is_reset) {
  struct kit kit;
  struct bytes in = {0};
  kit_start(fresh(&kit), false, NULL);
  int fd = client_open(&kit);
  bytes_printf(&in, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
  client_send(&kit, fd, bytes_slice(&in));
  KIT_UNTIL(&kit, 500, kit.requests == 1);
  usleep(2000);
  bytes_clear(&in);
  if (strcmp(path, "/wait") != 0) CHECK(client_read_until(&kit, fd, &in, "first"));
  struct linger at_once = {.l_onoff = 1, .l_linger = 0};
  if (is_reset) setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  uint64_t start = clock_mono_ns();
  close(fd);
  KIT_UNTIL(&kit, 1000, kit.ended);
  CHECK(ms_since(start) < (is_reset ? 100 : 200));
  CHECK(kit.cut == 1 && strcmp(kit.reason, "client_closed") == 0);
  bytes_fini(&in);
  kit_stop(&kit);
}

/* The same with answers queued for it. */
static void test_reset_while_writing(void) {
  struct kit kit;
  kit_start(fresh(&kit), false, NULL);
  int fd = client_open(&kit);
  say(&kit, fd, GET("/flood"));
  KIT_UNTIL(&kit, 50, kit.ended);
  CHECK(kit.ended == 0 && kit.written > 0);
  uint64_t start = clock_mono_ns();
  close(fd); /* unread bytes make it a reset */
  KIT_UNTIL(&kit, 1000, kit.ended);
  CHECK(ms_since(start) < 100);
  CHECK(kit.cut == 1 && strcmp(kit.reason, "client_closed") == 0);
  kit_stop(&kit);
}

static void test_cut(void) {
  struct kit kit;
  struct bytes in = {0};
  kit_start(fresh(&kit), false, NULL);
  int fd = client_open(&kit);
  say(&kit, fd, GET("/two") GET("/cut") GET("/a"));
  CHECK(client_read_all(&kit, fd, &in));
  CHECK(strstr(bytes_text(&in), "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\nHTTP/1.1 200"));
  CHECK(strstr(in.data, "4\r\nhalf\r\n") && !strstr(in.data, "/a|"));
  CHECK(in.len > 10 && memcmp(in.data + in.len - 6, "half\r\n", 6) == 0);
  CHECK(kit.requests == 2 && kit.cut == 1 && strcmp(kit.reason, "cut") == 0);
  finish(&kit, fd, &in);
}

static void test_streams(void) {
  struct kit kit;
  struct bytes in = {0};
  kit_start(fresh(&kit), false, NULL);
  int fd = client_open(&kit);
  say(&kit, fd, "HEAD /two HTTP/1.1\r\nHost: x\r\n\r\nHEAD /h HTTP/1.1\r\nHost: x\r\n\r\n");
  say(&kit, fd, "GET /two HTTP/1.0\r\n\r\n");
  CHECK(client_read_all(&kit, fd, &in));
  CHECK(strstr(bytes_text(&in), "Content-Length: 3\r\n\r\nHTTP/1.1")); /* of "/h|" */
  CHECK(in.len > 10 && memcmp(in.data + in.len - 10, "\r\n\r\nonetwo", 10) == 0);
  CHECK(kit.cut == 0 && kit.ended == 3);
  finish(&kit, fd, &in);
}

static void test_drain(void) {
  struct kit kit;
  struct bytes in = {0}, idle_in = {0};
  kit_start(fresh(&kit), false, NULL);
  int idle = client_open(&kit), busy = client_open(&kit);
  say(&kit, idle, GET("/a"));
  CHECK(client_read_until(&kit, idle, &idle_in, "/a|"));
  say(&kit, busy, GET("/late"));
  KIT_UNTIL(&kit, 500, kit.requests == 2);
  http_server_drain(kit.server);
  http_server_part(kit.server, UINT64_MAX);
  CHECK(client_read_all(&kit, idle, &idle_in));
  CHECK(client_read_all(&kit, busy, &in));
  CHECK(strstr(bytes_text(&in), "Connection: close") && strstr(in.data, "late"));
  close(busy); /* until then the server lingers, so that the answer cannot be lost */
  KIT_UNTIL(&kit, 500, http_server_connections(kit.server) == 0);
  CHECK(http_server_connections(kit.server) == 0 && kit.cut == 0);
  bytes_fini(&idle_in);
  finish(&kit, idle, &in);
}

static void test_connection_limit(void) {
  struct kit kit;
  struct bytes in = {0};
  fresh(&kit)->config.limits.connections = 2;
  kit_start(&kit, false, NULL);
  int one = client_open(&kit), two = client_open(&kit);
  say(&kit, one, GET("/a"));
  say(&kit, two, GET("/a"));
  KIT_UNTIL(&kit, 500, kit.ended == 2);
  int three = client_open(&kit);
  CHECK(client_read_all(&kit, three, &in) && in.len == 0);
  say(&kit, one, GET("/b"));
  CHECK(client_read_until(&kit, one, &in, "/b|"));
  close(two);
  close(three);
  finish(&kit, one, &in);
}

/* With all connections taken, an idle one is given up after 2 s instead of its 75. */
static void test_busy_keepalive(void) {
  struct kit kit;
  struct bytes in = {0};
  fresh(&kit)->config.limits.connections = 1;
  kit_start(&kit, false, NULL);
  int fd = client_open(&kit);
  say(&kit, fd, GET("/a"));
  CHECK(client_read_until(&kit, fd, &in, "/a|"));
  uint64_t start = clock_mono_ns();
  KIT_UNTIL(&kit, 7000, http_server_connections(kit.server) == 0);
  CHECK(ms_since(start) >= 1900 && ms_since(start) < 4000);
  finish(&kit, fd, &in);
}

static void test_addresses(void) {
  char error[128];
  struct address a = {.text = SLICE("[::1]:0"), .host = "::1"};
  struct sockaddr_in6 name;
  socklen_t len = sizeof name;
  int on = 0, fd = http_socket_new(&a, 0600, error, sizeof error);
  socklen_t on_len = sizeof on;
  CHECK(fd >= 0 || strstr(error, "[::1]:0")); /* a machine may lack IPv6 */
  if (fd >= 0) {
    CHECK(getsockname(fd, (struct sockaddr *)&name, &len) == 0 && name.sin6_family == AF_INET6);
    CHECK(getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, &on_len) == 0 && on == 1);
    close(fd);
  }
  a = (struct address){.text = SLICE("203.0.113.1:80"), .host = "203.0.113.1", .port = 80};
  CHECK(http_socket_new(&a, 0600, error, sizeof error) == -1);
  CHECK(strncmp(error, "cannot listen on 203.0.113.1:80: ", 33) == 0);
}

static void test_close_cuts(void) {
  struct kit kit;
  kit_start(fresh(&kit), false, NULL);
  int fd[4];
  const char *sent[4] = {GET("/wait"), GET("/sse"), "POST /p HTTP/1.1\r\nHost: x\r\n", ""};
  for (int i = 0; i < 4; i++) {
    fd[i] = client_open(&kit);
    say(&kit, fd[i], sent[i]);
  }
  KIT_UNTIL(&kit, 500, kit.requests == 2);
  kit_stop(&kit);
  CHECK(kit.cut == 2 && strcmp(kit.reason, "server_closed") == 0);
  for (int i = 0; i < 4; i++)
    close(fd[i]);
}

int main(void) {
  test_header_deadline();
  test_silent_connection();
  test_body_deadlines();
  test_keepalive();
  test_stall();
  test_back_pressure();
  test_pipelining();
  test_pipelining_waits();
  test_continue();
  test_pause();
  test_unix();
  test_half_close();
  test_client_leaves("/wait", false);
  test_client_leaves("/wait", true);
  test_client_leaves("/silent", false);
  test_client_leaves("/sse", false);
  test_client_leaves("/sse", true);
  test_reset_while_writing();
  test_cut();
  test_streams();
  test_drain();
  test_connection_limit();
  test_busy_keepalive();
  test_addresses();
  test_close_cuts();
  return checks_end();
}
