/* Plain requests and answers: framing, splits, cuts, keep-alive. */
#include "upstream/fake.h"

static const char hello[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
static const char chunked[] =
    "HTTP/1.1 200 OK\r\nX-Empty:\r\nContent-Type: text/event-stream\r\n"
    "Transfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n7\r\n, world\r\n"
    "0\r\nTrailer-Line: x\r\n\r\n";

static void serve_hello(struct fake_conn *c) {
  char head[4096];
  while (fake_request(c, head, sizeof head, NULL) && fake_say(c, hello))
    continue;
}

static void test_request_bytes(void);

static void test_keep_alive(void) {
  struct fake f;
  struct rig r;
  fake_start(&f, serve_hello);
  rig_start(&r, f.port);
  for (int i = 0; i < 50; i++) {
    struct probe p = {0};
    probe_post(&p, &r, false);
    probe_wait(&p, &r, 2000);
    CHECK(p.is_ended && p.status == 200);
    CHECK(p.timing.is_reused == (i > 0));
    CHECK(i > 0 ? p.timing.connected == 0
                : p.timing.started <= p.timing.connected && p.timing.connected <= p.timing.head);
    CHECK(p.timing.is_sent && p.timing.started <= p.timing.head &&
          p.timing.head <= p.timing.first_byte && p.timing.first_byte <= p.timing.ended);
    CHECK_TEXT(bytes_slice(&p.body), "hello");
    CHECK(strcmp(p.content_type, "text/plain") == 0);
    if (p.is_failed) fprintf(stderr, "%s\n", p.sentence);
    probe_fini(&p);
  }
  CHECK(atomic_load(&f.connections) == 1);
  CHECK(upstream_open(r.upstream) == 1);
  rig_stop(&r);
  fake_stop(&f);
}

static char seen[4096];
static void serve_and_show(struct fake_conn *c) {
  if (fake_request(c, seen, sizeof seen, NULL)) fake_say(c, hello);
}

static void test_request_bytes(void) {
  struct fake f;
  struct rig r;
  struct probe p = {0};
  fake_start(&f, serve_and_show);
  rig_start(&r, f.port);
  probe_post(&p, &r, false);
  probe_wait(&p, &r, 2000);
  char want[512];
  snprintf(want, sizeof want,
           "POST /v1/chat/completions?x=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: "
           "application/json\r\nContent-Length: 13\r\n\r\n",
           f.port);
  CHECK(strcmp(seen, want) == 0);
  probe_fini(&p);
  rig_stop(&r);
  fake_stop(&f);
}

static void serve_split(struct fake_conn *c) {
  char head[4096];
  const char *text = c->fake->script;
  size_t at = c->fake->cut;
  if (!fake_request(c, head, sizeof head, NULL)) return;
  fake_send(c, text, at);
  usleep(300);
  fake_say(c, text + at);
  fake_wait_close(c);
}

static void serve_bytewise(struct fake_conn *c) {
  char head[4096];
  if (!fake_request(c, head, sizeof head, NULL)) return;
  for (const char *p = c->fake->script; *p; p++)
    fake_send(c, p, 1);
  fake_wait_close(c);
}

static void one(struct fake *f, struct probe *p) {
  struct rig r;
  rig_start(&r, f->port);
  probe_post(p, &r, false);
  probe_wait(p, &r, 3000);
  rig_stop(&r);
  fake_settle(f);
}

static void test_split_everywhere(const char *text, const char *body) {
  struct fake f;
  fake_start(&f, serve_split);
  f.script = (void *)text;
  for (f.cut = 0; f.cut <= strlen(text); f.cut++) {
    struct probe p = {0};
    one(&f, &p);
    CHECK(p.is_ended && p.status == 200);
    CHECK_TEXT(bytes_slice(&p.body), body);
    if (p.is_failed) fprintf(stderr, "split at %zu: %s\n", f.cut, p.sentence);
    probe_fini(&p);
  }
  f.serve = serve_bytewise;
  struct probe p = {0};
  one(&f, &p);
  CHECK(p.is_ended);
  CHECK_TEXT(bytes_slice(&p.body), body);
  probe_fini(&p);
  fake_stop(&f);
}

static void serve_cut(struct fake_conn *c) {
  char head[4096];
  if (!fake_request(c, head, sizeof head, NULL)) return;
  fake_send(c, c->fake->script, c->fake->cut);
  if (c->fake->requests % 2) fake_reset(c);
}

static void test_cut_everywhere(const char *text) {
  struct fake f;
  fake_start(&f, serve_cut);
  f.script = (void *)text;
  for (f.cut = 0; f.cut < strlen(text); f.cut++) {
    struct probe p = {0};
    one(&f, &p);
    CHECK(p.is_failed && p.kind == FAILURE_UPSTREAM_CUT && !p.is_stale);
    if (p.kind != FAILURE_UPSTREAM_CUT)
      fprintf(stderr, "cut at %zu: %d %s\n", f.cut, p.status, p.sentence);
    probe_fini(&p);
  }
  fake_stop(&f);
}

struct answer {
  const char *text, *body; /* body NULL: refused */
  int status;
};

static void serve_text(struct fake_conn *c) {
  char head[4096];
  while (fake_request(c, head, sizeof head, NULL)) {
    fake_say(c, c->fake->script);
    if (strstr(c->fake->script, "until the end")) return;
  }
}

static void test_answers(void) {
  static const struct answer answers[] = {
      {"HTTP/1.1 204 No Content\r\n\r\n", "", 204},
      {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", "", 204},
      {"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", "", 304},
      {"HTTP/1.1 200 OK\r\n\r\nuntil the end", "until the end", 200},
      {"HTTP/1.0 200 OK\r\n\r\nuntil the end", "until the end", 200},
      {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "", 200},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 "
       "OK\r\nContent-Length: 2\r\n\r\nok",
       "ok", 200},
      {"HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 2\r\n\r\nok", "ok", 200},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", "ok", 200},
      {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", NULL, 0},
      {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", NULL, 0},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", NULL, 0},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nuntil the end", NULL, 0},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", NULL, 0},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", NULL,
       0},
      {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", NULL, 0},
      {"HTTP/1.1 200 OK\r\nX-Fold: a\r\n b\r\nContent-Length: 0\r\n\r\n", NULL, 0},
      {"HTTP/1.1 200 OK\r\nX: a\x01z\r\nContent-Length: 0\r\n\r\n", NULL, 0},
      {"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", NULL, 0},
      {"HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n", NULL, 0},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", NULL, 0},
      {"<html>garbage", NULL, 0},
      {"SSH-2.0-OpenSSH\r\n", NULL, 0},
  };
  struct fake f;
  fake_start(&f, serve_text);
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
    struct probe p = {0};
    f.script = (void *)answers[i].text;
    one(&f, &p);
    if (answers[i].body) {
      CHECK(p.is_ended && p.status == answers[i].status);
      CHECK_TEXT(bytes_slice(&p.body), answers[i].body);
    } else {
      CHECK(p.is_failed && p.kind == FAILURE_UPSTREAM_PROTOCOL);
    }
    if (!p.is_ended != !answers[i].body)
      fprintf(stderr, "answer %zu: %s (%s)\n", i, answers[i].text, p.sentence);
    probe_fini(&p);
  }
  fake_stop(&f);
}

