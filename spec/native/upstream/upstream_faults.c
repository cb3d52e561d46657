/* Providers that stall, close, refuse to read; callers that pause and leave. */
#include <sys/resource.h>

#include "upstream/fake.h"

static void serve_stall(struct fake_conn *c) { /* sends `cut` bytes of the script, then nothing */
  char head[4096];
  if (!fake_request(c, head, sizeof head, NULL)) return;
  fake_send(c, c->fake->script, c->fake->cut);
  fake_wait_close(c);
}

static void serve_trickle(struct fake_conn *c) {
  char head[4096];
  if (!fake_request(c, head, sizeof head, NULL)) return;
  fake_say(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
  while (fake_say(c, ": ping\n\n"))
    usleep(20000);
}

static struct fake f;
static struct rig r;

static void begin(fake_serve serve, const char *script) {
  fake_start(&f, serve);
  f.script = (void *)script;
  f.cut = script ? strlen(script) : 0;
  rig_prepare(&r, f.port);
}

static void finish(void) {
  rig_stop(&r);
  fake_stop(&f);
}

static void expect_timeout(struct probe *p, enum failure_kind kind, const char *word,
                           uint64_t want_ms) {
  uint64_t from = clock_mono_ns();
  probe_wait(p, &r, 3000);
  uint64_t ms = (clock_mono_ns() - from) / 1000000;
  CHECK(p->is_failed && p->kind == kind && strstr(p->sentence, word) != NULL);
  CHECK(ms + 5 >= want_ms && ms <= want_ms + 100);
  if (!p->is_failed || p->kind != kind || ms > want_ms + 100)
    fprintf(stderr, "kind %d after %d ms: %s\n", p->kind, (int)ms, p->sentence);
  probe_fini(p);
}

static void test_stalls(void) {
  struct probe p = {0};
  begin(serve_stall, "HTTP/1.1 200 ");
  r.provider.timers.head_ms = 150;
  rig_open(&r);
  probe_post(&p, &r, true);
  expect_timeout(&p, FAILURE_UPSTREAM_HEAD_TIMEOUT, "did not answer within 0.15 s", 150);
  finish();

  begin(serve_stall, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n: hi\n\n");
  r.provider.timers.first_token_ms = 150;
  rig_open(&r);
  probe_post(&p, &r, true);
  expect_timeout(&p, FAILURE_UPSTREAM_FIRST_TOKEN_TIMEOUT, "no first token", 150);
  r.provider.timers.idle_ms = 120;
  probe_post(&p, &r, false);
  expect_timeout(&p, FAILURE_UPSTREAM_IDLE_TIMEOUT, "nothing more", 120);
  p.first_token_on_data = true;
  probe_post(&p, &r, true);
  expect_timeout(&p, FAILURE_UPSTREAM_IDLE_TIMEOUT, "nothing more", 120);
  finish();
}

static void test_comments_and_total(void) {
  struct probe p = {0};
  begin(serve_trickle, NULL);
  r.provider.timers.idle_ms = 100;
  r.provider.timers.stream_total_ms = 400;
  r.provider.timers.total_ms = 200;
  rig_open(&r);
  p.first_token_on_data = true;
  probe_post(&p, &r, true);
  expect_timeout(&p, FAILURE_UPSTREAM_TOTAL_TIMEOUT, "did not finish", 400);
  probe_post(&p, &r, false);
  expect_timeout(&p, FAILURE_UPSTREAM_TOTAL_TIMEOUT, "did not finish", 200);
  r.provider.timers.idle_counts_comments = false;
  p.first_token_on_data = true;
  probe_post(&p, &r, true);
  expect_timeout(&p, FAILURE_UPSTREAM_IDLE_TIMEOUT, "nothing more", 100);
  finish();
}

static struct slice big_body(size_t bytes) {
  char *text = must_alloc(bytes);
  for (size_t i = 0; i < bytes; i++)
    text[i] = (char)('a' + i % 26);
  return (struct slice){text, bytes};
}

static void post_body(struct probe *p, const struct slice *pieces, size_t count) {
  struct attempt_request request = {.provider = &r.provider,
                                    .method = SLICE("POST"),
                                    .path = SLICE("/v1/embeddings"),
                                    .body = pieces,
                                    .body_count = count};
  probe_send(p, &r, &request);
}

static void serve_deaf(struct fake_conn *c) { /* reads nothing until told to stop */
  char head[128];
  recv(c->fd, head, sizeof head, 0);
  while (!atomic_load(&c->fake->stop))
    usleep(10000);
}

static long resident_kib(void) {
  long pages = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  CHECK(file && fscanf(file, "%ld %ld", &pages, &resident) == 2);
  fclose(file);
  return resident * 4;
}

static void test_deaf_provider(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  enum { COUNT = 50, LIMIT_KIB = COUNT * 64 * 16 }; /* the sanitizer's own memory counts too */
#else
  enum { COUNT = 50, LIMIT_KIB = COUNT * 64 };
#endif
  struct probe p[COUNT] = {0};
  struct slice body = big_body(20 << 20);
  begin(serve_deaf, NULL);
  r.provider.timers.idle_ms = 400;
  rig_open(&r);
  long before = resident_kib();
  for (int i = 0; i < COUNT; i++)
    post_body(&p[i], &body, 1);
  rig_run(&r, NULL, 250);
  long grown = resident_kib() - before;
  CHECK(grown < LIMIT_KIB);
  if (grown >= LIMIT_KIB) fprintf(stderr, "grew by %ld KiB\n", grown);
  for (int i = 0; i < COUNT; i++) {
    probe_wait(&p[i], &r, 1000);
    CHECK(p[i].is_failed && p[i].kind == FAILURE_UPSTREAM_IDLE_TIMEOUT);
    CHECK(strstr(p[i].sentence, "took no byte of the request") != NULL);
    probe_fini(&p[i]);
  }
  free((char *)body.data);
  finish();
}

static void serve_checksum(struct fake_conn *c) {
  static char head[4096];
  char buffer[65536], answer[256];
  size_t have = 0, seen = 0;
  bool in_head = true, right = true;
  while (seen < c->fake->cut) {
    ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
    if (n <= 0) return;
    ssize_t at = 0;
    for (; in_head && at < n; at++) {
      head[have++] = buffer[at];
      in_head = have < 4 || memcmp(head + have - 4, "\r\n\r\n", 4) != 0;
    }
    for (; at < n; at++, seen++)
      right = right && buffer[at] == (char)('a' + seen % 26);
  }
  snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n%s",
           right ? "right" : "wrong");
  fake_say(c, answer);
  fake_wait_close(c);
}

static void test_big_body(void) {
  struct slice body = big_body(20 << 20), pieces[4];
  struct probe p = {0};
  begin(serve_checksum, NULL);
  f.cut = body.len;
  rig_open(&r);
  pieces[0] = (struct slice){body.data, 1};
  pieces[1] = (struct slice){body.data + 1, 0};
  pieces[2] = (struct slice){body.data + 1, 9 << 20};
  pieces[3] = slice_skip(body, 1 + (9 << 20));
  post_body(&p, pieces, 4);
  probe_wait(&p, &r, 5000);
  CHECK(p.is_ended);
  CHECK_TEXT(bytes_slice(&p.body), "right");
  probe_fini(&p);
  free((char *)body.data);
  finish();
}

static void serve_early_refusal(struct fake_conn *c) {
  char head[128];
  recv(c->fd, head, sizeof head, 0);
  fake_say(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
  shutdown(c->fd, SHUT_WR);
  usleep(50000);
  while (recv(c->fd, head, sizeof head, MSG_DONTWAIT) > 0)
    continue;
}

static void test_early_answer(void) {
  struct slice body = big_body(20 << 20);
  struct probe p = {0};
  begin(serve_early_refusal, NULL);
  rig_open(&r);
  post_body(&p, &body, 1);
  probe_wait(&p, &r, 2000);
  CHECK(p.is_ended && p.status == 413);
  if (p.is_failed) fprintf(stderr, "%s\n", p.sentence);
  CHECK(upstream_open(r.upstream) == 0);
  probe_fini(&p);
  free((char *)body.data);
  finish();
}

static atomic_size_t poured;

static void serve_pour(struct fake_conn *c) {
  char head[4096], block[65536];
  if (!fake_request(c, head, sizeof head, NULL)) return;
  memset(block, 'x', sizeof block);
  snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", c->fake->cut);
  fake_say(c, head);
  for (size_t sent = 0; sent < c->fake->cut; sent += sizeof block) {
    if (!fake_send(c, block, sizeof block)) return;
    atomic_store(&poured, sent + sizeof block);
  }
  fake_wait_close(c);
}

static void test_pause(void) {
  struct probe p = {.pause_at = 1 << 20};
  begin(serve_pour, NULL);
  f.cut = 64 << 20;
  r.provider.timers.idle_ms = 300; /* must not run while paused */
  rig_open(&r);
  probe_post(&p, &r, false);
  rig_run(&r, &p.has_paused, 3000);
  rig_run(&r, NULL, 600);
  size_t got = p.body.len;
  CHECK(!p.is_failed && !p.is_ended);
  CHECK(got >= 1 << 20 && got < (1 << 20) + (32 << 10));
  CHECK(atomic_load(&poured) < 32u << 20); /* the kernel's buffers, and no more */
  p.pause_at = 0;
  attempt_resume(p.attempt);
  CHECK(p.body.len == got);
  probe_wait(&p, &r, 20000);
  CHECK(p.is_ended && p.body.len == f.cut);
  if (!p.is_ended) fprintf(stderr, "%zu of %zu: %s\n", p.body.len, f.cut, p.sentence);
  probe_fini(&p);
  finish();
}

/* Paused at every chunk: no byte lost, none twice, the end only after a resume. */
static void test_pause_each_chunk(void) {
  struct probe p = {.pause_at = 1};
  begin(serve_stall, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n"
                     "3\r\ndef\r\n4\r\nghij\r\n0\r\n\r\n");
  rig_open(&r);
  probe_post(&p, &r, false);
  for (int i = 1; i <= 4; i++) {
    p.has_paused = false;
    rig_run(&r, &p.has_paused, 3000);
    rig_run(&r, NULL, 10);
    CHECK(p.chunks == i && !p.is_ended);
    attempt_resume(p.attempt);
    CHECK(p.chunks == i);
  }
  probe_wait(&p, &r, 1000);
  CHECK(p.is_ended);
  CHECK_TEXT(bytes_slice(&p.body), "abcdefghij");
  probe_fini(&p);
  finish();
  p = (struct probe){.pause_at = 3}; /* here the pause falls on the last byte of a sized body */
  begin(serve_stall, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
  rig_open(&r);
  probe_post(&p, &r, false);
  rig_run(&r, &p.has_paused, 3000);
  CHECK(p.chunks == 1 && !p.is_ended);
  p.pause_at = 0;
  attempt_resume(p.attempt);
  probe_wait(&p, &r, 1000);
  CHECK(p.is_ended);
  probe_fini(&p);
  finish();
}

static _Atomic uint64_t closed_ns;

static void serve_until_closed(struct fake_conn *c) {
  char head[4096];
  if (!fake_request(c, head, sizeof head, NULL)) return;
  fake_send(c, c->fake->script, c->fake->cut);
  atomic_store(&closed_ns, fake_wait_close(c));
}

static void test_cancel(void) {
  static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc";
  begin(serve_until_closed, answer);
  rig_open(&r);
  for (size_t cut = 0; cut < sizeof answer; cut += 10) {
    struct probe p = {0};
    f.cut = cut;
    atomic_store(&closed_ns, 0);
    probe_post(&p, &r, false);
    rig_run(&r, NULL, 30);
    uint64_t from = clock_mono_ns();
    attempt_cancel(p.attempt);
    attempt_cancel(p.attempt); /* again in the same tick: harmless */
    for (int i = 0; i < 100 && !atomic_load(&closed_ns); i++)
      usleep(1000);
    CHECK(atomic_load(&closed_ns) && atomic_load(&closed_ns) - from < 100000000);
    rig_run(&r, NULL, 10);
    CHECK(!p.is_failed && !p.is_ended && upstream_open(r.upstream) == 0);
    probe_fini(&p);
    fake_settle(&f);
  }
  struct probe p = {0};
  probe_post(&p, &r, false); /* while it still connects */
  attempt_cancel(p.attempt);
  rig_run(&r, NULL, 10);
  CHECK(upstream_open(r.upstream) == 0 && !p.is_failed);
  finish();
}

static void serve_second_read_then_close(struct fake_conn *c) {
  char head[4096];
  if (!fake_request(c, head, sizeof head, NULL)) return;
  fake_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  fake_request(c, head, sizeof head, NULL);
  if (c->number % 2) fake_reset(c);
}

static void test_no_silent_resend(void) {
  enum { ROUNDS = 200 };
  begin(serve_second_read_then_close, NULL);
  rig_open(&r);
  for (int i = 0; i < 2 * ROUNDS; i++) {
    struct probe p = {0};
    probe_post(&p, &r, false);
    probe_wait(&p, &r, 2000);
    CHECK(p.timing.is_reused == (i % 2 == 1));
    if (i % 2 == 0)
      CHECK(p.is_ended);
    else
      CHECK(p.is_failed && p.kind == FAILURE_UPSTREAM_CUT && p.is_stale);
    probe_fini(&p);
  }
  CHECK(atomic_load(&f.requests) == 2 * ROUNDS);
  CHECK(atomic_load(&f.connections) == ROUNDS);
  finish();
}

static void serve_once_then_close(struct fake_conn *c) {
  char head[4096];
  if (!fake_request(c, head, sizeof head, NULL)) return;
  fake_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

/* The close of an idle connection is seen before the next request goes out on it. */
static void test_idle_close(void) {
  begin(serve_once_then_close, NULL);
  rig_open(&r);
  for (int i = 0; i < 100; i++) {
    struct probe p = {0};
    probe_post(&p, &r, false);
    probe_wait(&p, &r, 2000);
    CHECK(p.is_ended);
    probe_fini(&p);
    if (i % 2) { /* nothing polled in between: the look before reuse must see it */
      usleep(3000);
      uv_update_time(&r.loop);
    } else {
      rig_run(&r, NULL, 3);
    }
  }
  CHECK(atomic_load(&f.requests) == 100);
  finish();
}

static atomic_bool may_close;

static void serve_once_then_wait(struct fake_conn *c) {
  serve_once_then_close(c);
  while (!atomic_load(&may_close))
    usleep(100);
}

static void serve_some_then_close(struct fake_conn *c) {
  enum { ANSWERS = 4 };
  char head[4096];
  for (int i = 0; i < ANSWERS; i++) {
    if (!fake_request(c, head, sizeof head, NULL)) return;
    fake_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  }
  while (!atomic_load(&may_close))
    usleep(100);
}

/* As a server does that stops while it answers: however long it kept the connection before, and
 * however little time has passed since. */
static void test_close_behind_answer(void) {
  enum { ROUNDS = 20, ANSWERS = 4 };
  begin(serve_some_then_close, NULL);
  rig_open(&r);
  for (int i = 0; i < ROUNDS * ANSWERS; i++) {
    struct probe p = {0};
    probe_post(&p, &r, false);
    probe_wait(&p, &r, 2000);
    CHECK(p.is_ended && p.timing.is_reused == (i % ANSWERS != 0));
    probe_fini(&p);
    if (i % ANSWERS != ANSWERS - 1) continue;
    atomic_store(&may_close, true); /* nothing polls until the next request */
    fake_settle(&f);
    atomic_store(&may_close, false);
  }
  finish();
}

static void on_turn(uv_prepare_t *prepare) {
  (void)prepare;
  upstream_flush(r.upstream);
}

/* A request that is held back in a busy turn has not left: a close meanwhile takes nothing with it,
 * however many connections it meets. */
static void test_close_while_held(void) {
  enum { ROUNDS = 10, TOGETHER = GATHER_MOST - 2 };
  struct gather gather = {.writes_before = GATHER_FROM};
  struct probe probes[TOGETHER];
  uv_prepare_t prepare;
  begin(serve_once_then_wait, NULL);
  rig_open(&r);
  uv_prepare_init(&r.loop, &prepare);
  uv_prepare_start(&prepare, on_turn);
  uv_unref((uv_handle_t *)&prepare);
  upstream_gather(r.upstream, &gather);
  for (int i = 0; i < 2 * ROUNDS; i++) {
    memset(probes, 0, sizeof probes);
    for (int k = 0; k < TOGETHER; k++)
      probe_post(&probes[k], &r, false);
    if (i % 2) { /* they lie ready to leave on connections that go now */
      atomic_store(&may_close, true);
      fake_settle(&f);
      atomic_store(&may_close, false);
    }
    for (int k = 0; k < TOGETHER; k++) {
      probe_wait(&probes[k], &r, 5000);
      CHECK(probes[k].is_ended && !probes[k].timing.is_reused);
      probe_fini(&probes[k]);
    }
    if (i % 2 == 0) continue;
    atomic_store(&may_close, true);
    fake_settle(&f);
    rig_run(&r, NULL, 3);
    atomic_store(&may_close, false);
  }
  CHECK(atomic_load(&f.requests) == 2 * ROUNDS * TOGETHER);
  uv_close((uv_handle_t *)&prepare, NULL);
  finish();
}

static void on_asked(uv_poll_t *poll, int status, int events) {
  (void)status;
  (void)events;
  uv_poll_stop(poll);
  probe_post(poll->data, &r, false);
}

/* The close is among what the turn found, behind the client's request, which is held back. */
static void test_close_in_turn(void) {
  enum { ROUNDS = 10 };
  struct gather gather = {.writes_before = GATHER_FROM};
  uv_prepare_t prepare;
  begin(serve_once_then_wait, NULL);
  rig_open(&r);
  uv_prepare_init(&r.loop, &prepare);
  uv_prepare_start(&prepare, on_turn);
  uv_unref((uv_handle_t *)&prepare);
  upstream_gather(r.upstream, &gather);
  for (int i = 0; i < ROUNDS; i++) {
    struct probe first = {0}, second = {0};
    uv_poll_t client;
    int ends[2];
    must(pipe(ends) == 0 && uv_poll_init(&r.loop, &client, ends[0]) == 0);
    client.data = &second;
    uv_poll_start(&client, UV_READABLE, on_asked);
    probe_post(&first, &r, false);
    probe_wait(&first, &r, 5000);
    must(write(ends[1], "x", 1) == 1);
    atomic_store(&may_close, true);
    fake_settle(&f);
    atomic_store(&may_close, false);
    probe_wait(&second, &r, 5000);
    CHECK(first.is_ended && second.is_ended && !second.timing.is_reused);
    uv_close((uv_handle_t *)&client, NULL);
    atomic_store(&may_close, true);
    fake_settle(&f);
    rig_run(&r, NULL, 3);
    atomic_store(&may_close, false);
    probe_fini(&first);
    probe_fini(&second);
    close(ends[0]);
    close(ends[1]);
  }
  uv_close((uv_handle_t *)&prepare, NULL);
  finish();
}

static void serve_ok(struct fake_conn *c) {
  char head[4096];
  while (fake_request(c, head, sizeof head, NULL))
    if (!fake_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) return;
}

static void one_request(void) {
  struct probe p = {0};
  probe_post(&p, &r, false);
  probe_wait(&p, &r, 2000);
  CHECK(p.is_ended);
  probe_fini(&p);
}

static void test_pool_times_and_reload(void) {
  begin(serve_ok, NULL);
  r.provider.timers.pool_idle_ms = 100;
  rig_open(&r);
  one_request();
  rig_run(&r, NULL, 60);
  CHECK(upstream_open(r.upstream) == 1);
  one_request();
  rig_run(&r, NULL, 80);
  CHECK(upstream_open(r.upstream) == 1 && atomic_load(&f.connections) == 1);
  rig_run(&r, NULL, 80);
  CHECK(upstream_open(r.upstream) == 0);

  struct provider changed = r.provider;
  struct config config = r.config;
  config.providers = &changed;
  changed.timers.pool_idle_ms = 5000;
  one_request();
  CHECK(upstream_open(r.upstream) == 1);
  upstream_reload(r.upstream, &config); /* same endpoint: the connection stays */
  one_request();
  CHECK(upstream_open(r.upstream) == 1 && atomic_load(&f.connections) == 2);
  changed.tls.ca_file = "/nowhere";
  upstream_reload(r.upstream, &config);
  CHECK(upstream_open(r.upstream) == 0);
  one_request(); /* of the old configuration: served, not pooled */
  CHECK(upstream_open(r.upstream) == 0);
  r.provider.timers.pool_lifetime_ms = 50;
  upstream_reload(r.upstream, &r.config);
  one_request();
  rig_run(&r, NULL, 100);
  CHECK(upstream_open(r.upstream) == 0);
  finish();
}

/* The loop stands still for longer than upstream.idle while the answer arrives. */
static void test_standstill(void) {
  struct probe p = {.pause_at = 3};
  begin(serve_stall, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  r.provider.timers.idle_ms = 100;
  rig_open(&r);
  probe_post(&p, &r, false);
  rig_run(&r, &p.has_paused, 3000);
  p.pause_at = 0;
  attempt_resume(p.attempt);
  usleep(300000);
  uv_run(&r.loop, UV_RUN_NOWAIT);
  CHECK(!p.is_failed);
  expect_timeout(&p, FAILURE_UPSTREAM_IDLE_TIMEOUT, "nothing more", 0);
  finish();
}

int main(void) {
  test_standstill();
  test_stalls();
  test_comments_and_total();
  test_deaf_provider();
  test_big_body();
  test_early_answer();
  test_pause();
  test_pause_each_chunk();
  test_cancel();
  test_no_silent_resend();
  test_idle_close();
  test_close_behind_answer();
  test_close_while_held();
  test_close_in_turn();
  test_pool_times_and_reload();
  return checks_end();
}
