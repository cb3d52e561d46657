/* Whole transfers by libcurl: answers, limits, refusals, cancelling. */
#include "upstream/fake.h"
#include "upstream/transport_curl.h"

struct result {
  bool is_done;
  enum failure_kind failure;
  int status;
  char body[256], sentence[512];
};

static uint32_t timeout_ms = 300;
static struct fake f;
static struct rig r;

static void on_done(const struct transfer_answer *answer, void *user) {
  struct result *result = user;
  CHECK(!result->is_done);
  result->is_done = true;
  result->failure = answer->failure;
  result->status = answer->status;
  snprintf(result->body, sizeof result->body, "%.*s", (int)answer->body.len, answer->body.data);
  snprintf(result->sentence, sizeof result->sentence, "%s", answer->sentence);
}

static struct transfer *start(struct result *result, const char *method, const char *body) {
  static const struct header header = {{"X-Key", 5}, {"secret", 6}};
  struct transfer_request request = {.connect = connect_options_of(&r.provider),
                                     .method = slice_of(method),
                                     .path = SLICE("/health?deep=1"),
                                     .headers = {&header, 1},
                                     .body = slice_of(body),
                                     .timeout_ms = timeout_ms,
                                     .answer_bytes = 16};
  memset(result, 0, sizeof *result);
  struct transfer *t = transfer_start(r.upstream, &request, on_done, result);
  CHECK(!result->is_done);
  return t;
}

static char seen[4096];

static void serve_script(struct fake_conn *c) {
  char head[4096];
  if (!fake_request(c, head, sizeof head, NULL)) return;
  if (c->number < 10) memcpy(seen, head, sizeof head); /* these come one after the other */
  fake_say(c, c->fake->script);
  if (strstr(c->fake->script, "Cut: here")) return;
  fake_wait_close(c);
}

static void expect(const char *answer, enum failure_kind failure, int status, const char *text) {
  struct result result;
  f.script = (void *)answer;
  start(&result, "GET", NULL);
  rig_run(&r, &result.is_done, 1000);
  fake_settle(&f);
  CHECK(result.is_done && result.failure == failure && result.status == status);
  CHECK(strstr(failure ? result.sentence : result.body, text) != NULL);
  CHECK(strstr(result.sentence, "secret") == NULL);
  if (result.failure != failure || !strstr(failure ? result.sentence : result.body, text))
    fprintf(stderr, "%d %d \"%s\" \"%s\"\n", result.failure, result.status, result.body,
            result.sentence);
}

static void test_answers(void) {
  expect("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", FAILURE_NONE, 200, "ok");
  CHECK(strncmp(seen, "GET /health?deep=1 HTTP/1.1\r\n", 29) == 0);
  CHECK(strstr(seen, "\r\nX-Key: secret\r\n") != NULL);
  expect("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy", FAILURE_NONE, 503, "busy");
  expect("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
         FAILURE_NONE, 302, "");
  expect("HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n12345678901234567",
         FAILURE_UPSTREAM_PROTOCOL, 0, "the answer is longer than 16 bytes");
  expect("HTTP/1.1 200 OK\r\nCut: here\r\nContent-Length: 9\r\n\r\nshort", FAILURE_UPSTREAM_CUT, 0,
         "127.0.0.1");
  expect("HTTP/1.1 200 OK\r\n", FAILURE_UPSTREAM_TOTAL_TIMEOUT, 0, "127.0.0.1");
  expect("garbage\r\n\r\n", FAILURE_UPSTREAM_PROTOCOL, 0, "127.0.0.1");
}

static void test_post(void) {
  struct result result;
  f.script = (void *)"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  start(&result, "POST", "grant_type=client_credentials");
  rig_run(&r, &result.is_done, 1000);
  fake_settle(&f);
  CHECK(result.is_done && result.status == 200);
  CHECK(strncmp(seen, "POST /health?deep=1 HTTP/1.1\r\n", 30) == 0);
  CHECK(strstr(seen, "\r\nContent-Length: 29\r\n") != NULL && strstr(seen, "Expect") == NULL);
}

static void test_many_and_cancel(void) {
  enum { COUNT = 60 };
  timeout_ms = 10000;
  struct result results[COUNT];
  struct transfer *transfers[COUNT];
  f.script = (void *)"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  for (int i = 0; i < COUNT; i++)
    transfers[i] = start(&results[i], "GET", NULL);
  for (int i = 0; i < COUNT; i += 3)
    transfer_cancel(transfers[i]);
  for (int i = 1; i < COUNT; i++)
    if (i % 3) rig_run(&r, &results[i].is_done, 10000);
  for (int i = 0; i < COUNT; i++)
    CHECK(results[i].is_done == (i % 3 != 0));
  struct result late;
  start(&late, "GET", NULL); /* the close below must take it along */
}

static void test_refused(void) {
  struct result result;
  struct fake gone;
  fake_start(&gone, serve_script);
  fake_stop(&gone);
  rig_prepare(&r, gone.port);
  rig_open(&r);
  start(&result, "GET", NULL);
  rig_run(&r, &result.is_done, 1000);
  CHECK(result.failure == FAILURE_UPSTREAM_CONNECT);
  CHECK(strstr(result.sentence, "failed: Connection refused") != NULL);
  rig_stop(&r);
}

int main(void) {
  fake_start(&f, serve_script);
  rig_start(&r, f.port);
  test_answers();
  test_post();
  test_many_and_cancel();
  rig_stop(&r);
  fake_stop(&f);
  test_refused();
  return checks_end();
}