/* What follows the message must never be taken for the next answer. */
static void test_extra_bytes(void) {
  struct fake f;
  struct rig r;
  fake_start(&f, serve_text);
  f.script = (void *)"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n"
                     "Content-Length: 4\r\n\r\nevil";
  rig_start(&r, f.port);
  for (int i = 0; i < 10; i++) {
    struct probe p = {0};
    probe_post(&p, &r, false);
    probe_wait(&p, &r, 2000);
    CHECK(p.is_ended && !p.timing.is_reused);
    CHECK_TEXT(bytes_slice(&p.body), "ok");
    probe_fini(&p);
  }
  CHECK(atomic_load(&f.connections) == 10);
  rig_stop(&r);
  fake_stop(&f);
}

static void test_floods(void) {
  struct fake f;
  struct bytes big;
  bytes_init(&big);
  fake_start(&f, serve_text);
  for (int kind = 0; kind < 4; kind++) {
    bytes_clear(&big);
    if (kind == 0)
      for (int i = 0; i < 1000; i++)
        bytes_append_text(&big, "HTTP/1.1 100 Continue\r\n\r\n");
    if (kind > 0) bytes_append_text(&big, "HTTP/1.1 200 OK\r\n");
    if (kind == 1)
      for (int i = 0; i < 101; i++)
        bytes_printf(&big, "X-%d: 1\r\n", i);
    if (kind == 2) bytes_append_text(&big, "X: ");
    if (kind == 3) bytes_append_text(&big, "Transfer-Encoding: chunked\r\n\r\n5;");
    if (kind >= 2)
      for (int i = 0; i < 2000; i++)
        bytes_append_text(&big, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    f.script = (void *)bytes_text(&big);
    struct probe p = {0};
    one(&f, &p);
    CHECK(p.is_failed && p.kind == FAILURE_UPSTREAM_PROTOCOL);
    if (!p.is_failed) fprintf(stderr, "flood %d passed\n", kind);
    probe_fini(&p);
  }
  bytes_fini(&big);
  fake_stop(&f);
}

static void test_refused(void) {
  struct fake f;
  struct probe p = {0};
  fake_start(&f, serve_hello);
  fake_stop(&f);
  one(&f, &p);
  char want[128];
  snprintf(want, sizeof want, "connect to 127.0.0.1:%u failed: Connection refused", f.port);
  CHECK(p.is_failed && p.kind == FAILURE_UPSTREAM_CONNECT);
  CHECK(strcmp(p.sentence, want) == 0);
  probe_fini(&p);
  struct rig r;
  rig_prepare(&r, 1);
  rig_aim(&r, "no-such-host.invalid", 1);
  rig_open(&r);
  probe_post(&p, &r, false);
  probe_wait(&p, &r, 5000);
  CHECK(p.is_failed && (p.kind == FAILURE_UPSTREAM_DNS || p.kind == FAILURE_UPSTREAM_DNS_TIMEOUT));
  CHECK(strstr(p.sentence, "no-such-host.invalid") != NULL);
  probe_fini(&p);
  rig_stop(&r);
}

static char asked[4096];

static void serve_proxy(struct fake_conn *c) {
  char head[4096];
  if (!fake_request(c, asked, sizeof asked, NULL)) return;
  fake_say(c, "HTTP/1.1 200 Connection established\r\n\r\n");
  while (fake_request(c, head, sizeof head, NULL) && fake_say(c, hello))
    continue;
}

/* Only through the configured proxy, and by CONNECT; the environment's is nobody's business. */
static void test_proxy(void) {
  struct fake f, direct;
  struct rig r;
  char proxy[64];
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  setenv("all_proxy", "http://127.0.0.1:1", 1);
  fake_start(&f, serve_proxy);
  rig_prepare(&r, f.port);
  snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", f.port);
  rig_aim(&r, "gpu.internal.invalid", 8000);
  r.provider.proxy = proxy;
  rig_open(&r);
  for (int i = 0; i < 3; i++) {
    struct probe p = {0};
    probe_post(&p, &r, false);
    probe_wait(&p, &r, 2000);
    CHECK(p.is_ended && p.timing.is_reused == (i > 0));
    CHECK_TEXT(bytes_slice(&p.body), "hello");
    if (p.is_failed) fprintf(stderr, "%s\n", p.sentence);
    probe_fini(&p);
  }
  CHECK(strncmp(asked, "CONNECT gpu.internal.invalid:8000 HTTP/1.1\r\n", 44) == 0);
  rig_stop(&r);
  fake_stop(&f);

  struct probe p = {0};
  fake_start(&direct, serve_hello);
  one(&direct, &p);
  CHECK(p.is_ended);
  probe_fini(&p);
  fake_stop(&direct);
}

int main(void) {
  test_proxy();
  test_request_bytes();
  test_keep_alive();
  test_answers();
  test_extra_bytes();
  test_floods();
  test_refused();
  test_split_everywhere(hello, "hello");
  test_split_everywhere(chunked, "hello, world");
  test_cut_everywhere(hello);
  test_cut_everywhere(chunked);
  return checks_end();
}
